// SPDX-License-Identifier: Apache-2.0
//
// Functions over range vectors. The range vector is read in batches of columns, from the store or
// from a subquery whose steps become the samples; the kernel turns each column into one over the
// steps.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

#include "model/value.h"
#include "promql/eval/batches.h"
#include "promql/eval/windows.h"
#include "promql/functions/extended.h"
#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::eval {

namespace {

constexpr std::size_t kMaxInnerSteps = 50'000'000;
// Samples in windows that are worked on before a query looks whether it is to end: some
// milliseconds.
constexpr std::uint64_t kSamplesPerPiece = std::uint64_t{4} << 20U;

bool looks_like_counter(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count") ||
         name.ends_with("_bucket");
}

// How much the samples of a series count for.
class WindowWeights {
 public:
  explicit WindowWeights(const functions::SeriesWindows& windows) {
    if (windows.histograms.empty()) return;
    before_.push_back(0);
    for (const HistogramPtr& histogram : windows.histograms) {
      before_.push_back(before_.back() + (histogram == nullptr ? 1 : weight_of(*histogram)));
    }
  }
  // Of the samples [lo, hi).
  std::uint64_t of(std::uint32_t lo, std::uint32_t hi) const {
    return before_.empty() ? hi - lo : before_[hi] - before_[lo];
  }

 private:
  std::vector<std::uint64_t> before_;  // of each sample; empty: all are floats
};

class RangeCallRun final : public Batches {
 public:
  RangeCallRun(Evaluation& run, const plan::CallNode& call, const Grid& grid)
      : run_(run),
        call_(call),
        grid_(grid),
        function_(*functions::find_range_function(call.function->name)),
        window_(*call.arguments[function_.matrix]->as<plan::Window>()),
        read_range_ms_(window_.range_ms),
        read_before_(run.counts().read),
        charge_(run),
        result_steps_(grid.count) {
    for (std::size_t i = 0; i < grid.count; ++i) {
      times_.push_back(grid.time(i));
      ends_.push_back(window_.shift.apply(grid.time(i)));
    }
    extend();
  }

  // To be called first: evaluates the other arguments, and a subquery.
  Status prepare() {
    RETURN_IF_ERROR(scalar_arguments());
    if (window_.inner == nullptr) {
      count_ = run_.selection(window_.source).batch_count();
    } else {
      RETURN_IF_ERROR(evaluate_subquery());
    }
    notes_.resize(count_);
    result_notes_.resize(count_);
    return ok();
  }

  std::size_t count() const override { return count_; }

  Status make(std::size_t batch, VectorSet* out) override {
    RETURN_IF_ERROR(run_.check());
    BatchOut to{{}, run_.no_counts(grid_.count)};
    RETURN_IF_ERROR(window_.inner == nullptr ? from_store(batch, &to) : from_subquery(batch, &to));
    run_.count(to.counts);
    *out = std::move(to.set);
    if (function_.name != "absent_over_time") {  // where only who is present counts
      note_steps(*out);
      annotate_results(*out, &result_notes_.at(batch));
      drop_names(out);
    }
    base::MutexLock lock(mutex_);
    return charge_.add(count_samples(*out), 0);
  }

  bool may_repeat() const override { return may_repeat_; }

  void finish() override {
    note_window();
    for (const AnnotationSet& notes : notes_) run_.annotations.merge(notes);
    if (function_.name == "quantile_over_time") {
      base::MutexLock lock(mutex_);
      std::vector<double> used;
      result_steps_.for_each([&](std::size_t i) { used.push_back(first_[i]); });
      functions::warn_invalid_quantiles(used, call_.arguments[0]->position(), &run_.annotations);
    }
    for (const AnnotationSet& notes : result_notes_) run_.annotations.merge(notes);
  }

 private:
  struct BatchOut {
    VectorSet set;
    SampleCounts counts;
  };

  // What was read is the window's; its time is in that of the call.
  void note_window() {
    Profile* const profile = run_.setup().profile;
    if (profile == nullptr || window_.inner != nullptr) return;
    const std::uint64_t read = run_.counts().read - read_before_;
    const std::size_t series = run_.selection(window_.source).series().size();
    profile->add(*call_.arguments[function_.matrix], {1, 0, read, series, read, 0});
  }

  // Anchored and smoothed windows reach beyond the range.
  void extend() {
    read_ends_ = ends_;
    if (window_.mode == RangeMode::kPlain) return;
    function_.kernel = functions::find_extended_kernel(function_.name, window_.mode);
    function_.mixed = functions::find_extended_mixed(function_.name, window_.mode);
    const std::int64_t lookback = run_.setup().lookback_ms;
    read_range_ms_ += lookback;
    if (window_.mode == RangeMode::kAnchored) return;
    read_range_ms_ += lookback;
    for (std::int64_t& end : read_ends_) end += lookback;
  }

