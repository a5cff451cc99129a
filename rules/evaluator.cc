// SPDX-License-Identifier: Apache-2.0
#include "rules/evaluator.h"

#include <map>
#include <utility>

#include "base/gate.h"
#include "rules/group.h"

namespace tocsin::rules {

struct Evaluator::Impl {
  Impl(Services s, AlertTiming t) : services(std::move(s)), timing(t), metrics(services.metrics) {}

  const Services services;
  const AlertTiming timing;
  RuleMetrics metrics;
  base::Gate gate;
  base::Mutex mutex;
  std::map<std::string, std::shared_ptr<Group>> groups ABSL_GUARDED_BY(mutex);
  std::vector<std::string> order ABSL_GUARDED_BY(mutex);  // keys of `groups`
  model::Labels external_labels ABSL_GUARDED_BY(mutex);
  std::string external_url ABSL_GUARDED_BY(mutex);
};

Evaluator::Evaluator(Services services, AlertTiming timing)
    : impl_(std::make_unique<Impl>(std::move(services), timing)) {}

Evaluator::~Evaluator() { stop(); }

Status Evaluator::apply(const RulesOptions& options) {
  const GroupContext context{impl_->services, impl_->timing,           impl_->metrics,
                             impl_->gate,     options.external_labels, options.external_url};
  std::map<std::string, std::shared_ptr<Group>> next;
  for (const GroupOptions& group_options : options.groups) {
    ASSIGN_OR_RETURN(std::shared_ptr<Group> group, Group::make(group_options, context));
    std::string key = group->key();
    next.emplace(std::move(key), std::move(group));
  }

  base::MutexLock lock(impl_->mutex);
  const bool same_context = impl_->external_labels == options.external_labels &&
                            impl_->external_url == options.external_url;
  impl_->external_labels = options.external_labels;
  impl_->external_url = options.external_url;
  for (auto& [key, group] : next) {
    auto old = impl_->groups.find(key);
    if (old == impl_->groups.end()) {
      group->start();
      continue;
    }
    std::shared_ptr<Group> before = std::move(old->second);
    impl_->groups.erase(old);
    if (same_context && before->options() == group->options()) {
      group = std::move(before);
      continue;
    }
    before->stop(Group::AfterStop::kMarkStale);
    // Behind the evaluation that may run now; what the new group does not take over goes stale.
    before->after_current([before, group = group] {
      group->take_state(*before);
      group->start();
    });
  }
  for (auto& [key, group] : impl_->groups) group->stop(Group::AfterStop::kMarkStale);
  impl_->groups = std::move(next);
  impl_->order.clear();
  for (const GroupOptions& group : options.groups) {
    impl_->order.push_back(group.file + ";" + group.name);
  }
  return ok();
}

std::vector<GroupStatus> Evaluator::groups() const {
  std::vector<GroupStatus> groups;
  base::MutexLock lock(impl_->mutex);
  for (const auto& [key, group] : impl_->groups) groups.push_back(group->status());
  std::sort(groups.begin(), groups.end(), [](const GroupStatus& a, const GroupStatus& b) {
    return std::tie(a.file, a.name) < std::tie(b.file, b.name);
  });
  return groups;
}

void Evaluator::stop() {
  {
    base::MutexLock lock(impl_->mutex);
    for (auto& [key, group] : impl_->groups) group->stop(Group::AfterStop::kLeave);
  }
  impl_->gate.close();
}

void Evaluator::evaluate_once(base::Timestamp at) {
  std::vector<std::shared_ptr<Group>> groups;
  {
    base::MutexLock lock(impl_->mutex);
    for (const std::string& key : impl_->order) groups.push_back(impl_->groups.at(key));
  }
  for (auto& group : groups) group->evaluate(at);
}

void Evaluator::skip_restoring() {
  base::MutexLock lock(impl_->mutex);
  for (auto& [key, group] : impl_->groups) group->skip_restoring();
}

}  // namespace tocsin::rules
