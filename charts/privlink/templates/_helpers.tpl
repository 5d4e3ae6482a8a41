{{- define "privlink.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "privlink.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "privlink.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "privlink.guard" -}}
{{ include "privlink.fullname" . }}-guard
{{- end -}}

{{- define "privlink.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}
{{ include "privlink.fullname" . }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "privlink.tlsSecret" -}}
{{- default (printf "%s-tls" (include "privlink.guard" .)) .Values.guard.tls.secret -}}
{{- end -}}

{{- define "privlink.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "privlink.stackConfigMap" -}}
{{- default (printf "%s-stack" (include "privlink.fullname" .)) .Values.stack.existingConfigMap -}}
{{- end -}}

{{- define "privlink.hasStack" -}}
{{- if or .Values.stack.existingConfigMap .Values.stack.documents -}}yes{{- end -}}
{{- end -}}

{{- define "privlink.labels" -}}
app.kubernetes.io/name: {{ include "privlink.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "privlink.guardSelector" -}}
app.kubernetes.io/name: {{ include "privlink.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: guard
{{- end -}}

{{- define "privlink.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "privlink.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
