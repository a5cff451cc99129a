// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_store.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/mutex.h"
#include "tsdb/merge/merge_policy.h"
#include "tsdb/merge/run_merger.h"
#include "tsdb/run/run_builder.h"
#include "tsdb/run/run_snapshot.h"

namespace tocsin::tsdb {
namespace {

using Runs = std::vector<std::shared_ptr<const Run>>;

bool overlaps(const RunInfo& run, std::int64_t min_ms, std::int64_t max_ms) {
  return run.min_ms <= max_ms && run.max_ms >= min_ms;
}

Status check_format(KvStore& kv, KvMode mode) {
  const StatusOr<std::string> stored = kv.get(Family::kMeta, kFormatKey);
  if (!stored.ok() && stored.status().code() == StatusCode::kNotFound) {
    bool empty = true;
    RETURN_IF_ERROR(kv.scan(Family::kMeta, "", [&](std::string_view, std::string_view) {
      empty = false;
      return ok();
    }));
    if (!empty) return data_loss("the database has no format version");
    if (mode == KvMode::kReadOnly) return failed_precondition("the database is empty");
    KvBatch batch;
    batch.put(Family::kMeta, std::string(kFormatKey), encode_number(kFormatVersion));
    return kv.commit(batch);
  }
  RETURN_IF_ERROR(stored.status());
  ASSIGN_OR_RETURN(const std::uint64_t version, decode_number(*stored));
  if (version == kFormatVersion) return ok();
  return failed_precondition("the database has format version {}, this program reads version {}",
                             version, kFormatVersion);
}

// The value of an optional key, or `fallback`.
StatusOr<std::string> get_or(KvStore& kv, std::string_view key, std::string fallback) {
  StatusOr<std::string> value = kv.get(Family::kMeta, key);
  if (!value.ok() && value.status().code() == StatusCode::kNotFound) return fallback;
  return value;
}

StatusOr<Runs> load_runs(KvStore& kv) {
  Runs runs;
  RETURN_IF_ERROR(
      kv.scan(Family::kMeta, kRunPrefix, [&](std::string_view key, std::string_view value) {
        ASSIGN_OR_RETURN(RunRecord record, decode_run(key, value));
        runs.push_back(std::make_shared<const Run>(Run{std::move(record)}));
        return ok();
      }));
  return runs;
}

Status drop_files(KvStore& kv, const RunInfo& run) {
  return kv.drop_sample_files(run_begin(run.tier, run.id), run_end(run.tier, run.id));
}

}  // namespace

RunStore::Snapshot::Snapshot(std::shared_ptr<const RunFiles> files, Runs runs)
    : files_(std::move(files)), runs_(std::move(runs)) {
  for (const auto& run : runs_) infos_.push_back(run->record.info);
}

struct RunStore::Impl {
  struct State {
    std::shared_ptr<const Snapshot> snapshot;
    JournalPosition journal;
    std::string head_state;
  };

  Status load();
  Status clear_temporary() const;
  Status drop_orphans(const Runs& runs) ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer);
  static void sort_by_metric(std::vector<RunPlan::Series>* series);
  StatusOr<RunRecord> write_file(const RunInfo& info, Effort effort,
                                 const std::function<Status(RunWriter*)>& fill);
  StatusOr<RunRecord> write_plan(RunPlan plan, std::int64_t created_ms)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer);
  Status check_space(std::uint64_t bytes) const;
  StatusOr<Runs> inputs_of(const Merge& merge) const;
  Status swap(const Merge& merge, const RunRecord& record, std::vector<storage::SeriesId>* gone)
      ABSL_LOCKS_EXCLUDED(writer);
  // Deletes the files of dropped runs that no snapshot holds any more.
  void collect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer);
  StatusOr<std::vector<std::uint32_t>> ids_in(const RunRecord& run);
  StatusOr<std::vector<storage::SeriesId>> ids_only_in(const Runs& gone, const Runs& left);

  std::shared_ptr<const Snapshot> snapshot() const { return state.lock()->snapshot; }
  void publish(Runs runs) {
    state.lock()->snapshot = std::make_shared<const Snapshot>(files, std::move(runs));
  }
  KvStore& kv() const { return *files->kv; }
  Status step(std::string_view name) const { return hook ? hook(name) : ok(); }
  std::string temporary_directory() const { return base::join_path(directory, "ingest"); }

  std::string directory;
  StepHook hook;
  KvMode mode = KvMode::kReadWrite;
  std::atomic<std::uint64_t> reserve_bytes{32U << 20};
  std::shared_ptr<const RunFiles> files;
  base::Guarded<State> state;
  // Serialises writers over their I/O; readers never take it.
  base::Mutex writer;
  std::uint64_t next_run ABSL_GUARDED_BY(writer) = 1;
  Runs dropped ABSL_GUARDED_BY(writer);
};

