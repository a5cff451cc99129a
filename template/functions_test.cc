// SPDX-License-Identifier: Apache-2.0
//
// The libraries of alert and notification templates.
#include "template/functions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/alert.h"
#include "template/data.h"

namespace tocsin::tmpl {
namespace {

struct Row {
  std::string input;
  std::string expected;
};

AlertFunctions alert_options() {
  AlertFunctions options;
  options.external_url = "http://tocsin.example:9090/path";
  options.now = model::from_ms(1500000000500);
  options.query = [](std::string_view expression) -> StatusOr<std::vector<QuerySample>> {
    if (expression == "bad") return invalid_argument("no such thing");
    if (expression == "none") return std::vector<QuerySample>{};
    return std::vector<QuerySample>{
        {model::Labels::of({{"__name__", "m"}, {"instance", "b"}}), 21},
        {model::Labels::of({{"__name__", "m"}, {"instance", "a"}}), 11}};
  };
  return options;
}

std::string alert(const std::string& text) {
  AlertData data;
  data.labels = model::Labels::of({{"instance", "host:80"}, {"job", "api"}});
  data.external_labels = model::Labels::of({{"dc", "eu"}});
  data.external_url = "http://tocsin.example:9090/path";
  data.value = Value::of(0.1234567);
  const StatusOr<std::string> out =
      expand_alert_template("__alert_Test", text, data, alert_functions(alert_options()));
  return out.ok() ? *out : std::string(message(out.status()));
}

TEST(AlertTemplate, HasLabelsAndValue) {
  const std::vector<Row> rows = {
      {"no action", "no action"},
      {"{{$labels.instance}} of {{.Labels.job}} is {{$value}}", "host:80 of api is 0.1234567"},
      {"{{ $labels.nope }}|{{ $externalLabels.dc }}|{{ $externalURL }}",
       "|eu|http://tocsin.example:9090/path"},
      {"{{ $value | humanizePercentage }} {{ printf \"%.2f\" $value }}", "12.35% 0.12"},
      {"{{ $labels }}", "map[instance:host:80 job:api]"},
      {"{{ range $k, $v := $labels }}{{$k}}={{$v}} {{ end }}", "instance=host:80 job=api "},
  };
  for (const Row& row : rows) EXPECT_EQ(alert(row.input), row.expected) << row.input;
}

TEST(AlertTemplate, Humanizes) {
  const std::vector<Row> rows = {
      {"{{humanize 0.0}} {{humanize 1.0}} {{humanize 1234567.0}} {{humanize 0.12}} {{humanize "
       "\"1500\"}}",
       "0 1 1.235M 120m 1.5k"},
      {"{{humanize -1234.0}} {{humanize \"NaN\"}} {{humanize \"+Inf\"}}", "-1.234k NaN +Inf"},
      {"{{humanize1024 0.0}} {{humanize1024 1048576.0}} {{humanize1024 0.12}} {{humanize1024 "
       "1500}}",
       "0 1Mi 0.12 1.465ki"},
      {"{{humanizeDuration 0}} {{humanizeDuration 1}} {{humanizeDuration 60}} {{humanizeDuration "
       "3600}} {{humanizeDuration 86400}}",
       "0s 1s 1m 0s 1h 0m 0s 1d 0h 0m 0s"},
      {"{{humanizeDuration 899.99}} {{humanizeDuration .001}} {{humanizeDuration -90061.5}} "
       "{{humanizeDuration 12.3456}}",
       "14m 59s 1ms -1d 1h 1m 1s 12.35s"},
      {"{{humanizePercentage -0.22222}} {{humanizePercentage 1}}", "-22.22% 100%"},
      {"{{humanizeTimestamp 1435065584.128}} {{humanizeTimestamp \"Inf\"}}",
       "2015-06-23 13:19:44.128 +0000 UTC +Inf"},
      {"{{(toTime 1435065584).Year}} {{toDuration 90}} {{parseDuration \"1h2m10ms\"}}",
       "2015 1m30s 3720.01"},
      {"{{now}}", "1.5000000005e+09"},
      {"{{humanize \"x\"}}",
       "template: __alert_Test:1:114: executing \"__alert_Test\" at <humanize \"x\">: error "
       "calling humanize: "
       "strconv.ParseFloat: parsing \"x\": invalid syntax"},
  };
  for (const Row& row : rows) EXPECT_EQ(alert(row.input), row.expected) << row.input;
}

TEST(AlertTemplate, ChangesText) {
  const std::vector<Row> rows = {
      {"{{title \"aa bb CC\"}} {{toUpper \"aa\"}} {{toLower \"AA\"}}", "Aa Bb CC AA aa"},
      {"{{match \"a+\" \"baa\"}} {{match \"^a+\" \"baa\"}}", "true false"},
      {"{{\"abc\" | reReplaceAll \"a(.)\" \"${1}x\"}}", "bxc"},
      {"{{stripPort \"host:80\"}} {{stripPort \"host\"}} {{stripPort \"[::1]:80\"}} {{stripPort "
       "\"::1\"}}",
       "host host ::1 ::1"},
      {"{{stripDomain \"a.b.c:80\"}} {{stripDomain \"a.b\"}} {{stripDomain \"1.2.3.4:80\"}} "
       "{{stripDomain \"[::1]:80\"}}",
       "a:80 a 1.2.3.4:80 [::1]:80"},
      {"{{graphLink \"up == 0\"}} {{tableLink \"up\"}}",
       "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=up&g0.tab=1"},
      {"{{externalURL}} {{pathPrefix}} {{urlQueryEscape \"a b/c\"}} {{safeHtml \"<b>\"}}",
       "http://tocsin.example:9090/path /path a+b%2Fc <b>"},
      {"{{with args 1 \"x\"}}{{.arg0}}{{.arg1}}{{end}}", "1x"},
  };
  for (const Row& row : rows) EXPECT_EQ(alert(row.input), row.expected) << row.input;
}

TEST(AlertTemplate, Queries) {
  const std::vector<Row> rows = {
      {"{{query \"m\" | first | value}}", "21"},
      {"{{with query \"m\"}}{{. | first | label \"instance\"}}{{end}}", "b"},
      {"{{range query \"m\" | sortByLabel \"instance\"}}{{.Labels.instance}}:{{.Value}} {{end}}",
       "a:11 b:21 "},
      {"{{query \"m\" | first | strvalue}}|", "|"},
      {"{{with query \"none\"}}some{{else}}none{{end}}", "none"},
  };
  for (const Row& row : rows) EXPECT_EQ(alert(row.input), row.expected) << row.input;
  EXPECT_THAT(alert("{{query \"none\" | first}}"),
              testing::HasSubstr("error calling first: first() called on vector with no elements"));
  EXPECT_THAT(alert("{{query \"bad\"}}"), testing::HasSubstr("error calling query: no such thing"));
}

TEST(AlertTemplate, IsCheckedWithoutData) {
  EXPECT_TRUE(check_alert_template("a", "{{ $labels.x | humanize }} {{ query \"up\" }}").ok());
  EXPECT_EQ(message(check_alert_template("__alert_a", "{{ $label.foo }}")),
            "template: __alert_a:1: undefined variable \"$label\"");
}

NotificationData group() {
  NotificationData data;
  data.receiver = "team";
  data.external_url = "http://am.example";
  data.group_labels = model::Labels::of({{"alertname", "Down"}});
  data.common_labels = model::Labels::of({{"alertname", "Down"}, {"job", "api"}});
  data.alerts.push_back(
      {true, model::Labels::of({{"alertname", "Down"}, {"job", "api"}, {"instance", "a"}}),
       model::Labels::of({{"summary", "a < b"}}), model::from_ms(1704100530000), model::kNoTime,
       "http://p/graph", "abc"});
  data.alerts.push_back({false,
                         model::Labels::of({{"alertname", "Down"}, {"instance", "b"}}),
                         {},
                         model::from_ms(1704100530000),
                         model::from_ms(1704100590000),
                         "",
                         "def"});
  return data;
}

std::string notification(const std::string& text) {
  NotificationFunctions functions;
  functions.present = model::from_ms(1704100650000);
  Options options;
  options.missing_key = MissingKey::kZero;
  const auto map = std::make_shared<const FunctionMap>(notification_functions(functions));
  const StatusOr<std::string> out =
      TemplateSet(map).execute_text(text, notification_data(group()), options);
  return out.ok() ? *out : std::string(message(out.status()));
}

TEST(NotificationTemplate, HasTheGroup) {
  const std::vector<Row> rows = {
      {"{{.Receiver}} {{.Status}} {{len .Alerts}} {{.Alerts.Firing | len}} {{len "
       ".Alerts.Resolved}}",
       "team firing 2 1 1"},
      {"{{range .Alerts}}{{.Labels.instance}} {{.Labels.job}}|{{.Status}};{{end}}",
       "a api|firing;b |resolved;"},
      {"{{.CommonLabels}} {{.CommonLabels.Names}} {{.CommonLabels.Values | join \",\"}}",
       "alertname=Down, job=api [alertname job] Down,api"},
      {"{{range .CommonLabels.SortedPairs}}{{.Name}}={{.Value}} {{end}}",
       "alertname=Down job=api "},
      {"{{(.CommonLabels.Remove .GroupLabels.Names).Values}} "
       "{{.CommonLabels.SortedPairs.Names.Join \"-\"}}",
       "[api] alertname-job"},
      {"{{(index .Alerts 0).StartsAt}} {{(index .Alerts 0).EndsAt.IsZero}}",
       "2024-01-01 09:15:30 +0000 UTC true"},
      {"{{(index .Alerts 0).StartsAt.Format \"15:04\"}} {{(index .Alerts 1).EndsAt.Sub (index "
       ".Alerts 1).StartsAt}}",
       "09:15 1m0s"},
      // The subject that receivers use by default.
      {"[{{ .Status | toUpper }}{{ if eq .Status \"firing\" }}:{{ .Alerts.Firing | len }}{{ end "
       "}}] {{ .GroupLabels.SortedPairs.Values "
       "| join \" \" }} {{ if gt (len .CommonLabels) (len .GroupLabels) }}({{ with "
       ".CommonLabels.Remove .GroupLabels.Names }}{{ "
       ".Values | join \" \" }}{{ end }}){{ end }}",
       "[FIRING:1] Down (api)"},
      {"{{.Nope}}",
       "template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type "
       "*template.Data"},
  };
  for (const Row& row : rows) EXPECT_EQ(notification(row.input), row.expected) << row.input;
}

TEST(NotificationTemplate, HasItsFunctions) {
  const std::vector<Row> rows = {
      {"{{title \"aa bb CC\"}} {{trimSpace \" a \"}} {{join \"-\" (stringSlice \"a\" \"b\")}}",
       "Aa Bb Cc a a-b"},
      {"{{date \"2006-01-02\" (index .Alerts 0).StartsAt}} {{since (index .Alerts 0).StartsAt}}",
       "2024-01-01 2m0s"},
      {"{{date \"15:04 MST\" (tz \"Europe/Paris\" (index .Alerts 0).StartsAt)}}", "10:15 CET"},
      {"{{(toDate \"2006-01-02\" \"x\").IsZero}} {{humanizeDuration 90}} {{humanizeDuration (since "
       "(index .Alerts 0).StartsAt)}}",
       "true 1m 30s 2m 0s"},
      {"{{base64encode \"a?>\"}} {{base64decode \"YT8-\"}} {{base64encode \"ab\"}} {{base64decode "
       "\"YWI=\"}}",
       "YT8- a?> YWI= ab"},
      {"{{urlUnescape \"a%20b+c\"}}", "a b c"},
      {"{{(append (list 1 2) 3)}} {{(dict \"a\" 1 \"b\" \"x\").b}} {{routeLabels.team}}",
       "[1 2 3] x <no value>"},
      {"{{toJson .GroupLabels}} {{toJson (index .Alerts 1).Annotations}} {{list 1 \"a\" nil | "
       "toJson}}",
       R"({"alertname":"Down"} {} [1,"a",null])"},
      {"{{toJson (index .Alerts 0)}}",
       R"({"status":"firing","labels":{"alertname":"Down","instance":"a","job":"api"},"annotations":{"summary":"a \u003c b"},)"
       R"("startsAt":"2024-01-01T09:15:30Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/graph","fingerprint":"abc"})"},
  };
  for (const Row& row : rows) EXPECT_EQ(notification(row.input), row.expected) << row.input;
  EXPECT_THAT(notification("{{tz \"Nowhere/X\" now}}"),
              testing::HasSubstr("unknown time zone Nowhere/X"));
  EXPECT_THAT(notification("{{base64decode \"???\"}}"),
              testing::HasSubstr("illegal base64 data at input byte 0"));
  EXPECT_THAT(notification("{{toUpper 5}}"),
              testing::HasSubstr("at <5>: wrong type for value; expected string; got int"));
  EXPECT_THAT(notification("{{$x := list 1}}{{range 500}}{{$x = list $x}}{{end}}"),
              testing::HasSubstr("nested more than 100 levels deep"));
}

}  // namespace
}  // namespace tocsin::tmpl
