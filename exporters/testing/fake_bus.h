// SPDX-License-Identifier: Apache-2.0
//
// FakeBus: a system bus for tests, a socket that answers calls by path, member and arguments; and
// values as bytes of D-Bus.
//
// Owns a thread that serves one client.
// Threads: confined to its test.
// Errors: an unexpected byte fails the test.
#pragma once

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/executor.h"
#include "exporters/node/systemd/dbus.h"

namespace tocsin::exporters::testing {

inline void pad(std::string* out, std::size_t size) {
  out->resize((out->size() + size - 1) / size * size);
}

template <typename T>
void add(std::string* out, T value) {
  pad(out, sizeof(T));
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

inline void add_text(std::string* out, std::string_view text) {
  add(out, static_cast<std::uint32_t>(text.size()));
  out->append(text).push_back('\0');
}

inline std::string text_variant(std::string_view text) {
  std::string out("\1s\0", 3);
  add_text(&out, text);
  return out;
}

inline std::string number_variant(std::uint64_t value) {
  std::string out("\1t\0", 3);
  add(&out, value);
  return out;
}

inline std::string small_variant(std::uint32_t value) {
  std::string out("\1u\0", 3);
  add(&out, value);
  return out;
}

inline std::string bool_variant(bool value) {
  std::string out("\1b\0", 3);
  add(&out, std::uint32_t{value});
  return out;
}

// A body that is an array of structures, from their bytes: each padded to 8 by its maker.
inline std::string dbus_array(std::string_view items) {
  std::string out;
  add(&out, static_cast<std::uint32_t>(items.size()));
  pad(&out, 8);
  return out.append(items);
}

// A body that is one text.
inline std::string text_body(std::string_view text) {
  std::string out;
  add_text(&out, text);
  return out;
}

// Answers one client. An answer's key is "path member argument argument ..."; a call that has none is
// answered with an error. At the call `hang_up_at` the bus closes the connection instead.
class FakeBus {
 public:
  explicit FakeBus(std::map<std::string, std::string> answers, std::string hang_up_at = "")
      : answers_(std::move(answers)), hang_up_at_(std::move(hang_up_at)) {
    path_ = fmt::format("{}/tocsin-bus-{}-{}", std::filesystem::temp_directory_path().string(),
                        ::getpid(), reinterpret_cast<std::uintptr_t>(this));
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_TRUE(thread_.post([this] { serve(); }));
  }
  ~FakeBus() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.stop();
    ::close(listener_);
    ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  static bool read(int socket, std::string* out, std::size_t size) {
    out->resize(size);
    return size == 0 ||
           ::recv(socket, out->data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  static void write(int socket, const std::string& bytes) {
    EXPECT_EQ(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string read_line(int socket) {
    std::string line, byte;
    while (!line.ends_with("\r\n") && read(socket, &byte, 1)) line += byte;
    return line;
  }

  void serve() {
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    EXPECT_TRUE(read_line(client).starts_with(std::string(1, '\0') + "AUTH EXTERNAL "));
    write(client, "OK 0123\r\n");
    EXPECT_EQ(read_line(client), "BEGIN\r\n");
    std::string header, fields, body;
    while (read(client, &header, 16)) {
      DbusReader reader(header);
      reader.u32();
      const std::uint32_t body_size = reader.u32();
      const std::uint32_t serial = reader.u32();
      if (!read(client, &fields, (reader.u32() + 7) / 8 * 8)) break;
      if (!read(client, &body, body_size)) break;
      const std::string key = key_of(fields, body);
      if (key == hang_up_at_) break;
      answer(client, serial, key);
    }
    ::close(client);
  }

  static std::string key_of(std::string_view fields, std::string_view body) {
    std::map<int, std::string> values;
    DbusReader reader(fields);
    while (reader.ok() && !reader.at_end()) {
      reader.align(8);
      if (reader.at_end()) break;
      const int code = reader.byte();
      values[code] = reader.variant().text;
    }
    std::string key = values[1] + " " + values[3];
    DbusReader arguments(body);
    while (arguments.ok() && !arguments.at_end()) key += " " + arguments.text();
    return key;
  }

  void answer(int client, std::uint32_t serial, const std::string& key) {
    const auto it = answers_.find(key);
    const bool known = it != answers_.end();
    const std::string content = known ? it->second : text_body("no " + key);
    // A signal comes before each answer, and is not one.
    write(client, message(4, serial, ""));
    write(client, message(known ? 2 : 3, serial, content));
  }

  static std::string message(char type, std::uint32_t serial, const std::string& body) {
    std::string out("l\0\0\1", 4);
    out[1] = type;
    add(&out, static_cast<std::uint32_t>(body.size()));
    add(&out, std::uint32_t{7});
    std::string fields("\5\1u\0", 4);  // REPLY_SERIAL
    add(&fields, serial);
    add(&out, static_cast<std::uint32_t>(fields.size()));
    out += fields;
    pad(&out, 8);
    return out + body;
  }

  const std::map<std::string, std::string> answers_;
  const std::string hang_up_at_;
  std::string path_;
  int listener_ = -1;
  base::ThreadPool thread_{{.name = "bus", .threads = 1}};
};

}  // namespace tocsin::exporters::testing
