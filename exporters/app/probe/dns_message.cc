// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/dns_message.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

#include "base/hash.h"
#include "exporters/app/probe/dns_names.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxRecords = 65'535;

enum Type : std::uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kDname = 39,
  kOpt = 41,
  kDs = 43,
  kSpf = 99,
  kCaa = 257
};

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void append_u16(std::uint16_t value, std::string* out) {
  out->push_back(static_cast<char>(value >> 8));
  out->push_back(static_cast<char>(value & 0xFF));
}

// One character of a name or a string as zone files have it; `special` gets a backslash.
void append_escaped(char c, std::string_view special, std::string* out) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte > 0x7E) {
    out->append(fmt::format("\\{:03}", byte));
    return;
  }
  if (special.find(c) != std::string_view::npos) out->push_back('\\');
  out->push_back(c);
}

class Reader {
 public:
  Reader(std::string_view message, std::size_t at, std::size_t end)
      : message_(message), at_(at), end_(end) {}

  std::size_t position() const { return at_; }
  bool is_at_end() const { return at_ == end_; }
  std::string_view rest() const { return message_.substr(at_, end_ - at_); }

  StatusOr<std::string_view> bytes(std::size_t size) {
    if (end_ - at_ < size) return data_loss("dns: message ends too early");
    const std::string_view out = message_.substr(at_, size);
    at_ += size;
    return out;
  }
  StatusOr<std::uint32_t> number(std::size_t size) {
    ASSIGN_OR_RETURN(const std::string_view text, bytes(size));
    std::uint32_t value = 0;
    for (const char c : text) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  StatusOr<std::uint16_t> u16() {
    ASSIGN_OR_RETURN(const std::uint32_t value, number(2));
    return static_cast<std::uint16_t>(value);
  }

  // A name as text with a dot at the end; pointers are followed.
  StatusOr<std::string> name() {
    std::string out;
    std::size_t total = 1, at = at_;
    std::size_t lowest = at_;  // pointers lead before this, so they end
    bool has_jumped = false;
    for (;;) {
      const std::size_t limit = has_jumped ? message_.size() : end_;
      if (at >= limit) return data_loss("dns: name ends too early");
      const auto size = static_cast<unsigned char>(message_[at]);
      if ((size & 0xC0) == 0xC0) {
        if (at + 2 > limit) return data_loss("dns: name ends too early");
        const std::size_t place =
            (size & 0x3FU) << 8 | static_cast<unsigned char>(message_[at + 1]);
        if (place >= lowest) return data_loss("dns: a pointer in a name leads forward");
        if (!std::exchange(has_jumped, true)) at_ = at + 2;
        lowest = at = place;
        continue;
      }
      if (size > 63) return data_loss("dns: bad label in a name");
      ++at;
      if (size == 0) break;
      total += size + 1U;
      if (total > kMaxNameBytes) return data_loss("dns: a name of more than 255 bytes");
      if (at + size > limit) return data_loss("dns: name ends too early");
      for (const char c : message_.substr(at, size)) append_escaped(c, ".\\\"();@$", &out);
      out.push_back('.');
      at += size;
    }
    if (!has_jumped) at_ = at;
    return out.empty() ? "." : out;
  }

 private:
  const std::string_view message_;
  std::size_t at_;
  const std::size_t end_;
};

StatusOr<std::string> address_text(int family, Reader* data) {
  ASSIGN_OR_RETURN(const std::string_view bytes, data->bytes(family == AF_INET ? 4 : 16));
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, bytes.data(), text.data(), text.size());
  return std::string(text.data());
}

// Strings with their lengths: "a" "b".
StatusOr<std::string> strings_text(Reader* data) {
  std::string out;
  while (!data->is_at_end()) {
    ASSIGN_OR_RETURN(const std::uint32_t size, data->number(1));
    ASSIGN_OR_RETURN(const std::string_view text, data->bytes(size));
    out.append(out.empty() ? "\"" : " \"");
    for (const char c : text) append_escaped(c, "\"\\", &out);
    out.push_back('"');
  }
  return out;
}

StatusOr<std::string> soa_text(Reader* data, std::uint32_t* serial) {
  ASSIGN_OR_RETURN(const std::string server, data->name());
  ASSIGN_OR_RETURN(const std::string mailbox, data->name());
  std::string out = server + " " + mailbox;
  for (int i = 0; i < 5; ++i) {
    ASSIGN_OR_RETURN(const std::uint32_t value, data->number(4));
    if (i == 0) *serial = value;
    out.append(fmt::format(" {}", value));
  }
  return out;
}

StatusOr<std::string> numbers_and_name(int numbers, Reader* data) {
  std::string out;
  for (int i = 0; i < numbers; ++i) {
    ASSIGN_OR_RETURN(const std::uint16_t value, data->u16());
    out.append(fmt::format("{} ", value));
  }
  ASSIGN_OR_RETURN(const std::string name, data->name());
  return out + name;
}

StatusOr<std::string> caa_text(Reader* data) {
  ASSIGN_OR_RETURN(const std::uint32_t flags, data->number(1));
  ASSIGN_OR_RETURN(const std::uint32_t size, data->number(1));
  ASSIGN_OR_RETURN(const std::string_view tag, data->bytes(size));
  std::string out = fmt::format("{} ", flags);
  for (const char c : tag) append_escaped(c, "\"\\", &out);
  out.append(" \"");
  for (const char c : data->rest()) append_escaped(c, "\"\\", &out);
  return out.append("\"");
}

