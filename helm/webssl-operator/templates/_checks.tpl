{{- /* What a JSON schema cannot say. Every message names the value and the mend. */ -}}
{{- define "webssl.checks" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name the ServiceAccount that the operator is to use" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (ge (int .Values.podDisruptionBudget.minAvailable) (int .Values.replicas)) (gt (int .Values.replicas) 1) -}}
{{- fail (printf "podDisruptionBudget.minAvailable %d is not below replicas %d, so no node with an operator pod could be drained: lower it or raise replicas" (int .Values.podDisruptionBudget.minAvailable) (int .Values.replicas)) -}}
{{- end -}}
{{- if eq (int .Values.metrics.port) (int .Values.health.port) -}}
{{- fail (printf "metrics.port and health.port are both %d: change one of them" (int .Values.metrics.port)) -}}
{{- end -}}
{{- end -}}
