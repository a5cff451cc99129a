// SPDX-License-Identifier: Apache-2.0
//
// AlertForwarder: takes alerts from rules, applies alert_relabel_configs and hands them to the
// built-in notifier.
//
// Threads: shared. Without a notifier alerts are dropped and only visible on the rules pages.
// Errors: none.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "model/alert.h"
#include "model/relabel.h"
#include "notifier/notifier.h"

namespace tocsin::app {

class AlertForwarder {
 public:
  // Borrows: notifier, until it is set to something else.
  void set_notifier(notifier::Notifier* notifier) {
    base::MutexLock lock(mutex_);
    notifier_ = notifier;
  }

  void set_relabel(std::vector<model::RelabelRule> rules) {
    auto shared = std::make_shared<const std::vector<model::RelabelRule>>(std::move(rules));
    base::MutexLock lock(mutex_);
    rules_ = std::move(shared);
  }

  void send(std::vector<model::Alert> alerts) const {
    std::shared_ptr<const std::vector<model::RelabelRule>> rules;
    notifier::Notifier* notifier = nullptr;
    {
      base::MutexLock lock(mutex_);
      rules = rules_;
      notifier = notifier_;
    }
    if (notifier == nullptr) return;
    std::vector<model::Alert> kept;
    kept.reserve(alerts.size());
    for (model::Alert& alert : alerts) {
      model::LabelsBuilder labels(alert.labels);
      if (rules && !model::relabel(*rules, &labels)) continue;
      alert.labels = labels.build();
      if (!alert.labels.empty()) kept.push_back(std::move(alert));
    }
    if (!kept.empty()) notifier->put(std::move(kept));
  }

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const std::vector<model::RelabelRule>> rules_ ABSL_GUARDED_BY(mutex_);
  notifier::Notifier* notifier_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace tocsin::app
