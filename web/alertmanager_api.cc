// SPDX-License-Identifier: Apache-2.0
#include "web/alertmanager_api.h"

#include <memory>
#include <utility>

#include "model/text.h"
#include "model/timestamp.h"
#include "notifier/matchers.h"
#include "web/api/v2_json.h"

namespace tocsin::web {

namespace {

net::HttpResponse json_response(int status, const std::function<void(base::JsonWriter&)>& write) {
  std::string body;
  base::JsonWriter json(&body);
  write(json);
  body += '\n';
  net::HttpResponse response = net::HttpResponse::json(status, std::move(body));
  response.headers.set("Cache-Control", "no-store");
  return response;
}

net::HttpResponse error_text(int status, std::string_view text) {
  return json_response(status, [text](base::JsonWriter& json) { json.string(text); });
}

net::HttpResponse empty_response(int status) {
  net::HttpResponse response;
  response.status = status;
  response.headers.set("Cache-Control", "no-store");
  return response;
}

net::HttpResponse violation_response(const Violation& violation) {
  if (violation.code == 0) return error_text(violation.http, violation.text);
  return json_response(violation.http, [&violation](base::JsonWriter& json) {
    json.begin_object()
        .key("code")
        .integer(violation.code)
        .field("message", violation.text)
        .end_object();
  });
}

// Takes a boolean query parameter that is true by default. Any text but these words is false, as
// upstream's framework has it.
void read_flag(const net::QueryParams& params, std::string_view name, bool* out) {
  static constexpr std::string_view kTrue[] = {"true", "1",        "yes",     "ok", "y",
                                               "on",   "selected", "checked", "t",  "enabled"};
  const std::vector<std::string> values = params.all(name);
  if (values.empty() || values.back().empty()) return;
  const std::string text = model::to_lower(values.back());
  *out = std::find(std::begin(kTrue), std::end(kTrue), text) != std::end(kTrue);
}

// 415 for a body that says it is not JSON; one that says nothing is taken.
Violation check_content_type(const net::HttpRequest& request) {
  const std::string_view header = request.headers.get("Content-Type");
  std::string_view type = header.substr(0, header.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  if (type.empty() || model::to_lower(type) == "application/json") return {};
  return {415, 415,
          fmt::format("unsupported media type {}, only [application/json] are allowed",
                      model::go_quote(header))};
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') ||
                     (text[i] >= 'A' && text[i] <= 'F');
    if (dash ? text[i] != '-' : !hex) return false;
  }
  return true;
}

class AlertmanagerApi {
 public:
  explicit AlertmanagerApi(const AlertmanagerApiServices& services)
      : services_(services),
        invalid_(services.metrics
                     .counter("alertmanager_alerts_invalid_total",
                              "The total number of received alerts that were invalid.", {"version"})
                     .with({"v2"})) {}

  net::HttpResponse get_alerts(const net::HttpRequest& request) const;
  net::HttpResponse post_alerts(const net::HttpRequest& request) const;
  net::HttpResponse get_groups(const net::HttpRequest& request) const;
  net::HttpResponse get_silences(const net::HttpRequest& request) const;
  net::HttpResponse post_silences(const net::HttpRequest& request) const;
  net::HttpResponse get_silence(const net::HttpRequest& request) const;
  net::HttpResponse delete_silence(const net::HttpRequest& request) const;
  net::HttpResponse get_receivers() const;
  net::HttpResponse get_status() const;

