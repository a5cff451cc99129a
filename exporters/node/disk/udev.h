// SPDX-License-Identifier: Apache-2.0
//
// What udev keeps about a block device: lines "E:NAME=value" of <udev data>/b<major>:<minor>.
// A value.
#pragma once

#include <string>
#include <string_view>

#include "base/string_map.h"

namespace tocsin::exporters {

class UdevProperties {
 public:
  static UdevProperties parse(std::string_view text);
  bool has(std::string_view name) const { return values_.contains(name); }
  // "" when absent.
  const std::string& get(std::string_view name) const;

 private:
  StringMap<std::string> values_;
};

}  // namespace tocsin::exporters
