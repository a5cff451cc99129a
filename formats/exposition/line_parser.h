// SPDX-License-Identifier: Apache-2.0
//
// LineParser is what the two page parsers share: the position, the errors and the HELP and TYPE
// lines.
//
// Confined. Borrows the page and the sink during a parse.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "formats/exposition.h"
#include "formats/exposition/series_reader.h"

namespace tocsin::formats::exposition {

template <Dialect kDialect>
class LineParser {
 protected:
  LineParser(std::string_view page, ExpositionSink& sink)
      : begin_(page.data()), p_(begin_), end_(begin_ + page.size()), sink_(sink) {}

  // "line N: expected X, got Y" for the page at `at`.
  Status fail(const char* at, std::string_view expected) const;

  bool at_end() const { return p_ == end_; }
  // Moves behind `word` when it is next.
  bool take(std::string_view word) {
    if (between(p_, end_).substr(0, word.size()) != word) return false;
    p_ += word.size();
    return true;
  }
  bool take_newline() {
    if (p_ == end_ || *p_ != '\n') return false;
    ++p_;
    return true;
  }
  const char* line_end() const {
    const void* found = std::memchr(p_, '\n', static_cast<std::size_t>(end_ - p_));
    return found == nullptr ? end_ : static_cast<const char*>(found);
  }

  // Reads a plain or quoted metric name of a metadata line.
  Status take_metric_name(std::string* metric);
  // Reads a series into `sample`.
  Status take_series(ExpositionSample* sample);
  // Reads a value that ends at a blank or newline, or "{".
  Status take_value(double* value);

  Status emit_type(const std::string& metric, const char* text_begin, std::string_view text);
  Status emit_help(const std::string& metric, const char* text_begin, std::string_view text,
                   Escapes escapes);

  const char* const begin_;
  const char* p_;
  const char* const end_;
  ExpositionSink& sink_;
  model::MetricKind kind_ = model::MetricKind::kUnknown;
  std::string_view unit_;
};

}  // namespace tocsin::formats::exposition
