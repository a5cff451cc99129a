// SPDX-License-Identifier: Apache-2.0
//
// PushStore: the groups of metrics that were pushed, as Pushgateway keeps them: in memory, each until
// it is replaced, deleted, or its time is up.
//
// Threads: confined.
// Errors: kInvalidArgument for a clash of types with another family, kResourceExhausted above a
// limit; the group then stays as it was, but for the time of the failure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "base/string_map.h"
#include "base/time.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

class PushStore {
 public:
  struct Limits {
    base::Duration ttl{0};  // of a group, since its last good push; 0: for ever
    std::size_t max_series = 5'000;
    std::size_t max_groups = 1'000;
  };
  struct Now {
    base::Timestamp wall;
    base::SteadyTime steady;
  };
  enum class Scope {
    kFamilies,  // POST: those of the same names are replaced
    kGroup      // PUT: all are
  };

  explicit PushStore(Limits limits) : limits_(limits) {}

  // `families` as read_pushed_page() returns them, for this group.
  Status push(const LabelPairs& group, Scope scope, std::vector<base::MetricFamily> families,
              Now now);
  // Notes that a push to the group failed.
  void fail(const LabelPairs& group, Now now);
  // What is not there is deleted.
  void remove(const LabelPairs& group);
  void append_to(Now now, std::vector<base::MetricFamily>* out);

  std::size_t series() const { return series_; }
  std::size_t groups() const { return groups_.size(); }
  // Samples of pushes that were refused for want of room.
  double refused() const { return refused_; }

 private:
  struct Group {
    std::map<std::string, base::MetricFamily, std::less<>> families;
    double pushed_at = 0, failed_at = 0;  // seconds since the epoch; 0: never
    base::SteadyTime seen;
  };
  // Who has a name on the page.
  struct Claim {
    std::string family;
    base::MetricType type;
    std::size_t groups = 0;
  };
  using Groups = std::map<LabelPairs, Group>;

  Group* find_or_add(const LabelPairs& labels);
  Status check_claims(const std::vector<base::MetricFamily>& families) const;
  void add(Group* group, base::MetricFamily family);
  base::MetricFamily take(Group* group, const std::string& name);
  void expire(base::SteadyTime now);
  Groups::iterator erase(Groups::iterator it);

  const Limits limits_;
  Groups groups_;
  StringMap<Claim> claims_;
  std::size_t series_ = 0;
  double refused_ = 0;
};

}  // namespace tocsin::exporters::app
