// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_loop.h"

#include <utility>

#include "base/log.h"
#include "formats/exposition.h"
#include "model/value.h"

namespace tocsin::collector {

namespace {

constexpr base::Duration kTimestampTolerance{2};
constexpr base::Duration kFutureLimit{10 * 60 * 1000};

// The first time after `now` that lies `offset` behind a multiple of `interval`.
base::Timestamp next_slot(base::Timestamp now, base::Duration interval, base::Duration offset) {
  const std::int64_t step = interval.count();
  const std::int64_t shifted = base::to_ms(now) - offset.count();
  const std::int64_t slot = shifted >= 0 ? shifted / step : -((-shifted + step - 1) / step);
  return base::from_ms((slot + 1) * step + offset.count());
}

class PageSink final : public formats::ExpositionSink {
 public:
  using Take = std::function<Status(const formats::ExpositionSample&)>;
  explicit PageSink(Take take) : take_(std::move(take)) {}
  Status sample(const formats::ExpositionSample& sample) override { return take_(sample); }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}

 private:
  const Take take_;
};

// Errors that concern one sample and not its page.
bool is_sample_error(const Status& status) {
  return status.code() == StatusCode::kAlreadyExists || status.code() == StatusCode::kOutOfRange;
}

}  // namespace

ScrapeLoop::ScrapeLoop(Target target, std::shared_ptr<const ScrapeOptions> options,
                       const Collector::Services& services, ScrapeMetrics& metrics,
                       base::Gate& gate, std::uint64_t seed)
    : target_(std::move(target)),
      options_(std::move(options)),
      services_(services),
      metrics_(metrics),
      gate_(gate),
      offset_(scrape_offset(target_, seed)),
      strand_(services.ingest),
      cache_(options_, target_.labels),
      report_(*options_, target_.labels) {
  base::MutexLock lock(mutex_);
  status_.job = options_->job;
  status_.discovered = target_.discovered;
  status_.labels = target_.labels;
  status_.scrape_url = target_.url;
  status_.global_url = target_.url;
  status_.interval = target_.interval;
  status_.timeout = target_.timeout;
}

void ScrapeLoop::start() { arm(); }

void ScrapeLoop::stop(AfterStop after) {
  base::Timers::Id timer = 0;
  base::Timestamp next;
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    timer = std::exchange(timer_, 0);
    next = scheduled_;
  }
  if (timer != 0) services_.timers.cancel(timer);
  if (after == AfterStop::kLeave) return;
  const base::Duration wait = (next - services_.clock.now()) + target_.interval * 11 / 10;
  auto self = shared_from_this();
  services_.timers.schedule(services_.clock.steady_now() + wait, [self, next] {
    if (!self->strand_.post([self, next] { self->mark_all_stale(next); })) {
      base::log::debug("staleness markers not written: stopping", {{"target", self->target_.url}});
    }
  });
}

TargetStatus ScrapeLoop::status() const {
  base::MutexLock lock(mutex_);
  return status_;
}

void ScrapeLoop::arm() {
  const base::Timestamp now = services_.clock.now();
  const base::SteadyTime steady = services_.clock.steady_now();
  base::MutexLock lock(mutex_);
  if (stopped_) return;
  // A timer may fire a moment before its wall time; without max() that slot would come twice. A
  // clock that was set back by more than an interval starts afresh.
  const bool set_back = scheduled_ - now > target_.interval;
  scheduled_ = next_slot(set_back ? now : std::max(now, scheduled_), target_.interval, offset_);
  timer_ = services_.timers.schedule(steady + (scheduled_ - now),
                                     [self = shared_from_this()] { self->fire(); });
}

void ScrapeLoop::fire() {
  if (!strand_.post([self = shared_from_this()] { self->begin(); })) arm();
}

