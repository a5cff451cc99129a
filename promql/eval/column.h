// SPDX-License-Identifier: Apache-2.0
//
// The currency of evaluation: a dense column of values over the steps of a Grid, with a bitmap of
// the steps that have a sample. Every operator turns sets of such series into another set; none
// walks step by step over series.
//
// Native histograms stand beside the values and are shared, never copied: a column without any costs
// one test for an empty vector.
//
// Values.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "promql/ast.h"

namespace tocsin::promql::eval {

// Evaluation times start, start + step, ... (count of them). One step for an instant query.
struct Grid {
  std::int64_t start_ms = 0;
  std::int64_t step_ms = 1;
  std::size_t count = 1;

  std::int64_t time(std::size_t i) const {
    return start_ms + static_cast<std::int64_t>(i) * step_ms;
  }
  std::int64_t last() const { return time(count - 1); }
};

class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(std::size_t size, bool value = false)
      : size_(size), words_((size + 63) / 64, value ? ~std::uint64_t{0} : 0) {
    trim();
  }

  std::size_t size() const { return size_; }
  bool test(std::size_t i) const { return ((words_[i / 64] >> (i % 64)) & 1U) != 0; }
  void set(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  void clear(std::size_t i) { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  bool any() const;
  bool all() const { return count() == size_; }
  std::size_t count() const;
  // Index of the first set bit, or size().
  std::size_t first() const;
  bool intersects(const Bitmap& other) const;
  // Bitwise; REQUIRES: equal sizes.
  Bitmap& operator|=(const Bitmap& other);
  Bitmap& operator&=(const Bitmap& other);
  Bitmap& subtract(const Bitmap& other);
  void invert();

  // Calls f(i) for every set bit in ascending order.
  template <typename F>
  void for_each(F&& f) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t rest = words_[w]; rest != 0; rest &= rest - 1) {
        f(w * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
      }
    }
  }

 private:
  void trim() {
    if (size_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (size_ % 64)) - 1;
  }
  std::size_t size_ = 0;
  std::vector<std::uint64_t> words_;
};

using HistogramPtr = std::shared_ptr<const model::FloatHistogram>;

struct Column {
  Column() = default;
  explicit Column(std::size_t steps) : values(steps), present(steps) {}
  void put(std::size_t i, double value) {
    values[i] = value;
    present.set(i);
  }
  // For code that may replace a histogram by a float.
  void put_float(std::size_t i, double value) {
    put(i, value);
    if (!histograms.empty()) histograms[i] = nullptr;
  }
  void put(std::size_t i, HistogramPtr histogram) {
    if (histograms.empty()) histograms.resize(values.size());
    histograms[i] = std::move(histogram);
    present.set(i);
  }
  bool has_histograms() const { return !histograms.empty(); }
  // Of a step that is present; null for a float.
  const HistogramPtr& histogram(std::size_t i) const {
    static const HistogramPtr kNone;
    return histograms.empty() ? kNone : histograms[i];
  }
  // The steps with a histogram.
  Bitmap histogram_steps() const;
  // Removes the steps with a histogram; whether there were any.
  bool drop_histograms();
  // Copies the sample of a step, which `from` must have.
  void take(std::size_t i, const Column& from);

  std::vector<double> values;  // unspecified where not present or a histogram
  Bitmap present;
  // Empty without any histogram; else one per step, null for a float.
  std::vector<HistogramPtr> histograms;
};

struct OutSeries {
  model::Labels labels;
  bool drop_name = false;  // the metric name goes when the query ends (delayed name removal)
  Column column;
};
using VectorSet = std::vector<OutSeries>;

// What a node evaluates to on a grid: by type, `vector`, one number per step, or a text.
struct Result {
  ValueType type = ValueType::kVector;
  VectorSet vector;
  std::vector<double> scalar;
  std::string text;
};

// Joins series with equal labels whose samples are at different steps, keeping the first one's
// place. Errors: kFailedPrecondition "vector cannot contain metrics with the same labelset".
Status merge_same_labels(VectorSet* set);

// Without __name__, and __type__ and __unit__, which describe the metric of that name.
model::Labels without_metric(const model::Labels& labels);

// Leaves out series without any sample.
void remove_empty(VectorSet* set);

// Leaves only floats.
void remove_histograms(VectorSet* set);
bool has_histograms(const VectorSet& set);

// Memory of the samples; a histogram counts with every run of steps that shares it.
std::uint64_t bytes_of(const Column& column);
// With the labels.
std::uint64_t bytes_of(const VectorSet& set);
std::uint64_t bytes_of(const model::FloatHistogram& histogram);

// How many floats a histogram counts for against the limit of samples: the 16-byte samples of its
// size in Prometheus, so that one limit means the same there and here.
std::uint64_t weight_of(const model::FloatHistogram& histogram);
// By weight.
std::uint64_t count_samples(const Column& column);
std::uint64_t count_samples(const VectorSet& set);

}  // namespace tocsin::promql::eval
