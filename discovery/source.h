// SPDX-License-Identifier: Apache-2.0
//
// Source: where targets come from (plug-in point): static lists, files, later DNS, Kubernetes and
// so on.
//
// A source tells its sink the full content of a group whenever it changes; a group whose targets
// are gone is sent empty. The first update may come from inside start().
// Threads: start() and
// stop() once, from one thread; updates come on any thread, one at a time per source. After stop()
// returned no update comes.
// Errors: a source never fails: it keeps its last good state, logs,
// counts in prometheus_sd_refresh_failures_total{mechanism} and tries again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/time.h"
#include "model/labels.h"

namespace tocsin::discovery {

// Targets that share labels. `source` identifies the group among those of its Source.
struct TargetGroup {
  std::string source;
  std::vector<model::Labels> targets;  // each with __address__
  model::Labels labels;                // for all of them; a target's own labels win
  friend bool operator==(const TargetGroup&, const TargetGroup&) = default;
};

class Source {
 public:
  using Sink = std::function<void(std::vector<TargetGroup>)>;
  virtual ~Source() = default;
  virtual void start(Sink sink) = 0;
  virtual void stop() = 0;
};

// What sources borrow; all must outlive them. Files are read on `blocking`.
struct SourceServices {
  const base::Clock& clock;
  base::Timers& timers;
  base::Executor& blocking;
  base::FileSystem& files;
  base::Registry& metrics;
};

}  // namespace tocsin::discovery
