// SPDX-License-Identifier: Apache-2.0
//
// NaiveStore: what a database must hold, as maps, and a comparison of a database with it.
//
// A sample is required, or doubtful: it was on its way when the process died, so it may be there or
// not. Nothing else may be there.
// A value. Threads: confined.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "storage/queryable.h"

namespace tocsin::tsdb::testing {

class NaiveStore {
 public:
  struct Sample {
    std::uint64_t bits = 0;
    bool required = true;
  };
  struct Series {
    model::Labels labels;
    std::map<std::int64_t, Sample> samples;
    std::int64_t newest = INT64_MIN;  // also when that sample was deleted since
    std::uint64_t newest_bits = 0;
    std::int64_t deleted_to = INT64_MIN;  // the end of the latest deletion
  };

  // Returns the number of a new, empty series. REQUIRES: its labels are new.
  std::size_t add(model::Labels labels);
  std::size_t size() const { return series_.size(); }
  const Series& series(std::size_t number) const { return series_[number]; }

  // What Appender::append answers; takes the sample when that is kOk. A sample older than the newest
  // is taken from `oldest` on.
  StatusCode put(std::size_t series, std::int64_t t, std::uint64_t bits, std::int64_t oldest);
  // A staleness marker, unless the newest sample is one.
  void put_stale(std::size_t series, std::int64_t t);

  // Changes since begin() are taken back, or in doubt.
  void begin();
  void undo();
  void doubt();
  // Says that all before is synced; doubt_unsynced() puts in doubt what came after.
  void synced() { unsynced_.clear(); }
  void doubt_unsynced();

  // Deletes, or makes doubtful, what matches in the closed interval.
  void erase(const model::Matchers& matchers, std::int64_t mint, std::int64_t maxt, bool certainly);
  // Samples before `t` may have left the database.
  void expire_before(std::int64_t t) { floor_ms_ = std::max(floor_ms_, t); }
  // Makes what `matchers` find in the database certain and forgets what is not there. REQUIRES:
  // compare() was content.
  void settle(const storage::Queryable& database, const model::Matchers& matchers);

  // Compares everything that matches in the closed interval; returns the first difference, or "".
  std::string compare(const storage::Queryable& database, const model::Matchers& matchers,
                      std::int64_t mint, std::int64_t maxt) const;
  // Compares Selection::last for (at - lookback, at].
  std::string compare_last(const storage::Queryable& database, std::int64_t at,
                           std::int64_t lookback) const;
  // Compares names of labels, values of `name` and label sets.
  std::string compare_labels(const storage::Queryable& database, const std::string& name,
                             const model::Matchers& matchers, std::int64_t mint,
                             std::int64_t maxt) const;

  std::uint64_t samples() const;

 private:
  struct Change {
    std::size_t series;
    std::int64_t t;
    std::int64_t newest;  // before
    std::uint64_t newest_bits;
  };
  using Found = std::map<std::int64_t, std::uint64_t>;

  StatusCode put_late(std::size_t series, std::int64_t t, std::uint64_t bits);
  void insert(std::size_t series, std::int64_t t, std::uint64_t bits);
  std::string compare_series(const Series& series, const Found& found, std::int64_t mint,
                             std::int64_t maxt) const;
  // Whether it has a required (or any) sample in the interval.
  bool has(const Series& series, std::int64_t mint, std::int64_t maxt, bool required) const;
  std::string compare_column(const storage::SeriesColumn& column, const model::Labels& labels,
                             std::pair<std::int64_t, std::int64_t> interval,
                             std::vector<bool>* seen) const;

  std::vector<Series> series_;
  std::unordered_map<model::Labels, std::size_t, model::LabelsHash> numbers_;
  std::vector<Change> changes_;
  std::vector<Change> unsynced_;  // before begin()
  std::int64_t floor_ms_ = INT64_MIN;
};

}  // namespace tocsin::tsdb::testing
