// SPDX-License-Identifier: Apache-2.0
#include "promql/run/results.h"

#include <algorithm>
#include <utility>

#include "model/value.h"
#include "promql/functions/extended.h"

namespace tocsin::promql::run {

namespace {

std::uint64_t bytes_of(const Series& series) {
  std::uint64_t bytes = sizeof(series) + series.labels.bytes() +
                        series.floats.size() * sizeof(Point) +
                        series.histograms.size() * sizeof(HistogramPoint);
  for (const HistogramPoint& point : series.histograms) bytes += eval::bytes_of(*point.histogram);
  return bytes;
}

std::uint64_t count_samples(const Series& series) {
  std::uint64_t count = series.floats.size();
  for (const HistogramPoint& point : series.histograms) count += eval::weight_of(*point.histogram);
  return count;
}

// The raw samples of a range vector selector, for an instant query that is nothing else.
StatusOr<Matrix> raw_samples(eval::Evaluation& run, const plan::Window& window,
                             std::int64_t at_ms) {
  const std::int64_t end = window.shift.apply(at_ms);
  const std::int64_t after = end - window.range_ms;
  const bool extended = window.mode != RangeMode::kPlain;
  const std::int64_t lookback = extended ? run.setup().lookback_ms : 0;
  const std::int64_t ahead = window.mode == RangeMode::kSmoothed ? lookback : 0;
  const storage::Selection& selection = run.selection(window.source);
  Matrix matrix;
  eval::Charge charge(run);
  eval::SampleCounts counts;
  for (std::size_t b = 0; b < selection.batch_count(); ++b) {
    RETURN_IF_ERROR(run.check());
    ASSIGN_OR_RETURN(auto columns, run.read(window.source, b));
    for (const storage::SeriesColumn& column : columns->series) {
      Series series;
      auto next = column.histograms.begin();
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        while (next != column.histograms.end() && next->first < row) ++next;
        const std::int64_t t = column.times->ms[column.first + row];
        if (t <= after - lookback || t > end + ahead) continue;
        if (next != column.histograms.end() && next->first == row) {
          series.histograms.push_back({t, eval::HistogramPtr(columns, &next->second)});
        } else if (column.has(row) && !model::is_stale(column.floats[row])) {
          series.floats.push_back({t, column.floats[row]});
        }
      }
      std::erase_if(series.histograms,
                    [](const HistogramPoint& p) { return model::is_stale(p.histogram->sum); });
      if (extended) {
        if (!series.histograms.empty()) {
          return failed_precondition("{} modifier is not supported with histograms",
                                     ahead == 0 ? "anchored" : "smoothed");
        }
        series.floats = functions::extend_samples(series.floats, after, end, window.mode);
      }
      if (series.floats.empty() && series.histograms.empty()) continue;
      series.labels = selection.labels(column.series);
      const std::uint64_t samples = count_samples(series);
      counts.total += samples;
      RETURN_IF_ERROR(charge.add(samples, bytes_of(series)));
      matrix.push_back(std::move(series));
    }
  }
  counts.read = counts.total;
  run.count(counts);
  return matrix;
}

std::vector<Point> points_of(const eval::Column& column, const eval::Bitmap& steps,
                             const eval::Grid& grid) {
  std::vector<Point> points;
  points.reserve(steps.count());
  steps.for_each([&](std::size_t i) { points.push_back({grid.time(i), column.values[i]}); });
  return points;
}

// Splits a column into its floats and histograms.
void fill_points(const eval::Column& column, const eval::Grid& grid, Series* out) {
  if (!column.has_histograms()) {
    out->floats = points_of(column, column.present, grid);
    return;
  }
  const eval::Bitmap histograms = column.histogram_steps();
  eval::Bitmap floats = column.present;
  out->floats = points_of(column, floats.subtract(histograms), grid);
  histograms.for_each(
      [&](std::size_t i) { out->histograms.push_back({grid.time(i), column.histograms[i]}); });
}

Matrix to_matrix(eval::VectorSet set, const eval::Grid& grid) {
  Matrix matrix;
  for (eval::OutSeries& series : set) {
    Series out;
    out.labels = std::move(series.labels);
    fill_points(series.column, grid, &out);
    series.column = eval::Column();  // so that the result is not there twice
    if (!out.floats.empty() || !out.histograms.empty()) matrix.push_back(std::move(out));
  }
  return matrix;
}

Vector to_vector(eval::VectorSet set, std::int64_t at_ms) {
  Vector vector;
  for (eval::OutSeries& series : set) {
    if (!series.column.present.test(0)) continue;
    const eval::HistogramPtr& histogram = series.column.histogram(0);
    const double value = histogram == nullptr ? series.column.values[0] : 0;
    vector.push_back({std::move(series.labels), at_ms, value, histogram});
  }
  return vector;
}

// A range vector as the whole of an instant query.
StatusOr<Matrix> evaluate_window(eval::Evaluation& run, const plan::Window& window) {
  const eval::Grid grid = run.setup().grid;
  if (window.inner == nullptr) return raw_samples(run, window, grid.start_ms);
  ASSIGN_OR_RETURN(const eval::Grid inner, eval::inner_grid(run, window, grid));
  if (inner.count == 0) return Matrix();
  eval::SampleCounts outer = run.begin_counts(inner.count, false);
  StatusOr<eval::VectorSet> evaluated = run.eval_vector(*window.inner, inner);
  eval::SampleCounts counts = run.end_counts(std::move(outer));
  eval::SampleCounts own = run.no_counts(1);
  own.add(0, counts.total, counts.read);
  run.count(own);
  ASSIGN_OR_RETURN(eval::VectorSet set, std::move(evaluated));
  RETURN_IF_ERROR(run.finish_names(&set));
  return to_matrix(std::move(set), inner);
}

Matrix scalar_matrix(const std::vector<double>& values, const eval::Grid& grid) {
  Series series;
  for (std::size_t i = 0; i < grid.count; ++i) series.floats.push_back({grid.time(i), values[i]});
  Matrix matrix;
  matrix.push_back(std::move(series));
  return matrix;
}

}  // namespace