RunStore::RunStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RunStore::~RunStore() {
  base::MutexLock lock(impl_->writer);
  impl_->collect();
}

StatusOr<std::unique_ptr<RunStore>> RunStore::open(const std::string& directory, StepHook hook) {
  RETURN_IF_ERROR(base::real_file_system().create_directories(directory));
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->hook = std::move(hook);
  ASSIGN_OR_RETURN(std::unique_ptr<KvStore> kv, KvStore::open(directory));
  RETURN_IF_ERROR(check_format(*kv, KvMode::kReadWrite));
  impl->files = std::make_shared<const RunFiles>(std::move(kv));
  RETURN_IF_ERROR(annotate(impl->load(), "loading {}", directory));
  return std::unique_ptr<RunStore>(new RunStore(std::move(impl)));
}

StatusOr<std::unique_ptr<RunStore>> RunStore::open_read_only(const std::string& directory) {
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->mode = KvMode::kReadOnly;
  ASSIGN_OR_RETURN(std::unique_ptr<KvStore> kv, KvStore::open(directory, KvMode::kReadOnly));
  RETURN_IF_ERROR(check_format(*kv, KvMode::kReadOnly));
  impl->files = std::make_shared<const RunFiles>(std::move(kv));
  RETURN_IF_ERROR(annotate(impl->load(), "loading {}", directory));
  return std::unique_ptr<RunStore>(new RunStore(std::move(impl)));
}

Status RunStore::Impl::clear_temporary() const {
  base::FileSystem& file_system = base::real_file_system();
  RETURN_IF_ERROR(file_system.remove_recursively(temporary_directory()));
  return file_system.create_directories(temporary_directory());
}

Status RunStore::Impl::load() {
  base::MutexLock lock(writer);
  if (mode == KvMode::kReadWrite) RETURN_IF_ERROR(clear_temporary());
  ASSIGN_OR_RETURN(Runs runs, load_runs(kv()));
  ASSIGN_OR_RETURN(const std::string next, get_or(kv(), kNextRunKey, encode_number(1)));
  ASSIGN_OR_RETURN(next_run, decode_number(next));
  if (!runs.empty()) next_run = std::max(next_run, runs.back()->record.info.id.value() + 1);
  if (mode == KvMode::kReadWrite) RETURN_IF_ERROR(drop_orphans(runs));
  ASSIGN_OR_RETURN(const std::string journal, get_or(kv(), kJournalKey, encode_journal({})));
  ASSIGN_OR_RETURN(const JournalPosition position, decode_journal(journal));
  ASSIGN_OR_RETURN(std::string head, get_or(kv(), kHeadKey, ""));
  {
    const auto current = state.lock();
    current->journal = position;
    current->head_state = std::move(head);
  }
  publish(std::move(runs));
  return ok();
}

Status RunStore::Impl::drop_orphans(const Runs& runs) {
  std::set<std::uint64_t> known;
  for (const auto& run : runs) known.insert(run->record.info.id.value());
  std::set<std::pair<std::uint64_t, std::uint8_t>> orphans;
  for (const KvStore::FileRange& file : kv().sample_files()) {
    ASSIGN_OR_RETURN(const SampleKeyRun run, run_of_sample_key(file.smallest));
    if (!known.contains(run.id.value())) orphans.emplace(run.id.value(), run.tier);
  }
  if (orphans.empty()) return ok();
  // A key must never be used twice, so the number of an orphan is used up, also after the next
  // restart.
  next_run = std::max(next_run, orphans.rbegin()->first + 1);
  KvBatch batch;
  batch.put(Family::kMeta, std::string(kNextRunKey), encode_number(next_run));
  RETURN_IF_ERROR(kv().commit(batch));
  for (const auto& [id, tier] : orphans) {
    base::log::info("dropping a run that was never published", {{"run", id}});
    RETURN_IF_ERROR(kv().drop_sample_files(run_begin(tier, RunId(id)), run_end(tier, RunId(id))));
  }
  return ok();
}

