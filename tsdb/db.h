// SPDX-License-Identifier: Apache-2.0
//
// Db: the time-series database: a change-log head made durable by a journal, and immutable runs in RocksDB.
//
// Hides: journal, head, index, tiles, RocksDB.
// Owns: everything below its directory and its background threads
// ("sync" and "background").
// Borrows: Clock, FileSystem, Registry (must outlive it).
// Threads: shared; an Appender and a Selection as their headers say.
// Errors: open() fails with kFailedPrecondition when another process holds the directory or the format is newer,
// kDataLoss when metadata is damaged; a torn journal tail is cut, logged and counted, not an error. Does not throw.
// Read next: docs/formats/tsdb_journal.md and tsdb_runs.md, db_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/time.h"
#include "storage/admin.h"
#include "storage/appender.h"
#include "storage/exemplars.h"
#include "storage/queryable.h"
#include "tsdb/options.h"
#include "tsdb/report.h"

namespace tocsin::tsdb {

class Db final : public storage::Appendable,
                 public storage::Queryable,
                 public storage::ExemplarQueryable,
                 public storage::MetadataQueryable,
                 public storage::Admin {
 public:
  struct Services {
    const base::Clock& clock;
    base::FileSystem& files;  // of the journal and lock; RocksDB uses the system's files
    base::Registry& metrics;
  };

  // Opens or creates the database in `directory` and replays the journal; when it returns, everything that was
  // acknowledged before is readable.
  static StatusOr<std::unique_ptr<Db>> open(std::string directory, const Options& options,
                                            const Services& services);
  ~Db() override;
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  std::unique_ptr<storage::Appender> appender() override;
  void drop_group(storage::GroupId group) override;
  bool is_active(storage::SeriesRef ref) const override;

  StatusOr<std::unique_ptr<storage::Selection>> select(
      const model::Matchers& matchers, const storage::SelectHints& hints,
      const storage::QueryContext& context) const override;
  StatusOr<storage::LabelResult> label_names(const model::Matchers& matchers,
                                             const storage::LabelHints& hints,
                                             const storage::QueryContext& context) const override;
  StatusOr<storage::LabelResult> label_values(std::string_view name,
                                              const model::Matchers& matchers,
                                              const storage::LabelHints& hints,
                                              const storage::QueryContext& context) const override;
  StatusOr<std::vector<model::Labels>> series(const std::vector<model::Matchers>& matcher_sets,
                                              const storage::LabelHints& hints,
                                              const storage::QueryContext& context) const override;

  StatusOr<std::vector<storage::ExemplarSeries>> exemplars(
      const std::vector<model::Matchers>& matcher_sets, model::Timestamp mint,
      model::Timestamp maxt) const override;
  StatusOr<std::vector<storage::SeriesMetadata>> metadata(const model::Matchers& matchers,
                                                          std::size_t limit) const override;
  StatusOr<std::vector<model::MetricMetadata>> metric_metadata(
      std::string_view metric) const override;

  Status delete_series(const std::vector<model::Matchers>& matcher_sets, model::Timestamp mint,
                       model::Timestamp maxt) override;
  Status clean_tombstones() override;
  Status compact() override;
  StatusOr<std::string> snapshot(bool skip_head) override;
  storage::StoreStats stats() const override;
  std::vector<storage::CardinalityEntry> series_by_metric(std::size_t limit) const override;
  std::vector<storage::CardinalityEntry> values_by_label(std::size_t limit) const override;
  std::vector<storage::CardinalityEntry> series_by_pair(std::size_t limit) const override;
  std::vector<storage::CardinalityEntry> bytes_by_label(std::size_t limit) const override;

  // Seals what is due at the clock's now, drops runs past retention and recycles journal segments. The background
  // thread calls it every minute; tests call it directly with Options::background = false.
  Status maintain();
  // Seals everything in the head into a run, whatever its age.
  Status seal_all();
  // Merges the runs that are due at the clock's now. The background thread calls it all the time.
  Status merge_due();
  // Brings to the disk what was appended, when the last time is Options::sync_interval ago by the clock. The sync
  // thread does that; tests call it with Options::background = false.
  Status sync_due();
  // Takes new retention and out-of-order settings.
  void reconfigure(const Options& options);

  // Runs in ascending id.
  std::vector<RunReport> runs() const;
  // Reads everything that is stored and says what is damaged; nothing is changed.
  StatusOr<VerifyReport> verify(const VerifyProgress& progress) const;

  // Refuses new appenders, waits for running ones, syncs the journal, stops the threads. Idempotent.
  void stop();

 private:
  struct Impl;
  explicit Db(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::tsdb
