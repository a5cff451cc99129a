// SPDX-License-Identifier: Apache-2.0
//
// MailSender: hands one finished message (RFC 5322) to an SMTP server.
//
// Threads: shared. The callback runs exactly once on the io thread; it must not block.
// Errors: kUnavailable (connection, TLS, reply 4xx), kFailedPrecondition (reply 5xx, STARTTLS
// required and not offered, no usable AUTH mechanism), kUnauthenticated (535), kDeadlineExceeded.
// Texts hold the server's reply, never a password.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "net/http_client.h"

namespace tocsin::net {

struct SmtpServer {
  std::string host;
  std::uint16_t port = 25;
  std::string hello = "localhost";
  bool implicit_tls = false;  // port 465 style
  bool require_tls = true;    // STARTTLS or fail; without it TLS is not tried
  TlsOptions tls;             // server_name "" means host
  std::string username;       // "" = no authentication
  Secret password;            // PLAIN and LOGIN; refused without TLS except to localhost
  Secret cram_secret;         // CRAM-MD5
  std::string identity;
};

struct Mail {
  SmtpServer server;
  std::string from;                     // address only
  std::vector<std::string> recipients;  // addresses only
  std::string data;                     // headers and body, CRLF line ends
  base::Duration timeout{30'000};
};

class MailSender {
 public:
  using Callback = std::function<void(Status)>;
  virtual ~MailSender() = default;
  virtual void send(Mail mail, Callback callback) = 0;
};

}  // namespace tocsin::net
