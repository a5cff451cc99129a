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

void write_steps(std::string_view key, const std::vector<promql::QueryStats::StepCount>& steps,
                 base::JsonWriter& json) {
  if (steps.empty()) return;
  json.key(key).begin_array();
  for (const promql::QueryStats::StepCount& step : steps) {
    json.begin_array();
    formats::write_time(base::from_ms(step.time_ms), &json);
    json.integer(static_cast<std::int64_t>(step.samples)).end_array();
  }
  json.end_array();
}

// Of labels, points and what is between them.
std::uint64_t json_size(const model::Labels& labels, std::size_t floats,
                        std::uint64_t histogram_bytes) {
  constexpr std::uint64_t kPointBytes = 36;  // [1700000000.123,"0.12345678901234567"],
  // A bucket is a count of 8 bytes in memory, and its bounds and count in the text.
  constexpr std::uint64_t kTextPerByte = 10;
  return 64 + 2 * labels.bytes() + floats * kPointBytes + histogram_bytes * kTextPerByte;
}

std::uint64_t bytes_of(const model::FloatHistogram& histogram) {
  return sizeof(histogram) +
         sizeof(double) * (histogram.positive_buckets.size() + histogram.negative_buckets.size());
}

}  // namespace

std::uint64_t json_size(const promql::Value& value) {
  std::uint64_t size = 0;
  if (const auto* matrix = std::get_if<promql::Matrix>(&value)) {
    for (const promql::Series& series : *matrix) {
      std::uint64_t histograms = 0;
      for (const auto& point : series.histograms) histograms += bytes_of(*point.histogram);
      size += json_size(series.labels, series.floats.size(), histograms);
    }
  } else if (const auto* vector = std::get_if<promql::Vector>(&value)) {
    for (const promql::Sample& sample : *vector) {
      size += json_size(sample.labels, 1,
                        sample.histogram == nullptr ? 0 : bytes_of(*sample.histogram));
    }
  } else if (const auto* text = std::get_if<promql::StringValue>(&value)) {
    size = text->value.size();
  }
  return size;
}

void write_stats(const promql::QueryStats& stats, base::JsonWriter& json) {
  json.begin_object().key("timings").begin_object();
  json.key("evalTotalTime").number(stats.exec_seconds - stats.queue_seconds);
  json.key("resultSortTime").number(stats.sort_seconds);
  json.key("queryPreparationTime").number(stats.prepare_seconds);
  json.key("innerEvalTime").number(stats.eval_seconds);
  json.key("execQueueTime").number(stats.queue_seconds);
  json.key("execTotalTime").number(stats.exec_seconds);
  json.end_object().key("samples").begin_object();
  write_steps("totalQueryableSamplesPerStep", stats.total_by_step, json);
  json.key("totalQueryableSamples").integer(static_cast<std::int64_t>(stats.total_samples));
  write_steps("samplesReadPerStep", stats.read_by_step, json);
  json.key("samplesRead").integer(static_cast<std::int64_t>(stats.samples_read));
  json.key("peakSamples").integer(static_cast<std::int64_t>(stats.peak_samples));
  json.end_object().end_object();
}

void write_running(const promql::Engine::Running& query, base::Timestamp now,
                   base::JsonWriter& json) {
  json.begin_object().key("id").integer(static_cast<std::int64_t>(query.id));
  json.field("query", query.query).field("state", query.waits ? "queued" : "running");
  json.field("started", model::format_rfc3339(query.started));
  json.key("seconds").number(std::chrono::duration<double>(now - query.started).count());
  json.field("start", model::format_rfc3339(query.start));
  json.field("end", model::format_rfc3339(query.end));
  json.key("step").number(std::chrono::duration<double>(query.step).count());
  json.key("memoryBytes").integer(static_cast<std::int64_t>(query.memory_bytes));
  write_origin(query.origin, json);
  json.end_object();
}

void write_origin(const promql::QueryOrigin& origin, base::JsonWriter& json) {
  if (!origin.path.empty()) {
    json.key("httpRequest").begin_object().field("clientIP", origin.client_ip);
    json.field("method", origin.method).field("path", origin.path).end_object();
  }
  if (!origin.group_name.empty()) {
    json.key("ruleGroup").begin_object().field("file", origin.group_file);
    json.field("name", origin.group_name).end_object();
  }
}

void write_result(const promql::QueryResult& result, bool with_stats, base::JsonWriter& json) {
  json.begin_object();
  std::visit(ResultWriter{json}, result.value);
  if (with_stats) {
    json.key("stats");
    write_stats(result.stats, json);
  }
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
