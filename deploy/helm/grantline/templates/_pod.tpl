{{/* What every pod of this chart has in common: root, component, settings, environment. */}}

{{- define "grantline.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "grantline.container" -}}
image: {{ include "grantline.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  {{- range $name, $value := .environment.env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  # Whose traces they are; a pod's metrics have it from the scrape.
  - name: K8S_POD
    valueFrom:
      fieldRef: { fieldPath: metadata.name }
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: k8s.namespace.name={{ .root.Release.Namespace }},k8s.pod.name=$(K8S_POD)
  {{- with .settings.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .settings.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .environment.files }}
volumeMounts:
  - name: secrets
    mountPath: /etc/grantline/secrets
    readOnly: true
{{- end }}
{{- end -}}

{{/* A file that changes is read again, so that no pod has to be restarted for a rotation. */}}
{{- define "grantline.volumes" -}}
{{- if .environment.files -}}
volumes:
  - name: secrets
    projected:
      # 0440
      defaultMode: 288
      sources:
        {{- range .environment.files }}
        - secret:
            name: {{ .secret | quote }}
            items:
              - key: {{ .key | quote }}
                path: {{ .path | quote }}
        {{- end }}
{{- end }}
{{- end -}}

{{- define "grantline.placement" -}}
{{- with .settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
