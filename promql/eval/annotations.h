// SPDX-License-Identifier: Apache-2.0
//
// Collects the warnings and infos of one query, each once, in order of first appearance.
//
// Confined: workers fill their own and the caller merges them in order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/string_map.h"
#include "promql/ast.h"

namespace tocsin::promql::eval {

class AnnotationSet {
 public:
  void warn(std::string_view text, PositionRange position);
  void info(std::string_view text, PositionRange position);

  struct Entry {
    bool warning = false;
    std::string text;  // without prefix and position
    PositionRange position;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void add(bool warning, std::string_view text, PositionRange position);
  std::vector<Entry> entries_;
  StringSet seen_;
};

}  // namespace tocsin::promql::eval
