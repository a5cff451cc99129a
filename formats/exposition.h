// SPDX-License-Identifier: Apache-2.0
//
// Reading pages of metrics: the Prometheus text format 0.0.4, OpenMetrics 1.0 and protobuf.
//
// The parsers make one forward pass and hand each line to a sink. A series is handed on as the text
// it was exposed with, so that a scraper that saw it before need not build its labels again;
// parse_series builds them for a new one. A plain line (no escapes, no exemplar) allocates nothing.
// Values and functions; the views they hand out point into the page.
// Threads: confined.
// Errors: kInvalidArgument "line N: expected X, got Y", N from 1. The sink may have seen earlier
// lines.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/metadata.h"

namespace tocsin::formats {

using NativeHistogram = std::variant<model::Histogram, model::FloatHistogram>;

struct ExpositionSample {
  std::string_view series;  // name{labels} exactly as exposed; parse_series reads it
  double value = 0;         // any NaN is model::normal_nan()
  std::optional<std::int64_t> timestamp_ms;
  // Of the last TYPE line, as upstream: it decides if `le` or `quantile` is a number
  // (parse_series).
  model::MetricKind kind = model::MetricKind::kUnknown;
  std::string_view unit;  // that UNIT gives the metric of the last metadata line; or empty
  std::string_view
      exemplar;  // {labels} value [timestamp], checked; parse_exemplar reads it; or empty
  // Of protobuf, which may have several; parse_protobuf_exemplar reads them. Those of a native
  // histogram have timestamps.
  std::span<const std::string_view> encoded_exemplars;
  std::int64_t start_ms = 0;  // of protobuf: since when the metric counts; 0: not given
  const NativeHistogram* histogram = nullptr;  // instead of the value; valid during the call
};

class ExpositionSink {
 public:
  virtual ~ExpositionSink() = default;
  // A status that is not OK ends the parse, which returns it as it is.
  virtual Status sample(const ExpositionSample& sample) = 0;
  // The texts are unescaped; valid during the call.
  virtual void type(std::string_view metric, model::MetricKind kind) = 0;
  virtual void help(std::string_view metric, std::string_view text) = 0;
  virtual void unit(std::string_view metric, std::string_view unit) = 0;
};

// 0.0.4. As upstream the last line may lack its newline.
Status parse_text(std::string_view page, ExpositionSink& sink);
// 1.0: ends with "# EOF" and nothing behind it. Lines named _created are ordinary series.
Status parse_openmetrics(std::string_view page, ExpositionSink& sink);

struct HistogramOptions {
  bool native = false;       // hand on native histograms; otherwise their classic buckets
  bool classic_too = false;  // beside a native histogram its classic buckets, if it has any
  friend bool operator==(const HistogramOptions&, const HistogramOptions&) = default;
};
// io.prometheus.client.MetricFamily, delimited. Series have the texts that they have in text pages.
Status parse_protobuf(std::string_view page, const HistogramOptions& options, ExpositionSink& sink);

// Builds the labels, __name__ among them, of a series text that either parser accepted. In series
// of a histogram `le`, in those of a summary `quantile` get the form of a float: "1" becomes "1.0".
// Errors: kInvalidArgument; a label name that occurs twice, names that are not UTF-8 or empty.
StatusOr<model::Labels> parse_series(std::string_view series,
                                     model::MetricKind kind = model::MetricKind::kUnknown);
StatusOr<model::Exemplar> parse_exemplar(std::string_view exemplar);
// Appends a label's value, or a name that needs it, in quotes as series texts have it.
void append_quoted(std::string_view text, std::string* out);
// Reads an io.prometheus.client.Exemplar.
StatusOr<model::Exemplar> parse_protobuf_exemplar(std::string_view encoded);

enum class ExpositionFormat { kText, kOpenMetrics, kProtobuf };

// What a scrape may ask for; the names are those of scrape_protocols in the configuration.
enum class ScrapeProtocol {
  kPrometheusProto,
  kOpenMetricsText0_0_1,
  kOpenMetricsText1_0_0,
  kPrometheusText0_0_4,
  kPrometheusText1_0_0
};
StatusOr<ScrapeProtocol> parse_scrape_protocol(std::string_view name);
std::string_view scrape_protocol_text(ScrapeProtocol protocol);
// The default order of scrape_protocols.
std::span<const ScrapeProtocol> default_scrape_protocols();
// The same with scrape_native_histograms, which only protobuf can carry.
std::span<const ScrapeProtocol> native_scrape_protocols();

// The format of a response with this Content-Type; `fallback` stands in for a missing, malformed or
// unknown one.
StatusOr<ExpositionFormat> choose_format(std::string_view content_type,
                                         std::optional<ScrapeProtocol> fallback);
// The Accept header that asks for `protocols` in this order; `escaping` is the escaping scheme of
// names.
std::string accept_header(std::span<const ScrapeProtocol> protocols,
                          std::string_view escaping = "allow-utf-8");

}  // namespace tocsin::formats
