// SPDX-License-Identifier: Apache-2.0
//
// D-Bus as far as reading from systemd and logind needs it: method calls with text arguments, one at
// a time.
//
// DbusReader reads values off a message's body. DbusConnection is a connection to a bus.
// Threads: confined.
// Errors: kNotFound without a bus, kDataLoss for a message that does not parse, kUnavailable for an
// error that the other side returns; each call ends within two seconds of silence. After a call
// without an answer the connection is not usable, and further calls fail at once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_descriptor.h"
#include "base/status.h"

namespace tocsin::exporters {

// Reads values in order; after the first that does not fit, ok() is false and all are empty.
// Only little-endian messages are read: this side asks in that order, and answers follow.
class DbusReader {
 public:
  explicit DbusReader(std::string_view body) : body_(body) {}

  std::uint8_t byte();
  std::uint32_t u32();
  std::uint64_t u64();
  std::string text();       // s or o
  std::string signature();  // g
  void align(std::size_t size);
  // A variant as text or number.
  struct Variant {
    std::string type;
    std::string text;
    double number = 0;
  };
  Variant variant();
  // An array of structures: calls `read_one` at the start of each. Returns ok().
  template <typename ReadOne>
  bool structures(ReadOne read_one) {
    const std::uint32_t size = u32();
    align(8);
    const std::size_t end = at_ + size;
    while (ok_ && at_ < end) {
      align(8);
      read_one();
    }
    return ok_;
  }

  std::size_t position() const { return at_; }
  bool at_end() const { return at_ >= body_.size(); }
  bool ok() const { return ok_; }

 private:
  std::string_view take(std::size_t size);

  const std::string_view body_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

struct DbusProperty {
  std::string_view destination, path, interface, name;
};

struct DbusCall {
  std::string_view destination, path, interface, member;
  std::initializer_list<std::string_view> arguments = {};  // all texts
};

// A call as bytes of the wire.
std::string make_dbus_call(const DbusCall& call, std::uint32_t serial);

class DbusConnection {
 public:
  // Connects, proves who this is, and says hello.
  static StatusOr<std::unique_ptr<DbusConnection>> open(const std::string& socket_path);
  DbusConnection(const DbusConnection&) = delete;
  DbusConnection& operator=(const DbusConnection&) = delete;

  // The body of the answer.
  StatusOr<std::string> call(const DbusCall& call);
  // A property whose value is a text or a number.
  StatusOr<DbusReader::Variant> property(const DbusProperty& property);
  // False after a call that nobody answered.
  bool is_usable() const { return is_usable_; }

 private:
  struct Answer {
    bool is_error = false;
    std::string body;
  };

  explicit DbusConnection(base::FileDescriptor socket) : socket_(std::move(socket)) {}

  Status send_all(std::string_view bytes);
  StatusOr<std::string> read_exactly(std::size_t size);
  Status authenticate();
  StatusOr<Answer> exchange(const DbusCall& call);

  const base::FileDescriptor socket_;
  bool is_usable_ = true;
  std::uint32_t serial_ = 0;
};

// The socket of the system's bus: DBUS_SYSTEM_BUS_ADDRESS, or the usual place.
std::string system_bus_socket();

}  // namespace tocsin::exporters
