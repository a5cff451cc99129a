// SPDX-License-Identifier: Apache-2.0
//
// RawSocket and RawListener: plain blocking TCP over 127.0.0.1, to send hostile bytes to our
// servers and to play scripted servers for our clients. Waiter hands a value from another thread to
// the test.
//
// Every blocking call gives up after 20 seconds and then returns what it has: tests never hang.
// Threads: a socket is confined to one thread at a time; Waiter is shared.
// Errors: reads return "" at the end; setting up a socket that fails is a programmer error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "base/time.h"
#include "net/http.h"

namespace tocsin::net::testing {

// Owns: its descriptor.
class RawSocket {
 public:
  explicit RawSocket(int descriptor = -1) : descriptor_(descriptor) {}
  // Connects to "127.0.0.1:port" or "[::1]:port".
  static RawSocket connect(std::string_view address);
  RawSocket(RawSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RawSocket& operator=(RawSocket&& other) noexcept;
  ~RawSocket();

  // Returns false when the peer is gone.
  bool write(std::string_view data);
  // Reads what has come, at least one byte; "" at the end or after a reset.
  std::string read_some(std::size_t max = 1 << 16);
  // Reads until the data holds `mark` or ends; later bytes may follow the mark.
  std::string read_until(std::string_view mark);
  std::string read_all();
  // Ends the sending side; the peer sees the end of the stream.
  void finish_sending();
  void set_receive_buffer(int bytes);
  void close();
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Owns: its descriptor. Bound to a free port of 127.0.0.1.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const;  // 127.0.0.1:port
  int descriptor() const { return descriptor_; }
  RawSocket accept();
  // From now on connections are refused.
  void close();

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

// Speaks HTTP/1.1 over a RawSocket, to see what a server really sends.
class RawHttp {
 public:
  struct Reply {
    int status = 0;  // 0: the connection ended before a whole head
    HttpHeaders headers;
    std::string body;       // without chunk framing
    bool complete = false;  // the body ended as its framing says
  };
  enum class Body { kExpected, kNone };

  explicit RawHttp(std::string_view address) : socket_(RawSocket::connect(address)) {}
  RawSocket& socket() { return socket_; }

  // Sends "METHOD TARGET HTTP/1.1", Host, `more` (header lines with CRLF) and an empty line.
  Reply get(std::string_view target, std::string_view more = "");
  Reply head(std::string_view target);
  Reply post(std::string_view target, std::string_view body);
  Reply request(std::string_view bytes, Body body = Body::kExpected);
  Reply read_reply(Body body = Body::kExpected);
  // Whether the server has closed (waits for it).
  bool is_closed();

 private:
  bool fill();
  bool read_body(Reply* reply);
  bool read_chunks(Reply* reply);

  RawSocket socket_;
  std::string buffer_;
};

// A value that another thread sets once and the test waits for.
template <typename T>
class Waiter {
 public:
  void set(T value) {
    base::MutexLock lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  // The value, or nothing when it does not come within 20 seconds.
  std::optional<T> wait() {
    const auto deadline = base::SystemClock().steady_now() + std::chrono::seconds(20);
    base::MutexLock lock(mutex_);
    while (!value_ && changed_.wait_until(mutex_, deadline)) {
    }
    return std::exchange(value_, std::nullopt);
  }
  bool is_set() const {
    base::MutexLock lock(mutex_);
    return value_.has_value();
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::optional<T> value_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::net::testing
