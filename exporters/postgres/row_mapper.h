// SPDX-License-Identifier: Apache-2.0
//
// RowMapper makes samples of the rows of one statement, as a list of Column says.
//
// Confined to one statement. Borrows: columns, budget and the list of families (must outlive it).
// Errors: kOutOfRange when the page has no room for more samples; kFailedPrecondition for a
// value that is no number (the rest of the row is still taken).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "exporters/common/families.h"
#include "exporters/postgres/session.h"
#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {

// Room for samples on one page.
struct SampleBudget {
  std::size_t left = 200'000;
};

// The longest value of a label; longer ones are cut.
inline constexpr std::size_t kMaxLabelBytes = 1024;

class RowMapper {
 public:
  struct Options {
    Nulls nulls = Nulls::kSkip;
    // Columns that no Column names become untyped families <prefix>_<column>; "" leaves them out.
    std::string unknown_prefix = {};
    LabelPairs constant_labels = {};
  };

  RowMapper(std::span<const Column> columns, Options options, SampleBudget* budget);

  Status take(const Rows& rows);
  // Appends the families.
  void finish(std::vector<base::MetricFamily>* out);

 private:
  struct Label {
    std::string name;
    int column = -1;  // -1: `value` instead
    std::string value;
  };
  struct Value {
    int column = 0;
    Usage usage = Usage::kGauge;
    std::size_t family = 0;
    const StringMap<double>* mapping = nullptr;
    int buckets = -1, sum = -1, count = -1;  // columns of a histogram
    bool is_optional = false;                // an unknown column need not be a number
  };

  void resolve(const Rows& rows);
  void add_value(const Rows& rows, int column, const Column* known);
  Status take_row(const Rows& rows, int row);
  Status take_histogram(const Rows& rows, int row, const Value& value, const LabelPairs& labels);

  const std::span<const Column> columns_;
  const Options options_;
  SampleBudget& budget_;
  bool resolved_ = false;
  std::vector<Label> labels_;  // sorted by name
  std::vector<Value> values_;
  std::vector<base::MetricFamily> families_;
};

// A number as PostgreSQL writes it: also t and f, NaN, Infinity.
std::optional<double> to_number(std::string_view text);
// Seconds since the epoch of "2026-01-31 12:00:00.5+00"; without a zone it is UTC.
std::optional<double> timestamp_to_seconds(std::string_view text);
// "{1,2.5,NULL}"; nullopt for anything that is no list of numbers.
std::optional<std::vector<double>> to_numbers(std::string_view array);
// Valid UTF-8 of at most kMaxLabelBytes.
std::string label_text(std::string_view text);

}  // namespace tocsin::exporters::postgres
