// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/host_patterns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <arpa/inet.h>
#include <fmt/core.h>

namespace tocsin::exporters {
namespace {

// '*' stands for any characters.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, after = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// An address as bytes, 4 or 16 of them; "" for anything else.
std::string address_bytes(const std::string& text) {
  std::array<char, 16> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.data(), 16};
  return "";
}

struct Network {
  std::string bytes;
  std::size_t bits = 0;
};

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  Network network{.bytes = address_bytes(std::string(text.substr(0, slash)))};
  const std::string_view bits = text.substr(slash + 1);
  const auto [stop, error] = std::from_chars(bits.data(), bits.data() + bits.size(), network.bits);
  if (error != std::errc() || stop != bits.data() + bits.size() || network.bytes.empty() ||
      network.bits > network.bytes.size() * 8) {
    return std::nullopt;
  }
  return network;
}

bool contains(const Network& network, const std::string& address) {
  const std::string bytes = address_bytes(address);
  if (bytes.size() != network.bytes.size()) return false;
  for (std::size_t bit = 0; bit < network.bits; ++bit) {
    const int mask = 0x80 >> (bit % 8);
    if (((bytes[bit / 8] ^ network.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

}  // namespace

bool is_host_pattern(std::string_view pattern) {
  const bool has_slash = pattern.find('/') != std::string_view::npos && !pattern.starts_with('/');
  return !pattern.empty() && (!has_slash || parse_network(pattern));
}

bool matches_host_pattern(std::span<const std::string> patterns, const std::string& host,
                          std::string_view port) {
  const bool is_socket = host.starts_with('/') || host.starts_with('@');
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (const std::optional<Network> network = parse_network(pattern)) {
      return contains(*network, host);
    }
    // "*" is for hosts; the sockets of this machine are named.
    if (is_socket) return pattern == host;
    return matches(pattern, host) || matches(pattern, fmt::format("{}:{}", host, port)) ||
           matches(pattern, fmt::format("[{}]:{}", host, port));
  });
}

}  // namespace tocsin::exporters
