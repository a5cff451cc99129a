// SPDX-License-Identifier: Apache-2.0
#include "promql/script/histogram_literal.h"

#include <cmath>
#include <map>
#include <vector>

#include "model/value.h"
#include "promql/functions/numbers.h"

namespace tocsin::promql::script {

namespace {

using model::FloatHistogram;
using model::HistogramSpan;
using Buckets = std::map<std::int32_t, double>;  // absolute index to count

constexpr double kEpsilon = 1e-6;

std::string_view next_word(std::string_view* rest) {
  const std::size_t begin = rest->find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    *rest = {};
    return {};
  }
  std::size_t end = rest->find_first_of(" \t", begin);
  const std::size_t bracket = rest->find('[', begin);
  if (bracket < end) end = rest->find(']', bracket) + 1;  // npos + 1 is 0
  if (end == 0 || end == std::string_view::npos) end = rest->size();
  const std::string_view word = rest->substr(begin, end - begin);
  *rest = rest->substr(end);
  return word;
}

StatusOr<std::vector<double>> parse_list(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') {
    return invalid_argument("histogram: expected a list in [], got {:?}", text);
  }
  text = text.substr(1, text.size() - 2);
  std::vector<double> values;
  for (std::string_view word = next_word(&text); !word.empty(); word = next_word(&text)) {
    ASSIGN_OR_RETURN(const double value, model::parse_float(word));
    values.push_back(value);
  }
  return values;
}

StatusOr<model::CounterResetHint> parse_hint(std::string_view text) {
  if (text == "unknown") return model::CounterResetHint::kUnknown;
  if (text == "reset") return model::CounterResetHint::kReset;
  if (text == "not_reset") return model::CounterResetHint::kNotReset;
  if (text == "gauge") return model::CounterResetHint::kGauge;
  return invalid_argument("histogram: unknown counter_reset_hint {:?}", text);
}

struct Offsets {
  std::int32_t positive = 0;
  std::int32_t negative = 0;
};

// Far more than any bucket's index, and far from where sums of them overflow.
constexpr double kMaxIndex = 1 << 24;

StatusOr<std::int32_t> to_index(std::string_view key, double value) {
  if (!(std::abs(value) <= kMaxIndex)) {
    return invalid_argument("histogram: {} is out of range", key);
  }
  return static_cast<std::int32_t>(value);
}

Status set_number(std::string_view key, double value, FloatHistogram* h, Offsets* offsets) {
  if (key == "schema") {
    ASSIGN_OR_RETURN(h->schema, to_index(key, value));
  } else if (key == "sum") {
    h->sum = value;
  } else if (key == "count") {
    h->count = value;
  } else if (key == "z_bucket") {
    h->zero_count = value;
  } else if (key == "z_bucket_w") {
    h->zero_threshold = value;
  } else if (key == "offset") {
    ASSIGN_OR_RETURN(offsets->positive, to_index(key, value));
  } else if (key == "n_offset") {
    ASSIGN_OR_RETURN(offsets->negative, to_index(key, value));
  } else {
    return invalid_argument("histogram: unknown key {:?}", key);
  }
  return ok();
}

Status set_key(std::string_view key, std::string_view value, FloatHistogram* h, Offsets* offsets) {
  if (key == "counter_reset_hint") {
    ASSIGN_OR_RETURN(h->reset_hint, parse_hint(value));
  } else if (key == "buckets") {
    ASSIGN_OR_RETURN(h->positive_buckets, parse_list(value));
  } else if (key == "n_buckets") {
    ASSIGN_OR_RETURN(h->negative_buckets, parse_list(value));
  } else if (key == "custom_values") {
    ASSIGN_OR_RETURN(h->custom_values, parse_list(value));
  } else {
    ASSIGN_OR_RETURN(const double number, model::parse_float(value));
    return set_number(key, number, h, offsets);
  }
  return ok();
}

// Halves the resolution `steps` times: bucket i goes into the one that contains it.
Buckets expand(const std::vector<HistogramSpan>& spans, const std::vector<double>& counts,
               int steps) {
  Buckets buckets;
  std::int32_t index = 0;
  std::size_t next = 0;
  for (const HistogramSpan& span : spans) {
    index += span.offset;
    for (std::uint32_t k = 0; k < span.length && next < counts.size(); ++k, ++index, ++next) {
      std::int32_t target = index;
      for (int s = 0; s < steps; ++s) target = ((target - 1) >> 1) + 1;
      buckets[target] += counts[next];
    }
  }
  return buckets;
}

void store(const Buckets& buckets, std::vector<HistogramSpan>* spans, std::vector<double>* counts) {
  spans->clear();
  counts->clear();
  std::int32_t expected = 0;
  for (const auto& [index, count] : buckets) {
    if (spans->empty() || index != expected) {
      spans->push_back({spans->empty() ? index : index - expected, 0});
    }
    ++spans->back().length;
    counts->push_back(count);
    expected = index + 1;
  }
}

void add_into(Buckets* to, const Buckets& from, double sign) {
  for (const auto& [index, count] : from) (*to)[index] += sign * count;
}

