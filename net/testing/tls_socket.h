// SPDX-License-Identifier: Apache-2.0
//
// TestCertificate: a certificate that signs itself, in files of its own; TlsSocket: the side of a
// server of a TLS connection, to play scripted servers.
//
// Threads: confined, to one thread at a time. Errors: reads return "" at the end; what cannot be set
// up is a programmer error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/testing/raw_socket.h"

namespace tocsin::net::testing {

class TestCertificate {
 public:
  struct Options {
    std::string common_name = "localhost";
    std::string alternative_names = "DNS:localhost,IP:127.0.0.1";  // as OpenSSL writes them
    long days = 30;                                                // below 0: it has ended
    const char* key = "EC";                                        // as OpenSSL names kinds of keys
  };
  // Writes the files below `folder`, which exists.
  TestCertificate(const std::string& folder, Options options);

  const std::string& cert_file() const { return cert_file_; }
  const std::string& key_file() const { return key_file_; }
  std::int64_t not_after() const { return not_after_; }  // Unix seconds

 private:
  std::string cert_file_, key_file_;
  std::int64_t not_after_ = 0;
};

class TlsSocket {
 public:
  // Takes over the socket and answers the client's handshake. Asks the client for a certificate when
  // there is a `client_ca_file`.
  TlsSocket(RawSocket socket, const TestCertificate& certificate,
            const std::string& client_ca_file = "");
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  bool is_open() const;             // the handshake worked
  std::string client_name() const;  // the common name in the client's certificate
  bool write(std::string_view data);
  std::string read_until(std::string_view mark);
  RawSocket& raw() { return socket_; }

 private:
  struct Session;
  RawSocket socket_;
  std::unique_ptr<Session> session_;
};

}  // namespace tocsin::net::testing
