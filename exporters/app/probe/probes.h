// SPDX-License-Identifier: Apache-2.0
//
// The probers, and one run of any of them as /probe and lists of probes need it.
//
// Functions; they block their thread, at most until the deadline of the run (a look-up of a name or
// a connection that hangs is left behind then).
// Errors: none; a probe that fails has probe_success 0, and its log says why.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "exporters/app/probe/address.h"
#include "exporters/app/probe/module.h"
#include "exporters/app/probe/run.h"

namespace tocsin::exporters::app {

// What a request may add to a module.
struct ProbeTarget {
  std::string target;
  std::string hostname;  // of ?hostname=; "" for none
};

bool probe_http(ProbeRun& run, const HttpModule& module, const ProbeTarget& target);
bool probe_tcp(ProbeRun& run, const TcpModule& module, const ProbeTarget& target);
bool probe_icmp(ProbeRun& run, const IcmpModule& module, const ProbeTarget& target);
bool probe_dns(ProbeRun& run, const DnsModule& module, const ProbeTarget& target);
bool probe_websocket(ProbeRun& run, const WebSocketModule& module, const ProbeTarget& target);

struct ProbeOutcome {
  bool success = false;
  std::vector<base::MetricFamily> families;  // with probe_success and the like
  std::string log;
};
// Runs the prober of the module for at most `timeout`; `options.deadline` is set from it.
ProbeOutcome run_probe(const ProbeModule& module, const ProbeTarget& target,
                       const ProbeServices& services, base::Duration timeout,
                       ProbeRun::Options options);

// The host and port that a probe of `target` will ask first; for allow-lists.
StatusOr<HostPort> asked_place(const ProbeModule& module, std::string_view target);

// The URL of a target of an HTTP probe; "http://" is put before one without.
StatusOr<net::Url> parse_http_target(std::string_view target);

}  // namespace tocsin::exporters::app