// By name and id; series that occur twice keep their order. Equal names are compared once.
void RunStore::Impl::sort_by_metric(std::vector<RunPlan::Series>* series) {
  std::map<std::string_view, std::uint32_t> ranks;
  for (const RunPlan::Series& one : *series) ranks.try_emplace(one.name, 0);
  std::uint32_t next = 0;
  for (auto& [name, rank] : ranks) rank = next++;
  struct Key {
    std::uint32_t rank;
    std::uint64_t id;
    std::uint32_t at;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> keys;
  keys.reserve(series->size());
  auto last = ranks.end();
  for (std::uint32_t i = 0; i < series->size(); ++i) {
    const RunPlan::Series& one = (*series)[i];
    if (last == ranks.end() || last->first != one.name) last = ranks.find(one.name);
    keys.push_back({last->second, one.id.value(), i});
  }
  std::sort(keys.begin(), keys.end());
  std::vector<RunPlan::Series> sorted;
  sorted.reserve(series->size());
  for (const Key& key : keys) sorted.push_back((*series)[key.at]);
  *series = std::move(sorted);
}

// Makes the file of a run with what `fill` adds and ingests it; no file, and no tiles, when that is
// nothing.
StatusOr<RunRecord> RunStore::Impl::write_file(const RunInfo& info, Effort effort,
                                               const std::function<Status(RunWriter*)>& fill) {
  base::FileSystem& file_system = base::real_file_system();
  const std::string path =
      base::join_path(temporary_directory(), fmt::format("run-{}.sst", info.id.value()));
  const auto give_up = [&](const Status& status) {
    const Status removed = file_system.remove(path);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) {
      base::log::warn("cannot remove an unfinished run", {{"error", message(removed)}});
    }
    return status;
  };
  RunWriter file(path, info, effort);
  if (const Status filled = fill(&file); !filled.ok()) return give_up(filled);
  const StatusOr<RunRecord> record = file.finish();
  if (!record.ok()) return give_up(record.status());
  if (record->is_empty()) return record;
  RETURN_IF_ERROR(step("file"));
  if (const Status ingested = kv().ingest(path); !ingested.ok()) return give_up(ingested);
  RETURN_IF_ERROR(step("ingest"));
  return record;
}

Status RunStore::Impl::check_space(std::uint64_t bytes) const {
  ASSIGN_OR_RETURN(const std::uint64_t free, base::real_file_system().free_bytes(directory));
  const std::uint64_t needed = bytes + reserve_bytes;
  if (free >= needed) return ok();
  return resource_exhausted("{} bytes are free, a run needs {}", free, needed);
}

StatusOr<RunRecord> RunStore::Impl::write_plan(RunPlan plan, std::int64_t created_ms) {
  std::uint64_t side_bytes = 0;
  for (const RunSideInput& one : plan.side) {
    for (const SideChunk& chunk : one.chunks) side_bytes += chunk.bytes.size() + 64;
  }
  RETURN_IF_ERROR(check_space(plan.max_samples * 2 + side_bytes));
  sort_by_metric(&plan.series);
  RunInfo info;
  info.id = RunId(next_run++);
  info.created_ms = created_ms;
  return write_file(info, Effort::kSeal, [&](RunWriter* file) -> Status {
    RunRows rows;
    for (const RunPlan::Series& one : plan.series) {
      RETURN_IF_ERROR(plan.read(one, &rows));
      RETURN_IF_ERROR(file->add(one.name, one.id, rows));
    }
    file->add_side(std::move(plan.side));
    return ok();
  });
}

StatusOr<RunInfo> RunStore::write_run(RunPlan plan, const Commit& commit) {
  base::MutexLock lock(impl_->writer);
  impl_->collect();
  RunRecord record;
  if (!plan.series.empty() || !plan.side.empty()) {
    ASSIGN_OR_RETURN(record, impl_->write_plan(std::move(plan), commit.created_ms));
  }
  const bool has_run = !record.is_empty();
  KvBatch batch;
  if (commit.catalog != nullptr) batch.append(*commit.catalog);
  batch.put(Family::kMeta, std::string(kJournalKey), encode_journal(commit.journal));
  batch.put(Family::kMeta, std::string(kHeadKey), commit.head_state);
  batch.put(Family::kMeta, std::string(kNextRunKey), encode_number(impl_->next_run));
  if (has_run) batch.put(Family::kMeta, run_key(record.info.id), encode_run(record));
  // When this fails the run's file stays until the next start: whether the batch reached the disk
  // is unknown, and either outcome is consistent only with the file in place.
  RETURN_IF_ERROR(impl_->kv().commit(batch));
  RETURN_IF_ERROR(impl_->step("commit"));
  Runs runs = impl_->snapshot()->runs();
  if (has_run) runs.push_back(std::make_shared<const Run>(Run{record}));
  {
    const auto state = impl_->state.lock();
    state->journal = commit.journal;
    state->head_state = commit.head_state;
  }
  impl_->publish(std::move(runs));
  return has_run ? record.info : RunInfo();
}

