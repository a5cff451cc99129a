// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/dns_names.h"

#include <charconv>
#include <span>

#include <fmt/core.h>

namespace tocsin::exporters::app {
namespace {

struct Named {
  std::string_view name;
  std::uint16_t number;
};

constexpr Named kTypes[] = {
    {"A", 1},           {"NS", 2},      {"CNAME", 5},   {"SOA", 6},       {"PTR", 12},
    {"HINFO", 13},      {"MX", 15},     {"TXT", 16},    {"RP", 17},       {"AFSDB", 18},
    {"SIG", 24},        {"KEY", 25},    {"AAAA", 28},   {"LOC", 29},      {"SRV", 33},
    {"NAPTR", 35},      {"KX", 36},     {"CERT", 37},   {"DNAME", 39},    {"OPT", 41},
    {"APL", 42},        {"DS", 43},     {"SSHFP", 44},  {"IPSECKEY", 45}, {"RRSIG", 46},
    {"NSEC", 47},       {"DNSKEY", 48}, {"DHCID", 49},  {"NSEC3", 50},    {"NSEC3PARAM", 51},
    {"TLSA", 52},       {"SMIMEA", 53}, {"HIP", 55},    {"CDS", 59},      {"CDNSKEY", 60},
    {"OPENPGPKEY", 61}, {"CSYNC", 62},  {"ZONEMD", 63}, {"SVCB", 64},     {"HTTPS", 65},
    {"SPF", 99},        {"EUI48", 108}, {"EUI64", 109}, {"TKEY", 249},    {"TSIG", 250},
    {"IXFR", 251},      {"AXFR", 252},  {"ANY", 255},   {"URI", 256},     {"CAA", 257},
};
constexpr Named kClasses[] = {{"IN", 1}, {"CS", 2},     {"CH", 3},
                              {"HS", 4}, {"NONE", 254}, {"ANY", 255}};
constexpr Named kRcodes[] = {
    {"NOERROR", 0},  {"FORMERR", 1},  {"SERVFAIL", 2}, {"NXDOMAIN", 3},  {"NOTIMP", 4},
    {"REFUSED", 5},  {"YXDOMAIN", 6}, {"YXRRSET", 7},  {"NXRRSET", 8},   {"NOTAUTH", 9},
    {"NOTZONE", 10}, {"BADSIG", 16},  {"BADVERS", 16}, {"BADKEY", 17},   {"BADTIME", 18},
    {"BADMODE", 19}, {"BADNAME", 20}, {"BADALG", 21},  {"BADTRUNC", 22}, {"BADCOOKIE", 23},
};

std::optional<std::uint16_t> number_of(std::span<const Named> table, std::string_view prefix,
                                       std::string_view name) {
  for (const Named& one : table) {
    if (one.name == name) return one.number;
  }
  if (prefix.empty() || !name.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size());
  std::uint16_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::string name_of(std::span<const Named> table, std::string_view prefix, int number) {
  for (const Named& one : table) {
    if (one.number == number) return std::string(one.name);
  }
  return fmt::format("{}{}", prefix, number);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes one character, written plainly or with a backslash, off `name`.
std::optional<char> take_character(std::string_view* name) {
  char c = name->front();
  name->remove_prefix(1);
  if (c != '\\') return c;
  if (name->empty()) return std::nullopt;
  if (!is_digit(name->front())) {
    c = name->front();
    name->remove_prefix(1);
    return c;
  }
  if (name->size() < 3 || !is_digit((*name)[1]) || !is_digit((*name)[2])) return std::nullopt;
  const int value = ((*name)[0] - '0') * 100 + ((*name)[1] - '0') * 10 + ((*name)[2] - '0');
  name->remove_prefix(3);
  if (value > 255) return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

std::optional<std::uint16_t> dns_type_number(std::string_view name) {
  return number_of(kTypes, "TYPE", name);
}
std::optional<std::uint16_t> dns_class_number(std::string_view name) {
  return number_of(kClasses, "CLASS", name);
}
std::optional<int> dns_rcode_number(std::string_view name) { return number_of(kRcodes, "", name); }
std::string dns_type_name(std::uint16_t number) { return name_of(kTypes, "TYPE", number); }
std::string dns_class_name(std::uint16_t number) { return name_of(kClasses, "CLASS", number); }
std::string dns_rcode_name(int number) { return name_of(kRcodes, "RCODE", number); }

std::optional<std::string> dns_name_bytes(std::string_view name) {
  constexpr std::size_t kMaxLabel = 63, kMaxName = 255;
  std::string out, label;
  if (name == ".") name = "";
  while (!name.empty()) {
    label.clear();
    while (!name.empty() && name.front() != '.') {
      const std::optional<char> c = take_character(&name);
      if (!c) return std::nullopt;
      label.push_back(*c);
    }
    if (!name.empty()) name.remove_prefix(1);  // the dot
    if (label.empty() || label.size() > kMaxLabel) return std::nullopt;
    out.push_back(static_cast<char>(label.size()));
    out.append(label);
  }
  out.push_back('\0');
  if (out.size() > kMaxName) return std::nullopt;
  return out;
}

}  // namespace tocsin::exporters::app
