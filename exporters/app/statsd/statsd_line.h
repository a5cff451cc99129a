// SPDX-License-Identifier: Apache-2.0
//
// Reading packets of StatsD: lines of "name:value|type|@rate|#tags", with what DogStatsD, InfluxDB,
// Librato and SignalFx add to them.
//
// The first pass finds the parts of a line and allocates nothing; names and tags are taken apart by
// read_statsd_series(), which a receiver needs once for each series.
// Pure functions of values; the views point into the packet. Threads: confined.
// Errors: are counted by reason; a bad line costs the others nothing.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "exporters/common/families.h"

namespace tocsin::exporters::app {

enum class StatsdType { kCounter, kGauge, kTimer, kHistogram, kDistribution, kSet };

enum class StatsdError {
  kMalformedLine,
  kMalformedComponent,
  kMalformedValue,
  kIllegalType,
  kInvalidRate,
  kMixedTags,
  kNegativeCounter,
  kTypeConflict,
  kTooManySeries,
  kSetFull
};
inline constexpr std::size_t kStatsdErrors = 10;
// As a label value: "malformed_line".
std::string_view statsd_error_text(StatsdError error);

struct StatsdSample {
  std::string_view head;  // name, perhaps with tags in it
  StatsdType type = StatsdType::kCounter;
  std::string_view text;       // of the value: the member of a set
  double value = 0;            // finite; of all but sets. A timer's are milliseconds
  bool is_relative = false;    // a gauge with a sign
  double rate = 1;             // (0, 1]: the share of events that were sent
  std::string_view tags;       // of DogStatsD, without "#"
  std::string_view container;  // likewise
};

class StatsdSink {
 public:
  virtual ~StatsdSink() = default;
  virtual void sample(const StatsdSample& sample) = 0;
  virtual void error(StatsdError error) = 0;
};

// Returns the number of lines that are not empty.
std::size_t read_statsd_packet(std::string_view packet, StatsdSink& sink);

// Name and tags of a sample.
struct StatsdSeries {
  std::string name;          // as it was sent
  LabelPairs tags;           // names escaped, sorted, none twice
  std::size_t bad_tags = 0;  // left out
  bool is_mixed = false;     // tags of two styles: refused
  bool is_text = true;       // UTF-8
};
StatsdSeries read_statsd_series(const StatsdSample& sample);

// A name for the page: what is neither letter, digit nor "_" becomes "_", several dashes one; "_" is
// put before a digit.
std::string escaped_metric_name(std::string_view name);

}  // namespace tocsin::exporters::app
