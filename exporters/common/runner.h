// SPDX-License-Identifier: Apache-2.0
//
// Runner runs the collectors of an exporter side by side and returns, at the latest when the budget
// of a scrape is used up, what has come together.
//
// A collector that does not return is never started a second time; scrapes that come meanwhile wait
// for it within their own budgets, and share one run that begins after they came.
//
// Hides: scheduling, late results.
// Owns: the collectors. Borrows: Services (must outlive it, and
// the executor every run). A Runner may be destroyed while a collector is stuck.
// Threads: shared;
// collect() blocks its thread. The executor needs a thread per collector, or a stuck one holds up
// others.
// Errors: none; a failure is a value, <prefix>_scrape_collector_success. Does not throw.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/time.h"
#include "exporters/common/collector.h"
#include "exporters/common/page_source.h"

namespace tocsin::exporters {

class Runner final : public PageSource {
 public:
  struct Services {
    base::Executor& executor;
    const base::Clock& clock;
    base::Timers& timers;
  };

  // `prefix` starts the names of the runner's own families, and "<prefix>_exporter" their help.
  Runner(std::string prefix, std::vector<std::unique_ptr<Collector>> collectors, Services services);
  ~Runner() override;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  const std::vector<std::string>& names() const override { return names_; }

  // With <prefix>_scrape_collector_duration_seconds and _success.
  std::vector<base::MetricFamily> collect(const std::vector<std::string>& names,
                                          base::Duration budget) override;

  // Ends the scrapes that wait, with what they have; later ones end at once. Idempotent.
  void stop();

  // Collectors that run now.
  std::size_t running() const;

 private:
  struct Result;
  struct Scrape;
  struct Slot;
  struct State;

  void enqueue(Slot* slot, const std::shared_ptr<Scrape>& scrape, std::size_t index);
  bool admit(const std::shared_ptr<Scrape>& scrape);
  void withdraw(const std::shared_ptr<Scrape>& scrape);
  static void run(const std::shared_ptr<State>& state, Slot* slot);

  const std::string prefix_;
  const Services services_;
  std::vector<std::string> names_;
  std::shared_ptr<State> state_;
};

}  // namespace tocsin::exporters
