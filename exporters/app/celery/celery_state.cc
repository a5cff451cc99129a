// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/celery_state.h"

#include <algorithm>

#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

using Type = CeleryEvent::Type;

struct CounterName {
  std::string_view name, help;
};
// In the order of Type.
constexpr std::array<CounterName, 8> kCounterNames = {{
    {"celery_task_sent_total", "Task messages that were published."},
    {"celery_task_received_total", "Tasks that a worker received."},
    {"celery_task_started_total", "Tasks that a worker began to execute."},
    {"celery_task_succeeded_total", "Tasks that succeeded."},
    {"celery_task_failed_total", "Tasks that failed."},
    {"celery_task_rejected_total", "Tasks that a worker rejected, to be queued again or given up."},
    {"celery_task_revoked_total", "Tasks that were revoked."},
    {"celery_task_retried_total", "Tasks that failed and will be tried again."},
}};
constexpr auto kFailedIndex = static_cast<std::size_t>(Type::kFailed);
constexpr std::string_view kUnknown = "unknown";
// Names in the budget.
constexpr std::string_view kTask = "celery_task", kFailed = "celery_task_failed_total",
                           kWorker = "celery_worker_up";

bool is_last(Type type) {
  return type == Type::kSucceeded || type == Type::kFailed || type == Type::kRejected ||
         type == Type::kRevoked;
}

LabelPairs with(const LabelPairs& labels, std::string_view name, std::string_view value) {
  LabelPairs out = labels;
  const auto place = std::find_if(out.begin(), out.end(),
                                  [name](const auto& label) { return label.first > name; });
  out.emplace(place, name, value);
  return out;
}

}  // namespace

CeleryState::CeleryState(Options options)
    : options_(std::move(options)),
      budget_(std::max<std::size_t>(1, options_.max_series / kSeriesPerTask)) {}

std::string CeleryState::label_of_node(std::string_view node) const {
  std::string label(options_.node_names ? node : host_of_node(node));
  SeriesBudget::cut_value(&label);
  return label;
}

void CeleryState::apply(const CeleryEvent& event, base::SteadyTime now) {
  if (event.is_about_worker()) return apply_to_worker(event, now);
  if (event.type == Type::kOther || event.uuid.empty()) return;
  const Task& task = remember(event);
  Entry& entry = counts_of(event, task);
  Counts& counts = entry.second;
  counts.events[static_cast<std::size_t>(event.type)] += 1;
  switch (event.type) {
    case Type::kStarted:
      // Waiting that was asked for is none.
      if (task.sent > 0) {
        observe(options_.wait_buckets,
                std::max(0.0, event.timestamp - std::max(task.sent, task.not_before)),
                &counts.wait);
      }
      break;
    case Type::kSucceeded:
      observe(options_.runtime_buckets, std::max(0.0, event.runtime), &counts.runtime);
      break;
    case Type::kFailed:
      count_failure(exception_class(event.exception), &entry);
      break;
    default:
      break;
  }
  if (is_last(event.type)) forget(event);
}

void CeleryState::apply_to_worker(const CeleryEvent& event, base::SteadyTime now) {
  if (event.node.empty()) return;
  auto it = workers_.find(event.node);
  if (it == workers_.end()) {
    if (event.type == Type::kOffline) return;
    std::string node = event.node;
    LabelPairs label = {{"hostname", std::move(node)}};
    if (budget_.admit(kWorker, &label) == SeriesBudget::Verdict::kFolded) return;
    it = workers_.emplace(event.node, Worker{}).first;
  }
  Worker& worker = it->second;
  worker.seen = now;
  worker.is_up = event.type != Type::kOffline;
  worker.active = event.type == Type::kHeartbeat ? std::max(0.0, event.active) : 0;
}

CeleryState::Task& CeleryState::remember(const CeleryEvent& event) {
  const base::Hash128 key = base::hash128(event.uuid, seed_);
  const auto found = tasks_.find(key);
  if (found != tasks_.end()) {
    order_.splice(order_.begin(), order_, found->second);
  } else {
    if (tasks_.size() >= options_.max_tasks) {
      tasks_.erase(order_.back().key);
      order_.pop_back();
    }
    order_.push_front({.key = key, .name = {}, .queue = {}});
    tasks_.emplace(key, order_.begin());
  }
  Task& task = order_.front();
  const auto keep = [](std::string_view text, std::string* out) {
    if (text.empty()) return;
    *out = text;
    SeriesBudget::cut_value(out);
  };
  keep(event.task, &task.name);
  keep(event.queue, &task.queue);
  if (event.type == Type::kSent) {
    task.sent = event.timestamp;
    if (!task.queue.empty() && queues_.size() < kMaxQueues) queues_.insert(task.queue);
  }
  if (event.eta) task.not_before = *event.eta;
  return task;
}

void CeleryState::forget(const CeleryEvent& event) {
  const auto found = tasks_.find(base::hash128(event.uuid, seed_));
  order_.erase(found->second);
  tasks_.erase(found);
}

