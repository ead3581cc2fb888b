{{/* Names and labels. */}}

{{- define "grantline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The image of root, component: `image`, and laid over it that of `defaults`, of the role, of the
lane. Tag and digest are one thing: a role's tag is not overruled by the digest of all.
*/}}
{{- define "grantline.image" -}}
{{- $values := .root.Values -}}
{{- $role := include "grantline.role" .component -}}
{{- $layers := list $values.image -}}
{{- if ne $role "migrate" -}}{{- $layers = append $layers $values.defaults.image -}}{{- end -}}
{{- $layers = append $layers (index $values $role).image -}}
{{- if eq $role "worker" -}}
{{- $layers = append $layers (default dict (index $values.workers (trimPrefix "worker-" .component))).image -}}
{{- end -}}
{{- $image := dict -}}
{{- range $layer := $layers -}}
{{- with $layer -}}
{{- if .repository -}}{{- $_ := set $image "repository" .repository -}}{{- end -}}
{{- if or .tag .digest -}}
{{- $_ := set $image "tag" .tag -}}
{{- $_ := set $image "digest" .digest -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What pods are selected by: root, component. Can never change for a Deployment. */}}
{{- define "grantline.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "grantline.labels" -}}
{{ include "grantline.selector" . }}
app.kubernetes.io/part-of: grantline
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What runs all the time, as a JSON list. Every queue has its worker, always. */}}
{{- define "grantline.components" -}}
{{- $names := list -}}
{{- range $role := list "ingress" "publisher" "api" -}}
{{- if (index $.Values $role).enabled -}}
{{- $names = append $names $role -}}
{{- end -}}
{{- end -}}
{{- concat $names (list "worker-grant" "worker-revoke" "worker-record") | toJson -}}
{{- end -}}

{{/* The subcommand of a component. */}}
{{- define "grantline.role" -}}
{{- regexReplaceAll "-.*" . "" -}}
{{- end -}}
