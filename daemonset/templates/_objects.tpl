{{/* A file of the kustomize base, in the namespace of the release. Call it with (list . "base/role.yaml"). */}}
{{- define "fsb.object" -}}
{{- $top := index . 0 }}
{{- $file := index . 1 }}
{{- $object := $top.Files.Get $file | required (printf "%s is missing in the chart" $file) | fromYaml }}
{{- if hasKey $object.metadata "namespace" }}
{{- $_ := set $object.metadata "namespace" $top.Release.Namespace }}
{{- end }}
{{- toYaml $object }}
{{- end }}

{{/* A binding, to the service account. */}}
{{- define "fsb.binding" -}}
{{- $top := index . 0 }}
{{- $object := include "fsb.object" . | fromYaml }}
{{- $subject := first $object.subjects }}
{{- $_ := set $subject "name" $top.Values.serviceAccount.name }}
{{- $_ := set $subject "namespace" $top.Release.Namespace }}
{{- toYaml $object }}
{{- end }}