StatusOr<Value> evaluate_root(eval::Evaluation& run, const plan::Plan& plan) {
  const eval::Grid grid = run.setup().grid;
  const std::int64_t at_ms = grid.start_ms;
  const plan::PlanNode& root = *plan.root;
  if (const auto* window = root.as<plan::Window>()) {
    ASSIGN_OR_RETURN(Matrix matrix, evaluate_window(run, *window));
    return Value(std::move(matrix));
  }
  ASSIGN_OR_RETURN(eval::Result result, run.eval(root, grid));
  if (result.type == ValueType::kString) return Value(StringValue{at_ms, std::move(result.text)});
  if (result.type == ValueType::kScalar) {
    if (run.is_instant()) return Value(Scalar{at_ms, result.scalar.at(0)});
    return Value(scalar_matrix(result.scalar, grid));
  }
  RETURN_IF_ERROR(run.finish_names(&result.vector));
  if (!run.is_instant()) return Value(to_matrix(std::move(result.vector), grid));
  RETURN_IF_ERROR(eval::merge_same_labels(&result.vector));
  return Value(to_vector(std::move(result.vector), at_ms));
}

void sort_by_labels(Matrix* matrix) {
  std::sort(matrix->begin(), matrix->end(),
            [](const Series& a, const Series& b) { return a.labels < b.labels; });
}

Annotations render(const eval::AnnotationSet& set, std::string_view query) {
  Annotations out;
  for (const auto& entry : set.entries()) {
    std::vector<std::string>& list = entry.warning ? out.warnings : out.infos;
    const std::string times =
        entry.times > 1 ? fmt::format(" ({} occurrences)", entry.times) : std::string();
    list.push_back(fmt::format("PromQL {}: {}{} ({})", entry.warning ? "warning" : "info",
                               entry.text, times, line_column(query, entry.position.start)));
  }
  return out;
}

std::uint64_t bytes_of(const Value& value) {
  std::uint64_t bytes = sizeof(value);
  if (const auto* matrix = std::get_if<Matrix>(&value)) {
    for (const Series& series : *matrix) bytes += bytes_of(series);
  } else if (const auto* vector = std::get_if<Vector>(&value)) {
    for (const Sample& sample : *vector) {
      bytes += sizeof(sample) + sample.labels.bytes();
      if (sample.histogram != nullptr) bytes += eval::bytes_of(*sample.histogram);
    }
  } else if (const auto* text = std::get_if<StringValue>(&value)) {
    bytes += text->value.size();
  }
  return bytes;
}

}  // namespace tocsin::promql::run
