// SPDX-License-Identifier: Apache-2.0
#include "promql/script/compare.h"

#include <algorithm>
#include <map>

#include "model/value.h"
#include "promql/functions/numbers.h"
#include "promql/script/histogram_literal.h"

namespace tocsin::promql::script {

namespace {

using Item = SeriesLine::Item;

constexpr double kEpsilon = 1e-6;

bool same_number(double a, double b) {
  if (model::is_stale(a) || model::is_stale(b)) return model::is_stale(a) && model::is_stale(b);
  return functions::almost_equal(a, b, kEpsilon);
}

std::string text_of(const Item& item) {
  if (item.histogram != nullptr) return to_text(*item.histogram);
  return item.kind == Item::Kind::kGap ? "no sample" : model::format_float(item.value);
}

// `actual` as an item of a script.
bool same_item(const Item& expected, const Item& actual) {
  if (expected.kind != actual.kind) return false;
  if (expected.kind == Item::Kind::kHistogram) {
    return close_histograms(*expected.histogram, *actual.histogram);
  }
  return expected.kind == Item::Kind::kGap || same_number(expected.value, actual.value);
}

Item item_of(double value, const std::shared_ptr<const model::FloatHistogram>& histogram) {
  Item item;
  item.kind = histogram != nullptr ? Item::Kind::kHistogram : Item::Kind::kFloat;
  item.value = value;
  item.histogram = histogram;
  return item;
}

std::string compare_vector(const Evaluate& expected, const Vector& vector) {
  std::map<model::Labels, std::size_t> place;
  for (std::size_t i = 0; i < expected.series.size(); ++i) place[expected.series[i].labels] = i;
  std::map<model::Labels, int> seen;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const Sample& sample = vector[i];
    const Item actual = item_of(sample.value, sample.histogram);
    auto it = place.find(sample.labels);
    if (it == place.end()) {
      return fmt::format("unexpected series {} has value {}", sample.labels.to_series_string(),
                         text_of(actual));
    }
    if (++seen[sample.labels] > 1) {
      return fmt::format("series {} is there twice", sample.labels.to_series_string());
    }
    if (expected.ordered && it->second != i) {
      return fmt::format("expected series {} at position {}, got it at {}",
                         sample.labels.to_series_string(), it->second + 1, i + 1);
    }
    const Item& wanted = expected.series[it->second].points.at(0);
    if (!same_item(wanted, actual)) {
      return fmt::format("expected {} for {}, got {}", text_of(wanted),
                         sample.labels.to_series_string(), text_of(actual));
    }
  }
  for (const auto& [labels, i] : place) {
    if (!seen.contains(labels))
      return fmt::format("expected series {} is missing", labels.to_series_string());
  }
  return "";
}

std::map<std::int64_t, Item> points_of(const Series& series) {
  std::map<std::int64_t, Item> points;
  for (const Point& p : series.floats) points[p.time_ms] = item_of(p.value, nullptr);
  for (const HistogramPoint& p : series.histograms) points[p.time_ms] = item_of(0, p.histogram);
  return points;
}

std::string compare_points(const SeriesLine& wanted, const Series& series, const TimeRange& times) {
  std::map<std::int64_t, Item> actual = points_of(series);
  for (std::size_t i = 0; i < wanted.points.size(); ++i) {
    if (wanted.points[i].kind == Item::Kind::kGap) continue;
    const std::int64_t t = times.start_ms + static_cast<std::int64_t>(i) * times.step_ms;
    auto it = actual.find(t);
    const Item got = it == actual.end() ? Item{} : it->second;
    if (!same_item(wanted.points[i], got)) {
      return fmt::format("expected {} for {} at {} ms, got {}", text_of(wanted.points[i]),
                         series.labels.to_series_string(), t, text_of(got));
    }
    actual.erase(it);
  }
  if (actual.empty()) return "";
  return fmt::format("{} has {} at {} ms, expected no sample", series.labels.to_series_string(),
                     text_of(actual.begin()->second), actual.begin()->first);
}

bool only_gaps(const SeriesLine& line) {
  return std::all_of(line.points.begin(), line.points.end(),
                     [](const Item& item) { return item.kind == Item::Kind::kGap; });
}

std::string compare_matrix(const Evaluate& expected, const Matrix& matrix, const TimeRange& times) {
  if (expected.ordered) return "expected an ordered result, but a matrix has no order";
  std::map<model::Labels, const Series*> actual;
  for (const Series& series : matrix) actual[series.labels] = &series;
  if (actual.size() != matrix.size()) return "the result holds a series twice";
  for (const SeriesLine& wanted : expected.series) {
    auto it = actual.find(wanted.labels);
    if (it == actual.end()) {
      if (only_gaps(wanted)) continue;
      return fmt::format("expected series {} is missing", wanted.labels.to_series_string());
    }
    if (std::string difference = compare_points(wanted, *it->second, times); !difference.empty()) {
      return difference;
    }
    actual.erase(it);
  }
  if (actual.empty()) return "";
  return fmt::format("unexpected series {}", actual.begin()->first.to_series_string());
}

std::string compare_list(const std::vector<ExpectedText>& expected, bool none,
                         const std::vector<std::string>& actual, std::string_view what) {
  if (none && !actual.empty()) return fmt::format("unexpected {}: {}", what, actual[0]);
  if (expected.empty()) return "";
  if (actual.empty()) return fmt::format("expected {} annotations, got none", what);
  for (const std::string& text : actual) {
    const bool known = std::any_of(expected.begin(), expected.end(),
                                   [&](const ExpectedText& e) { return e.matches(text); });
    if (!known) return fmt::format("unexpected {}: {}", what, text);
  }
  for (const ExpectedText& e : expected) {
    const bool met = std::any_of(actual.begin(), actual.end(),
                                 [&](const std::string& text) { return e.matches(text); });
    if (!met) return fmt::format("an expected {} is missing, got {}", what, actual[0]);
  }
  return "";
}

}  // namespace

std::string compare_value(const Evaluate& expected, const Value& value) {
  if (const auto* text = std::get_if<StringValue>(&value)) {
    if (expected.text && *expected.text == text->value) return "";
    return fmt::format("got string {}", model::go_quote(text->value));
  }
  if (expected.text) return "expected a string";
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    if (!expected.scalar) return fmt::format("got scalar {}", model::format_float(scalar->value));
    if (same_number(*expected.scalar, scalar->value)) return "";
    return fmt::format("expected scalar {}, got {}", model::format_float(*expected.scalar),
                       model::format_float(scalar->value));
  }
  if (expected.scalar) return "expected a scalar";
  if (const auto* matrix = std::get_if<Matrix>(&value)) {
    if (expected.instant && !expected.matrix_range) {
      return "got a range vector, which needs expect range vector";
    }
    return compare_matrix(expected, *matrix, expected.matrix_range.value_or(expected.times));
  }
  if (expected.matrix_range) return "expected a range vector";
  return compare_vector(expected, std::get<Vector>(value));
}

std::string compare_annotations(const Evaluate& expected, const Annotations& actual) {
  std::string difference =
      compare_list(expected.warnings, expected.no_warnings, actual.warnings, "warn");
  if (!difference.empty()) return difference;
  return compare_list(expected.infos, expected.no_infos, actual.infos, "info");
}

std::string check_order(const Matrix& matrix) {
  const bool sorted =
      std::is_sorted(matrix.begin(), matrix.end(),
                     [](const Series& a, const Series& b) { return a.labels < b.labels; });
  return sorted ? "" : "the matrix is not in the order of its labels";
}

}  // namespace tocsin::promql::script