StatusOr<Runs> RunStore::Impl::inputs_of(const Merge& merge) const {
  Runs inputs;
  for (const auto& run : snapshot()->runs()) {
    if (std::ranges::binary_search(merge.inputs, run->record.info.id)) inputs.push_back(run);
  }
  if (inputs.size() == merge.inputs.size()) return inputs;
  return failed_precondition("a run was dropped while it was to be merged");
}

// The new run takes the place of its inputs.
Status RunStore::Impl::swap(const Merge& merge, const RunRecord& record,
                            std::vector<storage::SeriesId>* gone) {
  base::MutexLock lock(writer);
  collect();
  StatusOr<Runs> inputs = inputs_of(merge);
  if (!inputs.ok()) {
    if (record.is_empty()) return inputs.status();
    RETURN_IF_ERROR(drop_files(kv(), record.info));
    return inputs.status();
  }
  Runs runs = snapshot()->runs();
  std::erase_if(runs, [&](const auto& run) {
    return std::ranges::binary_search(merge.inputs, run->record.info.id);
  });
  if (!record.is_empty()) {
    const auto after = std::ranges::upper_bound(
        runs, record.info.id, {}, [](const auto& run) { return run->record.info.id; });
    runs.insert(after, std::make_shared<const Run>(Run{record}));
  }
  if (merge.deleted != nullptr) {
    ASSIGN_OR_RETURN(*gone, ids_only_in(*inputs, runs));
  }
  KvBatch batch;
  for (const auto& run : *inputs) batch.erase(Family::kMeta, run_key(run->record.info.id));
  batch.put(Family::kMeta, std::string(kNextRunKey), encode_number(next_run));
  if (!record.is_empty()) batch.put(Family::kMeta, run_key(record.info.id), encode_run(record));
  RETURN_IF_ERROR(kv().commit(batch));
  RETURN_IF_ERROR(step("commit"));
  publish(std::move(runs));
  for (const auto& run : *inputs) {
    files->forget(run->record.info.id);
  }
  std::ranges::move(*inputs, std::back_inserter(dropped));
  inputs->clear();
  collect();
  return ok();
}

StatusOr<RunStore::Merged> RunStore::merge(const Merge& merge) {
  Merged result;
  MergeInput input;
  ASSIGN_OR_RETURN(input.runs, impl_->inputs_of(merge));
  input.deleted = merge.deleted;
  input.pause = merge.pause;
  input.column_bytes = merge.column_bytes;
  for (const auto& run : input.runs) result.bytes_read += run->record.info.bytes;
  RETURN_IF_ERROR(impl_->check_space(result.bytes_read));
  RunInfo info;
  info.tier = merge.tier;
  info.created_ms = merge.created_ms;
  {
    base::MutexLock lock(impl_->writer);
    info.id = RunId(impl_->next_run++);
  }
  const Effort effort = merge.tier >= kColdTier ? Effort::kCold : Effort::kSeal;
  const StatusOr<RunRecord> record = impl_->write_file(info, effort, [&](RunWriter* file) {
    return merge_runs(*impl_->files, input, file, {&result.damaged, &result.peak_bytes});
  });
  if (result.damaged) return result;
  RETURN_IF_ERROR(record.status());
  input.runs.clear();  // so that their files can go
  RETURN_IF_ERROR(impl_->swap(merge, *record, &result.gone));
  if (!record->is_empty()) result.run = record->info;
  return result;
}

JournalPosition RunStore::journal_position() const { return impl_->state.lock()->journal; }
std::string RunStore::head_state() const { return impl_->state.lock()->head_state; }

std::shared_ptr<const RunStore::Snapshot> RunStore::snapshot() const { return impl_->snapshot(); }
std::span<const RunInfo> RunStore::runs(const Snapshot& snapshot) { return snapshot.infos(); }

