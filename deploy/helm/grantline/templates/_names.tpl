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

{{- define "grantline.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What pods are selected by: root, component. Can never change for a Deployment. */}}
{{- define "grantline.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
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
