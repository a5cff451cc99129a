// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/inbox/message.h"

#include "app/ctl/inbox/mail_text.h"
#include "base/escape.h"
#include "base/json.h"
#include "model/timestamp.h"

namespace tocsin::app {

namespace {

using base::JsonValue;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: 1rem 0; }
header { display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap; }
.kind { background: var(--soft); border-radius: .3rem; padding: 0 .4rem; font-size: .85rem; }
small { opacity: .7; } dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .5rem 0; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
p { white-space: pre-wrap; overflow-wrap: anywhere; } summary { cursor: pointer; opacity: .7; }
pre { background: var(--soft); padding: .8rem; border-radius: .5rem; overflow: auto; white-space: pre-wrap; }
)";

// "" when there is no such string.
std::string text_at(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? "" : value->string();
}

void add_fact(Message* message, std::string_view name, const std::string& value) {
  if (!value.empty()) message->facts.emplace_back(name, value);
}

void add_line(std::string* text, const std::string& line) {
  if (line.empty()) return;
  if (!text->empty()) *text += '\n';
  *text += line;
}

void read_attachment(const JsonValue& attachment, Message* message) {
  if (message->title.empty()) message->title = text_at(attachment, "title");
  add_line(&message->text, text_at(attachment, "pretext"));
  add_line(&message->text, text_at(attachment, "text"));
  if (const JsonValue* fields = attachment.find("fields"); fields != nullptr) {
    for (const JsonValue& field : fields->items())
      add_fact(message, text_at(field, "title"), text_at(field, "value"));
  }
  add_fact(message, "Link", text_at(attachment, "title_link"));
}

std::string labels_text(const JsonValue* labels) {
  std::string out;
  if (labels == nullptr) return out;
  for (const auto& [name, value] : labels->entries())
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, value.string());
  return out;
}

std::string article(const Message& message) {
  std::string facts;
  for (const auto& [name, value] : message.facts)
    facts += fmt::format("<dt>{}</dt><dd>{}</dd>", base::markup_escaped(name),
                         base::markup_escaped(value));
  std::string text;
  if (!message.text.empty()) text = "<p>" + base::markup_escaped(message.text) + "</p>";
  return fmt::format(
      "<article><header><span class=\"kind\">{}</span><h2>{}</h2><small>{}</small></header>"
      "<dl>{}</dl>{}<details><summary>as received</summary><pre>{}</pre></details></article>\n",
      message.kind, base::markup_escaped(message.title), model::format_rfc3339(message.time), facts,
      text, base::markup_escaped(message.body));
}

}  // namespace

Message slack_message(base::Timestamp time, std::string body) {
  Message message{time, "slack", "", {}, "", std::move(body)};
  StatusOr<JsonValue> json = base::parse_json(message.body);
  if (!json.ok()) {
    message.title = "(not JSON)";
    return message;
  }
  add_fact(&message, "Channel", text_at(*json, "channel"));
  add_fact(&message, "From", text_at(*json, "username"));
  if (const JsonValue* attachments = json->find("attachments"); attachments != nullptr) {
    for (const JsonValue& attachment : attachments->items()) read_attachment(attachment, &message);
  }
  const std::string text = text_at(*json, "text");
  if (message.title.empty()) {
    message.title = text.empty() ? "(no title)" : text;
  } else {
    add_line(&message.text, text);
  }
  return message;
}

Message webhook_message(base::Timestamp time, std::string body) {
  Message message{time, "webhook", "webhook payload", {}, "", std::move(body)};
  StatusOr<JsonValue> json = base::parse_json(message.body);
  if (!json.ok() || json->find("alerts") == nullptr) return message;
  message.title =
      fmt::format("{} {}", text_at(*json, "status"), labels_text(json->find("groupLabels")));
  add_fact(&message, "Receiver", text_at(*json, "receiver"));
  for (const JsonValue& alert : json->find("alerts")->items()) {
    add_line(&message.text,
             fmt::format("{} {}", text_at(alert, "status"), labels_text(alert.find("labels"))));
    if (const JsonValue* annotations = alert.find("annotations"); annotations != nullptr)
      add_line(&message.text, text_at(*annotations, "summary"));
  }
  return message;
}

Message mail_message(base::Timestamp time, ReceivedMail mail) {
  const MailText read = read_mail(mail.data);
  Message message{time, "mail", read.subject, {}, read.text, std::move(mail.data)};
  if (message.title.empty()) message.title = "(no subject)";
  if (message.text.empty()) message.text = "(no text part: the mail is below, as received)";
  add_fact(&message, "From", read.from.empty() ? mail.from : read.from);
  std::string recipients;
  for (const std::string& recipient : mail.recipients)
    recipients.append(recipients.empty() ? "" : ", ").append(recipient);
  add_fact(&message, "To", read.to.empty() ? recipients : read.to);
  // A blind copy is in the envelope only.
  if (!read.to.empty() && read.to.find(recipients) == std::string::npos)
    add_fact(&message, "Delivered to", recipients);
  return message;
}

std::string inbox_page(const std::deque<Message>& messages, std::uint64_t newest) {
  std::string articles;
  for (const Message& message : messages) articles += article(message);
  if (articles.empty()) articles = "<p>No message yet. A new one appears here by itself.</p>";
  return fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>Tocsin inbox</title><style>{}</style>"
      "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript></head>"
      "<body data-newest=\"{}\"><h1>Inbox</h1><p>What the notifier sent to this machine: Slack and "
      "webhook payloads, and mails. The newest comes first.</p>{}"
      "<script src=\"/inbox.js\"></script></body></html>\n",
      kStyle, newest, articles);
}

// Looks for news every two seconds, so that what a reader unfolded stays until something comes.
std::string inbox_script() {
  return "setInterval(async () => {\n"
         "  const answer = await fetch('/newest').catch(() => null);\n"
         "  if (answer && answer.ok && await answer.text() !== document.body.dataset.newest)\n"
         "    location.reload();\n"
         "}, 2000);\n";
}

std::string inbox_json(const std::deque<Message>& messages) {
  std::string body;
  base::JsonWriter json(&body);
  json.begin_array();
  for (const Message& message : messages) {
    json.begin_object()
        .field("time", model::format_rfc3339(message.time))
        .field("kind", message.kind)
        .field("title", message.title)
        .field("body", message.body)
        .end_object();
  }
  json.end_array();
  return body;
}

}  // namespace tocsin::app
