// SPDX-License-Identifier: Apache-2.0
//
// The protobuf exposition: io.prometheus.client.MetricFamily messages, each behind its length.
//
// It is handed on in the words of the text format: each sample has the series text that a text page
// would have for it, so what knows the text formats knows this one. A classic histogram becomes
// _count, _sum and _bucket series, a summary _count, _sum and quantiles; a native histogram is one
// sample with the histogram itself.
// A line is one sample. Confined. Borrows the page and the sink.
// Errors: kInvalidArgument "protobuf: ..." for damage; see exposition.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/exposition.h"
#include "formats/remote_write/wire.h"

namespace tocsin::formats::exposition {

class ProtobufParser {
 public:
  ProtobufParser(std::string_view page, ExpositionSink& sink, const HistogramOptions& options)
      : rest_(page), sink_(sink), options_(options) {}

  bool finished() const {
    return next_ == samples_.size() && next_metric_ == metrics_.size() && rest_.empty();
  }
  // Hands on one sample, or reads what the next ones are in. REQUIRES: not finished.
  Status read_line();

 private:
  struct Sample {
    std::string_view suffix;
    std::string_view label;  // "", "le" or "quantile"
    std::string label_value;
    double value = 0;
    std::size_t first_exemplar = 0;  // in exemplars_
    std::size_t exemplars = 0;
  };
  struct Buckets;

  Status read_family();
  Status read_type(std::uint64_t type);
  Status read_metric(std::string_view message);
  Status read_label(std::string_view message);
  Status read_value(std::string_view message);
  Status read_counter(std::string_view message);
  Status read_summary(std::string_view message);
  Status read_histogram(std::string_view message);
  void add_classic(const Buckets& buckets);
  void add_exemplar(std::string_view encoded, Sample* sample);
  void add_native(const Buckets& buckets);
  Status emit(const Sample& sample, const NativeHistogram* histogram);
  void write_series(const Sample& sample);

  std::string_view rest_;
  ExpositionSink& sink_;
  const HistogramOptions options_;

  // Of the family at hand.
  std::string_view name_;
  std::string_view unit_;
  model::MetricKind kind_ = model::MetricKind::kUnknown;
  std::vector<std::string_view> metrics_;
  std::size_t next_metric_ = 0;

  // Of the metric at hand.
  std::string labels_;  // name="value",...
  std::optional<std::int64_t> timestamp_ms_;
  std::int64_t start_ms_ = 0;
  std::vector<Sample> samples_;
  std::vector<std::string_view> exemplars_;
  std::size_t next_ = 0;
  std::optional<NativeHistogram> histogram_;  // of samples_[0]
  std::string series_;
};

}  // namespace tocsin::formats::exposition
