// SPDX-License-Identifier: Apache-2.0
#include "web/api/query_json.h"

#include "formats/api_json.h"
#include "model/timestamp.h"

namespace tocsin::web {

namespace {

void write_point(std::int64_t time_ms, double value, base::JsonWriter& json) {
  formats::write_point({base::from_ms(time_ms), value}, &json);
}

void write_vector(const promql::Vector& vector, base::JsonWriter& json) {
  json.begin_array();
  for (const promql::Sample& sample : vector) {
    const base::Timestamp time = base::from_ms(sample.time_ms);
    if (sample.histogram == nullptr) {
      formats::write_vector_sample(sample.labels, {time, sample.value}, &json);
      continue;
    }
    json.begin_object().key("metric");
    formats::write_labels(sample.labels, &json);
    json.key("histogram");
    formats::write_histogram_point(time, *sample.histogram, &json);
    json.end_object();
  }
  json.end_array();
}

// The floats and the histograms of a series; a kind without samples is left out.
void write_points(const promql::Series& series, base::JsonWriter& json) {
  if (!series.floats.empty() || series.histograms.empty()) {
    json.key("values").begin_array();
    for (const promql::Point& point : series.floats) write_point(point.time_ms, point.value, json);
    json.end_array();
  }
  if (series.histograms.empty()) return;
  json.key("histograms").begin_array();
  for (const promql::HistogramPoint& point : series.histograms) {
    formats::write_histogram_point(base::from_ms(point.time_ms), *point.histogram, &json);
  }
  json.end_array();
}

void write_matrix(const promql::Matrix& matrix, base::JsonWriter& json) {
  json.begin_array();
  for (const promql::Series& series : matrix) {
    json.begin_object().key("metric");
    formats::write_labels(series.labels, &json);
    write_points(series, json);
    json.end_object();
  }
  json.end_array();
}

struct ResultWriter {
  base::JsonWriter& json;

  void operator()(const promql::Scalar& scalar) const {
    json.field("resultType", "scalar").key("result");
    write_point(scalar.time_ms, scalar.value, json);
  }
  void operator()(const promql::StringValue& string) const {
    json.field("resultType", "string").key("result").begin_array();
    formats::write_time(base::from_ms(string.time_ms), &json);
    json.string(string.value).end_array();
  }
  void operator()(const promql::Vector& vector) const {
    json.field("resultType", "vector").key("result");
    write_vector(vector, json);
  }
  void operator()(const promql::Matrix& matrix) const {
    json.field("resultType", "matrix").key("result");
    write_matrix(matrix, json);
  }
};

void write_stats(const promql::QueryStats& stats, base::JsonWriter& json) {
  json.key("stats").begin_object().key("timings").begin_object();
  const double total = stats.prepare_seconds + stats.eval_seconds + stats.sort_seconds;
  json.key("evalTotalTime").number(total);
  json.key("resultSortTime").number(stats.sort_seconds);
  json.key("queryPreparationTime").number(stats.prepare_seconds);
  json.key("innerEvalTime").number(stats.eval_seconds);
  json.key("execQueueTime").number(stats.queue_seconds);
  json.key("execTotalTime").number(total + stats.queue_seconds);
  json.end_object().key("samples").begin_object();
  json.key("totalQueryableSamples").integer(static_cast<std::int64_t>(stats.total_samples));
  json.key("peakSamples").integer(static_cast<std::int64_t>(stats.peak_samples));
  json.end_object().end_object();
}

}  // namespace

void write_result(const promql::QueryResult& result, bool with_stats, base::JsonWriter& json) {
  json.begin_object();
  std::visit(ResultWriter{json}, result.value);
  if (with_stats) write_stats(result.stats, json);
  json.end_object();
}

bool truncate(promql::Value* value, std::size_t limit) {
  if (limit == 0) return false;
  if (auto* vector = std::get_if<promql::Vector>(value);
      vector != nullptr && vector->size() > limit) {
    vector->resize(limit);
    return true;
  }
  if (auto* matrix = std::get_if<promql::Matrix>(value);
      matrix != nullptr && matrix->size() > limit) {
    matrix->resize(limit);
    return true;
  }
  return false;
}

}  // namespace tocsin::web