RunStore::Caches RunStore::caches(const Snapshot& snapshot) {
  const RunFiles& files = snapshot.files();
  return {files.directories.cached_bytes(), files.side_directories.cached_bytes(),
          files.times.memory_bytes(), files.tiles.memory_bytes()};
}

Status RunStore::read(const Snapshot& snapshot, std::span<const storage::SeriesId> ids,
                      std::int64_t min_ms, std::int64_t max_ms,
                      std::vector<std::vector<storage::SeriesColumn>>* out,
                      std::vector<std::string>* warnings) {
  CHECK(out->size() == ids.size());
  DCHECK(std::ranges::is_sorted(ids));
  std::vector<std::size_t> before;
  for (const auto& columns : *out) before.push_back(columns.size());
  const ReadRequest request{ids, min_ms, max_ms, out, warnings};
  for (const auto& run : snapshot.runs()) {
    if (!overlaps(run->record.info, min_ms, max_ms)) continue;
    RETURN_IF_ERROR(read_run(snapshot.files(), run->record, request));
  }
  for (std::size_t i = 0; i < out->size(); ++i) {
    const auto begin = (*out)[i].begin() + static_cast<std::ptrdiff_t>(before[i]);
    std::ranges::stable_sort(begin, (*out)[i].end(), {}, [](const storage::SeriesColumn& column) {
      return column.times->ms[column.first];
    });
  }
  return ok();
}

Status RunStore::read_side(const Snapshot& snapshot, std::span<const storage::SeriesId> ids,
                           std::int64_t min_ms, std::int64_t max_ms,
                           std::vector<std::vector<SideChunk>>* out,
                           std::vector<std::string>* warnings) {
  CHECK(out->size() == ids.size());
  const SideRequest request{ids, min_ms, max_ms, out, warnings};
  for (const auto& run : snapshot.runs()) {
    const RunRecord& record = run->record;
    if (record.side_blocks == 0 || record.info.side_min_ms > max_ms ||
        record.info.side_max_ms < min_ms) {
      continue;
    }
    const RunFiles& files = snapshot.files();
    RETURN_IF_ERROR(read_run_side(*files.kv, files.side_directories, record, request));
  }
  return ok();
}

bool RunStore::may_have(const Snapshot& snapshot, storage::SeriesId id, std::int64_t min_ms,
                        std::int64_t max_ms) {
  const RunFiles& files = snapshot.files();
  return std::ranges::any_of(snapshot.runs(), [&](const std::shared_ptr<const Run>& run) {
    const RunRecord& record = run->record;
    if (overlaps(record.info, min_ms, max_ms)) {
      const auto directory = files.directories.get(record);
      if (!directory.ok() || (*directory)->contains(id)) return true;  // unknown counts as yes
    }
    if (record.info.side_min_ms > max_ms || record.info.side_max_ms < min_ms) return false;
    const auto directory = files.side_directories.get(record);
    if (!directory.ok()) return true;
    const SideEntry* entry = find_side(**directory, id);
    return entry != nullptr && entry->min_ms <= max_ms && entry->max_ms >= min_ms;
  });
}

// The ids of all series in the run, ascending.
StatusOr<std::vector<std::uint32_t>> RunStore::Impl::ids_in(const RunRecord& run) {
  ASSIGN_OR_RETURN(const auto listed, files->directories.get(run));
  std::vector<std::uint32_t> ids = listed->ids;
  if (run.side_blocks == 0) return ids;
  ASSIGN_OR_RETURN(const auto side, files->side_directories.get(run));
  for (const SideEntry& entry : *side) ids.push_back(entry.id);
  std::ranges::sort(ids);
  return ids;
}

