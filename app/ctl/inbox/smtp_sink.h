// SPDX-License-Identifier: Apache-2.0
//
// SmtpSink: accepts mail on a loopback port and hands it on: a mail server for trying things out.
//
// Speaks EHLO/HELO, MAIL, RCPT, DATA, RSET, NOOP, QUIT, and AUTH that takes any password; no TLS.
// Owns: its threads. Threads: start() and stop() once each; `deliver` runs on the sink's threads.
// Errors: start() names the address. Bounded: kMaxClients at once, kMaxMessageBytes and
// kMaxRecipients a message, kIdleTimeout.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/status.h"

namespace tocsin::app {

struct ReceivedMail {
  std::string from;
  std::vector<std::string> recipients;
  std::string data;  // headers and body, CRLF, dots unstuffed
};

class SmtpSink {
 public:
  static constexpr std::size_t kMaxClients = 16;
  static constexpr std::size_t kMaxMessageBytes = 1U << 20;
  static constexpr std::size_t kMaxRecipients = 100;  // of a message
  static constexpr int kIdleTimeoutMs = 10'000;

  using Deliver = std::function<void(ReceivedMail)>;

  explicit SmtpSink(Deliver deliver);
  ~SmtpSink();
  SmtpSink(const SmtpSink&) = delete;
  SmtpSink& operator=(const SmtpSink&) = delete;

  // `address` is IPv4:port; port 0 takes any free one.
  Status start(const std::string& address);
  void stop();
  std::string address() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  base::ThreadPool acceptor_;
  base::ThreadPool clients_;
};

}  // namespace tocsin::app
