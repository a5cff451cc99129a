// SPDX-License-Identifier: Apache-2.0
//
// Packets of anybody: what is read is within its bounds, and the store has no more than it may.
#include "exporters/app/statsd/statsd_line.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "exporters/app/statsd/statsd_store.h"
#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxSeries = 8;

class Checker final : public StatsdSink {
 public:
  explicit Checker(std::string_view packet) : packet_(packet) {}

  void sample(const StatsdSample& sample) override {
    CHECK(!sample.head.empty() && packet_.find(sample.head) != std::string_view::npos);
    CHECK(sample.rate > 0 && sample.rate <= 1);
    CHECK(sample.value == sample.value);
    const StatsdSeries series = read_statsd_series(sample);
    for (std::size_t i = 0; i < series.tags.size(); ++i) {
      CHECK(model::is_legacy_label_name(series.tags[i].first));
      CHECK(i == 0 || series.tags[i - 1].first < series.tags[i].first);
    }
    const std::string name = escaped_metric_name(series.name);
    CHECK(name.empty() || model::is_legacy_metric_name(name));
  }
  void error(StatsdError error) override { CHECK(!statsd_error_text(error).empty()); }

 private:
  const std::string_view packet_;
};

void fuzz(std::string_view bytes) {
  Checker checker(bytes);
  read_statsd_packet(bytes, checker);
  StatsdStore store({.mapper = *StatsdMapper::read(nullptr, nullptr, std::chrono::minutes(1)),
                     .max_series = kMaxSeries,
                     .max_set_members = 3});
  base::SteadyTime now{std::chrono::hours(1)};
  store.take(bytes, now);
  store.take(bytes, now);
  CHECK(store.series() <= kMaxSeries);
  std::vector<base::MetricFamily> families;
  store.append_to(now, &families);
  CHECK(families.size() <= kMaxSeries + 5);
  families.clear();
  store.append_to(now + std::chrono::minutes(2), &families);
  CHECK(store.series() == 0);
}

}  // namespace
TOCSIN_FUZZ_TARGET(statsd_line, fuzz)
}  // namespace tocsin::exporters::app
