// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/slack/slack.h"

#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "notifier/templates/data.h"

namespace tocsin::notifier {
namespace {

constexpr std::size_t kMaxTitleRunes = 1024;

// Writes members; leaves out those that are empty where Slack's format allows it.
class Body {
 public:
  Body(const MessageTemplates& templates, const tmpl::Value& data, std::string* out)
      : templates_(templates), data_(data), json_(out, base::JsonWriter::kGo) {}

  std::string render(std::string_view field, std::string_view source) const {
    StatusOr<std::string> text = templates_.text(source, data_);
    if (text.ok()) return *std::move(text);
    base::log::warn("slack template failed, the field is left empty",
                    {{"field", field}, {"error", message(text.status())}});
    return "";
  }
  void optional(std::string_view field, std::string_view source) {
    if (const std::string text = render(field, source); !text.empty()) json_.field(field, text);
  }
  void always(std::string_view field, std::string_view source) {
    json_.field(field, render(field, source));
  }
  base::JsonWriter& json() { return json_; }

 private:
  const MessageTemplates& templates_;
  const tmpl::Value& data_;
  base::JsonWriter json_;
};

void write_fields(const std::vector<SlackField>& fields, Body& body) {
  if (fields.empty()) return;
  body.json().key("fields").begin_array();
  for (const SlackField& field : fields) {
    body.json().begin_object();
    body.optional("title", field.title);
    body.optional("value", field.value);
    body.json().field("short", field.is_short).end_object();
  }
  body.json().end_array();
}

void write_attachment(const SlackOptions& options, Body& body) {
  body.json().begin_object();
  const std::string title = truncate_runes(body.render("title", options.title), kMaxTitleRunes);
  if (!title.empty()) body.json().field("title", title);
  body.optional("title_link", options.title_link);
  body.optional("pretext", options.pretext);
  body.always("text", options.text);
  body.always("fallback", options.fallback);
  body.always("callback_id", options.callback_id);
  write_fields(options.fields, body);
  body.optional("image_url", options.image_url);
  body.optional("thumb_url", options.thumb_url);
  body.always("footer", options.footer);
  body.optional("color", options.color);
  if (!options.mrkdwn_in.empty()) {
    body.json().key("mrkdwn_in").begin_array();
    for (const std::string& field : options.mrkdwn_in) body.json().string(field);
    body.json().end_array();
  }
  body.json().end_object();
}

NotifyResult refused(Status status) {
  return {std::move(status), false, FailureReason::kClientError};
}

}  // namespace

std::string SlackIntegration::body(const Notification& notification) const {
  const tmpl::Value data = message_data(notification, context_.external_url);
  std::string out;
  Body body(*context_.templates, data, &out);
  body.json().begin_object();
  body.optional("channel", options_.channel);
  body.optional("username", options_.username);
  body.optional("icon_emoji", options_.icon_emoji);
  body.optional("icon_url", options_.icon_url);
  if (options_.link_names) body.json().field("link_names", true);
  body.optional("text", options_.message_text);
  body.json().key("attachments").begin_array();
  write_attachment(options_, body);
  body.json().end_array().end_object();
  return out + "\n";
}

void SlackIntegration::notify(const Notification& notification, Callback callback) {
  StatusOr<std::string> url = read_secret(context_.files, options_.api_url);
  if (!url.ok()) return callback(hopeless(annotate(url.status(), "slack api_url_file")));
  context_.http.send(
      json_post(*std::move(url), body(notification),
                attempt_timeout(context_, notification, options_.timeout), options_.http),
      [callback = std::move(callback)](const StatusOr<net::ClientResponse>& reply) {
        callback(judge_slack_reply(reply));
      });
}

NotifyResult judge_slack_reply(const StatusOr<net::ClientResponse>& reply) {
  NotifyResult result = judge_reply(reply);
  if (!result.status.ok()) return result;
  if (!reply->headers.get("Content-Type").starts_with("application/json")) {
    if (reply->body == "ok") return result;
    return refused(failed_precondition("received an error response from Slack: {}",
                                       body_excerpt(reply->body)));
  }
  const StatusOr<base::JsonValue> answer = base::parse_json(reply->body);
  if (!answer.ok()) {
    return {invalid_argument("could not unmarshal JSON response {}: {}",
                             model::go_quote(body_excerpt(reply->body)), message(answer.status())),
            true, FailureReason::kClientError};
  }
  const base::JsonValue* delivered = answer->find("ok");
  if (delivered != nullptr && delivered->boolean()) return result;
  const base::JsonValue* error = answer->find("error");
  return refused(failed_precondition("error response from Slack: {}",
                                     error == nullptr ? "" : error->string()));
}

}  // namespace tocsin::notifier
