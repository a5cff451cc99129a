// SPDX-License-Identifier: Apache-2.0
//
// ProbeRun: one run of a probe: what it may use and until when, and what it has found: gauges, and a
// log for /probe?debug=true.
//
// Borrows: ProbeServices (must outlive it).
// Threads: confined; probes block it, at most until the deadline.
// Errors: none; a probe that fails says why in the log and returns false.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/metrics.h"
#include "base/time.h"
#include "exporters/common/families.h"
#include "net/host_lookup.h"

namespace tocsin::exporters::app {

struct ProbeServices {
  const base::Clock& clock;
  base::FileSystem& files;
  net::HostLookup& lookup;
};

class ProbeRun {
 public:
  struct Options {
    base::SteadyTime deadline{};
    bool keeps_log = false;
    // Whether a redirect may lead there; null: anywhere.
    std::function<bool(const std::string& host, std::uint16_t port)> may_visit = nullptr;
  };
  ProbeRun(ProbeServices services, Options options)
      : services_(services), options_(std::move(options)) {}

  const ProbeServices& services() const { return services_; }
  const base::Clock& clock() const { return services_.clock; }
  base::SteadyTime deadline() const { return options_.deadline; }
  base::SteadyTime now() const { return services_.clock.steady_now(); }
  bool may_visit(const std::string& host, std::uint16_t port) const {
    return !options_.may_visit || options_.may_visit(host, port);
  }

  // Sets a gauge, also anew.
  void set(std::string_view name, std::string_view help, double value) {
    set_with({name, help}, {}, value);
  }
  void set_with(const Families::Header& header, Labels labels, double value) {
    set_pairs(header, label_pairs(labels), value);
  }
  void set_pairs(const Families::Header& header, LabelPairs labels, double value);
  std::vector<base::MetricFamily> take_families() { return std::move(families_); }

  void debug(std::string_view text) { note("debug", text); }
  // Says why the probe fails; returns false, for the caller to return.
  bool fail(std::string_view text) {
    note("error", text);
    return false;
  }
  const std::string& log() const { return log_; }

 private:
  void note(std::string_view level, std::string_view text);

  const ProbeServices services_;
  const Options options_;
  std::vector<base::MetricFamily> families_;
  std::string log_;
};

// Seconds from one point to a later one.
double seconds_between(base::SteadyTime from, base::SteadyTime to);

// Durations by phase, all of them shown from the start.
class PhaseDurations {
 public:
  PhaseDurations(ProbeRun& run, Families::Header header, std::vector<std::string> phases);
  void add(std::string_view phase, double seconds);

 private:
  ProbeRun& run_;
  const std::string name_, help_;
  std::vector<std::pair<std::string, double>> phases_;
};

}  // namespace tocsin::exporters::app
