// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/email/email.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "notifier/integrations/email/address.h"
#include "notifier/integrations/email/mime.h"
#include "notifier/templates/data.h"

namespace tocsin::notifier {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string part(const std::string& boundary, std::string_view type, std::string_view text) {
  return fmt::format(
      "--{}\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: {}; "
      "charset=UTF-8\r\n\r\n{}\r\n",
      boundary, type, quoted_printable(text));
}

}  // namespace

EmailIntegration::EmailIntegration(EmailOptions options, IntegrationContext context)
    : options_(std::move(options)), context_(std::move(context)) {
  const auto configured = [this](std::string_view name) {
    return std::find_if(options_.headers.begin(), options_.headers.end(),
                        [name](const auto& header) { return header.first == name; });
  };
  const std::pair<std::string, std::string> defaults[] = {
      {"From", options_.from},
      {"To", options_.to},
      {"Subject", R"({{ template "email.default.subject" . }})"}};
  for (const auto& fallback : defaults) {
    const auto own = configured(fallback.first);
    headers_.push_back(own == options_.headers.end() ? fallback : *own);
  }
  for (const auto& header : options_.headers) {
    const bool listed = header.first == "From" || header.first == "To" || header.first == "Subject";
    if (!listed) headers_.push_back(header);
  }
}

StatusOr<std::string> EmailIntegration::render(std::string_view what, std::string_view source,
                                               const tmpl::Value& data) const {
  StatusOr<std::string> text = context_.templates->text(source, data);
  if (!text.ok()) return annotate(text.status(), "execute {:?} template", what);
  return text;
}

StatusOr<std::string> EmailIntegration::headers(const tmpl::Value& data) const {
  std::string out;
  bool has_id = false;
  for (const auto& [name, source] : headers_) {
    ASSIGN_OR_RETURN(const std::string value, render(name, source, data));
    out += fmt::format("{}: {}\r\n", name, encode_header(value));
    has_id = has_id || name == "Message-Id";
  }
  const base::Timestamp now = context_.clock.now();
  if (!has_id) {
    out += fmt::format("Message-Id: <{}.{}@{}>\r\n", base::to_ms(now) * 1'000'000,
                       context_.random(), host_name());
  }
  return out + fmt::format("Date: {}\r\n", format_mail_date(now));
}

StatusOr<std::string> EmailIntegration::parts(const tmpl::Value& data,
                                              const std::string& boundary) const {
  std::string out;
  if (!options_.text.empty()) {
    ASSIGN_OR_RETURN(const std::string text, render("text", options_.text, data));
    out += part(boundary, "text/plain", text);
  }
  if (!options_.html.empty()) {
    StatusOr<std::string> html = context_.templates->html(options_.html, data);
    if (!html.ok()) return annotate(html.status(), "execute \"html\" template");
    out += part(boundary, "text/html", *html);
  }
  return out + fmt::format("--{}--\r\n", boundary);
}

StatusOr<net::Mail> EmailIntegration::mail(const Notification& notification) const {
  const tmpl::Value data = message_data(notification, context_.external_url);
  ASSIGN_OR_RETURN(const std::string from, render("from", options_.from, data));
  ASSIGN_OR_RETURN(const std::string to, render("to", options_.to, data));
  StatusOr<std::vector<std::string>> senders = parse_address_list(from);
  if (!senders.ok()) return annotate(senders.status(), "parse 'from' addresses");
  if (senders->size() != 1) {
    return invalid_argument("must be exactly one 'from' address (got: {})", senders->size());
  }
  StatusOr<std::vector<std::string>> recipients = parse_address_list(to);
  if (!recipients.ok()) return annotate(recipients.status(), "parse 'to' addresses");
  const std::string boundary = fmt::format("{:016x}{:016x}", context_.random(), context_.random());
  ASSIGN_OR_RETURN(const std::string head, headers(data));
  ASSIGN_OR_RETURN(const std::string body, parts(data, boundary));
  net::Mail mail;
  mail.server = options_.server;
  mail.from = senders->front();
  mail.recipients = *std::move(recipients);
  mail.data = fmt::format(
      "{}Content-Type: multipart/alternative;  boundary={}\r\nMIME-Version: 1.0\r\n\r\n{}", head,
      boundary, body);
  mail.timeout = attempt_timeout(context_, notification, base::Duration(0));
  return mail;
}

void EmailIntegration::notify(const Notification& notification, Callback callback) {
  StatusOr<net::Mail> message = mail(notification);
  if (!message.ok()) return callback(hopeless(message.status()));
  context_.mail.send(*std::move(message), [callback = std::move(callback)](const Status& status) {
    if (status.ok()) return callback({});
    FailureReason reason = FailureReason::kOther;
    if (status.code() == StatusCode::kDeadlineExceeded)
      reason = FailureReason::kContextDeadlineExceeded;
    if (status.code() == StatusCode::kUnauthenticated) reason = FailureReason::kAuthError;
    callback({status, true, reason});
  });
}

}  // namespace tocsin::notifier