void ScrapeLoop::begin() {
  auto attempt = std::make_shared<Attempt>();
  attempt->pass = gate_.enter();
  base::Timestamp scheduled;
  base::Timestamp last;
  {
    base::MutexLock lock(mutex_);
    if (stopped_ || !attempt->pass) return;
    scheduled = scheduled_;
    last = status_.last_scrape;
  }
  const base::Timestamp now = services_.clock.now();
  const base::Duration tolerance = std::min(kTimestampTolerance, target_.interval / 100);
  const base::Duration off = now > scheduled ? now - scheduled : scheduled - now;
  attempt->time = off <= tolerance ? scheduled : now;
  attempt->started = services_.clock.steady_now();
  if (base::to_ms(last) != 0) {
    metrics_.interval_length.with({model::format_duration(target_.interval)})
        .observe(base::to_seconds(now - last));
  }
  services_.http.send(make_request(), [self = shared_from_this(),
                                       attempt](StatusOr<net::ClientResponse> response) {
    auto kept = std::make_shared<StatusOr<net::ClientResponse>>(std::move(response));
    if (!self->strand_.post([self, attempt, kept] { self->finish(attempt, *kept); })) {
      base::log::warn("scrape dropped: the ingest queue is full", {{"target", self->target_.url}});
      self->arm();
    }
  });
}

net::ClientRequest ScrapeLoop::make_request() const {
  net::ClientRequest request;
  request.url = target_.url;
  const std::vector<formats::ScrapeProtocol>& wanted = options_->protocols;
  request.headers.set("Accept", formats::accept_header(
                                    wanted.empty() ? formats::default_scrape_protocols() : wanted));
  request.headers.set("X-Prometheus-Scrape-Timeout-Seconds",
                      model::format_float(base::to_seconds(target_.timeout)));
  request.accept_gzip = options_->enable_compression;
  request.timeout = target_.timeout;
  request.max_body_bytes = options_->limits.body_bytes;
  request.options = options_->http;
  return request;
}

void ScrapeLoop::finish(const AttemptPtr& attempt, const StatusOr<net::ClientResponse>& response) {
  attempt->figures.duration_seconds =
      std::chrono::duration<double>(services_.clock.steady_now() - attempt->started).count();
  Status status = response.ok() ? read_page(*response, attempt.get()) : response.status();
  if (!response.ok() && message(status) == "body size limit exceeded") {
    metrics_.exceeded_body_limit.inc();
    attempt->figures.body_bytes = -1;
  }
  std::unique_ptr<storage::Appender> appender = services_.storage.appender();
  if (status.ok()) {
    status = store_page(*appender, attempt.get());
    if (!status.ok()) {
      appender->rollback();
      forget_places();
      appender = services_.storage.appender();
    }
  }
  if (!status.ok()) {
    attempt->error = message(status);
    const double body_bytes = attempt->figures.body_bytes;
    attempt->figures = {false,
                        attempt->figures.duration_seconds,
                        attempt->figures.scraped,
                        attempt->figures.after_relabel,
                        0,
                        body_bytes};
    lines_.clear();
    scrape_ += 2;  // what comes next is new again for scrape_series_added
    status = store_failure(*appender, *attempt);
  }
  if (!status.ok()) {
    appender->rollback();
    return complete(attempt, status);
  }
  commit(std::move(appender), attempt);
}

Status ScrapeLoop::read_page(const net::ClientResponse& response, Attempt* attempt) {
  lines_.clear();
  if (response.status != 200) {
    return unavailable("server returned HTTP status {} {}", response.status,
                       net::status_reason(response.status));
  }
  attempt->figures.body_bytes = static_cast<double>(response.body.size());
  ASSIGN_OR_RETURN(
      formats::ExpositionFormat format,
      formats::choose_format(response.headers.get("Content-Type"), options_->fallback_protocol));
  ScrapeFigures& figures = attempt->figures;
  PageSink sink([this, &figures](const formats::ExpositionSample& sample) -> Status {
    ++figures.scraped;
    ASSIGN_OR_RETURN(CachedSeries * series, cache_.resolve(sample.series, sample.kind));
    if (series->dropped()) return ok();
    ++figures.after_relabel;
    lines_.push_back({series, sample.value, sample.timestamp_ms});
    return ok();
  });
  if (format == formats::ExpositionFormat::kProtobuf) {
    return unimplemented("not supported yet: the protobuf exposition format");
  }
  Status status = format == formats::ExpositionFormat::kOpenMetrics
                      ? formats::parse_openmetrics(response.body, sink)
                      : formats::parse_text(response.body, sink);
  if (message(status).find("_limit exceeded") != std::string_view::npos)
    metrics_.exceeded_label_limits.inc();
  RETURN_IF_ERROR(status);
  const std::uint64_t limit = options_->limits.samples;
  if (limit != 0 && figures.after_relabel > limit) {
    metrics_.exceeded_sample_limit.inc();
    return resource_exhausted("sample limit exceeded");
  }
  return ok();
}

