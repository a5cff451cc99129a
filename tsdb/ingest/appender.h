// SPDX-License-Identifier: Apache-2.0
//
// TsdbAppender: collects one batch, checks each sample against the head and the batch itself, and
// hands it to the commit queue.
//
// What is not an in-order float goes to the side of the batch (append_side.cc), exemplars and
// metadata to its notes (append_notes.cc).
// Borrows: Core. Threads: confined. commit() calls back on the caller's thread, after the write; on
// another one when the commit had to wait (backlog.h).
// Errors: see storage/appender.h; kResourceExhausted for a batch above the
// journal's record size.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/gate.h"
#include "storage/appender.h"
#include "tsdb/core/core.h"
#include "tsdb/head/batch.h"
#include "tsdb/ingest/pending.h"

namespace tocsin::tsdb {

class TsdbAppender final : public storage::Appender {
 public:
  TsdbAppender(Core& core, base::Gate::Pass pass);

  StatusOr<storage::AppendResult> append(storage::SeriesRef ref, const model::Labels& labels,
                                         model::Timestamp t, double value,
                                         const storage::AppendOptions& options) override;
  void append_known(std::span<const storage::KnownSample> samples, const Refused& refused) override;
  StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef ref,
                                                   const model::Labels& labels, model::Timestamp t,
                                                   const model::FloatHistogram& histogram,
                                                   const storage::AppendOptions& options) override;
  StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef ref,
                                                   const model::Labels& labels, model::Timestamp t,
                                                   const model::Histogram& histogram,
                                                   const storage::AppendOptions& options) override;
  Status append_exemplar(storage::SeriesRef ref, const model::Labels& labels,
                         const model::Exemplar& exemplar) override;
  Status update_metadata(storage::SeriesRef ref, const model::Labels& labels,
                         const model::Metadata& metadata) override;

  StatusOr<storage::GroupId> define_group(storage::GroupId group,
                                          std::span<const storage::SeriesRef> members) override;
  Status step(storage::GroupId group, model::Timestamp t) override;
  Status set(std::uint32_t position, double value) override;
  Status set_range(std::uint32_t first, std::span<const double> values) override;
  Status stale_all(storage::GroupId group, model::Timestamp t) override;

  void commit(CommitCallback done) override;
  void rollback() override;

 private:
  enum class Verdict { kAppend, kDuplicate, kLate };

  // Asks the head for the series; false when it does not know it.
  bool look(storage::SeriesId id);
  void add_sample(storage::SeriesId id, std::int64_t t_ms, std::uint64_t bits);
  Status take_new_series();
  struct Point {
    model::Timestamp t;
    double value;
  };
  // Appends to a series that exists.
  Status append_to(storage::SeriesId id, const model::Labels& labels, const Point& point,
                   const storage::AppendOptions& options);
  StatusOr<storage::AppendResult> resolve(storage::SeriesRef ref, const model::Labels& labels);
  // The series with these labels, which is made when it is not in memory. No limit but the index's.
  StatusOr<storage::AppendResult> create(const model::Labels& labels);
  // What stale_all() must know of a member; brings one back that left memory.
  StatusOr<Newest> newest_of_member(storage::SeriesId id);
  Status check_labels(const model::Labels& labels) const;
  // Compares with the newest sample of the series, stored or in this batch.
  StatusOr<Verdict> check(storage::SeriesId id, std::int64_t t_ms, std::uint64_t bits,
                          const storage::AppendOptions& options = {});
  // What check() does for a series with side data; `newest` is its newest float.
  StatusOr<Verdict> check_side(storage::SeriesId id, std::int64_t t_ms, const SideValue& value,
                               const Newest& newest, const storage::AppendOptions& options);
  // Judges a sample that is older than the newest of its series.
  struct Late {
    storage::SeriesId id;
    std::int64_t t_ms;
    std::int64_t series_newest_ms;
  };
  StatusOr<Verdict> check_late(const Late& late, const SideValue& value,
                               const storage::AppendOptions& options);
  // The newest float, of this batch or stored; looks into runs where the head may not know it.
  StatusOr<Newest> newest_float(storage::SeriesId id, std::int64_t t_ms);
  SideStore::Last last_side(storage::SeriesId id) const;
  bool has_side(storage::SeriesId id) const {
    return core_.head.side().has(id) || (!pending_side_.empty() && pending_side_.contains(id));
  }
  // The newest histogram of the series when no float is newer.
  std::optional<SideValue> newest_histogram(storage::SeriesId id) const;
  StatusOr<storage::AppendResult> append_value(storage::SeriesRef ref, const model::Labels& labels,
                                               model::Timestamp t, SideValue value,
                                               const storage::AppendOptions& options);
  std::optional<SideValue> earlier_in_batch(storage::SeriesId id, std::int64_t t_ms) const;
  Status put_side(SideSample sample);
  // Notes the start timestamp of an in-order float.
  Status put_start(storage::SeriesId id, std::int64_t t_ms, const storage::AppendOptions& options);
  // Ends members of a group whose newest sample is a histogram.
  Status stale_histograms(std::span<const storage::SeriesId> members, std::int64_t t_ms,
                          std::vector<bool>* marked);
  Status charge(std::uint64_t bytes);
  void note_series(storage::SeriesId id, const model::Labels& labels);
  StatusOr<MembersPtr> members_of(storage::GroupId group) const;
  bool has_rows(storage::GroupId group) const;
  Batch::Row& add_row(storage::GroupId group, std::int64_t t_ms, std::uint32_t members, bool stale);

  Core& core_;
  base::Gate::Pass pass_;
  UnkeptSeries::Created created_;
  const std::uint64_t removals_;
  Batch batch_;
  std::vector<Batch::Op> first_ops_;  // definitions that come before all samples
  std::uint64_t bytes_ = 0;           // upper bound of the encoded batch
  bool finished_ = false;

  // What the head knew of the series that is being appended to.
  storage::SeriesId looked_at_;
  Head::Look look_;
  PendingSamples pending_;
  std::unordered_map<storage::SeriesId, std::size_t> pending_side_;  // newest, in batch_.side
  std::unordered_map<storage::SeriesId, std::int64_t> pending_start_;
  std::map<std::pair<storage::SeriesId, std::int64_t>, std::size_t> pending_late_;
  std::unordered_map<storage::SeriesId, std::size_t> pending_exemplars_;  // newest, in batch_.notes
  std::unordered_map<storage::SeriesId, bool> noted_;                     // in batch_.new_series

  // The row that set() writes to.
  bool row_open_ = false;
  bool row_unchecked_ = false;  // every member can take the row's time
  MembersPtr row_members_;
};

}  // namespace tocsin::tsdb
