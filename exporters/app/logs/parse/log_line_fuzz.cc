// SPDX-License-Identifier: Apache-2.0
//
// Lines that anybody can have written, by their requests, into a log: every value is a piece of the
// line or of the scratch space, and counting them stays within the budget. What is before the first
// line end is a format.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "exporters/app/logs/access_metrics.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxSeries = 8;

bool is_inside(std::string_view piece, std::string_view of) {
  return piece.empty() ||
         (piece.data() >= of.data() && piece.data() + piece.size() <= of.data() + of.size());
}

void check_record(const LogRecord& record, std::string_view line) {
  for (const std::string_view value : record.fields) {
    CHECK(is_inside(value, line) || is_inside(value, record.scratch));
  }
}

void read(const LineParser& parser, std::string_view lines) {
  SeriesBudget budget(kMaxSeries);
  AccessOptions options;
  options.routes.push_back({*model::Regex::unanchored("^/a"), "/a"});
  AccessMetrics metrics(parser, options, budget);
  std::size_t count = 0;
  LogRecord record;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    ++count;
    if (parser.parse(line, &record)) check_record(record, line);
    metrics.add_line(line, {});
  }
  std::vector<base::MetricFamily> families;
  metrics.append_to({}, &families);
  double counted = 0;
  for (const base::MetricFamily& family : families) {
    if (family.name != "nginx_http_response_count_total" &&
        family.name != "nginx_parse_errors_total") {
      continue;
    }
    CHECK(family.samples.size() <= kMaxSeries + 1);
    for (const base::MetricSample& sample : family.samples) counted += sample.value;
  }
  CHECK(counted == static_cast<double>(count));
}

void fuzz(std::string_view bytes) {
  const std::string_view format = bytes.substr(0, bytes.find('\n'));
  const std::string_view lines = bytes.substr(std::min(format.size() + 1, bytes.size()));
  if (format == "json") return read(LineParser(*JsonLine::make({}, {})), lines);
  if (format == "haproxy") return read(LineParser(HaproxyHttpFormat{}), lines);
  const StatusOr<LineFormat> compiled =
      LineFormat::compile(format == "combined" ? kCombinedLogFormat : format, {});
  if (compiled.ok()) read(LineParser(*compiled), lines);
}

}  // namespace
TOCSIN_FUZZ_TARGET(log_line, fuzz)
}  // namespace tocsin::exporters::app