  Status scalar_arguments() {
    std::vector<std::vector<double>*> slots = {&first_, &second_};
    std::size_t next = 0;
    for (std::size_t i = 0; i < call_.arguments.size(); ++i) {
      if (i == function_.matrix) continue;
      ASSIGN_OR_RETURN(*slots.at(next), run_.eval_scalar(*call_.arguments[i], grid_));
      ++next;
    }
    return ok();
  }

  // Only where there is something to smooth.
  Status check_factors(const functions::SeriesWindows& windows) const {
    if (function_.name != "double_exponential_smoothing") return ok();
    for (std::size_t i = 0; i < windows.lo.size(); ++i) {
      if (windows.lo[i] == windows.hi[i]) continue;
      RETURN_IF_ERROR(check_factor("smoothing factor. Expected: 0 < sf < 1", first_[i]));
      RETURN_IF_ERROR(check_factor("trend factor. Expected: 0 < tf < 1", second_[i]));
    }
    return ok();
  }
  static Status check_factor(std::string_view what, double f) {
    if (f > 0 && f < 1) return ok();
    return std::isnan(f) ? ok() : failed_precondition("invalid {}, got: {:f}", what, f);
  }

  void note_steps(const VectorSet& out) {
    if (function_.name != "quantile_over_time") return;
    base::MutexLock lock(mutex_);
    for (const OutSeries& series : out) result_steps_ |= series.column.present;
  }

  void drop_names(VectorSet* out) {
    if (function_.keeps_name) return;
    for (OutSeries& series : *out) {
      // They go with the name.
      if (series.labels.has(model::kTypeLabel) || series.labels.has(model::kUnitLabel)) {
        may_repeat_ = true;
      }
      run_.drop_name(&series);
    }
  }

  Status from_store(std::size_t batch, BatchOut* to) {
    const storage::Selection& selection = run_.selection(window_.source);
    ASSIGN_OR_RETURN(auto columns, run_.read(window_.source, batch));
    WindowReader reader(read_ends_, read_range_ms_,
                        window_.detect_resets ? ResetHints::kDetected : ResetHints::kAsStored);
    for (const storage::SeriesColumn& column : columns->series) {
      OutSeries series;
      functions::HistogramNotes notes;
      functions::SeriesWindows windows = reader.windows(column, StaleMarkers::kRemove, columns);
      if (!function_.uses_starts || !run_.setup().use_start_timestamps) windows.starts = {};
      ASSIGN_OR_RETURN(bool any, apply(windows, to, &notes, &series.column));
      if (column.histograms.empty() && !any) continue;
      series.labels = selection.labels(column.series);
      annotate_overlaps(windows, series.labels, &notes_.at(batch));
      annotate_histograms(notes, series.labels, &notes_.at(batch));
      if (any) to->set.push_back(std::move(series));
    }
    return ok();
  }

  Status evaluate_subquery() {
    ASSIGN_OR_RETURN(Grid inner, inner_grid(run_, window_, grid_));
    if (inner.count == 0) return ok();
    SampleCounts outer = run_.begin_counts(inner.count, true);
    StatusOr<VectorSet> evaluated = run_.eval_vector(*window_.inner, inner);
    const SampleCounts counts = run_.end_counts(std::move(outer));
    Grid seen = inner;  // at the times of the steps that look at it
    seen.start_ms += window_.shift.offset_ms;
    run_.count_subquery(counts, seen, grid_, window_.range_ms);
    ASSIGN_OR_RETURN(samples_, std::move(evaluated));
    auto times = std::make_shared<storage::TimestampColumn>();
    for (std::size_t i = 0; i < inner.count; ++i) times->ms.push_back(inner.time(i));
    inner_times_ = std::move(times);
    count_ = (samples_.size() + storage::kBatchSeries - 1) / storage::kBatchSeries;
    return ok();
  }

  Status from_subquery(std::size_t batch, BatchOut* to) {
    WindowReader reader(read_ends_, read_range_ms_);
    const std::size_t begin = batch * storage::kBatchSeries;
    const std::size_t end = std::min(begin + storage::kBatchSeries, samples_.size());
    for (std::size_t i = begin; i < end; ++i) {
      OutSeries series;
      functions::HistogramNotes notes;
      ASSIGN_OR_RETURN(bool any, apply(windows_of(samples_[i].column, inner_times_, &reader), to,
                                       &notes, &series.column));
      annotate_histograms(notes, samples_[i].labels, &notes_.at(batch));
      if (!any) continue;
      series.labels = std::move(samples_[i].labels);
      series.drop_name = samples_[i].drop_name;
      to->set.push_back(std::move(series));
    }
    return ok();
  }

