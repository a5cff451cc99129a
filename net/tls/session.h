// SPDX-License-Identifier: Apache-2.0
//
// TlsSession: the server's side of one TLS connection, without the socket: bytes of the network go
// in and out as strings.
//
// Owns: its share of the context. Threads: confined, to one thread at a time.
// Errors: Step::kFailed with error(); output() may then hold an alert for the client.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

namespace tocsin::net {

struct OpenSsl;

struct TlsContext {
  const OpenSsl& api;
  std::shared_ptr<ssl_ctx_st> ssl;
  std::vector<std::string> client_allowed_sans;
};

class TlsSession {
 public:
  enum class Step { kDone, kWantInput, kEnd, kFailed };

  // Nothing when OpenSSL has no memory.
  static std::unique_ptr<TlsSession> make(std::shared_ptr<const TlsContext> context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Takes bytes that have come; call the step that wanted them again. They are few: one read.
  void feed(std::string_view bytes);
  // The bytes to send; must be looked at after every step.
  std::string output();

  Step handshake();
  // REQUIRES: size > 0, and for all below: the handshake is done.
  Step read(char* buffer, std::size_t size, std::size_t* got);
  Step write(const char* data, std::size_t size, std::size_t* written);
  // As read(), but what was found stays.
  Step peek();
  // Says goodbye: more output().
  void close();

  const std::string& error() const { return error_; }

 private:
  explicit TlsSession(std::shared_ptr<const TlsContext> context) : context_(std::move(context)) {}
  Step step_of(int result);
  Status check_names() const;

  const std::shared_ptr<const TlsContext> context_;
  ssl_st* tls_ = nullptr;
  bio_st* in_ = nullptr;  // tls_ owns both
  bio_st* out_ = nullptr;
  bool is_open_ = false;
  std::string error_;
};

}  // namespace tocsin::net
