// SPDX-License-Identifier: Apache-2.0
#include "notifier/templates/default_templates.h"

namespace tocsin::notifier {

// White space counts: the texts of messages are compared byte by byte.
std::string_view default_templates() {
  return R"tmpl(
{{- define "__alertmanager" }}Alertmanager{{ end }}
{{- define "__alertmanagerURL" }}{{ printf "%s/#/alerts?receiver=%s" .ExternalURL (urlquery .Receiver) }}{{ end }}
{{- define "__subject" -}}
  {{- $group := .GroupLabels.SortedPairs.Values | join " " -}}
  {{- $rest := .CommonLabels.Remove .GroupLabels.Names -}}
  [{{ toUpper .Status }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
  {{- printf " %s " $group -}}
  {{- if gt (len .CommonLabels) (len .GroupLabels) }}({{ with $rest }}{{ join " " .Values }}{{ end }}){{ end -}}
{{ end }}
{{- define "__description" }}{{ end }}
{{- define "__text_alert_list" -}}
  {{- range $alert := . -}}
    {{- "Labels:\n" -}}
    {{- range $alert.Labels.SortedPairs }}{{ printf " - %s = %s\n" .Name .Value }}{{ end -}}
    {{- "Annotations:\n" -}}
    {{- range $alert.Annotations.SortedPairs }}{{ printf " - %s = %s\n" .Name .Value }}{{ end -}}
    {{- printf "Source: %s\n" $alert.GeneratorURL -}}
  {{- end -}}
{{ end }}
{{- define "__text_alert_list_markdown" -}}
  {{- range $alert := . -}}
    {{- "\nLabels:\n" -}}
    {{- range $alert.Labels.SortedPairs }}{{ printf "  - %s = %s\n" .Name .Value }}{{ end -}}
    {{- "\nAnnotations:\n" -}}
    {{- range $alert.Annotations.SortedPairs }}{{ printf "  - %s = %s\n" .Name .Value }}{{ end -}}
    {{- printf "\nSource: %s\n" $alert.GeneratorURL -}}
  {{- end -}}
  {{- "\n" -}}
{{ end }}
{{- define "slack.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{- define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "slack.default.fallback" }}{{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}{{ end }}
{{- define "slack.default.color" }}{{ if ne .Status "firing" }}good{{ else }}danger{{ end }}{{ end }}
{{- define "slack.default.callbackid" }}{{ end }}
{{- define "slack.default.pretext" }}{{ end }}
{{- define "slack.default.text" }}{{ end }}
{{- define "slack.default.footer" }}{{ end }}
{{- define "slack.default.iconemoji" }}{{ end }}
{{- define "slack.default.iconurl" }}{{ end }}
{{- define "email.default.subject" }}{{ template "__subject" . }}{{ end -}}
)tmpl";
}

// One column that mail programs of any age show: tables, attributes and in-line styles only.
std::string_view email_templates() {
  return R"tmpl(
{{- define "email.default.html" -}}
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ template "__subject" . }}</title>
</head>
<body style="margin: 0; padding: 16px; background: #f4f4f5; color: #18181b; font: 15px/1.5 Helvetica, Arial, sans-serif;">
<table width="100%" cellpadding="0" cellspacing="0" style="max-width: 640px; margin: 0 auto; background: #ffffff;">
{{- if eq .Status "firing" }}
<tr><td style="padding: 16px 24px; background: #b91c1c; color: #ffffff; font-size: 18px;">
{{- else }}
<tr><td style="padding: 16px 24px; background: #15803d; color: #ffffff; font-size: 18px;">
{{- end }}
{{ len .Alerts }} alert{{ if ne (len .Alerts) 1 }}s{{ end }} for {{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}
</td></tr>
<tr><td style="padding: 16px 24px;">
<p><a href="{{ template "__alertmanagerURL" . }}">View in {{ template "__alertmanager" . }}</a></p>
{{- with .Alerts.Firing }}
<h2 style="font-size: 16px;">[{{ len . }}] Firing</h2>
{{- template "__email_alerts" . }}
{{- end }}
{{- with .Alerts.Resolved }}
<h2 style="font-size: 16px;">[{{ len . }}] Resolved</h2>
{{- template "__email_alerts" . }}
{{- end }}
</td></tr>
<tr><td style="padding: 12px 24px; color: #71717a; font-size: 12px;"><a href="{{ .ExternalURL }}">Sent by {{ template "__alertmanager" . }}</a></td></tr>
</table>
</body>
</html>
{{ end }}
{{- define "__email_alerts" }}
{{- range . }}
<p style="border-top: 1px solid #e4e4e7; padding-top: 12px;"><strong>Labels</strong><br>
{{- range .Labels.SortedPairs }}
{{ .Name }} = {{ .Value }}<br>
{{- end }}
{{- with .Annotations.SortedPairs }}
<strong>Annotations</strong><br>
{{- range . }}
{{ .Name }} = {{ .Value }}<br>
{{- end }}
{{- end }}
{{- with .GeneratorURL }}
<a href="{{ . }}">Source</a><br>
{{- end }}
</p>
{{- end }}
{{- end -}}
)tmpl";
}

}  // namespace tocsin::notifier
