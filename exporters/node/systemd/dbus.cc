// SPDX-License-Identifier: Apache-2.0
//
// A message: endianness, type, flags, version, length of the body, serial, an array of header
// fields (code, variant), zeros up to 8 bytes, the body. Values are aligned to their size, counted
// from the start of the message; a body begins aligned to 8, so it may be counted from itself.
#include "exporters/node/systemd/dbus.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxMessage = 64 << 20;
constexpr std::size_t kFixedHeader = 16;
constexpr std::uint8_t kReturn = 2;
constexpr std::uint8_t kError = 3;
enum Field : std::uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kReplySerial = 5,
  kDestination = 6,
  kSignature = 8
};

void pad(std::string* out, std::size_t size) {
  while (out->size() % size != 0) out->push_back('\0');
}

void add_u32(std::string* out, std::uint32_t value) {
  pad(out, 4);
  for (int shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

void add_text(std::string* out, std::string_view text) {
  add_u32(out, static_cast<std::uint32_t>(text.size()));
  out->append(text).push_back('\0');
}

void add_signature(std::string* out, std::string_view text) {
  out->push_back(static_cast<char>(text.size()));
  out->append(text).push_back('\0');
}

void add_field(std::string* out, Field code, char type, std::string_view value) {
  pad(out, 8);
  out->push_back(static_cast<char>(code));
  add_signature(out, std::string_view(&type, 1));
  if (type == 'g') {
    add_signature(out, value);
  } else {
    add_text(out, value);
  }
}

// The serial that an answer is for, from the header's fields; 0 for none.
std::uint32_t reply_serial(std::string_view fields) {
  DbusReader reader(fields);
  while (reader.ok() && !reader.at_end()) {
    reader.align(8);
    if (reader.at_end()) break;
    const std::uint8_t code = reader.byte();
    const DbusReader::Variant value = reader.variant();
    if (code == kReplySerial) return static_cast<std::uint32_t>(value.number);
  }
  return 0;
}

}  // namespace

std::string_view DbusReader::take(std::size_t size) {
  if (!ok_ || at_ > body_.size() || size > body_.size() - at_) {
    ok_ = false;
    return {};
  }
  const std::string_view out = body_.substr(at_, size);
  at_ += size;
  return out;
}

void DbusReader::align(std::size_t size) { at_ = (at_ + size - 1) / size * size; }

std::uint8_t DbusReader::byte() {
  const std::string_view bytes = take(1);
  return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
}

std::uint32_t DbusReader::u32() {
  align(4);
  std::uint32_t value = 0;
  const std::string_view bytes = take(4);
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
  }
  return value;
}

std::uint64_t DbusReader::u64() {
  align(8);
  std::uint64_t value = 0;
  const std::string_view bytes = take(8);
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
  }
  return value;
}

std::string DbusReader::text() {
  const std::uint32_t size = u32();
  std::string out(take(size));
  take(1);  // its zero
  return out;
}

std::string DbusReader::signature() {
  const std::uint8_t size = byte();
  std::string out(take(size));
  take(1);
  return out;
}

DbusReader::Variant DbusReader::variant() {
  Variant out;
  out.type = signature();
  if (out.type == "s" || out.type == "o") {
    out.text = text();
  } else if (out.type == "g") {
    out.text = signature();
  } else if (out.type == "u" || out.type == "b" || out.type == "i") {
    out.number = u32();
  } else if (out.type == "t" || out.type == "x") {
    out.number = static_cast<double>(u64());
  } else {
    ok_ = false;
  }
  return out;
}

std::string make_dbus_call(const DbusCall& call, std::uint32_t serial) {
  std::string body, types;
  for (const std::string_view argument : call.arguments) {
    add_text(&body, argument);
    types.push_back('s');
  }
  std::string fields;
  add_field(&fields, kPath, 'o', call.path);
  add_field(&fields, kInterface, 's', call.interface);
  add_field(&fields, kMember, 's', call.member);
  add_field(&fields, kDestination, 's', call.destination);
  if (!types.empty()) add_field(&fields, kSignature, 'g', types);
  std::string out("l\x01\0\x01", 4);  // little-endian, a call, no flags, version 1
  add_u32(&out, static_cast<std::uint32_t>(body.size()));
  add_u32(&out, serial);
  add_u32(&out, static_cast<std::uint32_t>(fields.size()));
  out.append(fields);
  pad(&out, 8);
  return out.append(body);
}

