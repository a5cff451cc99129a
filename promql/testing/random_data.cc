// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/random_data.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "model/histogram_buckets.h"
#include "model/value.h"

namespace tocsin::promql::testing {

namespace {

using model::FloatHistogram;

class DataMaker {
 public:
  DataMaker(std::uint32_t seed, const RandomDataOptions& options)
      : random_(seed), options_(options) {}

  std::vector<NaiveSeries> make() {
    for (const char* job : {"api", "db"}) {
      for (const char* instance : {"0", "1", "2"}) target(job, instance);
    }
    add(labels("lonely", "none", ""), [&](std::int64_t, std::size_t) { return uniform(10); });
    return std::move(data_);
  }

 private:
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  double uniform(int n) { return static_cast<double>(random_() % static_cast<unsigned>(n)); }

  static model::LabelsBuilder labels(std::string_view name, std::string_view job,
                                     std::string_view instance) {
    model::LabelsBuilder out;
    out.set(model::kMetricName, name).set("job", job).set("instance", instance);
    return out;
  }

  void target(const std::string& job, const std::string& instance) {
    make_times();
    for (const char* name : {"requests_total", "errors_total"}) {
      if (chance(0.9)) counter(labels(name, job, instance).set("mode", chance(0.5) ? "r" : "w"));
    }
    gauge(labels("level", job, instance), 4);
    if (chance(0.7)) gauge(labels("depth", job, instance), 1);
    if (chance(0.5) && options_.infinities) odd(labels("odd", job, instance));
    if (chance(0.6)) constant(labels("up", job, instance));
    if (options_.utf8_names && chance(0.4)) {
      gauge(labels("my.metric", job, instance).set("the.label", chance(0.5) ? "a b" : "c"), 2);
    }
    if (chance(0.5)) classic(job, instance);
    if (chance(0.8)) info("target_info", job, instance, "version");
    if (chance(0.4)) info("build_info", job, instance, "commit");
    if (!options_.histograms) return;
    if (chance(0.6)) native(labels("latency", job, instance), Kind::kCounter);
    if (chance(0.4)) native(labels("size", job, instance), Kind::kGauge);
    if (chance(0.5)) native(labels("custom", job, instance), Kind::kCustom);
    if (chance(0.4)) native(labels("mixed", job, instance), Kind::kMixed);
    if (chance(0.2)) native(labels("requests_seconds", job, instance), Kind::kCounter);
  }

