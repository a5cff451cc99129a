// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe_handler.h"

#include <charconv>
#include <cmath>

#include "exporters/app/fields.h"
#include "exporters/app/probe/probes.h"
#include "exporters/common/page.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds";
constexpr double kDefaultTimeout = 120;
constexpr double kMaxTimeout = 3600;
constexpr std::size_t kMaxTarget = 8192;

net::HttpResponse bad_request(std::string_view text) {
  return net::HttpResponse::text(400, fmt::format("{}\n", text));
}

// A host that the request and the module both name must be the same.
Status check_hostname(const ProbeModule& module, const std::string& hostname) {
  const auto* http = std::get_if<HttpModule>(&module.what);
  if (http == nullptr || hostname.empty()) return ok();
  if (!is_header_value(hostname) || hostname.find(' ') != std::string::npos) {
    return invalid_argument("bad hostname");
  }
  for (const auto& [name, value] : http->headers) {
    if (same_word(name, "Host") && value != hostname) {
      return invalid_argument(
          "host header defined both in module configuration ({}) and with URL-parameter 'hostname' "
          "({})",
          value, hostname);
    }
  }
  return ok();
}

net::HttpResponse debug_page(const ProbeModule& module, const ProbeOutcome& outcome) {
  std::string text = "Logs for the probe:\n" + outcome.log;
  text.append("\n\n\nMetrics that would have been returned:\n");
  formats::write_text(outcome.families, &text);
  text.append("\n\n\nModule configuration:\n").append(print_masked(module.node));
  return net::HttpResponse::text(200, text);
}

}  // namespace

StatusOr<base::Duration> probe_timeout(std::string_view header, base::Duration module_timeout,
                                       base::Duration offset) {
  double seconds = 0;
  if (!header.empty()) {
    const char* end = header.data() + header.size();
    const auto [stop, error] = std::from_chars(header.data(), end, seconds);
    if (error != std::errc() || stop != end || !std::isfinite(seconds) || seconds < 0) {
      return invalid_argument("Failed to parse timeout from Prometheus header: {:?}", header);
    }
  }
  if (seconds == 0) seconds = kDefaultTimeout;
  const auto allowed =
      base::Duration(static_cast<std::int64_t>(std::min(seconds, kMaxTimeout) * 1000)) - offset;
  const bool has_own = module_timeout.count() > 0;
  if (has_own && (module_timeout < allowed || allowed.count() <= 0)) return module_timeout;
  // A scraper that waits less than the offset gets what it can.
  return std::max(allowed, base::Duration(1));
}

ProbeAnswer serve_probe(const net::HttpRequest& request, const ProbeConfig& config,
                        const ProbeServices& services, base::Duration timeout_offset) {
  std::string name(request.query.get("module"));
  if (name.empty()) name = "http_2xx";
  const ProbeModule* module = config.find(name);
  if (module == nullptr) return {bad_request(fmt::format("Unknown module {:?}", name)), true};
  const StatusOr<base::Duration> timeout =
      probe_timeout(request.headers.get(kTimeoutHeader), module->timeout, timeout_offset);
  if (!timeout.ok()) {
    return {net::HttpResponse::text(500, fmt::format("{}\n", message(timeout.status())))};
  }
  const ProbeTarget target{std::string(request.query.get("target")),
                           std::string(request.query.get("hostname"))};
  if (target.target.empty()) return {bad_request("Target parameter is missing")};
  if (target.target.size() > kMaxTarget) return {bad_request("Target parameter is too long")};
  if (const Status status = check_hostname(*module, target.hostname); !status.ok()) {
    return {bad_request(message(status))};
  }
  ProbeRun::Options options;
  options.keeps_log = request.query.get("debug") == "true";
  if (config.allowed) {
    const StatusOr<HostPort> place = asked_place(*module, target.target);
    if (!place.ok()) return {bad_request(message(place.status()))};
    if (!config.allows(place->host, place->port)) {
      return {net::HttpResponse::text(403, "the target is not in probe_targets_allow\n")};
    }
    options.may_visit = [&config](const std::string& host, std::uint16_t port) {
      return config.allows(host, port);
    };
  }
  const bool is_debug = options.keeps_log;
  ProbeOutcome outcome = run_probe(*module, target, services, *timeout, std::move(options));
  tidy_families(&outcome.families);
  if (is_debug) return {debug_page(*module, outcome)};
  return {page_response(outcome.families, choose_format(request.headers.get("Accept")))};
}

}  // namespace tocsin::exporters::app
