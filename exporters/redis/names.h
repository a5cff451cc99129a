// SPDX-License-Identifier: Apache-2.0
//
// The names, types and help texts of the Redis exporter's families, without their prefix. Pure
// functions of values.
#pragma once

#include <string>
#include <string_view>

#include "base/metrics.h"

namespace tocsin::exporters {

struct RedisField {
  std::string_view field;  // as a server calls it
  std::string_view name;   // of the family
  base::MetricType type;
};

// The family of a field that has one value; nullptr when it is not shown.
const RedisField* find_field(std::string_view field);

// The help text of a family: "<name> metric" for those that need no more.
std::string help_of(std::string_view name);

}  // namespace tocsin::exporters
