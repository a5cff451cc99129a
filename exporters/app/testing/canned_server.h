// SPDX-License-Identifier: Apache-2.0
//
// CannedServer answers every connection with what a function makes of the request, on a free port of
// 127.0.0.1. A request ends with an empty line, or with the first line when it is no HTTP.
//
// Owns: a thread, which the destructor ends. Threads: shared; the function runs on that thread.
#pragma once

#include <functional>
#include <string>

#include "base/executor.h"
#include "base/mutex.h"
#include "net/testing/raw_socket.h"

namespace tocsin::exporters::app::testing {

class CannedServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  explicit CannedServer(Answer answer) : answer_(std::move(answer)) {
    static_cast<void>(thread_.post([this] {
      while (!*is_over_.lock()) serve(listener_.accept());
    }));
  }
  ~CannedServer() {
    *is_over_.lock() = true;
    net::testing::RawSocket::connect(listener_.address()).close();
    thread_.stop();
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  std::string address() const { return listener_.address(); }
  std::vector<std::string> requests() const { return *requests_.lock(); }

  static std::string http(int status, std::string_view body) {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body);
  }

 private:
  void serve(net::testing::RawSocket socket) {
    std::string request = socket.read_until("\n");
    if (request.empty()) return;
    if (request.find("HTTP/1.1") != std::string::npos) {
      while (request.find("\r\n\r\n") == std::string::npos) {
        const std::string more = socket.read_some();
        if (more.empty()) return;
        request += more;
      }
    }
    requests_.lock()->push_back(request);
    socket.write(answer_(request));
    socket.finish_sending();
  }

  const Answer answer_;
  net::testing::RawListener listener_;
  base::Guarded<bool> is_over_{false};
  base::Guarded<std::vector<std::string>> requests_;
  base::ThreadPool thread_{{.name = "canned", .threads = 1}};
};

}  // namespace tocsin::exporters::app::testing