 private:
  const AlertmanagerApiServices services_;
  base::Counter& invalid_;
};

Violation read_filter_matchers(const net::QueryParams& params, model::Matchers* out) {
  for (const std::string& text : params.all("filter")) {
    StatusOr<model::Matcher> matcher = notifier::parse_matcher(text);
    if (!matcher.ok()) return {400, 0, std::string(message(matcher.status()))};
    out->push_back(std::move(*matcher));
  }
  return {};
}

Violation read_alert_filter(const net::QueryParams& params, notifier::AlertFilter* filter) {
  if (Violation v = read_filter_matchers(params, &filter->matchers); v.http != 0) return v;
  const std::string_view receiver = params.get("receiver");
  if (!receiver.empty()) {
    StatusOr<model::Regex> regex =
        model::Regex::anchored(receiver, model::Regex::Dot::kStopsAtNewline);
    if (!regex.ok())
      return {400, 0, fmt::format("failed to parse receiver param: {}", message(regex.status()))};
    filter->receiver = *regex;
  }
  // "unprocessed" is accepted and without effect, as upstream.
  read_flag(params, "active", &filter->active);
  read_flag(params, "silenced", &filter->silenced);
  read_flag(params, "inhibited", &filter->inhibited);
  read_flag(params, "muted", &filter->muted);
  return {};
}

net::HttpResponse AlertmanagerApi::get_alerts(const net::HttpRequest& request) const {
  notifier::AlertFilter filter;
  if (Violation v = read_alert_filter(request.query, &filter); v.http != 0)
    return violation_response(v);
  const std::vector<notifier::AlertView> alerts = services_.notifier.alerts(filter);
  return json_response(200, [&alerts](base::JsonWriter& json) {
    json.begin_array();
    for (const notifier::AlertView& alert : alerts) write_alert_view(alert, json);
    json.end_array();
  });
}

net::HttpResponse AlertmanagerApi::post_alerts(const net::HttpRequest& request) const {
  if (Violation v = check_content_type(request); v.http != 0) return violation_response(v);
  std::vector<model::Alert> alerts;
  if (Violation v = read_alerts(request.body, &alerts); v.http != 0) {
    invalid_.inc();
    return violation_response(v);
  }
  Status status = services_.notifier.post(std::move(alerts));
  if (status.ok()) return empty_response(200);
  return error_text(status.code() == StatusCode::kInvalidArgument ? 400 : 500, message(status));
}

net::HttpResponse AlertmanagerApi::get_groups(const net::HttpRequest& request) const {
  notifier::AlertFilter filter;
  if (Violation v = read_alert_filter(request.query, &filter); v.http != 0)
    return violation_response(v);
  const std::vector<notifier::GroupView> groups = services_.notifier.groups(filter);
  return json_response(200, [&groups](base::JsonWriter& json) {
    json.begin_array();
    for (const notifier::GroupView& group : groups) write_group_view(group, json);
    json.end_array();
  });
}

// A filter selects the silences that hold an identical matcher.
bool has_matchers(const notifier::Silence& silence, const model::Matchers& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&silence](const model::Matcher& matcher) {
    return std::find(silence.matchers.begin(), silence.matchers.end(), matcher) !=
           silence.matchers.end();
  });
}

net::HttpResponse AlertmanagerApi::get_silences(const net::HttpRequest& request) const {
  model::Matchers wanted;
  if (Violation v = read_filter_matchers(request.query, &wanted); v.http != 0)
    return violation_response(v);
  bool show[3] = {true, true, true};
  static constexpr std::string_view kNames[] = {"pending", "active", "expired"};
  for (std::size_t i = 0; i < 3; ++i) read_flag(request.query, kNames[i], &show[i]);
  const base::Timestamp now = services_.clock.now();
  const std::vector<notifier::Silence> silences = services_.notifier.silences();
  return json_response(200, [&](base::JsonWriter& json) {
    json.begin_array();
    for (const notifier::Silence& silence : silences) {
      const bool shown = show[static_cast<std::size_t>(silence.state_at(now))];
      if (shown && has_matchers(silence, wanted)) write_silence(silence, now, json);
    }
    json.end_array();
  });
}

