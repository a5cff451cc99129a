// SPDX-License-Identifier: Apache-2.0
//
// RecordingSink turns what a parser hands on into lines of text, for tests of the parsers.
//
// A value.
// Threads: confined.
#pragma once

#include <string>

#include <fmt/format.h>

#include "formats/exposition.h"
#include "model/value.h"

namespace tocsin::formats::exposition {

class RecordingSink : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    ++samples;
    text += fmt::format("{}|{}", sample.series, model::format_float(sample.value));
    if (sample.timestamp_ms) text += fmt::format("@{}", *sample.timestamp_ms);
    if (!sample.exemplar.empty()) text += fmt::format("#{}", sample.exemplar);
    text += "\n";
    return samples == stop_after ? resource_exhausted("enough") : ok();
  }
  void type(std::string_view metric, model::MetricKind kind) override {
    text += fmt::format("type {} {}\n", metric, model::kind_text(kind));
  }
  void help(std::string_view metric, std::string_view help) override {
    text += fmt::format("help {} <{}>\n", metric, help);
  }
  void unit(std::string_view metric, std::string_view unit) override {
    text += fmt::format("unit {} {}\n", metric, unit);
  }

  std::string text;
  int samples = 0;
  int stop_after = -1;
};

}  // namespace tocsin::formats::exposition
