// SPDX-License-Identifier: Apache-2.0
//
// Stream: a connection to a server as a blocking stream of bytes over TCP, a unix socket or TLS, in
// which no call takes longer than its deadline; and TlsClient, the certificates for it.
//
// For clients of other protocols than HTTP that ask and wait on a thread of their own.
//
// Stream. Owns: its descriptor. Borrows: Clock (must outlive it). Threads: confined.
// TlsClient. Borrows: FileSystem. Threads: shared. OpenSSL starts with the first context.
// Errors: kDeadlineExceeded "i/o timeout"; kUnavailable with the system's or OpenSSL's reason,
// without numbers that change from try to try; kInvalidArgument for certificates that cannot be
// read. After an error a Stream is only good to be destroyed. Does not throw.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"
#include "net/host_lookup.h"

struct ssl_ctx_st;
struct ssl_st;

namespace tocsin::net {

struct StreamTlsOptions {
  std::string ca_file = {};    // "": what the system trusts
  std::string cert_file = {};  // "": the client shows no certificate
  std::string key_file = {};
  bool verify = true;
  std::string min_version = {};  // TLS10 .. TLS13; "": TLS12
  std::string max_version = {};  // "": the newest
};

// Whether `name` is one of TLS10 .. TLS13.
bool is_tls_version(std::string_view name);

// What a handshake has shown of the other side.
struct TlsPeer {
  std::string version;  // "TLS 1.3"
  std::string cipher;   // IANA's name: "TLS_AES_128_GCM_SHA256"
  // Of the certificate of the server, as Go prints them.
  std::string fingerprint_sha256, subject, issuer, serial_number;
  std::string dns_names;             // with commas between
  std::int64_t earliest_expiry = 0;  // of the certificates that the server sent; Unix seconds
  // Of the certificates from the server's to one that is trusted; none when nothing was verified.
  std::optional<std::int64_t> chain_expiry;
};

class TlsClient {
 public:
  TlsClient(base::FileSystem& files, StreamTlsOptions options);

  // The context of now: files that changed since the last call are read again.
  StatusOr<std::shared_ptr<ssl_ctx_st>> context();

 private:
  std::string fingerprint() const;

  base::FileSystem& files_;
  const StreamTlsOptions options_;
  base::Mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_ ABSL_GUARDED_BY(mutex_);
  std::string fingerprint_ ABSL_GUARDED_BY(mutex_);  // of the files that context_ was made from
};

class Stream {
 public:
  // Tries the addresses of a host one after another, from the address `source` if there is one.
  static StatusOr<std::unique_ptr<Stream>> connect(const SocketAddresses& addresses,
                                                   const base::Clock& clock,
                                                   base::SteadyTime deadline,
                                                   const SocketAddress* source = nullptr);
  static StatusOr<std::unique_ptr<Stream>> connect_unix(const std::string& path,
                                                        const base::Clock& clock,
                                                        base::SteadyTime deadline);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // From now on all bytes are encrypted. The certificate must be for `server_name`, a host or an
  // address. REQUIRES: everything that the server has sent so far was read.
  Status start_tls(TlsClient& tls, const std::string& server_name, base::SteadyTime deadline);

  // REQUIRES: start_tls() succeeded.
  StatusOr<TlsPeer> tls_peer() const;

  Status write(std::string_view data, base::SteadyTime deadline);
  // Waits until read() would not have to wait for the first byte. kDeadlineExceeded, of all errors,
  // leaves the stream as good as it was.
  Status wait_readable(base::SteadyTime deadline) const;
  // Reads at least one byte; 0 when the server has ended the stream. REQUIRES: size > 0.
  StatusOr<std::size_t> read(char* buffer, std::size_t size, base::SteadyTime deadline);

 private:
  Stream(int descriptor, const base::Clock& clock) : descriptor_(descriptor), clock_(clock) {}

  Status wait(short events, base::SteadyTime deadline) const;
  // Waits for what a call of OpenSSL that returned `result` waits for; an error for anything else.
  Status wait_for_tls(int result, std::string_view what, base::SteadyTime deadline) const;

  const int descriptor_;
  const base::Clock& clock_;
  std::shared_ptr<ssl_ctx_st> context_;
  ssl_st* tls_ = nullptr;
};

}  // namespace tocsin::net
