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
  // A warning that says how often it came up.
  void warn_counted(std::string_view text, PositionRange position, std::uint64_t times);
  // Adds what the other has, in its order.
  void merge(const AnnotationSet& other);

  struct Entry {
    bool warning = false;
    std::string text;  // without prefix and position
    PositionRange position;
    bool counted = false;
    std::uint64_t times = 1;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void add(bool warning, std::string_view text, PositionRange position);
  std::vector<Entry> entries_;
  StringSet seen_;
};

// What is to be said of native histograms, in upstream's words. `metric` may be empty.
namespace annotate {
void mixed_types(std::string_view metric, PositionRange where, AnnotationSet* out);
void mixed_types_in_aggregation(PositionRange where, AnnotationSet* out);
void mixed_schemas(std::string_view metric, PositionRange where, AnnotationSet* out);
void mixed_classic_and_native(std::string_view metric, PositionRange where, AnnotationSet* out);
void not_counter(std::string_view metric, PositionRange where, AnnotationSet* out);
void not_gauge(std::string_view metric, PositionRange where, AnnotationSet* out);
// `operation` is aggregation, addition or subtraction.
void resets_conflict(std::string_view operation, PositionRange where, AnnotationSet* out);
void reconciled(std::string_view operation, PositionRange where, AnnotationSet* out);
void ignored_in_range(std::string_view metric, PositionRange where, AnnotationSet* out);
void ignored_in_aggregation(std::string_view aggregation, PositionRange where, AnnotationSet* out);
void incompatible_buckets(std::string_view op, PositionRange where, AnnotationSet* out);
void incompatible_types(std::string_view left, std::string_view op, std::string_view right,
                        PositionRange where, AnnotationSet* out);
}  // namespace annotate

}  // namespace tocsin::promql::eval
