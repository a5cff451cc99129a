// SPDX-License-Identifier: Apache-2.0
//
// TlsServer: the certificates and rules of a server that speaks TLS (net/beast.h takes one).
//
// OpenSSL is loaded when the first TlsServer is opened, and not linked: a program that serves plain
// HTTP does not pay for it. See docs/decisions/0025-tls-of-pages.md
//
// TlsServerOptions is a value. TlsServer. Borrows: FileSystem. Threads: shared; context() reads
// files.
// Errors: kInvalidArgument for certificates, names of ciphers and versions that cannot be used;
// kUnavailable without OpenSSL. Does not throw.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/status.h"

namespace tocsin::net {

struct TlsContext;

// What clients must show.
enum class ClientAuth { kNone, kRequest, kRequireAny, kVerifyIfGiven, kRequireAndVerify };

struct TlsServerOptions {
  // PEM, as a path or as the text itself; the text counts when both are set.
  std::string cert_file = {};
  std::string cert = {};
  std::string key_file = {};
  std::string key = {};
  std::string client_ca_file = {};  // none: what the system trusts
  std::string client_ca = {};
  ClientAuth client_auth = ClientAuth::kNone;
  // One of the alternative names of a certificate that a client shows must be among these; empty:
  // any.
  std::vector<std::string> client_allowed_sans = {};
  std::string min_version = {};  // TLS10 .. TLS13; "": TLS12
  std::string max_version = {};  // "": the newest
  // Of TLS 1.2 and below, with IANA's names; empty: OpenSSL's.
  std::vector<std::string> cipher_suites = {};
  std::vector<std::string> curves = {};  // OpenSSL's names; empty: OpenSSL's choice
  bool prefer_server_ciphers = true;

  bool operator==(const TlsServerOptions&) const = default;
};

// Whether `name` is one that TlsServerOptions::cipher_suites takes.
bool is_cipher_suite(std::string_view name);

class TlsServer {
 public:
  using Read = std::function<StatusOr<TlsServerOptions>()>;

  // `read` tells the options of now. Fails when these cannot be used.
  static StatusOr<std::shared_ptr<TlsServer>> open(base::FileSystem& files, Read read);

  // What a new connection uses: options and files are read again, so that whatever changes counts
  // from the next connection on. An error is logged once until it is over.
  StatusOr<std::shared_ptr<const TlsContext>> context();

 private:
  TlsServer(base::FileSystem& files, Read read) : files_(files), read_(std::move(read)) {}
  StatusOr<std::shared_ptr<const TlsContext>> renewed();

  base::FileSystem& files_;
  const Read read_;
  base::Mutex mutex_;
  bool failing_ ABSL_GUARDED_BY(mutex_) = false;
  TlsServerOptions used_ ABSL_GUARDED_BY(mutex_);  // with the texts of the files
  std::shared_ptr<const TlsContext> context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::net
