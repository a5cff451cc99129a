// SPDX-License-Identifier: Apache-2.0
//
// CheckingSink: for fuzz targets: what a parser of pages hands on must be readable.
// Threads: confined. Errors: none; what must not be ends the program.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/check.h"
#include "formats/exposition.h"

namespace tocsin::formats::testing {

// Labels of a series text that was accepted are in order, and none is empty.
inline void check_labels(const StatusOr<model::Labels>& labels) {
  if (!labels.ok()) return;
  CHECK(labels->size() > 0);
  std::string_view last;
  for (const model::LabelView& label : *labels) {
    CHECK(last < label.name && !label.value.empty());
    last = label.name;
  }
}

class CheckingSink final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    check_labels(parse_series(sample.series, sample.kind));
    if (!sample.exemplar.empty()) static_cast<void>(parse_exemplar(sample.exemplar));
    return ok();
  }
  void type(std::string_view metric, model::MetricKind) override { touch(metric); }
  void help(std::string_view metric, std::string_view text) override {
    touch(metric);
    touch(text);
  }
  void unit(std::string_view metric, std::string_view unit) override {
    touch(metric);
    touch(unit);
  }

 private:
  // Reads every byte, so that a view of freed memory is found.
  void touch(std::string_view text) {
    for (const char c : text) sum_ += static_cast<unsigned char>(c);
  }
  std::size_t sum_ = 0;
};

}  // namespace tocsin::formats::testing
