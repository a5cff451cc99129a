// SPDX-License-Identifier: Apache-2.0
#include "tsdb/db.h"

#include <algorithm>
#include <set>

#include "base/executor.h"
#include "base/heap.h"
#include "base/log.h"
#include "tsdb/core/core.h"
#include "tsdb/core/merge.h"
#include "tsdb/ingest/appender.h"
#include "tsdb/life/clean.h"
#include "tsdb/life/deletion.h"
#include "tsdb/life/retention.h"
#include "tsdb/life/snapshot.h"
#include "tsdb/life/verify.h"
#include "tsdb/query/selection.h"
#include "tsdb/query/series_finder.h"

namespace tocsin::tsdb {

using storage::GroupId;
using storage::LabelHints;
using storage::LabelResult;
using storage::SeriesId;

namespace {

constexpr auto kMaintainEvery = std::chrono::minutes(1);
// With more bytes of free heap they are given back to the system.
constexpr std::uint64_t kMuchFreeHeap = 16U << 20;
// How often the background thread looks whether a seal or a merge is due: a backfill fills
// the head in seconds.
constexpr auto kLookEvery = std::chrono::milliseconds(250);
// With fewer new samples it looks only every kRestEvery: measuring the head costs about a microsecond
// for each of its groups.
constexpr std::uint64_t kBusySamples = 200'000;
constexpr auto kRestEvery = std::chrono::seconds(2);

// Lets the registry's collector, which cannot be taken back, outlive the database.
struct Collected {
  const Core* core = nullptr;
};

// An appender of a database that is stopping: every call says so.
class ClosedAppender final : public storage::Appender {
 public:
  StatusOr<storage::AppendResult> append(storage::SeriesRef, const model::Labels&, model::Timestamp,
                                         double, const storage::AppendOptions&) override {
    return closed();
  }
  StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                   model::Timestamp, const model::FloatHistogram&,
                                                   const storage::AppendOptions&) override {
    return closed();
  }
  StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                   model::Timestamp, const model::Histogram&,
                                                   const storage::AppendOptions&) override {
    return closed();
  }
  Status append_exemplar(storage::SeriesRef, const model::Labels&,
                         const model::Exemplar&) override {
    return closed();
  }
  Status update_metadata(storage::SeriesRef, const model::Labels&,
                         const model::Metadata&) override {
    return closed();
  }
  StatusOr<GroupId> define_group(GroupId, std::span<const storage::SeriesRef>) override {
    return closed();
  }
  Status step(GroupId, model::Timestamp) override { return closed(); }
  Status set(std::uint32_t, double) override { return closed(); }
  Status stale_all(GroupId, model::Timestamp) override { return closed(); }
  void commit(CommitCallback done) override { done(closed()); }
  void rollback() override {}

 private:
  static Status closed() { return unavailable("the database is stopping"); }
};

}  // namespace

struct Db::Impl {
  Impl(std::string directory, const Options& options, const Services& services)
      : core(std::move(directory), options, services.clock, services.files, services.metrics) {}

  void start_threads();
  void run_sync();
  void run_background();
  Status sync_once();
  // Waits; returns false when stopping.
  bool keep_waiting(base::Duration duration);
  // The same, until somebody asks for a compaction at the latest.
  bool wait_for_work(base::Duration duration);
  // Has the background thread, which gives way to others, do it; waits for the end.
  Status compact();
  void answer_compactions();

  Core core;
  std::shared_ptr<base::Guarded<Collected>> collected =
      std::make_shared<base::Guarded<Collected>>();

  base::Mutex mutex;
  base::CondVar wake;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  struct Compaction {
    bool done = false;
    Status result;
  };
  std::vector<Compaction*> compactions ABSL_GUARDED_BY(mutex);  // asked for
  base::CondVar compacted;
  base::SteadyTime synced_at = core.clock.steady_now();  // by sync_due()
  std::unique_ptr<base::ThreadPool> sync_thread;
  std::unique_ptr<base::ThreadPool> background_thread;
};