  // The scrapes of a target: a fixed interval with some jitter, some missed.
  void make_times() {
    times_.clear();
    const bool jitter = chance(0.3);
    const std::int64_t every = chance(0.8) ? 15'000 : 40'000;
    const std::int64_t phase = chance(0.5) ? 0 : random_() % 15'000;
    for (std::int64_t t = phase; t <= kRandomDataEnd; t += every) {
      if (chance(0.05)) continue;
      times_.push_back(t + (jitter ? random_() % 3'000 : 0));
    }
  }

  // Calls `value` for each time while the series is there.
  template <typename Value>
  void add(const model::LabelsBuilder& labels, Value value) {
    NaiveSeries series{labels.build(), {}};
    bool there = chance(0.85);
    for (std::size_t i = 0; i < times_.size(); ++i) {
      if (chance(there ? 0.015 : 0.1)) {
        if (there && chance(0.8)) push(&series, times_[i], model::stale_nan(), nullptr);
        there = !there;
        continue;
      }
      if (there && !chance(0.03)) put(&series, times_[i], value(times_[i], i));
    }
    if (!series.samples.empty()) data_.push_back(std::move(series));
  }

  static void put(NaiveSeries* series, std::int64_t t, double v) { push(series, t, v, nullptr); }
  static void put(NaiveSeries* series, std::int64_t t, const NaiveSample& sample) {
    series->samples.push_back(sample);
    series->samples.back().t = t;
  }
  static void push(NaiveSeries* series, std::int64_t t, double v, HistogramPtr h) {
    // A marker in a series of histograms is one of them.
    if (model::is_stale(v) && !series->samples.empty() &&
        series->samples.back().histogram != nullptr) {
      auto marker = std::make_shared<FloatHistogram>();
      marker->sum = v;
      series->samples.push_back({t, 0, marker, 0});
      return;
    }
    series->samples.push_back({t, v, std::move(h), 0});
  }

  void counter(const model::LabelsBuilder& labels) {
    double value = uniform(50);
    const bool starts = options_.start_timestamps && chance(0.4);
    const bool integers = chance(0.7);
    std::int64_t start = starts && chance(0.7) ? 1 : 0;
    std::int64_t before = 0;
    add(labels, [&](std::int64_t t, std::size_t) {
      const double more = chance(0.2) ? 0 : integers ? uniform(20) : uniform(1000) / 37;
      value = chance(0.04) ? uniform(4) : value + more;
      if (starts && chance(0.05)) {
        // Sometimes at the sample before, sometimes nonsense.
        const std::int64_t between = t > before ? random_() % (t - before) : 0;
        start = chance(0.2) ? before : chance(0.1) ? t + 1'000 : before + between;
      }
      before = t;
      return NaiveSample{t, value, nullptr, start};
    });
  }

  void gauge(const model::LabelsBuilder& labels, double step) {
    double value = uniform(20) - 5;
    const bool fine = chance(0.3);
    add(labels, [&](std::int64_t, std::size_t) {
      value += (uniform(9) - 4) / step + (fine ? uniform(100) / 977 : 0);
      return value;
    });
  }

  void odd(const model::LabelsBuilder& labels) {
    add(labels, [&](std::int64_t, std::size_t) {
      const double values[] = {std::nan(""), HUGE_VAL, -HUGE_VAL, -0.0,   0.0,
                               1.0,          -1.0,     1e300,     1e-300, 3.5};
      return values[random_() % std::size(values)];
    });
  }

  void constant(const model::LabelsBuilder& labels) {
    add(labels, [&](std::int64_t, std::size_t) { return chance(0.9) ? 1.0 : 0.0; });
  }

  void info(const char* name, const std::string& job, const std::string& instance,
            const char* label) {
    for (const char* value : {"1.0", "2.0"}) {
      if (value[0] == '2' && !chance(0.2)) continue;
      add(labels(name, job, instance).set(label, value).set("zone", "z" + instance),
          [&](std::int64_t, std::size_t) { return 1.0; });
    }
  }

  void classic(const std::string& job, const std::string& instance) {
    const bool gaps = chance(0.2);
    double count = 0;
    for (const char* le : {"-1", "0.5", "1", "2.5", "10", "+Inf"}) {
      if (le[0] == '-' && !chance(0.3)) continue;
      if (gaps && chance(0.2)) continue;
      count += uniform(5);
      double value = count;
      add(labels("requests_seconds_bucket", job, instance).set("le", le),
          [&](std::int64_t, std::size_t) {
            value = chance(0.02) ? 0 : value + uniform(3) + (le[0] == '+' ? 6 : 0);
            return value;
          });
    }
  }

  enum class Kind { kCounter, kGauge, kCustom, kMixed };

  struct Shape {
    std::int32_t schema = 0;
    double zero_threshold = 0;
    bool integers = true, nan_sum = false, negative = true;
    std::vector<double> bounds;
  };

  Shape shape(Kind kind) {
    Shape out;
    const double thresholds[] = {0, 0, 0.001, 0.25, 1};
    out.zero_threshold = thresholds[random_() % 5];
    out.schema = static_cast<std::int32_t>(random_() % 5) - 1;
    out.integers = chance(0.7);
    out.nan_sum = chance(0.05);
    out.negative = chance(0.4);
    if (kind != Kind::kCustom) return out;
    out.schema = model::kCustomBucketsSchema;
    out.zero_threshold = 0;
    for (const double bound : {-2.0, 0.0, 1.0, 2.0, 5.0, 10.0}) {
      if (chance(bound < 1 ? 0.4 : 0.8)) out.bounds.push_back(bound);
    }
    return out;
  }

  struct Counts {
    std::map<std::int32_t, double> positive, negative;
    double zero = 0, sum = 0, nans = 0;
  };

  void observe(const Shape& shape, Counts* counts) {
    const bool custom = shape.schema == model::kCustomBucketsSchema;
    for (int i = static_cast<int>(random_() % 4); i > 0; --i) {
      const double n = shape.integers ? 1 + uniform(4) : 0.25 + uniform(9) / 4;
      if (!custom && chance(0.2)) {
        counts->zero += n;
      } else if (!custom && shape.negative && chance(0.3)) {
        counts->negative[static_cast<std::int32_t>(random_() % 7) - 1] += n;
        counts->sum -= 2 * n;
      } else {
        const auto width = custom ? shape.bounds.size() + 1 : 9;
        const auto index = static_cast<std::int32_t>(random_() % width) - (custom ? 0 : 2);
        counts->positive[index] += n;
        counts->sum += 3 * n;
      }
    }
    if (shape.nan_sum && chance(0.2)) counts->nans += 1;
  }

  static HistogramPtr histogram(const Shape& shape, const Counts& counts,
                                model::CounterResetHint hint) {
    auto h = std::make_shared<FloatHistogram>();
    h->schema = shape.schema;
    h->zero_threshold = shape.zero_threshold;
    h->custom_values = shape.bounds;
    h->reset_hint = hint;
    h->zero_count = counts.zero;
    h->count = counts.zero + counts.nans;
    h->sum = counts.nans > 0 ? std::nan("") : counts.sum;
    model::BucketSide positive, negative;
    const double lowest = shape.schema == model::kCustomBucketsSchema ? -1 : shape.zero_threshold;
    for (const auto& [index, n] : counts.positive) {
      if (lowest < 0 || model::exponential_bound(shape.schema, index - 1) >= lowest) {
        positive.push_back({index, n});
        h->count += n;
      }
    }
    for (const auto& [index, n] : counts.negative) {
      if (model::exponential_bound(shape.schema, index - 1) < lowest) continue;
      negative.push_back({index, n});
      h->count += n;
    }
    model::compress(positive, &h->positive_spans, &h->positive_buckets);
    model::compress(negative, &h->negative_spans, &h->negative_buckets);
    return h;
  }

  void native(const model::LabelsBuilder& labels, Kind kind) {
    Shape form = shape(kind);
    Counts counts;
    const bool gauge = kind == Kind::kGauge;
    const bool starts = options_.start_timestamps && chance(0.2);
    std::int64_t start = starts ? 1 : 0, before = 0;
    bool fresh = true;
    add(labels, [&](std::int64_t t, std::size_t) {
      if (kind == Kind::kMixed && chance(0.3)) return NaiveSample{t, uniform(9), nullptr, 0};
      if (chance(0.03)) {
        form = shape(kind == Kind::kMixed && chance(0.3) ? Kind::kCustom : kind);
        fresh = true;
      }
      if (fresh || gauge || chance(0.04)) {
        counts = {};
        if (starts && !gauge && t > before) start = before + random_() % (t - before);
      }
      observe(form, &counts);
      fresh = false;
      before = t;
      const auto hint = gauge ? model::CounterResetHint::kGauge : model::CounterResetHint::kUnknown;
      return NaiveSample{t, 0, histogram(form, counts, hint), start};
    });
  }

  std::mt19937 random_;
  const RandomDataOptions options_;
  std::vector<std::int64_t> times_;
  std::vector<NaiveSeries> data_;
};

}  // namespace

std::vector<NaiveSeries> random_data(std::uint32_t seed, const RandomDataOptions& options) {
  return DataMaker(seed, options).make();
}

Status load(storage::Appendable& store, const std::vector<NaiveSeries>& data, bool grouped) {
  auto appender = store.appender();
  std::vector<storage::SeriesRef> refs;
  for (const NaiveSeries& series : data) {
    storage::SeriesRef ref;
    for (const NaiveSample& sample : series.samples) {
      storage::AppendOptions options;
      if (sample.start_ms != 0) options.start = model::from_ms(sample.start_ms);
      const model::Timestamp t = model::from_ms(sample.t);
      auto appended =
          sample.histogram == nullptr
              ? appender->append(ref, series.labels, t, sample.value, options)
              : appender->append_histogram(ref, series.labels, t, *sample.histogram, options);
      RETURN_IF_ERROR(appended.status());
      ref = appended->ref;
    }
    refs.push_back(ref);
  }
  if (grouped) RETURN_IF_ERROR(appender->define_group({}, refs).status());
  return storage::commit_and_wait(*appender);
}

std::string describe(const std::vector<NaiveSeries>& data) {
  std::string out;
  for (const NaiveSeries& series : data) {
    out += series.labels.to_series_string();
    for (const NaiveSample& s : series.samples) {
      out += fmt::format(" {}=", s.t);
      if (s.is_stale()) {
        out += "stale";
      } else if (s.histogram != nullptr) {
        out += model::to_string(*s.histogram);
      } else {
        out += model::format_float(s.value);
      }
      if (s.start_ms != 0) out += fmt::format("@st{}", s.start_ms);
    }
    out += "\n";
  }
  return out;
}

}  // namespace tocsin::promql::testing
