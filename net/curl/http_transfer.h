// SPDX-License-Identifier: Apache-2.0
//
// HttpTransfer is one request of the HTTP client: headers and credentials, redirects, and the
// response as it arrives. Confined to the io thread, but for read_files().
#pragma once

#include <array>
#include <optional>
#include <string>

#include "net/curl/body_pool.h"
#include "net/curl/inflater.h"
#include "net/curl/options.h"
#include "net/curl/transfers.h"

namespace tocsin::net {

class HttpTransfer final : public Transfer, private DirectReceiver {
 public:
  // Borrows the pool.
  HttpTransfer(ClientRequest request, const std::string& user_agent, BodyPool& bodies,
               HttpClient::Callback callback);

  const HttpClientOptions& connection_key() const override { return *request_.options; }
  bool needs_files() const override;
  Status read_files() override;
  std::optional<Direct> direct() override;
  Next ended_directly(const Status& status) override;
  Status configure(CURL* easy) override;
  Next ended(CURL* easy, CURLcode code) override;
  void finish(const Status& failure) override;

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  Status take_header(std::string_view line);
  Status take_head(int status, HttpHeaders headers) override;
  StatusOr<char*> body_memory(std::uint64_t size) override;
  Status take_body(std::string_view data) override;
  void begin_body();
  bool is_within_limit(std::uint64_t bytes) const;
  Status check_request() const;
  Status prepare();
  HttpHeaders request_headers() const;
  void set_headers(CURL* easy);
  void set_method(CURL* easy) const;
  void set_connection(CURL* easy);
  void redirect_to(const Url& target);
  void reset_response();
  Status in_context(const Status& status) const;

  ClientRequest request_;
  const std::string& user_agent_;
  BodyPool& bodies_;
  const HttpClient::Callback callback_;

  std::optional<std::string> authorization_;  // the header's value, once secrets are read
  Url url_;                                   // of this run
  bool parsed_ = false;
  bool exchanged_ = false;        // directly
  bool send_credentials_ = true;  // false after a redirect to another origin
  int redirects_ = 0;
  CurlList header_list_;
  CurlList connect_to_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};

  ClientResponse response_;
  std::size_t header_bytes_ = 0;
  bool body_started_ = false;
  std::optional<Inflater> inflater_;
  Status error_;  // why a callback or ended() gave up
};

}  // namespace tocsin::net