CeleryState::Entry& CeleryState::counts_of(const CeleryEvent& event, const Task& task) {
  const bool is_sent = event.type == Type::kSent;
  LabelPairs labels = {
      {"hostname", is_sent && options_.generic_sender ? "generic" : label_of_node(event.node)},
      {"name", task.name.empty() ? std::string(kUnknown) : task.name},
      {"queue_name", task.queue.empty() ? options_.default_queue : task.queue}};
  budget_.admit(kTask, &labels);
  Entry& entry = *counts_.try_emplace(std::move(labels)).first;
  // Any program may send tasks: theirs are no workers that could fail.
  if (!is_sent) entry.second.has_siblings = true;
  return entry;
}

void CeleryState::count_failure(std::string_view exception, Entry* entry) {
  std::map<std::string, double, std::less<>>& failures = entry->second.failures;
  auto it = failures.find(exception);
  if (it == failures.end()) {
    LabelPairs labels = with(entry->first, "exception", exception);
    budget_.admit(kFailed, &labels);
    it = failures.try_emplace(labels.front().second).first;
  }
  it->second += 1;
}

void CeleryState::observe(const std::vector<double>& bounds, double value, Buckets* buckets) {
  if (buckets->counts.empty()) buckets->counts.resize(bounds.size() + 1);
  const auto place = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  buckets->counts[static_cast<std::size_t>(place)] += 1;
  buckets->sum += value;
}

void CeleryState::expire_workers(base::SteadyTime now) {
  for (auto it = workers_.begin(); it != workers_.end();) {
    Worker& worker = it->second;
    const auto silence = now - worker.seen;
    if (options_.worker_timeout.count() > 0 && silence > options_.worker_timeout) {
      worker.is_up = false;
      worker.active = 0;
    }
    if (options_.purge_after.count() > 0 && silence > options_.purge_after) {
      const std::string node = it->first;
      it = workers_.erase(it);
      purge(node);
    } else {
      ++it;
    }
  }
}

void CeleryState::purge(std::string_view node) {
  std::string name(node);
  SeriesBudget::cut_value(&name);
  budget_.release(kWorker, {{"hostname", std::move(name)}});
  const std::string label = label_of_node(node);
  for (const auto& [other, worker] : workers_) {
    if (label_of_node(other) == label) return;  // its counters go on
  }
  for (auto it = counts_.begin(); it != counts_.end();) {
    if (it->first.front().second == label) {
      budget_.release(kTask, it->first);
      for (const auto& [exception, count] : it->second.failures) {
        budget_.release(kFailed, with(it->first, "exception", exception));
      }
      it = counts_.erase(it);
    } else {
      ++it;
    }
  }
}

void CeleryState::append_workers(Families* families) const {
  std::map<std::string, Worker> hosts;
  for (const auto& [node, worker] : workers_) {
    Worker& host = hosts[label_of_node(node)];
    host.is_up |= worker.is_up;
    host.active += worker.active;
  }
  for (const auto& [name, host] : hosts) {
    families->gauge("celery_worker_up", "Whether a worker on the host was heard of recently.",
                    {{"hostname", name}}, host.is_up ? 1 : 0);
    families->gauge("celery_worker_tasks_active", "Tasks that the workers on the host execute now.",
                    {{"hostname", name}}, host.active);
  }
}

void CeleryState::append_tasks(Families* families) const {
  for (std::size_t i = 0; i < kCounters; ++i) {
    const Families::Header header{kCounterNames[i].name, kCounterNames[i].help,
                                  base::MetricType::kCounter};
    for (const auto& [labels, counts] : counts_) {
      if (!counts.has_siblings && counts.events[i] == 0) continue;
      if (i != kFailedIndex) {
        families->add(header, labels, counts.events[i]);
        continue;
      }
      families->add(header, with(labels, "exception", ""), 0);
      for (const auto& [exception, count] : counts.failures) {
        families->add(header, with(labels, "exception", exception), count);
      }
    }
  }
}

void CeleryState::append_histograms(std::vector<base::MetricFamily>* out) const {
  const auto append = [&](base::MetricFamily family, const std::vector<double>& bounds,
                          Buckets Counts::* member) {
    for (const auto& [labels, counts] : counts_) {
      const Buckets& buckets = counts.*member;
      if (buckets.counts.empty()) continue;
      double total = 0;
      for (std::size_t i = 0; i < buckets.counts.size(); ++i) {
        total += buckets.counts[i];
        const std::string bound = i < bounds.size() ? model::format_float(bounds[i]) : "+Inf";
        family.samples.push_back({"_bucket", with(labels, "le", bound), total});
      }
      family.samples.push_back({"_sum", labels, buckets.sum});
      family.samples.push_back({"_count", labels, total});
    }
    if (!family.samples.empty()) out->push_back(std::move(family));
  };
  append({"celery_task_runtime", "Seconds that tasks took.", base::MetricType::kHistogram, {}},
         options_.runtime_buckets, &Counts::runtime);
  append({"celery_task_queue_wait_time",
          "Seconds that tasks waited in a queue, without delay that was asked for.",
          base::MetricType::kHistogram,
          {}},
         options_.wait_buckets, &Counts::wait);
}

void CeleryState::append_to(base::SteadyTime now, std::vector<base::MetricFamily>* out) {
  expire_workers(now);
  {
    Families families(out);
    append_workers(&families);
    append_tasks(&families);
  }
  append_histograms(out);
}

}  // namespace tocsin::exporters::app
