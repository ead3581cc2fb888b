{{/*
What each user of RabbitMQ may, as regular expressions over names. Only a publisher configures
anything besides the migration: the queue it hears hints on.
*/}}
{{- define "grantline.rabbitmqRights" -}}
ingress:
  permissions:
    configure: '^$'
    write: '^grantline\.tasks\.v1$'
    read: '^$'
worker:
  permissions:
    configure: '^$'
    write: '^grantline\.(retry\.[0-9]+[smh]|parked|hints)\.v1$'
    read: '^grantline\.(grant|revoke|record|parked|unrouted)\.v1$'
publisher:
  permissions:
    configure: '^grantline\.hints\.v1\.[0-9a-f]{16}$'
    write: '^grantline\.hints\.v1\.[0-9a-f]{16}$'
    read: '^grantline\.hints\.v1(\.[0-9a-f]{16})?$'
api:
  permissions:
    configure: '^$'
    write: '^grantline\.(tasks|hints)\.v1$'
    read: '^$'
migrate:
  tags: [policymaker]
  permissions:
    configure: '^grantline\.'
    write: '^grantline\.'
    read: '^grantline\.'
keda:
  tags: [monitoring]
  permissions:
    configure: '^$'
    write: '^$'
    read: '^grantline\.(grant|revoke|record)\.v1$'
{{- end -}}