Status ScrapeLoop::store_page(storage::Appender& appender, Attempt* attempt) {
  ++scrape_;
  attempt->figures.up = true;
  for (const Line& line : lines_) {
    if (line.series->seen != scrape_ && line.series->seen + 1 != scrape_)
      ++attempt->figures.series_added;
    line.series->seen = scrape_;
  }
  if (group_) RETURN_IF_ERROR(store_row(appender, *attempt));
  for (Line& line : lines_) RETURN_IF_ERROR(store_line(appender, &line, *attempt, Pass::kRest));
  mark_missing_by_ref(appender, attempt->time);
  if (regroup_) RETURN_IF_ERROR(regroup(appender));
  return report_.append(appender, attempt->time, attempt->figures);
}

// The members of the group: one row, missing ones stale.
Status ScrapeLoop::store_row(storage::Appender& appender, const Attempt& attempt) {
  RETURN_IF_ERROR(appender.step(group_, attempt.time));
  for (Line& line : lines_) RETURN_IF_ERROR(store_line(appender, &line, attempt, Pass::kRow));
  for (std::uint32_t i = 0; i < members_.size(); ++i) {
    CachedSeries& member = *members_[i];
    if (member.position != i || member.seen == scrape_ || !member.tracked) continue;
    member.tracked = false;
    Status status = appender.set(i, model::stale_nan());
    // Another target took the series over: it is not stale.
    if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  }
  return ok();
}

// Stores one line: members without own timestamp by position in the row's pass, all others in the
// pass for the rest.
Status ScrapeLoop::store_line(storage::Appender& appender, Line* line, const Attempt& attempt,
                              Pass pass) {
  CachedSeries& series = *line->series;
  const bool own_time = line->time_ms.has_value() && options_->honor_timestamps;
  const bool by_position = !own_time && series.position != CachedSeries::kNoPosition;
  if (line->done || by_position != (pass == Pass::kRow)) return ok();
  line->done = true;
  if (own_time) {
    series.tracked = options_->track_timestamps_staleness;
    const base::Timestamp t = base::from_ms(*line->time_ms);
    if (t <= services_.clock.now() + kFutureLimit)
      return append_by_ref(appender, &series, t, line->value);
    metrics_.out_of_bounds.inc();
    return ok();
  }
  if (series.stored == scrape_) {
    metrics_.duplicate.inc();
    return ok();
  }
  series.stored = scrape_;
  series.tracked = true;
  if (by_position) {
    Status status = appender.set(series.position, line->value);
    if (status.code() != StatusCode::kNotFound) return status;
    // Two targets expose one series: taking it back each time would tear both groups apart.
    series.position = CachedSeries::kNoPosition;
    series.contested = true;
  }
  if (!series.contested) regroup_ = true;
  return append_by_ref(appender, &series, attempt.time, line->value);
}

Status ScrapeLoop::append_by_ref(storage::Appender& appender, CachedSeries* series,
                                 base::Timestamp t, double value) {
  StatusOr<storage::AppendResult> result = appender.append(series->ref, series->labels, t, value);
  if (result.ok()) {
    series->ref = result->ref;
    return ok();
  }
  if (!is_sample_error(result.status())) return result.status();
  (result.status().code() == StatusCode::kAlreadyExists ? metrics_.duplicate
                                                        : metrics_.out_of_order)
      .inc();
  return ok();
}

// Series that are not in the group (own timestamps that are tracked) and missing from this page.
void ScrapeLoop::mark_missing_by_ref(storage::Appender& appender, model::Timestamp t) {
  for (CachedSeries* series : cache_.entries()) {
    if (!series->tracked || series->seen == scrape_ ||
        series->position != CachedSeries::kNoPosition)
      continue;
    series->tracked = false;
    StatusOr<storage::AppendResult> result =
        appender.append(series->ref, series->labels, t, model::stale_nan());
    if (!result.ok() && is_sample_error(result.status())) metrics_.out_of_order.inc();
  }
}

