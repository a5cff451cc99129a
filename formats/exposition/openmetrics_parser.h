// SPDX-License-Identifier: Apache-2.0
//
// OpenMetrics 1.0: every blank is one space at its place, every line ends with a newline, and the
// page ends with "# EOF".
//
// Confined. Borrows the page and the sink.
// Errors: see exposition.h.
#pragma once

#include <cmath>

#include "formats/exposition/line_parser.h"

namespace tocsin::formats::exposition {

class OpenMetricsParser : public LineParser<Dialect::kOpenMetrics> {
 public:
  OpenMetricsParser(std::string_view page, ExpositionSink& sink) : LineParser(page, sink) {}

  bool finished() const { return saw_end_; }

  // Reads one line. REQUIRES: not finished.
  Status read_line() {
    if (at_end()) return fail(p_, "\"# EOF\" as the last line");
    if (*p_ != '#') {
      ExpositionSample sample;
      RETURN_IF_ERROR(take_series(&sample));
      return read_rest(&sample);
    }
    if (!take("# EOF")) return read_metadata();
    take_newline();
    saw_end_ = true;
    return at_end() ? ok() : fail(p_, "nothing after \"# EOF\"");
  }

  // Reads what follows the series of `sample`.
  Status read_rest(ExpositionSample* sample) {
    if (!take(" ")) return fail(p_, "a space and a value");
    RETURN_IF_ERROR(take_value(&sample->value));
    if (!next_is(" #") && take(" ")) {
      std::int64_t ms = 0;
      RETURN_IF_ERROR(take_timestamp(&ms));
      sample->timestamp_ms = ms;
    }
    if (next_is(" # {")) RETURN_IF_ERROR(take_exemplar(sample));
    if (!take_newline()) return fail(p_, "the end of the line");
    return sink_.sample(*sample);
  }

 private:
  bool next_is(std::string_view text) const {
    return between(p_, end_).substr(0, text.size()) == text;
  }

  Status take_timestamp(std::int64_t* ms) {
    const char* const begin = p_;
    double seconds = 0;
    if (!take_value(&seconds).ok() || !(std::fabs(seconds) < 9e15)) {
      return fail(begin, "a timestamp in seconds");
    }
    *ms = static_cast<std::int64_t>(seconds * 1000);
    return ok();
  }

  // Checks the exemplar, so that reading it later cannot fail.
  Status take_exemplar(ExpositionSample* sample) {
    p_ += 3;
    const char* const begin = p_;
    IgnoreParts ignore;
    SeriesReader<Dialect::kOpenMetrics, IgnoreParts> reader(end_, ignore);
    bool named = false;
    const char* const after = reader.read_labels(p_ + 1, &named, false);
    if (after == nullptr) return fail(reader.error().at, reader.error().expected);
    p_ = after;
    if (!take(" ")) return fail(p_, "a space and the exemplar's value");
    double value = 0;
    RETURN_IF_ERROR(take_value(&value));
    std::int64_t ms = 0;
    if (take(" ")) RETURN_IF_ERROR(take_timestamp(&ms));
    sample->exemplar = between(begin, p_);
    return ok();
  }

  Status read_metadata() {
    enum { kHelp, kType, kUnit } line;
    if (take("# HELP ")) {
      line = kHelp;
    } else if (take("# TYPE ")) {
      line = kType;
    } else if (take("# UNIT ")) {
      line = kUnit;
    } else {
      return fail(p_, "# HELP, # TYPE, # UNIT or # EOF");
    }
    std::string metric;
    RETURN_IF_ERROR(take_metric_name(&metric));
    if (!take(" ")) return fail(p_, "a space and a text");
    if (metric != metric_) unit_ = {};
    metric_ = metric;
    const char* const begin = p_;
    p_ = line_end();
    const std::string_view text = between(begin, p_);
    if (!take_newline()) return fail(p_, "a newline");
    if (line == kHelp) return emit_help(metric, begin, text, Escapes::kLabelValue);
    if (line == kType) return emit_type(metric, begin, text);
    return emit_unit(metric, begin, text);
  }

  Status emit_unit(std::string_view metric, const char* begin, std::string_view unit) {
    const bool longer = metric.size() > unit.size();
    const std::size_t at = metric.size() - (longer ? unit.size() : 0);
    if (!unit.empty() && !(longer && metric.substr(at) == unit && metric[at - 1] == '_')) {
      return fail(begin, "a unit that is the metric name's suffix");
    }
    unit_ = unit;
    sink_.unit(metric, unit);
    return ok();
  }

  std::string metric_;  // of the last metadata line
  bool saw_end_ = false;
};

}  // namespace tocsin::formats::exposition