  // A view into `column` and `reader`.
  static functions::SeriesWindows windows_of(
      const Column& column, const std::shared_ptr<const storage::TimestampColumn>& times,
      WindowReader* reader) {
    return column.present.all() && !column.has_histograms() ? reader->dense(column.values, times)
                                                            : reader->subquery(column, times);
  }

  // False when no step has a result.
  StatusOr<bool> apply(const functions::SeriesWindows& windows, BatchOut* to,
                       functions::HistogramNotes* notes, Column* out) {
    const Looked looked = look(windows, &to->counts);
    if (looked.work == 0) return false;
    RETURN_IF_ERROR(check_factors(windows));
    Charge held(run_);
    RETURN_IF_ERROR(held.add(looked.largest, 0));
    *out = Column(grid_.count);
    RETURN_IF_ERROR(run_pieces(windows, looked.work, notes, out));
    return out->present.any();
  }

  struct Looked {
    std::uint64_t work = 0;     // samples in all windows
    std::uint64_t largest = 0;  // weight of the heaviest window
  };

  // Counts the samples of all windows.
  Looked look(const functions::SeriesWindows& windows, SampleCounts* counts) const {
    const bool from_store = window_.inner == nullptr;  // a subquery has counted what it read
    const WindowWeights weights(windows);
    Looked looked;
    for (std::size_t i = 0; i < windows.lo.size(); ++i) {
      const std::uint32_t lo = windows.lo[i];
      const std::uint32_t hi = windows.hi[i];
      const std::uint32_t seen = i == 0 ? lo : std::clamp(windows.hi[i - 1], lo, hi);
      const std::uint64_t weight = weights.of(lo, hi);
      counts->add(i, weight, from_store ? weights.of(seen, hi) : 0);
      looked.work += hi - lo;
      looked.largest = std::max(looked.largest, weight);
    }
    return looked;
  }

  // Runs the kernels; over many samples a few steps at a time, so that a query that is to end does.
  Status run_pieces(const functions::SeriesWindows& windows, std::uint64_t work,
                    functions::HistogramNotes* notes, Column* out) {
    const functions::KernelArgs args{ends_, times_, window_.range_ms, first_, second_};
    if (work <= kSamplesPerPiece) {
      functions::run_kernels(function_, windows, args, notes, out);
      return ok();
    }
    for (std::size_t begin = 0; begin < grid_.count;) {
      RETURN_IF_ERROR(run_.check());
      std::uint64_t piece = 0;
      std::size_t end = begin;
      while (end < grid_.count && piece < kSamplesPerPiece) {
        piece += windows.hi[end] - windows.lo[end];
        ++end;
      }
      const auto part = [&](auto steps) {
        return steps.empty() ? steps : steps.subspan(begin, end - begin);
      };
      functions::SeriesWindows some = windows;
      some.lo = part(windows.lo);
      some.hi = part(windows.hi);
      Column column(end - begin);
      functions::run_kernels(function_, some,
                             {part(args.range_end), part(args.eval_time), args.range_ms,
                              part(args.first), part(args.second)},
                             notes, &column);
      column.present.for_each([&](std::size_t i) {
        if (column.histogram(i) != nullptr) {
          out->put(begin + i, column.histograms[i]);
        } else {
          out->put(begin + i, column.values[i]);
        }
      });
      begin = end;
    }
    return ok();
  }

  static bool has_floats(const Column& column) {
    Bitmap floats = column.present;
    return floats.subtract(column.histogram_steps()).any();
  }

  void annotate_histograms(const functions::HistogramNotes& notes, const model::Labels& labels,
                           AnnotationSet* out) const {
    const PositionRange where = call_.arguments[0]->position();
    const std::string_view metric = labels.metric_name();
    if (notes.mixed_types) annotate::mixed_types(metric, where, out);
    if (notes.not_counter) annotate::not_counter(metric, where, out);
    if (notes.not_gauge) annotate::not_gauge(metric, where, out);
    if (notes.mixed_schemas) annotate::mixed_schemas(metric, where, out);
    if (notes.resets_conflict) annotate::resets_conflict("aggregation", where, out);
    if (notes.reconciled_sum) annotate::reconciled("aggregation", where, out);
    if (notes.reconciled_subtraction) annotate::reconciled("subtraction", where, out);
    if (notes.reconciled_addition) annotate::reconciled("addition", where, out);
    if (notes.ignored) annotate::ignored_in_range(metric, where, out);
  }