Db::Db(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Db::~Db() { stop(); }

StatusOr<std::unique_ptr<Db>> Db::open(std::string directory, const Options& options,
                                       const Services& services) {
  RETURN_IF_ERROR(services.files.create_directories(directory));
  auto impl = std::make_unique<Impl>(directory, options, services);
  Core& core = impl->core;
  ASSIGN_OR_RETURN(core.lock, services.files.lock(base::join_path(directory, "lock")));
  if (services.files.info(base::join_path(directory, kRestoringName)).ok()) {
    return failed_precondition(
        "{} holds a restore that did not end: restore the snapshot again, into the same folder",
        directory);
  }
  const std::string store = base::join_path(directory, "store");
  ASSIGN_OR_RETURN(core.runs,
                   options.read_only ? RunStore::open_read_only(store) : RunStore::open(store));
  RETURN_IF_ERROR(annotate(recover(core), "opening {}", directory));
  // Else a power cut may take the names of the new parts, or that of the whole directory.
  RETURN_IF_ERROR(services.files.sync_directory(directory));
  const std::size_t slash = directory.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : directory.substr(0, slash + 1);
  static_cast<void>(services.files.sync_directory(parent));  // may be nobody's to read
  RETURN_IF_ERROR(remove_unfinished_snapshots(services.files, directory));
  core.runs->set_reserve(SpaceGuard::seal_reserve(options.reserve_bytes));
  core.space.check(options.reserve_bytes);
  impl->collected->lock()->core = &core;
  services.metrics.collector([collected = impl->collected](std::vector<base::MetricFamily>* out) {
    const auto held = collected->lock();
    if (held->core != nullptr) collect_metrics(*held->core, out);
  });
  if (options.read_only) {
    core.gate.close();
    core.lock.reset();  // everything is read or held open by now: a server may start
    return std::unique_ptr<Db>(new Db(std::move(impl)));
  }
  if (options.background) impl->start_threads();
  return std::unique_ptr<Db>(new Db(std::move(impl)));
}

// Threads ---------------------------------------------------------------------------------------

void Db::Impl::start_threads() {
  sync_thread = std::make_unique<base::ThreadPool>(base::ThreadPool::Options{"sync", 1, 1, 0});
  background_thread =
      std::make_unique<base::ThreadPool>(base::ThreadPool::Options{"background", 1, 1, 10, true});
  static_cast<void>(sync_thread->post([this] { run_sync(); }));
  static_cast<void>(background_thread->post([this] { run_background(); }));
}

bool Db::Impl::keep_waiting(base::Duration duration) {
  const base::SteadyTime deadline = core.clock.steady_now() + duration;
  base::MutexLock lock(mutex);
  while (!stopping && wake.wait_until(mutex, deadline)) {
  }
  return !stopping;
}

bool Db::Impl::wait_for_work(base::Duration duration) {
  const base::SteadyTime deadline = core.clock.steady_now() + duration;
  base::MutexLock lock(mutex);
  while (!stopping && compactions.empty() && wake.wait_until(mutex, deadline)) {
  }
  return !stopping;
}

Status Db::Impl::compact() {
  if (background_thread == nullptr) return tsdb::compact(core);
  Compaction mine;
  base::MutexLock lock(mutex);
  if (stopping) return cancelled("the database is stopping");
  compactions.push_back(&mine);
  wake.notify_all();
  while (!mine.done) compacted.wait(mutex);
  return mine.result;
}

void Db::Impl::answer_compactions() {
  std::vector<Compaction*> asked;
  {
    base::MutexLock lock(mutex);
    asked.swap(compactions);
  }
  if (asked.empty()) return;
  const Status result = tsdb::compact(core);  // cancelled when stopping
  base::MutexLock lock(mutex);
  for (Compaction* one : asked) *one = {true, result};
  compacted.notify_all();
}

void Db::Impl::run_sync() {
  for (;;) {
    // Statements of their own: the handle must not hold the lock while this thread waits.
    const base::Duration interval = core.options.lock()->sync_interval;
    if (!keep_waiting(interval)) return;
    const std::uint64_t reserve = core.options.lock()->reserve_bytes;
    core.space.check(reserve);
    resume_commits(core);
    static_cast<void>(sync_once());
  }
}

Status Db::Impl::sync_once() {
  const base::SteadyTime begin = core.clock.steady_now();
  const Status synced = sync_journal(core);
  const std::chrono::duration<double> took = core.clock.steady_now() - begin;
  core.metrics.sync_duration.observe(took.count());
  return synced;
}

void Db::Impl::run_background() {
  base::SteadyTime retain_at = core.clock.steady_now() + kMaintainEvery;
  base::SteadyTime try_at = core.clock.steady_now();
  base::SteadyTime rest_until = try_at;
  std::uint64_t samples_seen = 0;
  while (wait_for_work(kLookEvery)) {
    answer_compactions();
    const base::SteadyTime now = core.clock.steady_now();
    if (now < try_at) continue;
    const std::uint64_t samples = core.queue->counters().samples.load();
    if (samples - samples_seen < kBusySamples && now < rest_until) continue;
    samples_seen = samples;
    rest_until = now + kRestEvery;
    Status status = seal_is_due(core) ? seal(core) : ok();
    if (Status merged = tsdb::merge_due(core); status.ok()) status = merged;
    if (now >= retain_at) {
      retain_at = now + kMaintainEvery;
      if (Status retained = retain(core); status.ok()) status = retained;
      if (base::free_heap_bytes() > kMuchFreeHeap) base::release_heap();
    }
    if (status.ok()) continue;
    base::log::error("maintenance of the database failed", {{"error", message(status)}});
    try_at = now + kMaintainEvery;
  }
  answer_compactions();  // nobody asks any more: it is stopping
}

void Db::stop() {
  impl_->core.backlog.close();
  resume_commits(impl_->core);
  impl_->core.gate.close();
  {
    base::MutexLock lock(impl_->mutex);
    if (std::exchange(impl_->stopped, true)) return;
    impl_->stopping = true;
    impl_->core.stopping = true;
    impl_->wake.notify_all();
  }
  if (impl_->sync_thread) impl_->sync_thread->stop();
  if (impl_->background_thread) impl_->background_thread->stop();
  static_cast<void>(impl_->sync_once());
  impl_->collected->lock()->core = nullptr;
}

// Appending -------------------------------------------------------------------------------------

std::unique_ptr<storage::Appender> Db::appender() {
  base::Gate::Pass pass = impl_->core.gate.enter();
  if (!pass) return std::make_unique<ClosedAppender>();
  return std::make_unique<TsdbAppender>(impl_->core, std::move(pass));
}

void Db::drop_group(GroupId group) {
  Core& core = impl_->core;
  core.queue->exclusive([&] {
    core.head.drop_group(group);
    core.queue->forget_group(group);
  });
}

bool Db::is_active(storage::SeriesRef ref) const {
  return impl_->core.head.has_series(SeriesId(ref.value()));
}

// Queries ---------------------------------------------------------------------------------------

namespace {

TimeRange range_of(model::Timestamp mint, model::Timestamp maxt) {
  return {base::to_ms(mint), base::to_ms(maxt)};
}

}  // namespace

StatusOr<std::unique_ptr<storage::Selection>> Db::select(
    const model::Matchers& matchers, const storage::SelectHints& hints,
    const storage::QueryContext& context) const {
  const Core& core = impl_->core;
  if (context.cancel != nullptr) RETURN_IF_ERROR(context.cancel->check());
  ASSIGN_OR_RETURN(std::vector<SeriesId> ids,
                   find_series(core, matchers, range_of(hints.mint, hints.maxt), context.cancel));
  if (hints.limit != 0 && ids.size() > hints.limit) ids.resize(hints.limit);
  order_by_metric(core, matchers, &ids);
  std::vector<storage::SeriesEntry> series;
  series.reserve(ids.size());
  for (const SeriesId id : ids) series.push_back({id, core.head.group_of(id)});
  return std::make_unique<TsdbSelection>(core, context, hints.mint, hints.maxt, std::move(series));
}

namespace {

// Says whether a series has samples in the range; runs are looked at as of its making.
SeriesIndex::Alive alive_in(const Core& core, model::Timestamp mint, model::Timestamp maxt) {
  return [&core, deleted = core.tombstones.snapshot(), snapshot = core.runs->snapshot(),
          min_ms = base::to_ms(mint), max_ms = base::to_ms(maxt)](SeriesId id) {
    if (const auto of_series = deleted->of(id); !of_series.empty()) {
      return has_undeleted(core, id, {min_ms, max_ms}, of_series);
    }
    // The snapshot is older than this look at the head: what was sealed since is in neither, so
    // look again.
    return core.head.has_samples(id, min_ms, max_ms) ||
           RunStore::may_have(*snapshot, id, min_ms, max_ms) ||
           RunStore::may_have(*core.runs->snapshot(), id, min_ms, max_ms);
  };
}

// `values`, sorted, with those of series that are not in memory.
LabelResult limited(std::vector<std::string> values, std::set<std::string> left,
                    std::size_t limit) {
  LabelResult result;
  if (!left.empty()) {
    left.insert(values.begin(), values.end());
    values.assign(left.begin(), left.end());
  }
  result.truncated = limit != 0 && values.size() > limit;
  if (result.truncated) values.resize(limit);
  result.values = std::move(values);
  return result;
}

}  // namespace

StatusOr<LabelResult> Db::label_names(const model::Matchers& matchers, const LabelHints& hints,
                                      const storage::QueryContext& context) const {
  if (context.cancel != nullptr) RETURN_IF_ERROR(context.cancel->check());
  const Core& core = impl_->core;
  const TimeRange range = range_of(hints.mint, hints.maxt);
  const LeftSeries left_series(core);
  std::vector<std::string> names =
      core.index.label_names(matchers, alive_in(core, hints.mint, hints.maxt));
  std::set<std::string> left;
  ASSIGN_OR_RETURN(const Postings ids, left_series.find(matchers, range, context.cancel));
  if (!ids.empty()) {
    RETURN_IF_ERROR(core.catalog->history().label_names(
        ids, core.catalog->left_days(range.min_ms, range.max_ms), context.cancel, &left));
  }
  return limited(std::move(names), std::move(left), hints.limit);
}

StatusOr<LabelResult> Db::label_values(std::string_view name, const model::Matchers& matchers,
                                       const LabelHints& hints,
                                       const storage::QueryContext& context) const {
  if (context.cancel != nullptr) RETURN_IF_ERROR(context.cancel->check());
  const Core& core = impl_->core;
  const TimeRange range = range_of(hints.mint, hints.maxt);
  const LeftSeries left_series(core);
  // One more than asked for, to know whether there are more.
  std::vector<std::string> values =
      core.index.label_values(name, matchers, alive_in(core, hints.mint, hints.maxt),
                              hints.limit == 0 ? 0 : hints.limit + 1);
  std::set<std::string> left;
  ASSIGN_OR_RETURN(const Postings ids, left_series.find(matchers, range, context.cancel));
  if (!ids.empty()) {
    RETURN_IF_ERROR(core.catalog->history().label_values(
        name, ids, core.catalog->left_days(range.min_ms, range.max_ms), context.cancel, &left));
  }
  return limited(std::move(values), std::move(left), hints.limit);
}

StatusOr<std::vector<model::Labels>> Db::series(const std::vector<model::Matchers>& matcher_sets,
                                                const LabelHints& hints,
                                                const storage::QueryContext& context) const {
  const Core& core = impl_->core;
  std::vector<SeriesId> ids;
  for (const model::Matchers& matchers : matcher_sets) {
    if (context.cancel != nullptr) RETURN_IF_ERROR(context.cancel->check());
    ASSIGN_OR_RETURN(const std::vector<SeriesId> found,
                     find_series(core, matchers, range_of(hints.mint, hints.maxt), context.cancel));
    ids.insert(ids.end(), found.begin(), found.end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const SeriesIndex::Alive alive = alive_in(core, hints.mint, hints.maxt);
  std::vector<model::Labels> out;
  for (const SeriesId id : ids) {
    if (!alive(id)) continue;
    ASSIGN_OR_RETURN(model::Labels labels, labels_of(core, id));
    if (!labels.empty()) out.push_back(std::move(labels));
  }
  std::sort(out.begin(), out.end());
  if (hints.limit != 0 && out.size() > hints.limit) out.resize(hints.limit);
  return out;
}

// Notes -----------------------------------------------------------------------------------------

StatusOr<std::vector<storage::ExemplarSeries>> Db::exemplars(
    const std::vector<model::Matchers>& matcher_sets, model::Timestamp mint,
    model::Timestamp maxt) const {
  const Core& core = impl_->core;
  std::set<SeriesId> ids;
  for (const model::Matchers& matchers : matcher_sets) {
    const std::vector<SeriesId> found = core.index.select(matchers);
    ids.insert(found.begin(), found.end());
  }
  std::vector<storage::ExemplarSeries> out;
  for (const SeriesId id : ids) {
    std::vector<model::Exemplar> exemplars =
        core.head.notes().exemplars(id, base::to_ms(mint), base::to_ms(maxt));
    if (exemplars.empty()) continue;
    out.push_back({core.index.labels(id), std::move(exemplars)});
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.labels < b.labels; });
  return out;
}

StatusOr<std::vector<storage::SeriesMetadata>> Db::metadata(const model::Matchers& matchers,
                                                            std::size_t limit) const {
  const Core& core = impl_->core;
  std::vector<storage::SeriesMetadata> out;
  for (const SeriesId id : core.index.select(matchers)) {
    std::optional<model::Metadata> metadata = core.head.notes().metadata(id);
    if (metadata) out.push_back({core.index.labels(id), *std::move(metadata)});
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.labels < b.labels; });
  if (limit != 0 && out.size() > limit) out.resize(limit);
  return out;
}

// Administration --------------------------------------------------------------------------------

namespace {

Status check_writable(const Core& core) {
  if (!core.options.lock()->read_only) return ok();
  return failed_precondition("the database is open for reading only");
}

}  // namespace

Status Db::delete_series(const std::vector<model::Matchers>& matcher_sets, model::Timestamp mint,
                         model::Timestamp maxt) {
  RETURN_IF_ERROR(check_writable(impl_->core));
  return tsdb::delete_series(impl_->core, matcher_sets, {base::to_ms(mint), base::to_ms(maxt)});
}
Status Db::clean_tombstones() {
  RETURN_IF_ERROR(check_writable(impl_->core));
  return tsdb::clean_tombstones(impl_->core);
}
Status Db::compact() {
  RETURN_IF_ERROR(check_writable(impl_->core));
  return impl_->compact();
}
StatusOr<std::string> Db::snapshot(bool skip_head) {
  RETURN_IF_ERROR(check_writable(impl_->core));
  return write_snapshot(impl_->core, {skip_head});
}

storage::StoreStats Db::stats() const {
  const Core& core = impl_->core;
  const Head::Stats head = core.head.stats();
  std::int64_t min_ms = head.min_ms;
  std::int64_t max_ms = head.max_ms;
  const auto snapshot = core.runs->snapshot();
  const std::span<const RunInfo> runs = RunStore::runs(*snapshot);
  for (const RunInfo& run : runs) {
    if (run.samples == 0 && run.side_samples == 0) continue;
    min_ms = std::min(min_ms, run.min_ms);
    max_ms = std::max(max_ms, run.max_ms);
    if (run.side_samples == 0) continue;
    min_ms = std::min(min_ms, run.side_min_ms);
    max_ms = std::max(max_ms, run.side_max_ms);
  }
  storage::StoreStats stats;
  const bool in_head = head.min_ms <= head.max_ms;
  stats.head_min_time = in_head ? base::from_ms(head.min_ms) : model::kMaxTime;
  stats.head_max_time = in_head ? base::from_ms(head.max_ms) : model::kMinTime;
  stats.head_chunks = head.groups;
  stats.active_series = core.index.size();
  stats.label_pairs = core.index.label_pairs();
  stats.runs = runs.size();
  stats.journal_bytes = core.journal->size_bytes();
  stats.bytes_on_disk = core.runs->bytes_on_disk() + stats.journal_bytes;
  const bool any = min_ms <= max_ms;
  stats.min_time = any ? base::from_ms(min_ms) : model::kMaxTime;
  stats.max_time = any ? base::from_ms(max_ms) : model::kMinTime;
  return stats;
}

std::vector<storage::CardinalityEntry> Db::series_by_metric(std::size_t limit) const {
  return impl_->core.index.series_by_metric(limit);
}
std::vector<storage::CardinalityEntry> Db::values_by_label(std::size_t limit) const {
  return impl_->core.index.values_by_label(limit);
}
std::vector<storage::CardinalityEntry> Db::series_by_pair(std::size_t limit) const {
  return impl_->core.index.series_by_pair(limit);
}
std::vector<storage::CardinalityEntry> Db::bytes_by_label(std::size_t limit) const {
  return impl_->core.index.bytes_by_label(limit);
}

Status Db::maintain() {
  RETURN_IF_ERROR(check_writable(impl_->core));
  const std::uint64_t reserve = impl_->core.options.lock()->reserve_bytes;
  impl_->core.space.check(reserve);
  resume_commits(impl_->core);
  if (seal_is_due(impl_->core)) RETURN_IF_ERROR(seal(impl_->core));
  return retain(impl_->core);
}

Status Db::sync_due() {
  RETURN_IF_ERROR(check_writable(impl_->core));
  const base::SteadyTime now = impl_->core.clock.steady_now();
  const base::Duration interval = impl_->core.options.lock()->sync_interval;
  if (now - impl_->synced_at < interval) return ok();
  impl_->synced_at = now;
  return impl_->sync_once();
}

Status Db::seal_all() {
  RETURN_IF_ERROR(check_writable(impl_->core));
  return seal(impl_->core);
}

Status Db::merge_due() {
  RETURN_IF_ERROR(check_writable(impl_->core));
  return tsdb::merge_due(impl_->core);
}

std::vector<RunReport> Db::runs() const {
  std::vector<RunReport> reports;
  const auto snapshot = impl_->core.runs->snapshot();
  for (const RunInfo& run : RunStore::runs(*snapshot)) {
    reports.push_back(
        {run.id.value(), run.tier, run.min_ms, run.max_ms, run.series, run.samples, run.bytes});
  }
  return reports;
}

StatusOr<std::vector<model::MetricMetadata>> Db::metric_metadata(std::string_view metric) const {
  const Core& core = impl_->core;
  std::vector<model::MetricMetadata> out;
  const NoteStore& notes = core.head.notes();
  if (notes.stats().metadata_series == 0) return out;
  std::vector<std::string> names{std::string(metric)};
  if (metric.empty()) names = core.index.label_values(model::kMetricName, {}, nullptr, 0);
  for (const std::string& name : names) {
    const std::vector<SeriesId> ids =
        core.index.select({model::Matcher::equal(model::kMetricName, name)});
    for (model::Metadata& metadata : notes.distinct_metadata(ids)) {
      out.push_back({name, std::move(metadata)});
    }
  }
  return out;
}

StatusOr<VerifyReport> Db::verify(const VerifyProgress& progress) const {
  return tsdb::verify(impl_->core, progress);
}

void Db::reconfigure(const Options& options) {
  impl_->core.runs->set_reserve(SpaceGuard::seal_reserve(options.reserve_bytes));
  const auto current = impl_->core.options.lock();
  current->retention = options.retention;
  current->retention_bytes = options.retention_bytes;
  current->retention_percentage = options.retention_percentage;
  current->retention_min_free = options.retention_min_free;
  current->reserve_bytes = options.reserve_bytes;
  current->out_of_order_window = options.out_of_order_window;
  current->max_exemplars = options.max_exemplars;
  impl_->core.head.notes().set_max_exemplars(options.max_exemplars);
}

}  // namespace tocsin::tsdb