StatusOr<std::unique_ptr<DbusConnection>> DbusConnection::open(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) {
    return invalid_argument("path of a socket too long: {}", socket_path);
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  base::FileDescriptor opened(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int socket = opened.get();
  if (socket < 0) return errno_status(errno, "socket");
  std::unique_ptr<DbusConnection> connection(new DbusConnection(std::move(opened)));
  const timeval timeout{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return not_found("couldn't get dbus connection: {}",
                     message(errno_status(errno, "connect " + socket_path)));
  }
  RETURN_IF_ERROR(connection->authenticate());
  RETURN_IF_ERROR(connection
                      ->call({.destination = "org.freedesktop.DBus",
                              .path = "/org/freedesktop/DBus",
                              .interface = "org.freedesktop.DBus",
                              .member = "Hello"})
                      .status());
  return connection;
}

Status DbusConnection::send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, "dbus send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return tocsin::ok();
}

StatusOr<std::string> DbusConnection::read_exactly(std::size_t size) {
  if (size > kMaxMessage) return resource_exhausted("dbus: a message of {} bytes", size);
  std::string out(size, '\0');
  for (std::size_t have = 0; have < size;) {
    const ssize_t n = ::recv(socket_.get(), out.data() + have, size - have, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(errno, "dbus receive");
    if (n == 0) return unavailable("dbus: the connection was closed");
    have += static_cast<std::size_t>(n);
  }
  return out;
}

Status DbusConnection::authenticate() {
  std::string uid;
  for (const char digit : fmt::format("{}", ::getuid())) {
    uid.append(fmt::format("{:02x}", static_cast<unsigned char>(digit)));
  }
  RETURN_IF_ERROR(send_all(std::string(1, '\0') + "AUTH EXTERNAL " + uid + "\r\n"));
  std::string line;
  constexpr std::size_t kMaxLine = 1024;
  while (!line.ends_with("\r\n") && line.size() < kMaxLine) {
    ASSIGN_OR_RETURN(const std::string byte, read_exactly(1));
    line.append(byte);
  }
  if (!line.starts_with("OK ")) return unavailable("dbus: not let in: {:?}", line);
  return send_all("BEGIN\r\n");
}

StatusOr<std::string> DbusConnection::call(const DbusCall& call) {
  if (!is_usable_) return unavailable("dbus: {}: the connection failed before", call.member);
  StatusOr<Answer> answer = exchange(call);
  is_usable_ = answer.ok();
  RETURN_IF_ERROR(answer.status());
  if (!answer->is_error) return std::move(answer->body);
  return unavailable("dbus: {}: {}", call.member, DbusReader(answer->body).text());
}

StatusOr<DbusReader::Variant> DbusConnection::property(const DbusProperty& property) {
  ASSIGN_OR_RETURN(const std::string body,
                   call({.destination = property.destination,
                         .path = property.path,
                         .interface = "org.freedesktop.DBus.Properties",
                         .member = "Get",
                         .arguments = {property.interface, property.name}}));
  DbusReader reader(body);
  DbusReader::Variant value = reader.variant();
  if (!reader.ok()) return data_loss("dbus: {}: neither text nor number", property.name);
  return value;
}

StatusOr<DbusConnection::Answer> DbusConnection::exchange(const DbusCall& call) {
  const std::uint32_t serial = ++serial_;
  RETURN_IF_ERROR(send_all(make_dbus_call(call, serial)));
  constexpr int kMaxOthers = 1000;  // signals that come meanwhile
  for (int i = 0; i < kMaxOthers; ++i) {
    ASSIGN_OR_RETURN(const std::string header, read_exactly(kFixedHeader));
    DbusReader reader(header);
    const bool is_little = reader.byte() == 'l';
    const std::uint8_t type = reader.byte();
    reader.byte();
    reader.byte();
    const std::uint32_t body_size = reader.u32();
    reader.u32();  // the serial of the answer itself
    const std::uint32_t fields_size = reader.u32();
    if (!is_little || fields_size > kMaxMessage) return data_loss("dbus: unexpected header");
    ASSIGN_OR_RETURN(const std::string fields, read_exactly((fields_size + 7) / 8 * 8));
    ASSIGN_OR_RETURN(std::string body, read_exactly(body_size));
    if (type != kReturn && type != kError) continue;
    if (reply_serial(std::string_view(fields).substr(0, fields_size)) != serial) continue;
    return Answer{.is_error = type == kError, .body = std::move(body)};
  }
  return resource_exhausted("dbus: no answer among {} messages", kMaxOthers);
}

std::string system_bus_socket() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* address = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  constexpr std::string_view kPrefix = "unix:path=";
  if (address != nullptr && std::string_view(address).starts_with(kPrefix)) {
    const std::string_view path = std::string_view(address).substr(kPrefix.size());
    return std::string(path.substr(0, path.find_first_of(",;")));
  }
  return "/run/dbus/system_bus_socket";
}

}  // namespace tocsin::exporters
