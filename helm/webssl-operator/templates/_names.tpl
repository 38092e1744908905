{{- define "webssl.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "webssl.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "webssl.selectorLabels" -}}
app.kubernetes.io/name: {{ include "webssl.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- /* managed-by is Helm: the operator's watches select managed-by=webssl-operator and must not see these objects. */ -}}
{{- define "webssl.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "webssl.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: webssl
{{- end -}}

{{- define "webssl.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "webssl.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "webssl.evaluationPriority" -}}
{{- if .Values.evaluationPriority.create -}}
{{- default (printf "%s-evaluation" (include "webssl.fullname" .)) .Values.evaluationPriority.name -}}
{{- else -}}
{{- .Values.evaluationPriority.name -}}
{{- end -}}
{{- end -}}

{{- /* Takes (dict "root" $ "image" .Values.images.operator). A digest wins over the tag; an empty tag is the chart's appVersion. */ -}}
{{- define "webssl.image" -}}
{{- $registry := .root.Values.images.registry -}}
{{- $path := .image.repository -}}
{{- if $registry -}}{{- $path = printf "%s/%s" (trimSuffix "/" $registry) $path -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $path .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $path (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}
