// SPDX-License-Identifier: Apache-2.0
//
// What HTTP and SMTP transfers set alike on an easy handle, and secrets.
//
// Functions of values; CURL handles are confined to their transfer.
#pragma once

#include <string>
#include <string_view>

#include <curl/curl.h>

#include "base/status.h"
#include "net/http_client.h"

namespace tocsin::net {

// A curl_slist that is freed.
class CurlList {
 public:
  CurlList() = default;
  ~CurlList() { clear(); }
  CurlList(const CurlList&) = delete;
  CurlList& operator=(const CurlList&) = delete;

  void append(const std::string& line);
  void clear();
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// Applies certificates, versions and verification. kInvalidArgument for an unknown version. Files
// are read by the TLS library when it connects, so that a renewed certificate is used by the next
// connection.
Status apply_tls(CURL* easy, const TlsOptions& tls);

// Makes `easy` talk TLS as `server_name` (SNI and verification) while it connects to host:port.
// Returns the host that the URL must then have.
std::string apply_server_name(CURL* easy, const TlsOptions& tls, const Url& url,
                              CurlList* connect_to);

// Returns the value, or the trimmed content of the file. `what` is for the error text.
StatusOr<std::string> read_secret(const Secret& secret, std::string_view what);

// Why a transfer failed, in the words of Go's net package where users know them. Never credentials;
// with `hide_host` neither host nor anything curl wrote.
struct Failure {
  CURLcode code = CURLE_OK;
  std::string_view detail;  // curl's error buffer
  bool hide_host = false;
  std::string_view unix_socket = {};
};
Status to_status(CURL* easy, const Url& url, const Failure& failure);

}  // namespace tocsin::net
