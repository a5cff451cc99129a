// SPDX-License-Identifier: Apache-2.0
//
// HTTP for tests: one request to an address, a server that a test controls, and JSON by path.
//
// Threads: HttpSink is shared (its handler runs on threads of its own); the rest is confined.
// Errors: a failed request is a reply with status 0.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/json.h"
#include "base/mutex.h"
#include "net/http_server.h"
#include "net/io_loop.h"
#include "net/testing/raw_socket.h"

namespace tocsin::tests {

using Reply = net::testing::RawHttp::Reply;
using Form = std::vector<std::pair<std::string_view, std::string>>;

// "name=value&..." with escapes.
std::string encode_form(const Form& form);

Reply http_get(const std::string& address, const std::string& target);
Reply http_post(const std::string& address, const std::string& target, std::string_view body = "");
Reply http_delete(const std::string& address, const std::string& target);

// The member at a path of keys and positions, as "data.result.0.value.1"; a null value when it is
// not there.
const base::JsonValue& at(const base::JsonValue& json, std::string_view path);
// Text of a string, number or boolean at the path; "" for anything else.
std::string text_at(const base::JsonValue& json, std::string_view path);
// Parses; the running test fails, and the value is null, when that does not work.
base::JsonValue parsed(std::string_view text);

// Serves on a free port of 127.0.0.1 and keeps what it was asked.
class HttpSink {
 public:
  // Answers each request with what `answer` returns; called from several threads.
  explicit HttpSink(net::Handler answer);
  ~HttpSink();

  const std::string& address() const { return address_; }
  std::size_t count() const { return requests_.lock()->size(); }
  std::vector<net::HttpRequest> requests() const { return *requests_.lock(); }

 private:
  base::SystemClock clock_;
  net::IoLoop loop_{clock_};
  base::ThreadPool handlers_{{.name = "sink", .threads = 2}};
  std::unique_ptr<net::HttpServer> server_;
  std::string address_;
  mutable base::Guarded<std::vector<net::HttpRequest>> requests_;
};

}  // namespace tocsin::tests
