// SPDX-License-Identifier: Apache-2.0
#include "formats/api_json.h"

#include <charconv>
#include <vector>

#include "model/histogram_buckets.h"
#include "model/value.h"

namespace tocsin::formats {

void write_labels(const model::Labels& labels, base::JsonWriter* json) {
  json->begin_object();
  for (const model::LabelView& label : labels) json->field(label.name, label.value);
  json->end_object();
}

void write_time(model::Timestamp time, base::JsonWriter* json) {
  char buffer[32];
  char* p = buffer;
  const std::int64_t ms = model::to_ms(time);
  if (ms < 0) *p++ = '-';
  const std::uint64_t bits = static_cast<std::uint64_t>(ms);
  const std::uint64_t magnitude = ms < 0 ? 0 - bits : bits;
  p = std::to_chars(p, buffer + sizeof(buffer), magnitude / 1000).ptr;
  if (const std::uint64_t rest = magnitude % 1000; rest != 0) {
    *p++ = '.';
    *p++ = static_cast<char>('0' + rest / 100);
    *p++ = static_cast<char>('0' + rest / 10 % 10);
    *p++ = static_cast<char>('0' + rest % 10);
  }
  json->raw(std::string_view(buffer, static_cast<std::size_t>(p - buffer)));
}

void write_value(double value, base::JsonWriter* json) {
  // No value has a character that JSON escapes.
  json->raw_by([value](std::string& out) {
    out.push_back('"');
    model::append_float(value, &out);
    out.push_back('"');
  });
}

void write_point(const JsonPoint& point, base::JsonWriter* json) {
  json->begin_array();
  write_time(point.time, json);
  write_value(point.value, json);
  json->end_array();
}

void write_histogram(const model::FloatHistogram& histogram, base::JsonWriter* json) {
  json->begin_object().key("count");
  write_value(histogram.count, json);
  json->key("sum");
  write_value(histogram.sum, json);
  std::vector<model::Bucket> buckets;
  model::ordered_buckets(histogram, model::Overlap::kCutAtZero, &buckets);
  if (!buckets.empty()) json->key("buckets").begin_array();
  for (const model::Bucket& bucket : buckets) {
    const int rule = bucket.lower_inclusive ? (bucket.upper_inclusive ? 3 : 1)
                                            : (bucket.upper_inclusive ? 0 : 2);
    json->begin_array().integer(rule);
    write_value(bucket.lower, json);
    write_value(bucket.upper, json);
    write_value(bucket.count, json);
    json->end_array();
  }
  if (!buckets.empty()) json->end_array();
  json->end_object();
}

void write_histogram_point(model::Timestamp time, const model::FloatHistogram& histogram,
                           base::JsonWriter* json) {
  json->begin_array();
  write_time(time, json);
  write_histogram(histogram, json);
  json->end_array();
}

void write_vector_sample(const model::Labels& labels, const JsonPoint& point,
                         base::JsonWriter* json) {
  json->begin_object().key("metric");
  write_labels(labels, json);
  json->key("value");
  write_point(point, json);
  json->end_object();
}

void write_series(const model::Labels& labels, std::span<const JsonPoint> points,
                  base::JsonWriter* json) {
  json->begin_object().key("metric");
  write_labels(labels, json);
  json->key("values").begin_array();
  for (const JsonPoint& point : points) write_point(point, json);
  json->end_array().end_object();
}

}  // namespace tocsin::formats
