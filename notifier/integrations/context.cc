// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/context.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace tocsin::notifier {
namespace {

constexpr std::uint64_t kMaxSecretBytes = 1U << 20U;
constexpr std::uint64_t kMaxReplyBytes = 1U << 20U;
constexpr std::size_t kMaxExcerpt = 1024;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

FailureReason reason_of(int status) {
  if (status == 401 || status == 403) return FailureReason::kAuthError;
  if (status == 429) return FailureReason::kRateLimited;
  if (status >= 400 && status < 500) return FailureReason::kClientError;
  return status >= 500 && status < 600 ? FailureReason::kServerError : FailureReason::kOther;
}

}  // namespace

StatusOr<std::string> read_secret(base::FileSystem& files, const net::Secret& secret) {
  if (secret.file.empty()) return secret.value;
  ASSIGN_OR_RETURN(const std::string content, files.read_file(secret.file, kMaxSecretBytes));
  return std::string(trimmed(content));
}

base::Duration attempt_timeout(const IntegrationContext& context, const Notification& notification,
                               base::Duration timeout) {
  const auto left = std::chrono::duration_cast<base::Duration>(notification.deadline -
                                                               context.clock.steady_now());
  const base::Duration at_most = std::max(left, base::Duration(1));
  return timeout.count() == 0 ? at_most : std::min(timeout, at_most);
}

net::ClientRequest json_post(std::string url, std::string body, base::Duration timeout,
                             const std::shared_ptr<const net::HttpClientOptions>& options) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers.set("Content-Type", "application/json");
  request.body = std::move(body);
  request.timeout = timeout;
  request.max_body_bytes = kMaxReplyBytes;
  request.hide_url = true;
  request.options = options;
  return request;
}

NotifyResult judge_reply(const StatusOr<net::ClientResponse>& reply) {
  if (!reply.ok()) {
    FailureReason reason = FailureReason::kOther;
    if (reply.status().code() == StatusCode::kDeadlineExceeded) {
      reason = FailureReason::kContextDeadlineExceeded;
    } else if (reply.status().code() == StatusCode::kCancelled) {
      reason = FailureReason::kContextCanceled;
    }
    return {reply.status(), true, reason};
  }
  if (reply->status >= 200 && reply->status < 300) return {};
  return {unavailable("unexpected status code {}: {}", reply->status, body_excerpt(reply->body)),
          reply->status >= 500 && reply->status < 600, reason_of(reply->status)};
}

NotifyResult hopeless(Status status) { return {std::move(status), false, FailureReason::kOther}; }

std::string truncate_runes(std::string_view text, std::size_t limit) {
  std::size_t runes = 0;
  std::size_t last = 0;  // where the last character that is kept beside the mark ends
  for (std::size_t at = 0; at < text.size(); ++runes) {
    if (runes + 1 == limit) last = at;
    if (runes == limit) return std::string(text.substr(0, last)) + "\xE2\x80\xA6";
    at += std::max<std::size_t>(base::utf8_length(text.substr(at)), 1);
  }
  return std::string(text);
}

std::string body_excerpt(std::string_view body) {
  std::size_t end = std::min(body.size(), kMaxExcerpt);
  // Not in the middle of a character.
  while (end < body.size() && end > 0 && (static_cast<unsigned char>(body[end]) & 0xC0U) == 0x80U)
    --end;
  return std::string(body.substr(0, end));
}

}  // namespace tocsin::notifier
