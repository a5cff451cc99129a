// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <charconv>
#include <limits>
#include <map>
#include <variant>

#include "base/check.h"
#include "base/time.h"

namespace tocsin::base {
namespace {

using LabelPairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t kAgeMs = 2 * 60 * 1000;
constexpr std::int64_t kAges = 5;
constexpr std::size_t kReservoir = 500;

std::int64_t system_steady_ms() {
  const auto since_start = SystemClock().steady_now().time_since_epoch();
  return std::chrono::duration_cast<Duration>(since_start).count();
}

// Bounds and quantiles as label values: the shortest digits that read back the same; from seven
// digits before the point or five zeros behind it on with an exponent ("1e+06").
std::string bound_text(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  const double magnitude = std::abs(value);
  const bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e6);
  std::array<char, 64> text{};
  const std::to_chars_result end =
      std::to_chars(text.data(), text.data() + text.size(), value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(text.data(), end.ptr);
}

LabelPairs with_label(LabelPairs labels, std::string_view name, std::string value) {
  labels.emplace_back(name, std::move(value));
  return labels;
}

// A well-mixed number from a counter (splitmix64): which sample of a reservoir to replace.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

void Counter::inc(double by) {
  DCHECK(by >= 0);
  value_.fetch_add(by, std::memory_order_relaxed);
}

void Gauge::add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)), counts_(upper_bounds_.size() + 1) {
  CHECK(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end()));
}

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value);
  // Nothing orders NaN: it belongs to no bucket but the last.
  const std::size_t index = std::isnan(value)
                                ? upper_bounds_.size()
                                : static_cast<std::size_t>(bucket - upper_bounds_.begin());
  MutexLock lock(mutex_);
  ++counts_[index];
  sum_ += value;
}

void Histogram::append_samples(const LabelPairs& labels, std::vector<MetricSample>* out) const {
  MutexLock lock(mutex_);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    std::string bound = i < upper_bounds_.size() ? bound_text(upper_bounds_[i]) : "+Inf";
    out->push_back(
        {"_bucket", with_label(labels, "le", std::move(bound)), static_cast<double>(total)});
  }
  out->push_back({"_sum", labels, sum_});
  out->push_back({"_count", labels, static_cast<double>(total)});
}

Summary::Summary(std::vector<double> quantiles, std::function<std::int64_t()> steady_ms)
    : quantiles_(std::move(quantiles)), steady_ms_(std::move(steady_ms)), ages_(kAges) {}

void Summary::observe(double value) {
  const std::int64_t number = steady_ms_() / kAgeMs;
  MutexLock lock(mutex_);
  Age& age = ages_[static_cast<std::size_t>(number % kAges)];
  if (age.number != number) {
    age.number = number;
    age.seen = 0;
    age.values.clear();
  }
  ++age.seen;
  ++count_;
  sum_ += value;
  if (age.values.size() < kReservoir) {
    age.values.push_back(value);
  } else if (const std::uint64_t at = mixed(count_) % age.seen; at < kReservoir) {
    age.values[at] = value;
  }
}

void Summary::append_samples(const LabelPairs& labels, std::vector<MetricSample>* out) const {
  const std::int64_t number = steady_ms_() / kAgeMs;
  std::vector<double> window;
  MutexLock lock(mutex_);
  for (const Age& age : ages_) {
    if (number - age.number >= kAges) continue;
    window.insert(window.end(), age.values.begin(), age.values.end());
  }
  std::sort(window.begin(), window.end());
  for (double quantile : quantiles_) {
    double value = std::numeric_limits<double>::quiet_NaN();
    if (!window.empty()) {
      const double rank = std::ceil(quantile * static_cast<double>(window.size()));
      const double last = static_cast<double>(window.size() - 1);
      value = window[static_cast<std::size_t>(std::clamp(rank - 1, 0.0, last))];
    }
    out->push_back({"", with_label(labels, "quantile", bound_text(quantile)), value});
  }
  out->push_back({"_sum", labels, sum_});
  out->push_back({"_count", labels, static_cast<double>(count_)});
}

// children_ is sorted by label values.
template <typename M>
M& MetricVec<M>::with(const std::vector<std::string>& values) {
  CHECK(values.size() == label_names_.size());
  const auto before = [](const auto& child, const std::vector<std::string>& v) {
    return child.first < v;
  };
  MutexLock lock(mutex_);
  auto it = std::lower_bound(children_.begin(), children_.end(), values, before);
  if (it != children_.end() && it->first == values) return *it->second;
  if (children_.size() < kMaxChildren) return *children_.emplace(it, values, make_())->second;
  const std::vector<std::string> overflow(values.size(), "overflow");
  it = std::lower_bound(children_.begin(), children_.end(), overflow, before);
  if (it != children_.end() && it->first == overflow) return *it->second;
  return *children_.emplace(it, overflow, make_())->second;
}

template <typename M>
void MetricVec<M>::remove(const std::vector<std::string>& values) {
  MutexLock lock(mutex_);
  std::erase_if(children_, [&](const auto& child) { return child.first == values; });
}

template <typename M>
void MetricVec<M>::for_each(const std::function<void(const LabelPairs&, const M&)>& visit) const {
  std::vector<std::pair<std::vector<std::string>, std::shared_ptr<M>>> children;
  {
    MutexLock lock(mutex_);
    children = children_;
  }
  for (const auto& [values, metric] : children) {
    LabelPairs labels;
    labels.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) labels.emplace_back(label_names_[i], values[i]);
    visit(labels, *metric);
  }
}

template class MetricVec<Counter>;
template class MetricVec<Gauge>;
template class MetricVec<Histogram>;
template class MetricVec<Summary>;

