// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/row_mapper.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/utf8.h"
#include "model/timestamp.h"

namespace tocsin::exporters::postgres {
namespace {

base::MetricType type_of(Usage usage) {
  switch (usage) {
    case Usage::kCounter:
      return base::MetricType::kCounter;
    case Usage::kHistogram:
      return base::MetricType::kHistogram;
    case Usage::kUntyped:
      return base::MetricType::kUntyped;
    default:
      return base::MetricType::kGauge;
  }
}

int column_of(const Rows& rows, std::string_view name) {
  for (int i = 0; i < rows.columns(); ++i) {
    if (rows.column(i) == name) return i;
  }
  return -1;
}

// The next number of `text`, of exactly `digits` digits after the character `before` (0 for none).
std::optional<int> take_digits(std::string_view* text, char before, std::size_t digits) {
  const std::size_t skip = before == 0 ? 0 : 1;
  if (text->size() < skip + digits || (skip == 1 && text->front() != before)) return std::nullopt;
  int value = 0;
  const char* begin = text->data() + skip;
  const auto [stop, error] = std::from_chars(begin, begin + digits, value);
  if (error != std::errc() || stop != begin + digits) return std::nullopt;
  text->remove_prefix(skip + digits);
  return value;
}

// "+05", "-03:30", "": seconds east of UTC.
std::optional<int> zone_seconds(std::string_view text) {
  if (text.empty()) return 0;
  const int sign = text.front() == '-' ? -1 : 1;
  const std::optional<int> hours = take_digits(&text, text.front(), 2);
  if (!hours) return std::nullopt;
  const int minutes = take_digits(&text, ':', 2).value_or(0);
  return sign * (*hours * 3600 + minutes * 60);
}

std::string bound_text(double bound) {
  std::string text = fmt::format("{}", bound);
  return text;
}

}  // namespace

std::optional<double> to_number(std::string_view text) {
  if (text == "t" || text == "true") return 1;
  if (text == "f" || text == "false") return 0;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> timestamp_to_seconds(std::string_view text) {
  const auto year = take_digits(&text, 0, 4);
  const auto month = take_digits(&text, '-', 2);
  const auto day = take_digits(&text, '-', 2);
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  auto seconds = static_cast<double>(std::chrono::seconds(days).count());
  if (text.empty()) return seconds;
  const auto hour = take_digits(&text, ' ', 2);
  const auto minute = take_digits(&text, ':', 2);
  const auto second = take_digits(&text, ':', 2);
  if (!hour || !minute || !second) return std::nullopt;
  seconds += *hour * 3600 + *minute * 60 + *second;
  if (text.starts_with('.')) {
    const std::size_t end = std::min(text.find_first_of("+-"), text.size());
    seconds += to_number(fmt::format("0{}", text.substr(0, end))).value_or(0);
    text.remove_prefix(end);
  }
  const std::optional<int> zone = zone_seconds(text);
  if (!zone) return std::nullopt;
  return seconds - *zone;
}

std::optional<std::vector<double>> to_numbers(std::string_view array) {
  if (array.size() < 2 || array.front() != '{' || array.back() != '}') return std::nullopt;
  array = array.substr(1, array.size() - 2);
  std::vector<double> out;
  while (!array.empty()) {
    const std::string_view item = array.substr(0, array.find(','));
    array.remove_prefix(std::min(item.size() + 1, array.size()));
    const std::optional<double> value = item == "NULL" ? 0 : to_number(item);
    if (!value) return std::nullopt;
    out.push_back(*value);
  }
  return out;
}

std::string label_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = base::utf8_length(text);
    const std::string_view next = length == 0 ? "\xEF\xBF\xBD" : text.substr(0, length);
    if (out.size() + next.size() > kMaxLabelBytes) break;
    out.append(next);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

RowMapper::RowMapper(std::span<const Column> columns, Options options, SampleBudget* budget)
    : columns_(columns), options_(std::move(options)), budget_(*budget) {}

void RowMapper::add_value(const Rows& rows, int column, const Column* known) {
  Value value{.column = column};
  base::MetricFamily family;
  if (known == nullptr) {
    value.usage = Usage::kUntyped;
    value.is_optional = true;
    family.name = fmt::format("{}_{}", options_.unknown_prefix, rows.column(column));
    family.help = fmt::format("Unknown metric from {}", options_.unknown_prefix);
  } else {
    value.usage = known->usage;
    value.mapping = known->mapping;
    family.name = known->metric;
    family.help = known->help;
    if (known->usage == Usage::kHistogram) {
      const std::string name(known->name);
      value.buckets = column_of(rows, name + "_bucket");
      value.sum = column_of(rows, name + "_sum");
      value.count = column_of(rows, name + "_count");
    }
  }
  family.type = type_of(value.usage);
  value.family = families_.size();
  values_.push_back(value);
  families_.push_back(std::move(family));
}

void RowMapper::resolve(const Rows& rows) {
  resolved_ = true;
  for (const auto& [name, text] : options_.constant_labels) {
    labels_.push_back({.name = name, .value = text});
  }
  const auto is_part_of_histogram = [&](std::string_view name) {
    return std::any_of(columns_.begin(), columns_.end(), [&](const Column& column) {
      return column.usage == Usage::kHistogram && name.starts_with(column.name) &&
             (name.ends_with("_bucket") || name.ends_with("_sum") || name.ends_with("_count"));
    });
  };
  for (int i = 0; i < rows.columns(); ++i) {
    const std::string_view name = rows.column(i);
    const auto it = std::find_if(columns_.begin(), columns_.end(),
                                 [&](const Column& column) { return column.name == name; });
    if (it == columns_.end()) {
      if (!options_.unknown_prefix.empty() && !is_part_of_histogram(name)) {
        add_value(rows, i, nullptr);
      }
    } else if (it->usage == Usage::kLabel) {
      labels_.push_back({.name = std::string(name), .column = i, .value = {}});
    } else if (it->usage != Usage::kDiscard) {
      add_value(rows, i, &*it);
    }
  }
  std::stable_sort(labels_.begin(), labels_.end(),
                   [](const Label& a, const Label& b) { return a.name < b.name; });
}

Status RowMapper::take_histogram(const Rows& rows, int row, const Value& value,
                                 const LabelPairs& labels) {
  if (value.buckets < 0 || value.sum < 0 || value.count < 0) {
    return failed_precondition("histogram {} needs columns _bucket, _sum and _count",
                               rows.column(value.column));
  }
  const auto bounds = to_numbers(rows.text(row, value.column));
  const auto counts = to_numbers(rows.text(row, value.buckets));
  const auto sum = to_number(rows.text(row, value.sum));
  const auto count = to_number(rows.text(row, value.count));
  if (!bounds || !counts || !sum || !count) {
    return failed_precondition("histogram {} has values that are no numbers",
                               rows.column(value.column));
  }
  std::vector<base::MetricSample>& samples = families_[value.family].samples;
  const std::size_t buckets = std::min(bounds->size(), counts->size());
  if (budget_.left < buckets + 3) return out_of_range("the page has too many samples");
  budget_.left -= buckets + 3;
  const auto add_bucket = [&](std::string bound, double up_to) {
    LabelPairs all = labels;
    const auto at =
        std::find_if(all.begin(), all.end(), [](const auto& l) { return l.first > "le"; });
    all.insert(at, {"le", std::move(bound)});
    samples.push_back({"_bucket", std::move(all), up_to});
  };
  for (std::size_t i = 0; i < buckets; ++i) {
    if (!std::isinf((*bounds)[i])) add_bucket(bound_text((*bounds)[i]), (*counts)[i]);
  }
  add_bucket("+Inf", *count);
  samples.push_back({"_sum", labels, *sum});
  samples.push_back({"_count", labels, *count});
  return ok();
}

Status RowMapper::take_row(const Rows& rows, int row) {
  LabelPairs labels;
  labels.reserve(labels_.size());
  for (const Label& label : labels_) {
    labels.emplace_back(label.name,
                        label.column < 0 ? label.value : label_text(rows.text(row, label.column)));
  }
  Status status;
  for (const Value& value : values_) {
    if (value.usage == Usage::kHistogram) {
      const Status taken = take_histogram(rows, row, value, labels);
      if (status.ok()) status = taken;
      continue;
    }
    const std::string_view text = rows.text(row, value.column);
    std::optional<double> number;
    if (rows.is_null(row, value.column)) {
      if (options_.nulls == Nulls::kSkip) continue;
      number = options_.nulls == Nulls::kZero ? 0 : std::numeric_limits<double>::quiet_NaN();
    } else if (value.usage == Usage::kMapped) {
      const auto it = value.mapping == nullptr ? StringMap<double>::const_iterator()
                                               : value.mapping->find(text);
      if (value.mapping != nullptr && it != value.mapping->end()) number = it->second;
    } else if (value.usage == Usage::kDuration) {
      const StatusOr<base::Duration> duration = model::parse_go_duration(text);
      if (duration.ok()) number = static_cast<double>(duration->count());
    } else {
      number = to_number(text);
      if (!number) number = timestamp_to_seconds(text);
    }
    if (!number) {
      if (status.ok() && !value.is_optional) {
        status = failed_precondition("column {} is no number", rows.column(value.column));
      }
      continue;
    }
    if (budget_.left == 0) return out_of_range("the page has too many samples");
    --budget_.left;
    families_[value.family].samples.push_back({"", labels, *number});
  }
  return status;
}

Status RowMapper::take(const Rows& rows) {
  if (!resolved_) resolve(rows);
  Status status;
  for (int row = 0; row < rows.rows(); ++row) {
    const Status taken = take_row(rows, row);
    if (taken.code() == StatusCode::kOutOfRange) return taken;
    if (status.ok()) status = taken;
  }
  return status;
}

void RowMapper::finish(std::vector<base::MetricFamily>* out) {
  std::move(families_.begin(), families_.end(), std::back_inserter(*out));
  families_.clear();
}

}  // namespace tocsin::exporters::postgres
