// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_loop.h"

#include <utility>

#include "base/log.h"
#include "formats/exposition.h"
#include "model/value.h"
#include "net/gunzip.h"

namespace tocsin::collector {

namespace {

constexpr base::Duration kTimestampTolerance{2};

// The first time after `now` that lies `offset` behind a multiple of `interval`.
base::Timestamp next_slot(base::Timestamp now, base::Duration interval, base::Duration offset) {
  const std::int64_t step = interval.count();
  const std::int64_t shifted = base::to_ms(now) - offset.count();
  const std::int64_t slot = shifted >= 0 ? shifted / step : -((-shifted + step - 1) / step);
  return base::from_ms((slot + 1) * step + offset.count());
}

constexpr std::uint32_t kKeepMetadata = 10;  // failed scrapes

// Errors that concern one sample and not its page.
bool is_sample_error(const Status& status) {
  return status.code() == StatusCode::kAlreadyExists || status.code() == StatusCode::kOutOfRange;
}

}  // namespace

ScrapeLoop::ScrapeLoop(Target target, std::shared_ptr<const ScrapeOptions> options,
                       const Collector::Services& services, std::shared_ptr<ScrapeShared> shared,
                       std::uint64_t seed)
    : target_(std::move(target)),
      options_(std::move(options)),
      services_(services),
      shared_(std::move(shared)),
      interval_length_(
          shared_->metrics.interval_length.with({model::format_duration(target_.interval)})),
      offset_(scrape_offset(target_, seed)),
      request_(make_request()),
      strand_(services.ingest),
      writer_(options_, target_.labels, {services.clock, services.storage, *shared_}),
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

std::vector<model::MetricMetadata> ScrapeLoop::metadata() const {
  {
    base::MutexLock lock(mutex_);
    if (failures_ > kKeepMetadata) return {};
  }
  return writer_.metadata();
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
                                     [self = shared_from_this()] { self->begin(); });
}

void ScrapeLoop::begin() {
  auto attempt = std::make_shared<Attempt>();
  attempt->pass = shared_->gate.enter();
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
    interval_length_.observe(base::to_seconds(now - last));
  }
  services_.http.send(request_, [self = shared_from_this(),
                                 attempt](StatusOr<net::ClientResponse> response) {
    auto kept = std::make_shared<StatusOr<net::ClientResponse>>(std::move(response));
    if (!self->strand_.post([self, attempt, kept] { self->finish(attempt, kept.get()); })) {
      base::log::warn("scrape dropped: the ingest queue is full", {{"target", self->target_.url}});
      self->arm();
    }
  });
}

net::ClientRequest ScrapeLoop::make_request() const {
  net::ClientRequest request;
  request.url = target_.url;
  request.unix_socket = target_.unix_socket;
  const std::vector<formats::ScrapeProtocol>& wanted = options_->protocols;
  const bool protobuf_first = options_->histograms.native || options_->features.starts();
  const std::span<const formats::ScrapeProtocol> usual =
      protobuf_first ? formats::native_scrape_protocols() : formats::default_scrape_protocols();
  request.headers.set("Accept", formats::accept_header(wanted.empty() ? usual : wanted));
  request.headers.set("X-Prometheus-Scrape-Timeout-Seconds",
                      model::format_float(base::to_seconds(target_.timeout)));
  request.accept_gzip = options_->enable_compression;
  request.keep_gzip = true;  // decoded by read_page, off the io thread
  request.timeout = target_.timeout;
  request.max_body_bytes = options_->limits.body_bytes;
  request.options = options_->http;
  return request;
}

void ScrapeLoop::finish(const AttemptPtr& attempt, StatusOr<net::ClientResponse>* response) {
  attempt->figures.duration_seconds =
      std::chrono::duration<double>(services_.clock.steady_now() - attempt->started).count();
  std::unique_ptr<ScrapeMemory> memory = shared_->memory.take();
  Status status =
      response->ok() ? read_page(**response, memory.get(), attempt.get()) : response->status();
  if (message(status) == "body size limit exceeded") {
    shared_->metrics.exceeded_body_limit.inc();
    attempt->figures.body_bytes = -1;
  }
  std::unique_ptr<storage::Appender> appender = services_.storage.appender();
  if (status.ok()) {
    status = store_page(*appender, memory->page, attempt.get());
    if (!status.ok()) {
      appender->rollback();
      forget_places();
      appender = services_.storage.appender();
    }
  }
  if (!status.ok()) status = store_failure(*appender, status, attempt.get());
  if (attempt->page_read) writer_.tidy(memory->page);
  shared_->memory.give_back(std::move(memory));
  if (response->ok()) services_.http.recycle(std::move((*response)->body));
  if (!status.ok()) {
    appender->rollback();
    return complete(attempt, status);
  }
  commit(std::move(appender), attempt);
}

Status ScrapeLoop::read_page(const net::ClientResponse& response, ScrapeMemory* memory,
                             Attempt* attempt) {
  if (response.status != 200) {
    return unavailable("server returned HTTP status {} {}", response.status,
                       net::status_reason(response.status));
  }
  std::string_view text = response.body;
  if (response.gzip) {
    RETURN_IF_ERROR(net::gunzip(response.body, options_->limits.body_bytes, &memory->text));
    text = memory->text;
  }
  attempt->figures.body_bytes = static_cast<double>(text.size());
  ASSIGN_OR_RETURN(
      formats::ExpositionFormat format,
      formats::choose_format(response.headers.get("Content-Type"), options_->fallback_protocol));
  attempt->page_read = true;
  return writer_.read(format, text, &memory->page, &attempt->figures);
}

Status ScrapeLoop::store_page(storage::Appender& appender, const PageWriter::Page& page,
                              Attempt* attempt) {
  attempt->figures.up = true;
  RETURN_IF_ERROR(writer_.store(appender, attempt->time, page, &attempt->figures));
  return report_.append(appender, attempt->time, attempt->figures);
}

Status ScrapeLoop::store_failure(storage::Appender& appender, const Status& why, Attempt* attempt) {
  attempt->error = message(why);
  attempt->figures.up = false;
  attempt->figures.series_added = 0;
  RETURN_IF_ERROR(writer_.store_failure(appender, attempt->time));
  return report_.append(appender, attempt->time, attempt->figures);
}

void ScrapeLoop::forget_places() {
  writer_.forget_places();
  if (report_.group()) services_.storage.drop_group(report_.group());
  report_.reset();
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
  {
    base::MutexLock lock(mutex_);
    status_.last_scrape = attempt->time;
    status_.last_duration = std::chrono::duration_cast<base::Duration>(
        std::chrono::duration<double>(attempt->figures.duration_seconds));
    status_.last_error = attempt->error;
    failures_ = attempt->error.empty() ? 0 : failures_ + 1;
    status_.health = attempt->error.empty() ? Health::kUp : Health::kDown;
  }
  attempt->pass = {};
  arm();
}

void ScrapeLoop::mark_all_stale(base::Timestamp t) {
  base::Gate::Pass pass = shared_->gate.enter();
  if (!pass) return;
  std::unique_ptr<storage::Appender> appender = services_.storage.appender();
  writer_.store_end(*appender, t);
  Status status = report_.append_stale(*appender, t);
  if (!status.ok() && !is_sample_error(status)) {
    base::log::warn("writing staleness markers failed",
                    {{"target", target_.url}, {"error", message(status)}});
  }
  std::shared_ptr<storage::Appender> kept = std::move(appender);
  kept->commit([kept](const Status&) {});
  forget_places();
}

}  // namespace tocsin::collector
