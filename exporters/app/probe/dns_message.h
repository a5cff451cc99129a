// SPDX-License-Identifier: Apache-2.0
//
// DNS messages: a question as bytes, and an answer with its records as zone files spell them, which
// is what the expressions of a module are matched with.
//
//   header: id, flags, counts of questions, answers, authorities, additionals (16 bits each)
//   record: name, type, class, ttl (32 bits), length, data
//
// Pure functions of bytes. Names may point to places before them (RFC 1035, 4.1.4), never forward,
// so that reading ends.
// Errors: kDataLoss for what is no DNS message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters::app {

struct DnsQuestion {
  std::uint16_t id = 0;
  std::string name;  // as dns_name_bytes() makes it
  std::uint16_t type = 0, qclass = 0;
  bool recursion_desired = true;
};
std::string encode_dns_question(const DnsQuestion& question);

struct DnsRecord {
  std::uint16_t type = 0;
  std::string text;          // "example.com.\t300\tIN\tA\t192.0.2.1"
  std::uint32_t serial = 0;  // of SOA
};

struct DnsAnswer {
  std::uint16_t id = 0;
  bool is_response = false, is_truncated = false;
  int rcode = 0;               // with the upper bits of OPT
  std::string question_bytes;  // name (lower case), type and class of the first question
  std::vector<DnsRecord> answer, authority, additional;
};
StatusOr<DnsAnswer> decode_dns_answer(std::string_view message);

// Whether `answer` is one to `question`, and not to another that somebody made us ask.
bool answers(const DnsAnswer& answer, const DnsQuestion& question);

}  // namespace tocsin::exporters::app
