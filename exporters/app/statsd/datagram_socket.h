// SPDX-License-Identifier: Apache-2.0
//
// DatagramSocket: a bound UDP or unix socket that datagrams come to.
//
// Owns: its descriptor, and the file of a unix socket. Threads: confined.
// Errors: kInvalidArgument for an address that is none, kUnavailable with the system's reason.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/status.h"

namespace tocsin::exporters::app {

class DatagramSocket {
 public:
  // "127.0.0.1:8125", "[::1]:8125", ":8125" (all addresses), "localhost:8125".
  static StatusOr<std::unique_ptr<DatagramSocket>> bind_udp(std::string_view address);
  // A socket file that nobody listens on any more is replaced.
  static StatusOr<std::unique_ptr<DatagramSocket>> bind_unix(const std::string& path, mode_t mode);
  // Checks the form only.
  static Status check_udp(std::string_view address);
  ~DatagramSocket();
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;

  int descriptor() const { return descriptor_; }
  // "udp://127.0.0.1:8125" with the port that was given out, or "unixgram:///path".
  const std::string& address() const { return address_; }

 private:
  explicit DatagramSocket(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
  std::string address_, path_;
};

}  // namespace tocsin::exporters::app