StatusOr<std::string> ds_text(Reader* data) {
  ASSIGN_OR_RETURN(const std::uint16_t tag, data->u16());
  ASSIGN_OR_RETURN(const std::uint32_t algorithm, data->number(1));
  ASSIGN_OR_RETURN(const std::uint32_t digest, data->number(1));
  std::string hex = base::to_hex(data->rest());
  std::transform(hex.begin(), hex.end(), hex.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return fmt::format("{} {} {} {}", tag, algorithm, digest, hex);
}

// The data of a record as text; of types that are not known here as RFC 3597 has it.
StatusOr<std::string> data_text(std::uint16_t type, Reader* data, std::uint32_t* serial) {
  switch (type) {
    case kA:
      return address_text(AF_INET, data);
    case kAaaa:
      return address_text(AF_INET6, data);
    case kNs:
    case kCname:
    case kPtr:
    case kDname:
      return data->name();
    case kMx:
      return numbers_and_name(1, data);
    case kSrv:
      return numbers_and_name(3, data);
    case kTxt:
    case kSpf:
      return strings_text(data);
    case kSoa:
      return soa_text(data, serial);
    case kCaa:
      return caa_text(data);
    case kDs:
      return ds_text(data);
    default:
      return fmt::format("\\# {} {}", data->rest().size(), base::to_hex(data->rest()));
  }
}

StatusOr<DnsRecord> read_record(std::string_view message, Reader* reader, DnsAnswer* answer) {
  ASSIGN_OR_RETURN(const std::string name, reader->name());
  ASSIGN_OR_RETURN(const std::uint16_t type, reader->u16());
  ASSIGN_OR_RETURN(const std::uint16_t record_class, reader->u16());
  ASSIGN_OR_RETURN(const std::uint32_t ttl, reader->number(4));
  ASSIGN_OR_RETURN(const std::uint16_t size, reader->u16());
  const std::size_t start = reader->position();
  RETURN_IF_ERROR(reader->bytes(size).status());
  DnsRecord record{.type = type, .text = {}};
  if (type == kOpt) {
    // Its TTL holds the upper bits of the code.
    answer->rcode |= static_cast<int>(ttl >> 24) << 4;
    record.text =
        fmt::format("; EDNS: version {}; flags:; udp: {}", ttl >> 16 & 0xFF, record_class);
    return record;
  }
  Reader data(message, start, start + size);
  ASSIGN_OR_RETURN(const std::string text, data_text(type, &data, &record.serial));
  record.text = fmt::format("{}\t{}\t{}\t{}\t{}", name, ttl, dns_class_name(record_class),
                            dns_type_name(type), text);
  return record;
}

}  // namespace

std::string encode_dns_question(const DnsQuestion& question) {
  std::string out;
  append_u16(question.id, &out);
  append_u16(question.recursion_desired ? 0x0100 : 0, &out);
  constexpr std::array<std::uint16_t, 4> kCounts = {1, 0, 0, 0};
  for (const std::uint16_t count : kCounts) append_u16(count, &out);
  out.append(question.name);
  append_u16(question.type, &out);
  append_u16(question.qclass, &out);
  return out;
}

StatusOr<DnsAnswer> decode_dns_answer(std::string_view message) {
  Reader reader(message, 0, message.size());
  DnsAnswer answer;
  ASSIGN_OR_RETURN(answer.id, reader.u16());
  ASSIGN_OR_RETURN(const std::uint16_t flags, reader.u16());
  answer.is_response = (flags & 0x8000) != 0;
  answer.is_truncated = (flags & 0x0200) != 0;
  answer.rcode = flags & 0xF;
  std::array<std::uint16_t, 4> counts{};
  for (std::uint16_t& count : counts) {
    ASSIGN_OR_RETURN(count, reader.u16());
  }
  for (std::size_t i = 0; i < counts[0]; ++i) {
    ASSIGN_OR_RETURN(std::string name, reader.name());
    ASSIGN_OR_RETURN(const std::string_view rest, reader.bytes(4));
    if (i != 0) continue;
    std::transform(name.begin(), name.end(), name.begin(), to_lower);
    answer.question_bytes = name.append(rest);
  }
  std::size_t records = 0;
  for (const auto& [count, list] :
       {std::pair(counts[1], &answer.answer), std::pair(counts[2], &answer.authority),
        std::pair(counts[3], &answer.additional)}) {
    for (std::size_t i = 0; i < count; ++i) {
      // What was cut off is not there, and that is said.
      if (answer.is_truncated && reader.is_at_end()) break;
      if (++records > kMaxRecords) return data_loss("dns: too many records");
      ASSIGN_OR_RETURN(DnsRecord record, read_record(message, &reader, &answer));
      list->push_back(std::move(record));
    }
  }
  return answer;
}

bool answers(const DnsAnswer& answer, const DnsQuestion& question) {
  if (!answer.is_response || answer.id != question.id) return false;
  // Errors may come without the question.
  if (answer.question_bytes.empty()) return answer.rcode != 0;
  Reader reader(question.name, 0, question.name.size());
  StatusOr<std::string> name = reader.name();
  if (!name.ok()) return false;
  std::transform(name->begin(), name->end(), name->begin(), to_lower);
  append_u16(question.type, &*name);
  append_u16(question.qclass, &*name);
  return *name == answer.question_bytes;
}

}  // namespace tocsin::exporters::app
