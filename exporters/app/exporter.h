// SPDX-License-Identifier: Apache-2.0
//
// AppExporter: the configuration that counts now, its reloading, and the answers to requests.
//
//   /metrics  /probe  /config  /-/healthy  /-/reload  /push/...  and a landing page
//
// A file that is wrong changes nothing: the old configuration stays, and
// app_exporter_config_last_reload_successful is 0 until a good one comes.
//
// Owns: the inputs. Borrows: InputServices, and what is in Options (must outlive it).
// Threads: shared; reloads take turns. serve() blocks for a scrape or a probe.
// Errors: open() those of AppConfig; HTTP statuses as blackbox_exporter's.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "base/executor.h"
#include "base/mutex.h"
#include "exporters/app/config.h"
#include "exporters/app/inputs.h"
#include "net/router.h"

namespace tocsin::exporters::app {

class AppExporter {
 public:
  struct Options {
    std::string config_file;
    std::string telemetry_path = "/metrics";
    std::span<const InputKind> kinds;
    base::Duration timeout_offset{500};  // less than what the scraper waits
    std::size_t max_requests = 40;       // pages at once; 0: no limit
    bool exporter_metrics = true;        // process_*
  };

  // `collectors` runs the inputs: a thread for each that hangs.
  static StatusOr<std::unique_ptr<AppExporter>> open(Options options, InputServices services,
                                                     base::Executor& collectors);
  ~AppExporter();
  AppExporter(const AppExporter&) = delete;
  AppExporter& operator=(const AppExporter&) = delete;

  // Reads the file again.
  Status reload();

  net::HttpResponse serve(const net::HttpRequest& request) const;

  // Stops the inputs and joins what they started. Idempotent.
  void stop();

 private:
  // What of a configuration requests need.
  struct Active {
    std::shared_ptr<const ProbeConfig> probes;
    base::YamlNode root;
  };

  AppExporter(Options options, InputServices services, base::Executor& collectors);

  void add_routes();
  void take(AppConfig config);
  net::HttpResponse serve_metrics(const net::HttpRequest& request);
  net::HttpResponse serve_probe(const net::HttpRequest& request);
  net::HttpResponse serve_config() const;
  net::HttpResponse serve_reload();
  net::HttpResponse serve_landing_page() const;
  void append_own(std::vector<base::MetricFamily>* out) const;
  std::shared_ptr<const Active> active() const;

  const Options options_;
  const InputServices services_;
  Inputs inputs_;
  net::Router router_;
  std::atomic<std::size_t> pages_ = 0;
  std::atomic<std::uint64_t> unknown_modules_ = 0;
  mutable base::Mutex mutex_;
  base::CondVar turn_;
  bool reloading_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool reload_ok_ ABSL_GUARDED_BY(mutex_) = true;
  base::Timestamp loaded_at_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Active> active_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::exporters::app