namespace {

void append(const Counter& metric, const LabelPairs& labels, std::vector<MetricSample>* out) {
  out->push_back({"", labels, metric.value()});
}
void append(const Gauge& metric, const LabelPairs& labels, std::vector<MetricSample>* out) {
  out->push_back({"", labels, metric.value()});
}
void append(const Histogram& metric, const LabelPairs& labels, std::vector<MetricSample>* out) {
  metric.append_samples(labels, out);
}
void append(const Summary& metric, const LabelPairs& labels, std::vector<MetricSample>* out) {
  metric.append_samples(labels, out);
}

template <typename M>
void append_vec(const MetricVec<M>& vec, std::vector<MetricSample>* out) {
  // Sorted by labels, whereas the samples of one child keep their order (buckets by bound).
  std::vector<std::pair<LabelPairs, std::vector<MetricSample>>> children;
  vec.for_each([&](const LabelPairs& given, const M& metric) {
    LabelPairs labels = given;
    std::sort(labels.begin(), labels.end());
    std::vector<MetricSample> samples;
    append(metric, labels, &samples);
    children.emplace_back(std::move(labels), std::move(samples));
  });
  std::sort(children.begin(), children.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [labels, samples] : children) {
    std::move(samples.begin(), samples.end(), std::back_inserter(*out));
  }
}

void sort_samples(MetricFamily* family) {
  if (family->type == MetricType::kHistogram || family->type == MetricType::kSummary) return;
  std::stable_sort(
      family->samples.begin(), family->samples.end(),
      [](const MetricSample& a, const MetricSample& b) { return a.labels < b.labels; });
}

}  // namespace

struct Registry::Impl {
  using AnyVec = std::variant<std::unique_ptr<CounterVec>, std::unique_ptr<GaugeVec>,
                              std::unique_ptr<HistogramVec>, std::unique_ptr<SummaryVec>>;
  struct Entry {
    std::string help;
    MetricType type = MetricType::kUntyped;
    AnyVec vec;
  };
  using Collector = std::function<void(std::vector<MetricFamily>*)>;

  template <typename M>
  MetricVec<M>& get(std::string_view name, std::string_view help, MetricType type,
                    std::vector<std::string> labels, std::function<std::unique_ptr<M>()> make) {
    MutexLock lock(mutex);
    auto it = entries.find(name);
    if (it == entries.end()) {
      auto vec = std::make_unique<MetricVec<M>>(std::move(labels), std::move(make));
      Entry entry{std::string(help), type, std::move(vec)};
      it = entries.emplace(std::string(name), std::move(entry)).first;
    } else {
      CHECK(it->second.type == type);
      CHECK(std::get<std::unique_ptr<MetricVec<M>>>(it->second.vec)->label_names() == labels);
    }
    return *std::get<std::unique_ptr<MetricVec<M>>>(it->second.vec);
  }

  mutable Mutex mutex;
  std::map<std::string, Entry, std::less<>> entries ABSL_GUARDED_BY(mutex);
  std::vector<Collector> collectors ABSL_GUARDED_BY(mutex);
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help) {
  return counter(name, help, std::vector<std::string>{}).with({});
}

Gauge& Registry::gauge(std::string_view name, std::string_view help) {
  return gauge(name, help, std::vector<std::string>{}).with({});
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::vector<double> upper_bounds) {
  return histogram(name, help, {}, std::move(upper_bounds)).with({});
}

CounterVec& Registry::counter(std::string_view name, std::string_view help,
                              std::vector<std::string> labels) {
  return impl_->get<Counter>(name, help, MetricType::kCounter, std::move(labels),
                             [] { return std::make_unique<Counter>(); });
}

GaugeVec& Registry::gauge(std::string_view name, std::string_view help,
                          std::vector<std::string> labels) {
  return impl_->get<Gauge>(name, help, MetricType::kGauge, std::move(labels),
                           [] { return std::make_unique<Gauge>(); });
}

HistogramVec& Registry::histogram(std::string_view name, std::string_view help,
                                  std::vector<std::string> labels,
                                  std::vector<double> upper_bounds) {
  return impl_->get<Histogram>(
      name, help, MetricType::kHistogram, std::move(labels),
      [bounds = std::move(upper_bounds)] { return std::make_unique<Histogram>(bounds); });
}

SummaryVec& Registry::summary(std::string_view name, std::string_view help,
                              std::vector<std::string> labels, std::vector<double> quantiles) {
  return impl_->get<Summary>(name, help, MetricType::kSummary, std::move(labels),
                             [quantiles = std::move(quantiles)] {
                               return std::make_unique<Summary>(quantiles, &system_steady_ms);
                             });
}

void Registry::collector(std::function<void(std::vector<MetricFamily>*)> collect) {
  MutexLock lock(impl_->mutex);
  impl_->collectors.push_back(std::move(collect));
}

std::vector<MetricFamily> Registry::gather() const {
  std::vector<MetricFamily> families;
  std::vector<Impl::Collector> collectors;
  {
    MutexLock lock(impl_->mutex);
    collectors = impl_->collectors;
    for (const auto& [name, entry] : impl_->entries) {
      MetricFamily family{name, entry.help, entry.type, {}};
      std::visit([&](const auto& vec) { append_vec(*vec, &family.samples); }, entry.vec);
      families.push_back(std::move(family));
    }
  }
  const std::size_t own = families.size();
  // Without the lock: collectors may register metrics.
  for (const Impl::Collector& collect : collectors) collect(&families);
  for (std::size_t i = own; i < families.size(); ++i) sort_samples(&families[i]);
  std::stable_sort(families.begin(), families.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  return families;
}

}  // namespace tocsin::base
