// SPDX-License-Identifier: Apache-2.0
//
// RedisInfo: the reply to INFO, and the families that are made of it.
//
// A value. Borrows: the text that it was parsed from.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/string_map.h"
#include "exporters/redis/metrics.h"

namespace tocsin::exporters {

class RedisInfo {
 public:
  struct Field {
    std::string_view section, key, value;  // "Server", "hz", "10"
  };

  // No server has so many lines; what is behind them is not looked at.
  static constexpr std::size_t kMaxLines = 20'000;

  // Lines that are no field are skipped.
  explicit RedisInfo(std::string_view text);

  const std::vector<Field>& fields() const { return fields_; }
  // The first value of a key, "" when it is not there.
  std::string_view get(std::string_view key) const;
  bool has_section(std::string_view name) const;

  // Microseconds spent in each command; that of "config|get" counts for "config", too.
  StringMap<double> command_usec() const;

 private:
  std::vector<Field> fields_;
  std::unordered_map<std::string_view, std::string_view> values_;
};

struct InfoOptions {
  std::size_t databases = 16;   // that are configured
  bool empty_databases = true;  // show those without keys, too
  double now_seconds = 0;
};

// Shows what INFO tells. REQUIRES: the role was set.
void show_info(const RedisInfo& info, const InfoOptions& options, RedisMetrics* out);

// Shows one field of INFO, CLUSTER INFO or SERVER EXT, if it is one of those that have a family.
void show_field(std::string_view key, std::string_view value, RedisMetrics* out);

// The number in "calls=21,usec=175", by its name; the text, where it is no number.
std::optional<double> number_in(std::string_view list, std::string_view name);
std::string_view text_in(std::string_view list, std::string_view name);
std::optional<double> number_of(std::string_view text);

}  // namespace tocsin::exporters
