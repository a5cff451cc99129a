// SPDX-License-Identifier: Apache-2.0
//
// What every integration works with, and the steps that the HTTP ones share.
//
// Values and pure functions, but for read_secret(), which reads a file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/time.h"
#include "net/http_client.h"
#include "net/mail_sender.h"
#include "notifier/integration.h"
#include "notifier/templates/message_templates.h"

namespace tocsin::notifier {

// Borrowed parts must outlive the integrations.
struct IntegrationContext {
  net::HttpClient& http;
  net::MailSender& mail;
  base::FileSystem& files;
  const base::Clock& clock;
  std::shared_ptr<const MessageTemplates> templates;
  std::string external_url;
  std::function<std::uint64_t()> random = base::random_u64;  // of boundaries and ids
};

// The value, or the trimmed content of the file as it is now.
StatusOr<std::string> read_secret(base::FileSystem& files, const net::Secret& secret);

// How long one attempt may take: `timeout` (0: no limit of its own), at most until the deadline.
base::Duration attempt_timeout(const IntegrationContext& context, const Notification& notification,
                               base::Duration timeout);

// A POST of JSON to a secret URL.
net::ClientRequest json_post(std::string url, std::string body, base::Duration timeout,
                             const std::shared_ptr<const net::HttpClientOptions>& options);

// What a reply means: 2xx is delivered; 5xx and transport errors are worth another attempt.
NotifyResult judge_reply(const StatusOr<net::ClientResponse>& reply);

// A failure that another attempt would repeat.
NotifyResult hopeless(Status status);

// At most `limit` characters, the last of which is then "…".
std::string truncate_runes(std::string_view text, std::size_t limit);

// The start of a reply's body, for error texts.
std::string body_excerpt(std::string_view body);

}  // namespace tocsin::notifier
