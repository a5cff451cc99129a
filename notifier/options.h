// SPDX-License-Identifier: Apache-2.0
//
// An alertmanager.yml as values: route tree, receivers, inhibition, time intervals. Made by
// app/config.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/matcher.h"
#include "net/http_client.h"
#include "net/mail_sender.h"

namespace tocsin::notifier {

struct RouteOptions {
  std::string receiver;
  std::vector<std::string> group_by;
  bool group_by_all = false;  // ['...']
  model::Matchers matchers;   // sorted by name, value, type
  bool continue_matching = false;
  base::Duration group_wait{30'000};  // inherited values are already filled in
  base::Duration group_interval{300'000};
  base::Duration repeat_interval{14'400'000};
  std::vector<RouteOptions> routes;
};

struct SlackField {
  std::string title, value;
  bool is_short = false;
};
struct SlackOptions {
  bool send_resolved = false;
  net::Secret api_url;
  std::shared_ptr<const net::HttpClientOptions> http;
  // Templates.
  std::string channel, username = R"({{ template "slack.default.username" . }})";
  std::string color = R"({{ if eq .Status "firing" }}danger{{ else }}good{{ end }})";
  std::string title = R"({{ template "slack.default.title" . }})";
  std::string title_link = R"({{ template "slack.default.titlelink" . }})";
  std::string pretext = R"({{ template "slack.default.pretext" . }})";
  std::string text = R"({{ template "slack.default.text" . }})";
  std::string fallback = R"({{ template "slack.default.fallback" . }})";
  std::string footer = R"({{ template "slack.default.footer" . }})";
  std::string callback_id, icon_emoji, icon_url, image_url, thumb_url, message_text;
  bool link_names = false, short_fields = false;
  std::vector<SlackField> fields;
  std::vector<std::string> mrkdwn_in{"fallback", "pretext", "text"};
  base::Duration timeout{0};  // 0: the pipeline's deadline
};

struct EmailOptions {
  bool send_resolved = false;
  std::string to;    // template, RFC 5322 list
  std::string from;  // template
  net::SmtpServer server;
  std::vector<std::pair<std::string, std::string>> headers;       // canonical names -> templates
  std::string text;                                               // template; "" = no text part
  std::string html = R"({{ template "email.default.html" . }})";  // "" = no HTML part
};

struct WebhookOptions {
  bool send_resolved = true;
  net::Secret url;  // template
  std::shared_ptr<const net::HttpClientOptions> http;
  std::uint64_t max_alerts = 0;  // 0: all
  base::Duration timeout{0};
};

using IntegrationOptions = std::variant<SlackOptions, EmailOptions, WebhookOptions>;

struct ReceiverOptions {
  std::string name;
  std::vector<IntegrationOptions> integrations;
};

struct InhibitOptions {
  std::string name;
  model::Matchers source, target;
  std::vector<std::string> equal;
};

struct NotifierConfig {
  base::Duration resolve_timeout{300'000};
  RouteOptions route;
  std::vector<ReceiverOptions> receivers;
  std::vector<InhibitOptions> inhibit_rules;
  std::vector<std::pair<std::string, std::string>> templates;  // file name, content
  std::string original;  // YAML with defaults and <secret>, for /api/v2/status
};

// Settings that come from flags.
struct NotifierOptions {
  std::string directory;                         // silences and notification log live here
  base::Duration retention{432'000'000};         // --data.retention, 120h
  base::Duration maintenance_interval{900'000};  // --data.maintenance-interval
  base::Duration alert_gc_interval{1'800'000};   // --alerts.gc-interval
  std::string external_url;                      // no trailing slash
  std::uint64_t max_silences = 0;                // 0: no limit
  std::uint64_t max_silence_bytes = 0;
  std::uint64_t max_alerts = 1'000'000;  // held at once; more are refused and counted
};

}  // namespace tocsin::notifier
