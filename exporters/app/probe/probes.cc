// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/probes.h"

#include <algorithm>

namespace tocsin::exporters::app {
namespace {

constexpr std::uint16_t kDnsPort = 53, kDnsTlsPort = 853;

struct Prober {
  ProbeRun& run;
  const ProbeTarget& target;

  bool operator()(const HttpModule& module) const { return probe_http(run, module, target); }
  bool operator()(const TcpModule& module) const { return probe_tcp(run, module, target); }
  bool operator()(const IcmpModule& module) const { return probe_icmp(run, module, target); }
  bool operator()(const DnsModule& module) const { return probe_dns(run, module, target); }
  bool operator()(const WebSocketModule& module) const {
    return probe_websocket(run, module, target);
  }
};

struct Places {
  std::string_view target;

  static StatusOr<HostPort> of_url(const StatusOr<net::Url>& url) {
    RETURN_IF_ERROR(url.status());
    return HostPort{url->host, port_of(*url)};
  }
  StatusOr<HostPort> operator()(const HttpModule&) const {
    return of_url(parse_http_target(target));
  }
  StatusOr<HostPort> operator()(const WebSocketModule&) const {
    return of_url(net::Url::parse(target));
  }
  StatusOr<HostPort> operator()(const TcpModule&) const { return split_host_port(target, 0); }
  StatusOr<HostPort> operator()(const IcmpModule&) const {
    return HostPort{std::string(target), 0};
  }
  StatusOr<HostPort> operator()(const DnsModule& module) const {
    return split_host_port(target, module.is_tls ? kDnsTlsPort : kDnsPort);
  }
};

}  // namespace

StatusOr<net::Url> parse_http_target(std::string_view target) {
  const bool has_scheme =
      same_word(target.substr(0, 7), "http://") || same_word(target.substr(0, 8), "https://");
  ASSIGN_OR_RETURN(
      const net::Url url,
      net::Url::parse(has_scheme ? std::string(target) : fmt::format("http://{}", target)));
  if (url.host.empty()) return invalid_argument("no host in {:?}", target);
  return url;
}

StatusOr<HostPort> asked_place(const ProbeModule& module, std::string_view target) {
  ASSIGN_OR_RETURN(HostPort place, std::visit(Places{target}, module.what));
  if (place.host.empty()) return invalid_argument("no host in {:?}", target);
  return place;
}

ProbeOutcome run_probe(const ProbeModule& module, const ProbeTarget& target,
                       const ProbeServices& services, base::Duration timeout,
                       ProbeRun::Options options) {
  const base::SteadyTime start = services.clock.steady_now();
  options.deadline = start + timeout;
  ProbeRun run(services, std::move(options));
  run.debug(
      fmt::format("probe of {} begins, timeout {} s", target.target, base::to_seconds(timeout)));
  ProbeOutcome outcome;
  outcome.success = std::visit(Prober{run, target}, module.what);
  const double seconds = seconds_between(start, services.clock.steady_now());
  run.set("probe_success", "Displays whether or not the probe was a success",
          outcome.success ? 1 : 0);
  run.set("probe_duration_seconds", "Returns how long the probe took to complete in seconds",
          seconds);
  run.set("probe_timeout_seconds", "Returns how long the probe timeout is in seconds",
          base::to_seconds(timeout));
  if (outcome.success) {
    run.debug(fmt::format("probe succeeded after {:.6f} s", seconds));
  } else {
    run.fail(fmt::format("probe failed after {:.6f} s", seconds));
  }
  outcome.families = run.take_families();
  outcome.log = run.log();
  return outcome;
}

}  // namespace tocsin::exporters::app
