// SPDX-License-Identifier: Apache-2.0
//
// What range queries cost once the store has handed out its columns: 512 float series (a counter or
// a gauge, four values of le) or 64 native histograms of 40 buckets, a sample each 15 s for 6 h,
// looked at each minute. One thread. The store of this benchmark copies columns that lie ready.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/time.h"
#include "promql/engine.h"

namespace tocsin::promql {
namespace {

constexpr std::int64_t kStepMs = 15'000;
constexpr std::int64_t kEndMs = 6 * 3'600'000;
constexpr std::size_t kFloatSeries = 512;
constexpr std::size_t kHistogramSeries = 64;
constexpr std::uint32_t kBuckets = 40;

struct Data {
  std::vector<storage::SeriesEntry> entries;
  std::vector<model::Labels> labels;
  std::vector<storage::SeriesColumn> columns;
};

class FixedSelection final : public storage::Selection {
 public:
  explicit FixedSelection(const Data& data) : data_(data) {}
  std::span<const storage::SeriesEntry> series() const override { return data_.entries; }
  model::Labels labels(std::size_t series) const override { return data_.labels[series]; }
  Status read(std::size_t batch, storage::ColumnBatch* out) const override {
    const auto begin =
        data_.columns.begin() + static_cast<std::ptrdiff_t>(batch * storage::kBatchSeries);
    const std::size_t rest = data_.columns.size() - batch * storage::kBatchSeries;
    out->series.assign(begin,
                       begin + static_cast<std::ptrdiff_t>(std::min(storage::kBatchSeries, rest)));
    return ok();
  }
  Status last(std::size_t, model::Timestamp, model::Duration,
              std::vector<storage::LastValue>*) const override {
    return unimplemented("last values");
  }

 private:
  const Data& data_;
};

class FixedStore final : public storage::Queryable {
 public:
  explicit FixedStore(Data data) : data_(std::move(data)) {}
  StatusOr<std::unique_ptr<storage::Selection>> select(
      const model::Matchers&, const storage::SelectHints&,
      const storage::QueryContext&) const override {
    return std::unique_ptr<storage::Selection>(std::make_unique<FixedSelection>(data_));
  }
  StatusOr<storage::LabelResult> label_names(const model::Matchers&, const storage::LabelHints&,
                                             const storage::QueryContext&) const override {
    return unimplemented("labels");
  }
  StatusOr<storage::LabelResult> label_values(std::string_view, const model::Matchers&,
                                              const storage::LabelHints&,
                                              const storage::QueryContext&) const override {
    return unimplemented("labels");
  }
  StatusOr<std::vector<model::Labels>> series(const std::vector<model::Matchers>&,
                                              const storage::LabelHints&,
                                              const storage::QueryContext&) const override {
    return unimplemented("series");
  }

 private:
  const Data data_;
};

std::shared_ptr<const storage::TimestampColumn> timestamps() {
  auto times = std::make_shared<storage::TimestampColumn>();
  for (std::int64_t t = 0; t <= kEndMs; t += kStepMs) times->ms.push_back(t);
  return times;
}

void add_series(std::size_t i, storage::SeriesColumn column, Data* data) {
  static constexpr const char* kLe[] = {"0.1", "1", "10", "+Inf"};
  data->entries.push_back({storage::SeriesId(i + 1), storage::GroupId(1)});
  data->labels.push_back(model::Labels::of({{"__name__", "x_total"},
                                            {"instance", std::to_string(i / 4)},
                                            {"job", std::to_string(i % 8)},
                                            {"le", kLe[i % 4]}}));
  column.series = static_cast<std::uint32_t>(i);
  column.rows = static_cast<std::uint32_t>(column.times->ms.size());
  data->columns.push_back(std::move(column));
}

Data floats() {
  Data data;
  const auto times = timestamps();
  for (std::size_t i = 0; i < kFloatSeries; ++i) {
    storage::SeriesColumn column;
    column.times = times;
    double value = 0;
    for (std::size_t row = 0; row < times->ms.size(); ++row) {
      column.floats.push_back(value += static_cast<double>((row * 7 + i * 13) % 11));
    }
    add_series(i, std::move(column), &data);
  }
  return data;
}

Data histograms() {
  Data data;
  const auto times = timestamps();
  for (std::size_t i = 0; i < kHistogramSeries; ++i) {
    storage::SeriesColumn column;
    column.times = times;
    model::FloatHistogram h;
    h.positive_spans = {{-8, kBuckets}};
    h.positive_buckets.assign(kBuckets, 1);
    h.count = kBuckets;
    for (std::uint32_t row = 0; row < times->ms.size(); ++row) {
      h.positive_buckets[(row + i) % kBuckets] += 3;
      h.count += 3;
      h.sum += 5;
      column.floats.push_back(0);
      column.histograms.emplace_back(row, h);
      h.reset_hint = model::CounterResetHint::kNotReset;
    }
    add_series(i, std::move(column), &data);
  }
  return data;
}

void run(benchmark::State& state, const FixedStore& store, const std::string& query) {
  const base::SystemClock clock;
  Engine engine({}, {clock, nullptr, nullptr});
  for (auto _ : state) {
    auto result = engine.range(store, query, base::from_ms(600'000), base::from_ms(kEndMs),
                               base::Duration(60'000));
    CHECK(result.ok());
    benchmark::DoNotOptimize(result);
  }
}

void BM_Floats(benchmark::State& state, const std::string& query) {
  static const FixedStore store(floats());
  run(state, store, query);
}
void BM_Histograms(benchmark::State& state, const std::string& query) {
  static const FixedStore store(histograms());
  run(state, store, query);
}

#define TOCSIN_QUERY(kind, name, query) \
  BENCHMARK_CAPTURE(BM_##kind, name, query)->Unit(benchmark::kMillisecond)
TOCSIN_QUERY(Floats, select, "x_total");
TOCSIN_QUERY(Floats, negate, "-x_total");
TOCSIN_QUERY(Floats, scalar, "x_total * 8 > 100");
TOCSIN_QUERY(Floats, vector, "x_total - x_total");
TOCSIN_QUERY(Floats, set, "x_total unless x_total");
TOCSIN_QUERY(Floats, abs, "abs(x_total)");
TOCSIN_QUERY(Floats, sum, "sum by (job) (x_total)");
TOCSIN_QUERY(Floats, avg, "avg(x_total)");
TOCSIN_QUERY(Floats, topk, "topk(5, x_total)");
TOCSIN_QUERY(Floats, sum_rate, "sum by (job) (rate(x_total[5m]))");
TOCSIN_QUERY(Floats, avg_over_time, "avg_over_time(x_total[5m])");
TOCSIN_QUERY(Floats, subquery, "max_over_time(rate(x_total[5m])[10m:1m])");
TOCSIN_QUERY(Floats, histogram_quantile, "histogram_quantile(0.9, rate(x_total[5m]))");
TOCSIN_QUERY(Histograms, count, "histogram_count(x_total)");
TOCSIN_QUERY(Histograms, sum, "sum by (job) (x_total)");
TOCSIN_QUERY(Histograms, rate, "rate(x_total[5m])");
TOCSIN_QUERY(Histograms, quantile, "histogram_quantile(0.9, sum by (job) (rate(x_total[5m])))");
TOCSIN_QUERY(Histograms, sum_over_time, "sum_over_time(x_total[5m])");
#undef TOCSIN_QUERY

}  // namespace
}  // namespace tocsin::promql