StatusOr<std::vector<storage::SeriesId>> RunStore::Impl::ids_only_in(const Runs& gone,
                                                                     const Runs& left) {
  std::vector<std::uint32_t> ids;
  for (const auto& run : gone) {
    const auto listed = ids_in(run->record);
    if (is_damage(listed.status())) continue;  // its rows stay
    RETURN_IF_ERROR(listed.status());
    ids.insert(ids.end(), listed->begin(), listed->end());
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  // The newest run first: it has most of what is still active.
  for (auto it = left.rbegin(); it != left.rend() && !ids.empty(); ++it) {
    const auto listed = ids_in((*it)->record);
    if (is_damage(listed.status()))
      return std::vector<storage::SeriesId>();  // it may have them all
    RETURN_IF_ERROR(listed.status());
    std::vector<std::uint32_t> remaining;
    std::ranges::set_difference(ids, *listed, std::back_inserter(remaining));
    ids = std::move(remaining);
  }
  return std::vector<storage::SeriesId>(ids.begin(), ids.end());
}

void RunStore::Impl::collect() {
  Runs held;
  for (auto& run : dropped) {
    if (run.use_count() > 1) {
      held.push_back(std::move(run));
      continue;
    }
    // A failure leaves an orphan, which the next start deletes.
    if (const Status status = drop_files(kv(), run->record.info); !status.ok()) {
      base::log::warn("cannot delete the file of a dropped run",
                      {{"run", run->record.info.id.value()}, {"error", message(status)}});
    }
  }
  dropped = std::move(held);
}

StatusOr<std::vector<storage::SeriesId>> RunStore::drop_runs_before(
    std::int64_t before_ms, const std::function<bool(storage::SeriesId)>& keep) {
  base::MutexLock lock(impl_->writer);
  impl_->collect();
  Runs gone;
  Runs left = impl_->snapshot()->runs();
  const auto first_kept = std::ranges::stable_partition(left, [&](const auto& run) {
    return std::max(run->record.info.max_ms, run->record.info.side_max_ms) < before_ms;
  });
  gone.assign(left.begin(), first_kept.begin());
  left.erase(left.begin(), first_kept.begin());
  std::vector<storage::SeriesId> ids;
  if (gone.empty()) return ids;
  ASSIGN_OR_RETURN(ids, impl_->ids_only_in(gone, left));
  if (keep) std::erase_if(ids, keep);
  KvBatch batch;
  for (const auto& run : gone) batch.erase(Family::kMeta, run_key(run->record.info.id));
  RETURN_IF_ERROR(impl_->kv().commit(batch));
  impl_->publish(std::move(left));
  for (const auto& run : gone) {
    impl_->files->forget(run->record.info.id);
  }
  std::ranges::move(gone, std::back_inserter(impl_->dropped));
  gone.clear();
  impl_->collect();
  return ids;
}

KvStore& RunStore::kv() { return impl_->kv(); }

namespace {

StatusOr<std::shared_ptr<const Run>> find_run(const RunStore::Snapshot& snapshot, RunId id) {
  for (const auto& run : snapshot.runs()) {
    if (run->record.info.id == id) return run;
  }
  return not_found("run {} does not exist", id.value());
}

}  // namespace

StatusOr<std::vector<storage::SeriesId>> RunStore::series_of(const Snapshot& snapshot, RunId id) {
  ASSIGN_OR_RETURN(const auto run, find_run(snapshot, id));
  ASSIGN_OR_RETURN(const auto directory, snapshot.files().directories.get(run->record));
  std::vector<storage::SeriesId> ids(directory->ids.begin(), directory->ids.end());
  if (run->record.side_blocks != 0) {
    ASSIGN_OR_RETURN(const auto side, snapshot.files().side_directories.get(run->record));
    for (const SideEntry& entry : *side) ids.emplace_back(entry.id);
    std::ranges::sort(ids);
  }
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

StatusOr<std::vector<RunSideInput>> RunStore::side_of(const Snapshot& snapshot, RunId id,
                                                      std::vector<std::string>* warnings) {
  ASSIGN_OR_RETURN(const auto run, find_run(snapshot, id));
  const RunFiles& files = snapshot.files();
  return tsdb::read_side(*files.kv, files.side_directories, run->record, warnings);
}

Status RunStore::read_one(const Snapshot& snapshot, RunId id,
                          std::span<const storage::SeriesId> ids,
                          std::vector<std::vector<storage::SeriesColumn>>* out,
                          std::vector<std::string>* warnings) {
  ASSIGN_OR_RETURN(const auto run, find_run(snapshot, id));
  return read_run(snapshot.files(), run->record,
                  {ids, INT64_MIN, INT64_MAX, out, warnings, /*cached=*/false});
}

void RunStore::set_reserve(std::uint64_t bytes) { impl_->reserve_bytes = bytes; }

std::uint64_t RunStore::bytes_on_disk() const { return impl_->kv().bytes_on_disk(); }

std::uint64_t RunStore::dropped_bytes() const {
  base::MutexLock lock(impl_->writer);
  impl_->collect();
  std::uint64_t bytes = 0;
  for (const auto& run : impl_->dropped) bytes += run->record.info.bytes;
  return bytes;
}

Status RunStore::checkpoint(const std::string& directory) {
  return impl_->kv().checkpoint(directory);
}

}  // namespace tocsin::tsdb
