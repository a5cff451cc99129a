// SPDX-License-Identifier: Apache-2.0
//
// StatsdStore: the series that lines of StatsD add up to.
//
// Most lines are of a series that was there before: it is found by the bytes of its name and tags,
// without taking them apart. Series that nobody writes to for their ttl are forgotten.
//
// Hides: mapping, folding, clashes of names and types, expiry.
// Threads: confined (dropped() is shared). Does not fail; what cannot be counted is counted by reason.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/string_map.h"
#include "base/time.h"
#include "exporters/app/series_budget.h"
#include "exporters/app/statsd/distribution.h"
#include "exporters/app/statsd/statsd_line.h"
#include "exporters/app/statsd/statsd_mapper.h"

namespace tocsin::exporters::app {

class StatsdStore final : private StatsdSink {
 public:
  struct Options {
    StatsdMapper mapper;
    std::size_t max_series = SeriesBudget::kDefaultMaxSeries;
    std::size_t max_set_members = 100'000;  // of all sets together
  };

  explicit StatsdStore(Options options);
  ~StatsdStore() override;

  void take(std::string_view packet, base::SteadyTime now);
  // Forgets what is old and appends the rest.
  void append_to(base::SteadyTime now, std::vector<base::MetricFamily>* out);

  std::size_t series() const;
  std::uint64_t dropped() const { return budget_.dropped(); }

 private:
  struct Family;
  struct Series;
  // What the bytes of a name and tags mean.
  struct Meaning {
    Series* series = nullptr;  // null: refused or dropped
    double scale = 1;
    std::size_t bad_tags = 0;
    bool is_mapped = true;
    std::optional<StatsdError> error;
  };

  void sample(const StatsdSample& sample) override;
  void error(StatsdError error) override;

  const Meaning& meaning_of(const StatsdSample& sample);
  Meaning find_out(const StatsdSample& sample);
  // The family of this name and type; null when its names are taken.
  Family* family_for(const StatsdMapper::Mapped& mapped, StatsdType type);
  static LabelPairs plain_labels(const Family& family);
  Series* series_for(Family* family, LabelPairs labels, StatsdType type);
  void count(const StatsdSample& sample, double scale, Series* series);
  void expire(base::SteadyTime now);
  void forget(Family* family, Series* series);
  void append_own(std::vector<base::MetricFamily>* out) const;

  const Options options_;
  const base::Hash128 seed_{base::random_u64(), base::random_u64()};
  SeriesBudget budget_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
  StringMap<Family*> names_;  // on the page, those with suffixes among them
  StringMap<Meaning> meanings_;
  std::string key_;  // of the look-up; kept for its memory
  base::SteadyTime now_;
  base::SteadyTime expired_at_;
  std::size_t set_members_ = 0;
  double lines_ = 0, samples_ = 0, bad_tags_ = 0, unmapped_ = 0;
  std::array<double, kStatsdErrors> errors_{};
};

}  // namespace tocsin::exporters::app