// Makes the series of this page without own timestamps the group's members, in page order.
Status ScrapeLoop::regroup(storage::Appender& appender) {
  for (CachedSeries* member : members_) member->position = CachedSeries::kNoPosition;
  std::vector<CachedSeries*> members;
  std::vector<storage::SeriesRef> refs;
  for (const Line& line : lines_) {
    CachedSeries& series = *line.series;
    const bool placed = series.position != CachedSeries::kNoPosition;
    if (series.stored != scrape_ || !series.ref || placed || series.contested) continue;
    series.position = static_cast<std::uint32_t>(members.size());
    members.push_back(&series);
    refs.push_back(series.ref);
  }
  ASSIGN_OR_RETURN(group_, appender.define_group(group_, refs));
  members_ = std::move(members);
  regroup_ = false;
  return ok();
}

Status ScrapeLoop::store_failure(storage::Appender& appender, const Attempt& attempt) {
  if (group_) RETURN_IF_ERROR(appender.stale_all(group_, attempt.time));
  for (CachedSeries* member : members_) {
    if (member->position != CachedSeries::kNoPosition) member->tracked = false;
  }
  for (CachedSeries* series : cache_.entries()) {
    if (!series->tracked) continue;
    series->tracked = false;
    StatusOr<storage::AppendResult> result =
        appender.append(series->ref, series->labels, attempt.time, model::stale_nan());
    if (!result.ok() && !is_sample_error(result.status())) return result.status();
  }
  return report_.append(appender, attempt.time, attempt.figures);
}

// A batch that was not stored leaves positions and references behind that the store does not know:
// start afresh.
void ScrapeLoop::forget_places() {
  for (CachedSeries* series : cache_.entries()) {
    if (series->position != CachedSeries::kNoPosition) series->tracked = true;
    series->position = CachedSeries::kNoPosition;
    series->ref = {};
  }
  members_.clear();
  if (group_) services_.storage.drop_group(std::exchange(group_, {}));
  if (report_.group()) services_.storage.drop_group(report_.group());
  report_.reset();
  regroup_ = false;
}

void ScrapeLoop::commit(std::unique_ptr<storage::Appender> appender, AttemptPtr attempt) {
  std::shared_ptr<storage::Appender> kept = std::move(appender);
  kept->commit([self = shared_from_this(), attempt, kept](Status status) {
    if (!self->strand_.post([self, attempt, status] { self->complete(attempt, status); })) {
      self->complete(attempt, status);
    }
  });
}

void ScrapeLoop::complete(const AttemptPtr& attempt, const Status& committed) {
  if (!committed.ok()) {
    attempt->error = fmt::format("storing the scrape failed: {}", message(committed));
    base::log::warn("storing a scrape failed",
                    {{"target", target_.url}, {"error", message(committed)}});
    forget_places();
  }
  cache_.sweep(scrape_, lines_.size());
  {
    base::MutexLock lock(mutex_);
    status_.last_scrape = attempt->time;
    status_.last_duration = std::chrono::duration_cast<base::Duration>(
        std::chrono::duration<double>(attempt->figures.duration_seconds));
    status_.last_error = attempt->error;
    status_.health = attempt->error.empty() ? Health::kUp : Health::kDown;
  }
  attempt->pass = {};
  arm();
}

void ScrapeLoop::mark_all_stale(base::Timestamp t) {
  base::Gate::Pass pass = gate_.enter();
  if (!pass) return;
  std::unique_ptr<storage::Appender> appender = services_.storage.appender();
  for (CachedSeries* series : cache_.entries()) {
    if (!series->tracked) continue;
    // An error means that another target writes the series now: then it is not stale.
    static_cast<void>(appender->append(series->ref, series->labels, t, model::stale_nan()));
  }
  Status status = report_.append_stale(*appender, t);
  if (!status.ok() && !is_sample_error(status)) {
    base::log::warn("writing staleness markers failed",
                    {{"target", target_.url}, {"error", message(status)}});
  }
  std::shared_ptr<storage::Appender> kept = std::move(appender);
  kept->commit([kept](const Status&) {});
  if (group_) services_.storage.drop_group(group_);
  if (report_.group()) services_.storage.drop_group(report_.group());
}

}  // namespace tocsin::collector
