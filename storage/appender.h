// SPDX-License-Identifier: Apache-2.0
//
// Appender: how samples get into a store. One Appender is one batch: it is committed or rolled back
// as a whole.
//
// There are three ways to name a series, from general to fast:
//   by labels    append({}, labels, ...)   resolves or creates it and returns its SeriesRef
//   by ref       append(ref, labels, ...)  no look-up; labels are used only when ref is outdated
//   by position  step(group, t), set(i, v) the i-th member of a group, in the order given to
//                                          define_group: a comparison and a store
//
// Visibility: nothing of a batch is visible before commit's completion; when it is called with OK,
// the samples survive kill -9 (they are with the operating system) and the caller reads its own
// writes.
// Owner: the caller; destroying an uncommitted Appender rolls back.
// Threads: an Appender is confined to one thread at a time; the Appendable is shared. The completion
// may run on the caller's thread inside commit() or later on a thread of the store; it must not
// block.
// Errors: duplicates and order as Prometheus: the same timestamp with the same value is accepted
// silently, with another value kAlreadyExists ("duplicate sample for timestamp"); older than the
// newest sample of the series kOutOfRange ("out of order sample"), or "too old sample" outside the
// out-of-order window. These concern that one sample; the batch stays usable. Any other error: roll
// back.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/timestamp.h"
#include "storage/types.h"

namespace tocsin::storage {

struct AppendOptions {
  // Start timestamp of a counter, when the source gave one.
  std::optional<model::Timestamp> start;
  // Refuses an out-of-order sample even inside the out-of-order window (rule results).
  bool in_order_only = false;
  // A refusal is as likely as not, and no metric counts it (the zero at a counter's start).
  bool tentative = false;
};

struct AppendResult {
  SeriesRef ref;
  bool created = false;  // the series was not active before
};

// A sample of a series that was resolved before.
struct KnownSample {
  SeriesRef ref;
  model::Timestamp t;
  double value = 0;
  std::int64_t start_ms = 0;  // as AppendOptions::start; 0: none
};

class Appender {
 public:
  using CommitCallback = std::function<void(Status)>;

  virtual ~Appender() = default;

  // Appends one float sample; a staleness marker is the value model::stale_nan().
  // Labels must be sorted, non-empty and valid; errors for them are kInvalidArgument.
  virtual StatusOr<AppendResult> append(SeriesRef ref, const model::Labels& labels,
                                        model::Timestamp t, double value,
                                        const AppendOptions& options = {}) = 0;
  // Appends many samples in this order, each as append() without labels would, and calls
  // `refused` with the position and the error of each that was not appended.
  using Refused = std::function<void(std::size_t, const Status&)>;
  virtual void append_known(std::span<const KnownSample> samples, const Refused& refused);
  virtual StatusOr<AppendResult> append_histogram(SeriesRef ref, const model::Labels& labels,
                                                  model::Timestamp t,
                                                  const model::FloatHistogram& histogram,
                                                  const AppendOptions& options = {}) = 0;
  virtual StatusOr<AppendResult> append_histogram(SeriesRef ref, const model::Labels& labels,
                                                  model::Timestamp t,
                                                  const model::Histogram& histogram,
                                                  const AppendOptions& options = {}) = 0;
  virtual Status append_exemplar(SeriesRef ref, const model::Labels& labels,
                                 const model::Exemplar& exemplar) = 0;
  virtual Status update_metadata(SeriesRef ref, const model::Labels& labels,
                                 const model::Metadata& metadata) = 0;

  // Makes `members` (all appended before, in this or an earlier batch) a group in this order, or
  // replaces the members of an existing group; samples already stored are not touched. A series
  // belongs to at most one group: the last definition wins. Takes effect at commit. kNotFound when
  // a ref is outdated.
  virtual StatusOr<GroupId> define_group(GroupId group, std::span<const SeriesRef> members) = 0;

  // Opens the group's next row at `t`, newer than all before (else kOutOfRange). Members that get
  // no set() or stale() in this row have no sample at `t`.
  virtual Status step(GroupId group, model::Timestamp t) = 0;
  // Sets the value of member `position` in the open row. kNotFound when the member has moved to
  // another group: append it by reference. REQUIRES: a row is open; position < members.
  virtual Status set(std::uint32_t position, double value) = 0;
  // Sets the values of members [first, first + values.size()) in the open row, as set() does one by
  // one; the first error ends it. A value may be set again. REQUIRES: as for set().
  virtual Status set_range(std::uint32_t first, std::span<const double> values) {
    for (const double value : values) {
      if (Status status = set(first++, value); !status.ok()) return status;
    }
    return ok();
  }
  // Marks every member that has a newer sample than a staleness marker as stale at `t`, in O(1)
  // space.
  virtual Status stale_all(GroupId group, model::Timestamp t) = 0;

  // Ends the batch and calls `done` exactly once, on any thread, maybe later: a store that cannot
  // keep up lets commits wait, for a bounded time. The Appender takes no more calls.
  virtual void commit(CommitCallback done) = 0;
  virtual void rollback() = 0;
};

// Calls commit and waits for its completion. Not for io threads.
Status commit_and_wait(Appender& appender);

class Appendable {
 public:
  virtual ~Appendable() = default;
  virtual std::unique_ptr<Appender> appender() = 0;
  // Forgets the group (its target is gone); its series stay. No-op for an unknown group.
  virtual void drop_group(GroupId group) = 0;
  // Whether the series is in memory: who keeps references can let go of the others. A series that is
  // not is looked up by its labels when it comes back. May be true of any.
  virtual bool is_active(SeriesRef) const { return true; }
};

}  // namespace tocsin::storage
