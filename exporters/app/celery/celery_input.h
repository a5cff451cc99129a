// SPDX-License-Identifier: Apache-2.0
//
// CeleryInput: one broker of Celery as a source of metrics. A thread of its own listens to the events
// and asks for the lengths of the queues from time to time; a page shows what it has learned, so that
// a broker that is down, slow or silent holds up nothing.
//
// Hides: the thread, connecting anew after pauses that grow.
// Owns: its thread. Borrows: InputServices (must outlive it).
// Threads: as Input. stop() waits at most for about two timeouts of the options.
// Errors: collect() fails while the broker is not heard, without lengths of queues; tasks and workers
// stay as they were.
#pragma once

#include <memory>

#include "base/executor.h"
#include "base/mutex.h"
#include "exporters/app/celery/celery_broker.h"
#include "exporters/app/celery/celery_options.h"
#include "exporters/app/celery/celery_state.h"
#include "exporters/app/input.h"

namespace tocsin::exporters::app {

class CeleryInput final : public Input {
 public:
  CeleryInput(CeleryOptions options, const InputServices& services);
  ~CeleryInput() override;

  Status start() override;
  Status collect(std::vector<base::MetricFamily>* out) override;
  void stop() override;
  std::uint64_t dropped_series() const override;

 private:
  void run();
  // Listens until something fails or the input is stopped.
  Status listen();
  void take(const std::string& message);
  void measure();
  bool is_stopping() const;
  // Waits for `pause` or the end; false at the end.
  bool pause_for(base::Duration pause);
  void report(const Status& status);

  const CeleryOptions options_;
  const base::Clock& clock_;
  net::TlsClient tls_;
  CeleryBroker broker_;  // of the thread

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Status listening_ ABSL_GUARDED_BY(mutex_);  // why no events come
  bool has_reported_ ABSL_GUARDED_BY(mutex_) = false;
  StatusOr<QueueLengths> lengths_ ABSL_GUARDED_BY(mutex_);
  double bad_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  CeleryState state_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<base::ThreadPool> thread_;
};

// A factory of the section `celery`.
StatusOr<std::unique_ptr<Input>> make_celery(const base::YamlNode& section,
                                             const InputContext& context);

}  // namespace tocsin::exporters::app
