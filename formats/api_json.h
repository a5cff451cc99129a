// SPDX-License-Identifier: Apache-2.0
//
// The pieces of the HTTP API's JSON that every result is made of: label sets, times and samples.
//
// Pure functions; they append one value each to a writer that the caller owns.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::formats {

struct JsonPoint {
  model::Timestamp time;
  double value = 0;
};

// {"__name__":"up","job":"node"}
void write_labels(const model::Labels& labels, base::JsonWriter* json);
// Seconds since the epoch as a number, with three decimals unless they are zero: 1435781451.781.
void write_time(model::Timestamp time, base::JsonWriter* json);
// The value as a string: "0.5", "NaN", "+Inf".
void write_value(double value, base::JsonWriter* json);
// [1435781451.781,"1"]
void write_point(const JsonPoint& point, base::JsonWriter* json);
// {"count":"3","sum":"4","buckets":[[0,"1","2","3"]]}: a bucket is a rule, its bounds and its count,
// and left out when empty, as the list is then. Rule 0: (lower, upper], 1: [lower, upper), 2: both
// open, 3: both closed.
void write_histogram(const model::FloatHistogram& histogram, base::JsonWriter* json);
// [1435781451.781,{...}]
void write_histogram_point(model::Timestamp time, const model::FloatHistogram& histogram,
                           base::JsonWriter* json);
// {"metric":{...},"value":[...]}: an element of a vector.
void write_vector_sample(const model::Labels& labels, const JsonPoint& point,
                         base::JsonWriter* json);
// {"metric":{...},"values":[[...],...]}: an element of a matrix.
void write_series(const model::Labels& labels, std::span<const JsonPoint> points,
                  base::JsonWriter* json);

}  // namespace tocsin::formats
