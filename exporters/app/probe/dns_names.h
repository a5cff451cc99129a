// SPDX-License-Identifier: Apache-2.0
//
// The numbers of DNS and their names, and domain names as bytes.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::exporters::app {

std::optional<std::uint16_t> dns_type_number(std::string_view name);   // "AAAA", "TYPE65"
std::optional<std::uint16_t> dns_class_number(std::string_view name);  // "IN", "CLASS3"
std::optional<int> dns_rcode_number(std::string_view name);            // "NXDOMAIN"
std::string dns_type_name(std::uint16_t number);                       // "TYPE65" when unknown
std::string dns_class_name(std::uint16_t number);
std::string dns_rcode_name(int number);

// "example.com" or "example.com." as labels with their lengths and the root; nothing when a label is
// empty or above 63 bytes or all above 255. A backslash takes the next character, or three digits.
std::optional<std::string> dns_name_bytes(std::string_view name);

}  // namespace tocsin::exporters::app
