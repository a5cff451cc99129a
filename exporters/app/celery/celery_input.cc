// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/celery_input.h"

#include <algorithm>

#include "base/log.h"

namespace tocsin::exporters::app {
namespace {

constexpr base::Duration kFirstPause{1'000};
constexpr base::Duration kLongestPause{30'000};
// The thread looks up so often if it shall end.
constexpr base::Duration kGlance{250};

// Adds labels that no sample has to all families from families[first] on.
void add_labels(const LabelPairs& labels, std::size_t first,
                std::vector<base::MetricFamily>* families) {
  if (labels.empty()) return;
  for (std::size_t i = first; i < families->size(); ++i) {
    for (base::MetricSample& sample : (*families)[i].samples) {
      sample.labels.insert(sample.labels.end(), labels.begin(), labels.end());
      std::sort(sample.labels.begin(), sample.labels.end());
    }
  }
}

}  // namespace

CeleryInput::CeleryInput(CeleryOptions options, const InputServices& services)
    : Input(options.name),
      options_(std::move(options)),
      clock_(services.clock),
      tls_(services.files, options_.tls),
      broker_(options_, {{services.clock, services.lookup, tls_}, services.files}),
      listening_(unavailable("not connected yet")),
      lengths_(unavailable("not connected yet")),
      state_(options_.state) {}

CeleryInput::~CeleryInput() { CeleryInput::stop(); }

Status CeleryInput::start() {
  thread_ =
      std::make_unique<base::ThreadPool>(base::ThreadPool::Options{.name = "celery", .threads = 1});
  static_cast<void>(thread_->post([this] { run(); }));
  return ok();
}

std::uint64_t CeleryInput::dropped_series() const {
  base::MutexLock lock(mutex_);
  return state_.dropped();
}

void CeleryInput::stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_) thread_->stop();
}

bool CeleryInput::is_stopping() const {
  base::MutexLock lock(mutex_);
  return stopping_;
}

bool CeleryInput::pause_for(base::Duration pause) {
  const base::SteadyTime end = clock_.steady_now() + pause;
  base::MutexLock lock(mutex_);
  while (!stopping_ && changed_.wait_until(mutex_, end)) {
  }
  return !stopping_;
}

void CeleryInput::report(const Status& status) {
  base::MutexLock lock(mutex_);
  if (!has_reported_ || status.ok() != listening_.ok()) {
    if (status.ok()) {
      base::log::info("listening to a broker of Celery", {{"name", name()}});
    } else {
      base::log::warn("lost a broker of Celery", {{"name", name()}, {"error", message(status)}});
    }
  }
  has_reported_ = true;
  listening_ = status;
  if (!status.ok()) lengths_ = status;
}

void CeleryInput::run() {
  base::Duration pause = kFirstPause;
  while (!is_stopping()) {
    Status status = broker_.subscribe();
    if (status.ok()) {
      pause = kFirstPause;
      report(ok());
      status = listen();
      if (status.ok()) return;
    }
    report(status);
    if (!pause_for(pause)) return;
    pause = std::min(pause * 2, kLongestPause);
  }
}

Status CeleryInput::listen() {
  base::SteadyTime next = clock_.steady_now();
  while (!is_stopping()) {
    const base::SteadyTime now = clock_.steady_now();
    if (now >= next) {
      measure();
      next = clock_.steady_now() + options_.poll_interval;
    }
    ASSIGN_OR_RETURN(const std::optional<std::string> message,
                     broker_.next_message(std::min(next, now + kGlance)));
    if (message) take(*message);
  }
  return ok();
}

void CeleryInput::take(const std::string& message) {
  const StatusOr<std::vector<CeleryEvent>> events = decode_celery_message(message);
  const base::SteadyTime now = clock_.steady_now();
  base::MutexLock lock(mutex_);
  if (!events.ok()) {
    if (bad_messages_ == 0) {
      base::log::warn("a message that is no event of Celery",
                      {{"name", name()}, {"error", tocsin::message(events.status())}});
    }
    ++bad_messages_;
    return;
  }
  for (const CeleryEvent& event : *events) state_.apply(event, now);
}

void CeleryInput::measure() {
  StringSet sent_to;
  {
    base::MutexLock lock(mutex_);
    sent_to = state_.queues();
  }
  StatusOr<QueueLengths> lengths = broker_.measure(sent_to);
  base::MutexLock lock(mutex_);
  if (!lengths.ok() && lengths_.ok()) {
    base::log::warn("cannot measure queues of Celery",
                    {{"name", name()}, {"error", message(lengths.status())}});
  }
  lengths_ = std::move(lengths);
}

Status CeleryInput::collect(std::vector<base::MetricFamily>* out) {
  const std::size_t first = out->size();
  base::MutexLock lock(mutex_);
  state_.append_to(clock_.steady_now(), out);
  Families families(out);
  families.counter("celery_undecoded_messages_total",
                   "Messages on the channel of events that are no events.", {}, bad_messages_);
  if (lengths_.ok()) {
    for (const auto& [queue, messages] : lengths_->messages) {
      std::string label = queue;
      SeriesBudget::cut_value(&label);
      families.gauge("celery_queue_length", "Messages that wait in the queue.",
                     {{"queue_name", label}}, messages);
    }
    families.gauge("celery_unacked_messages",
                   "Messages that workers took and have not acknowledged, of all queues.", {},
                   lengths_->unacked);
  }
  add_labels(options_.labels, first, out);
  RETURN_IF_ERROR(listening_);
  RETURN_IF_ERROR(annotate(lengths_.status(), "queues"));
  if (lengths_->failed == 0) return ok();
  return failed_precondition("{} queues cannot be measured", lengths_->failed);
}

StatusOr<std::unique_ptr<Input>> make_celery(const base::YamlNode& section,
                                             const InputContext& context) {
  ASSIGN_OR_RETURN(CeleryOptions options,
                   read_celery(section, context.directory, context.max_series));
  // Two brokers may have queues of one name: their series must differ.
  const base::YamlNode* all = context.root.find("celery");
  const std::size_t brokers = all == nullptr ? 1 : all->items().size();
  if (brokers > 1 && options.labels.empty()) {
    return section.error("of several brokers each needs `labels` of its own");
  }
  return std::make_unique<CeleryInput>(std::move(options), context.services);
}

}  // namespace tocsin::exporters::app