net::HttpResponse AlertmanagerApi::post_silences(const net::HttpRequest& request) const {
  if (Violation v = check_content_type(request); v.http != 0) return violation_response(v);
  notifier::Silence silence;
  if (Violation v = read_silence(request.body, &silence); v.http != 0) return violation_response(v);
  if (silence.starts_at >= silence.ends_at) {
    return error_text(400, "Failed to create silence: start time must be before end time");
  }
  if (silence.ends_at < services_.clock.now()) {
    return error_text(400, "Failed to create silence: end time can't be in the past");
  }
  StatusOr<std::string> id = services_.notifier.set_silence(std::move(silence));
  if (!id.ok()) {
    return error_text(id.status().code() == StatusCode::kNotFound ? 404 : 400,
                      message(id.status()));
  }
  return json_response(200, [&id](base::JsonWriter& json) {
    json.begin_object().field("silenceID", *id).end_object();
  });
}

net::HttpResponse bad_uuid(std::string_view id) {
  return violation_response(
      {422, 601, fmt::format("silenceID in path must be of type uuid: {}", model::go_quote(id))});
}

net::HttpResponse AlertmanagerApi::get_silence(const net::HttpRequest& request) const {
  const std::string& id = request.path_values.at(0);
  if (!is_uuid(id)) return bad_uuid(id);
  StatusOr<notifier::Silence> silence = services_.notifier.silence(id);
  if (!silence.ok()) return empty_response(404);
  return json_response(
      200, [&](base::JsonWriter& json) { write_silence(*silence, services_.clock.now(), json); });
}

net::HttpResponse AlertmanagerApi::delete_silence(const net::HttpRequest& request) const {
  const std::string& id = request.path_values.at(0);
  if (!is_uuid(id)) return bad_uuid(id);
  Status status = services_.notifier.expire_silence(id);
  if (status.ok()) return empty_response(200);
  if (status.code() == StatusCode::kNotFound) return empty_response(404);
  return error_text(500, message(status));
}

net::HttpResponse AlertmanagerApi::get_receivers() const {
  const std::vector<std::string> receivers = services_.notifier.receivers();
  return json_response(200, [&receivers](base::JsonWriter& json) {
    json.begin_array();
    for (const std::string& name : receivers) json.begin_object().field("name", name).end_object();
    json.end_array();
  });
}

net::HttpResponse AlertmanagerApi::get_status() const {
  const BuildInfo& build = services_.build;
  return json_response(200, [this, &build](base::JsonWriter& json) {
    json.begin_object().key("cluster").begin_object();
    json.field("status", "disabled").key("peers").begin_array().end_array().end_object();
    json.key("config")
        .begin_object()
        .field("original", services_.notifier.original_config())
        .end_object();
    json.field("uptime",
               model::format_rfc3339(services_.notifier.started(), model::Fraction::kMillis));
    json.key("versionInfo").begin_object();
    json.field("branch", build.branch)
        .field("buildDate", build.build_date)
        .field("buildUser", build.build_user);
    json.field("goVersion", build.language)
        .field("revision", build.revision)
        .field("version", build.version);
    json.end_object().end_object();
  });
}

}  // namespace

void add_alertmanager_api(net::Router& router, const AlertmanagerApiServices& services) {
  const auto api = std::make_shared<const AlertmanagerApi>(services);
  using Request = net::HttpRequest;
  router.add("GET", "/api/v2/alerts", [api](const Request& r) { return api->get_alerts(r); });
  router.add("POST", "/api/v2/alerts", [api](const Request& r) { return api->post_alerts(r); });
  router.add("GET", "/api/v2/alerts/groups",
             [api](const Request& r) { return api->get_groups(r); });
  router.add("GET", "/api/v2/silences", [api](const Request& r) { return api->get_silences(r); });
  router.add("POST", "/api/v2/silences", [api](const Request& r) { return api->post_silences(r); });
  router.add("GET", "/api/v2/silence/{id}",
             [api](const Request& r) { return api->get_silence(r); });
  router.add("DELETE", "/api/v2/silence/{id}",
             [api](const Request& r) { return api->delete_silence(r); });
  router.add("GET", "/api/v2/receivers", [api](const Request&) { return api->get_receivers(); });
  router.add("GET", "/api/v2/status", [api](const Request&) { return api->get_status(); });
}

}  // namespace tocsin::web
