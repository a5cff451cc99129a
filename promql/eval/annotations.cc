// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/annotations.h"

#include "model/labels.h"

namespace tocsin::promql::eval {

void AnnotationSet::warn(std::string_view text, PositionRange position) {
  add(true, text, position);
}

void AnnotationSet::info(std::string_view text, PositionRange position) {
  add(false, text, position);
}

void AnnotationSet::add(bool warning, std::string_view text, PositionRange position) {
  if (!seen_.insert(fmt::format("{}{} {}", warning ? 'w' : 'i', position.start, text)).second) {
    return;
  }
  entries_.push_back({warning, std::string(text), position, false, 1});
}

void AnnotationSet::warn_counted(std::string_view text, PositionRange position,
                                 std::uint64_t times) {
  if (times == 0) return;
  for (Entry& entry : entries_) {
    if (!entry.counted || entry.text != text || entry.position.start != position.start) continue;
    entry.times += times;
    return;
  }
  entries_.push_back({true, std::string(text), position, true, times});
}

void AnnotationSet::merge(const AnnotationSet& other) {
  for (const Entry& entry : other.entries_) {
    if (entry.counted) {
      warn_counted(entry.text, entry.position, entry.times);
    } else {
      add(entry.warning, entry.text, entry.position);
    }
  }
}

namespace annotate {

namespace {

std::string quoted(std::string_view metric) { return model::go_quote(metric); }

}  // namespace

void mixed_types(std::string_view metric, PositionRange where, AnnotationSet* out) {
  out->warn(
      fmt::format("encountered a mix of histograms and floats for metric name {}", quoted(metric)),
      where);
}

void mixed_types_in_aggregation(PositionRange where, AnnotationSet* out) {
  out->warn("encountered a mix of histograms and floats for aggregation", where);
}

void mixed_schemas(std::string_view metric, PositionRange where, AnnotationSet* out) {
  out->warn(fmt::format("vector contains a mix of histograms with exponential and custom buckets "
                        "schemas for metric name {}",
                        quoted(metric)),
            where);
}

void mixed_classic_and_native(std::string_view metric, PositionRange where, AnnotationSet* out) {
  out->warn(
      fmt::format("vector contains a mix of classic and native histograms{}{}",
                  metric.empty() ? "" : " for metric name ", metric.empty() ? "" : quoted(metric)),
      where);
}

void not_counter(std::string_view metric, PositionRange where, AnnotationSet* out) {
  out->warn(fmt::format("this native histogram metric is not a counter: {}", quoted(metric)),
            where);
}

void not_gauge(std::string_view metric, PositionRange where, AnnotationSet* out) {
  out->warn(fmt::format("this native histogram metric is not a gauge: {}", quoted(metric)), where);
}

void resets_conflict(std::string_view operation, PositionRange where, AnnotationSet* out) {
  out->warn(fmt::format("conflicting counter resets during histogram {}", operation), where);
}

void reconciled(std::string_view operation, PositionRange where, AnnotationSet* out) {
  out->info(fmt::format("mismatched custom buckets were reconciled during {}", operation), where);
}

void ignored_in_range(std::string_view metric, PositionRange where, AnnotationSet* out) {
  out->info(fmt::format("ignored histograms in a range containing both floats and histograms for "
                        "metric name {}",
                        quoted(metric)),
            where);
}

void ignored_in_aggregation(std::string_view aggregation, PositionRange where, AnnotationSet* out) {
  out->info(fmt::format("ignored histogram in {} aggregation", aggregation), where);
}

void incompatible_buckets(std::string_view op, PositionRange where, AnnotationSet* out) {
  out->warn(fmt::format("incompatible bucket layout encountered for binary operator {}", op),
            where);
}

void incompatible_types(std::string_view left, std::string_view op, std::string_view right,
                        PositionRange where, AnnotationSet* out) {
  out->info(fmt::format("incompatible sample types encountered for binary operator {}: {} {} {}",
                        model::go_quote(op), left, op, right),
            where);
}

}  // namespace annotate

}  // namespace tocsin::promql::eval