  // Rates of samples that count the same events twice. Upstream says how many windows hold some.
  void annotate_overlaps(const functions::SeriesWindows& windows, const model::Labels& labels,
                         AnnotationSet* out) const {
    if (windows.starts.empty() || !function_.counter || window_.mode != RangeMode::kPlain) return;
    const std::uint64_t times = functions::count_overlapping(windows);
    out->warn_counted(
        fmt::format(
            "sample has start time that overlaps with previous sample timestamp for metric {}",
            model::go_quote(labels.metric_name())),
        call_.arguments[0]->position(), times);
  }

  void annotate_results(const VectorSet& out, AnnotationSet* notes) const {
    const PositionRange where = call_.arguments[0]->position();
    if (!function_.counter) return;
    for (const OutSeries& series : out) {
      const std::string_view name = series.labels.metric_name();
      if (name.empty() || (series.column.has_histograms() && !has_floats(series.column))) continue;
      if (run_.setup().type_and_unit_labels) {
        const std::string_view type = series.labels.get(model::kTypeLabel);
        if (type == "counter" || type == "histogram") continue;
        notes->info(fmt::format("metric might not be a counter, __type__ label is not set to "
                                "\"counter\" or \"histogram\", got {}: {}",
                                model::go_quote(type), model::go_quote(name)),
                    where);
      } else if (!looks_like_counter(name)) {
        notes->info(fmt::format("metric might not be a counter, name does not end in "
                                "_total/_sum/_count/_bucket: {}",
                                model::go_quote(name)),
                    where);
      }
    }
  }

  Evaluation& run_;
  const plan::CallNode& call_;
  const Grid grid_;
  functions::RangeFunction function_;  // with the kernels of the window's mode
  const plan::Window& window_;
  std::vector<std::int64_t> times_, ends_;
  std::vector<std::int64_t> read_ends_;  // of the windows that the kernel is given
  std::int64_t read_range_ms_;
  const std::uint64_t read_before_;  // samples, by what was evaluated before
  std::vector<double> first_, second_;
  std::size_t count_ = 0;  // of batches
  VectorSet samples_;      // of a subquery
  std::shared_ptr<const storage::TimestampColumn> inner_times_;
  // Of each batch, so that their order is always the same: of samples, and of what came of them.
  std::vector<AnnotationSet> notes_, result_notes_;
  std::atomic<bool> may_repeat_{false};
  base::Mutex mutex_;
  Charge charge_ ABSL_GUARDED_BY(mutex_);
  Bitmap result_steps_ ABSL_GUARDED_BY(mutex_);  // of quantiles: those with any
};

// One series, present where none of `set` is.
VectorSet absent_of(const VectorSet& set, const Grid& grid, model::Labels labels) {
  Bitmap any(grid.count);
  for (const OutSeries& series : set) any |= series.column.present;
  any.invert();
  OutSeries absent;
  absent.labels = std::move(labels);
  absent.column.values.assign(grid.count, 1);
  absent.column.present = std::move(any);
  VectorSet out;
  out.push_back(std::move(absent));
  return out;
}

}  // namespace

StatusOr<Grid> inner_grid(const Evaluation& run, const plan::Window& window, const Grid& grid) {
  const std::int64_t after = window.shift.apply(grid.start_ms) - window.range_ms;
  const std::int64_t last = window.shift.apply(grid.last());
  const std::int64_t step = window.inner_step_ms;
  std::int64_t floor = after / step * step;
  if (floor > after) floor -= step;
  Grid inner{floor + step, step, 0};
  if (last >= inner.start_ms) {
    inner.count = static_cast<std::size_t>((last - inner.start_ms) / step) + 1;
  }
  const std::uint64_t limit = run.setup().max_samples;
  if (inner.count > kMaxInnerSteps || (limit != 0 && inner.count > limit)) {
    return resource_exhausted(
        "query processing would load too many samples into memory in query execution");
  }
  return inner;
}

StatusOr<std::unique_ptr<Batches>> range_batches(Evaluation& run, const plan::CallNode& call,
                                                 const Grid& grid) {
  auto batches = std::make_unique<RangeCallRun>(run, call, grid);
  RETURN_IF_ERROR(batches->prepare());
  return batches;
}

StatusOr<VectorSet> eval_range_call(Evaluation& run, const plan::CallNode& call, const Grid& grid) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Batches> batches, range_batches(run, call, grid));
  ASSIGN_OR_RETURN(VectorSet out, join_batches(run, *batches));
  if (call.function->name == "absent_over_time") {
    return absent_of(out, grid, functions::labels_of_absent(run, *call.arguments[0]));
  }
  RETURN_IF_ERROR(run.merge_names(&out));
  return out;
}

}  // namespace tocsin::promql::eval
