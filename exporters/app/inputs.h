// SPDX-License-Identifier: Apache-2.0
//
// Inputs runs the inputs of the configuration and makes one list of families of what they know.
//
// An input that does not return holds up neither the page nor the others, and is never entered a
// second time, not even by a new configuration. Over a reload an input whose identity has not
// changed keeps running, with its counters.
//
// Own families, {source}: app_exporter_source_up, app_exporter_source_last_scrape_duration_seconds,
// app_exporter_source_errors_total, app_exporter_series_dropped_total.
//
// Owns: the inputs. Borrows: Services (must outlive it, and the executor every run).
// Threads: shared, but apply() and stop() are called one after another, by one thread at a time.
// collect() blocks its thread, at most for about the budget. stop() joins what inputs started.
// Errors: none; a failure is app_exporter_source_up 0. Does not throw.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/mutex.h"
#include "exporters/app/config.h"
#include "exporters/common/runner.h"
#include "net/http.h"

namespace tocsin::exporters::app {

class Inputs {
 public:
  explicit Inputs(Runner::Services services);
  ~Inputs();
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  // Stops the inputs that are not in `specs`, keeps those that are, starts the new ones. From now on
  // `labels` are added to all their series.
  void apply(std::vector<InputSpec> specs, LabelPairs labels);

  std::vector<base::MetricFamily> collect(base::Duration budget);

  // The input whose kind has this route answers; 404 when none is configured.
  net::HttpResponse serve(std::string_view route, const net::HttpRequest& request);

  // Stops all inputs. Idempotent; collect() then has nothing to say.
  void stop();

 private:
  class Source;
  class SourceCollector;
  struct Generation;  // what one configuration made; immutable
  using Failures = std::map<std::string, std::uint64_t, std::less<>>;

  std::shared_ptr<const Generation> current() const;
  // Turns the runner's families about collectors into ours.
  void append_own(const Generation& generation, const std::vector<base::MetricFamily>& runs,
                  std::vector<base::MetricFamily>* out);

  const Runner::Services services_;
  mutable base::Mutex mutex_;
  std::shared_ptr<const Generation> generation_ ABSL_GUARDED_BY(mutex_);
  Failures failures_ ABSL_GUARDED_BY(mutex_);  // by source, of those configured
};

}  // namespace tocsin::exporters::app