bool same_buckets(const Buckets& a, const Buckets& b) {
  Buckets all = a;
  add_into(&all, b, 0);
  for (const auto& [index, unused] : all) {
    const auto x = a.find(index);
    const auto y = b.find(index);
    if (!functions::almost_equal(x == a.end() ? 0 : x->second, y == b.end() ? 0 : y->second,
                                 kEpsilon)) {
      return false;
    }
  }
  return true;
}

}  // namespace

StatusOr<FloatHistogram> parse_histogram(std::string_view body) {
  FloatHistogram h;
  Offsets offsets;
  for (std::string_view word = next_word(&body); !word.empty(); word = next_word(&body)) {
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos) {
      return invalid_argument("histogram: expected key:value, got {:?}", word);
    }
    RETURN_IF_ERROR(set_key(word.substr(0, colon), word.substr(colon + 1), &h, &offsets));
  }
  if (!h.positive_buckets.empty()) {
    h.positive_spans = {{offsets.positive, static_cast<std::uint32_t>(h.positive_buckets.size())}};
  }
  if (!h.negative_buckets.empty()) {
    h.negative_spans = {{offsets.negative, static_cast<std::uint32_t>(h.negative_buckets.size())}};
  }
  return h;
}

StatusOr<FloatHistogram> add(const FloatHistogram& a, const FloatHistogram& b, double sign) {
  if (b.schema < a.schema) {
    return invalid_argument("error combining histograms: cannot increase schema from {} to {}",
                            b.schema, a.schema);
  }
  const bool custom = a.schema == model::kCustomBucketsSchema;
  if (custom != (b.schema == model::kCustomBucketsSchema) || a.custom_values != b.custom_values) {
    return invalid_argument("error combining histograms: different bucket layouts");
  }
  const bool zero_differs = a.zero_threshold != b.zero_threshold && b.zero_count != 0;
  if (zero_differs) {
    return invalid_argument("error combining histograms: different zero thresholds");
  }
  const int steps = custom ? 0 : b.schema - a.schema;
  FloatHistogram sum = a;
  sum.zero_count += sign * b.zero_count;
  sum.count += sign * b.count;
  sum.sum += sign * b.sum;
  Buckets positive = expand(a.positive_spans, a.positive_buckets, 0);
  add_into(&positive, expand(b.positive_spans, b.positive_buckets, steps), sign);
  store(positive, &sum.positive_spans, &sum.positive_buckets);
  Buckets negative = expand(a.negative_spans, a.negative_buckets, 0);
  add_into(&negative, expand(b.negative_spans, b.negative_buckets, steps), sign);
  store(negative, &sum.negative_spans, &sum.negative_buckets);
  return sum;
}

bool close_histograms(const FloatHistogram& expected, const FloatHistogram& actual) {
  auto near = [](double a, double b) { return functions::almost_equal(a, b, kEpsilon); };
  const bool hint = expected.reset_hint == model::CounterResetHint::kUnknown ||
                    expected.reset_hint == actual.reset_hint;
  return hint && expected.schema == actual.schema &&
         expected.zero_threshold == actual.zero_threshold &&
         near(expected.zero_count, actual.zero_count) && near(expected.count, actual.count) &&
         near(expected.sum, actual.sum) && expected.custom_values == actual.custom_values &&
         same_buckets(expand(expected.positive_spans, expected.positive_buckets, 0),
                      expand(actual.positive_spans, actual.positive_buckets, 0)) &&
         same_buckets(expand(expected.negative_spans, expected.negative_buckets, 0),
                      expand(actual.negative_spans, actual.negative_buckets, 0));
}

std::string to_text(const FloatHistogram& h) {
  std::string text = fmt::format("{{{{schema:{} count:{} sum:{}", h.schema, h.count, h.sum);
  if (h.zero_threshold != 0) text += fmt::format(" z_bucket_w:{}", h.zero_threshold);
  if (h.zero_count != 0) text += fmt::format(" z_bucket:{}", h.zero_count);
  using Hint = model::CounterResetHint;
  if (h.reset_hint == Hint::kReset) text += " counter_reset_hint:reset";
  if (h.reset_hint == Hint::kNotReset) text += " counter_reset_hint:not_reset";
  if (h.reset_hint == Hint::kGauge) text += " counter_reset_hint:gauge";
  auto list = [&](std::string_view key, const std::vector<double>& values) {
    if (values.empty()) return;
    text += fmt::format(" {}:[", key);
    for (std::size_t i = 0; i < values.size(); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : " ", values[i]);
    }
    text += "]";
  };
  if (!h.positive_spans.empty()) text += fmt::format(" offset:{}", h.positive_spans[0].offset);
  list("buckets", h.positive_buckets);
  if (!h.negative_spans.empty()) text += fmt::format(" n_offset:{}", h.negative_spans[0].offset);
  list("n_buckets", h.negative_buckets);
  list("custom_values", h.custom_values);
  return text + "}}";
}

}  // namespace tocsin::promql::script
