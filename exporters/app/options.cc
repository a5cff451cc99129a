// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/options.h"

#include <charconv>
#include <cmath>

namespace tocsin::exporters::app {
namespace {

// Seconds with a fraction.
Status set_seconds(std::string_view given, base::Duration* out) {
  double seconds = 0;
  const char* end = given.data() + given.size();
  const auto [stop, error] = std::from_chars(given.data(), end, seconds);
  if (error != std::errc() || stop != end || !(seconds >= 0) || seconds > 3600) {
    return invalid_argument("expected seconds, got {:?}", given);
  }
  *out = base::Duration(static_cast<std::int64_t>(std::llround(seconds * 1000)));
  return ok();
}

}  // namespace

void add_app_flags(Flags* flags, AppOptions* options, WebOptions* web) {
  flags->text("config.file", "The configuration: app.yml, or a blackbox.yml of blackbox_exporter.",
              &options->config_file);
  flags->toggle("config.check", "Check the configuration and end.", &options->config_check);
  flags->custom(
      "timeout-offset", "Seconds that a probe ends before the timeout that the scraper names.",
      "0.5",
      [options](std::string_view given) { return set_seconds(given, &options->timeout_offset); });
  // Past probes are not kept; /probe?debug=true shows one.
  flags->unsupported("history.limit");
  flags->unsupported("log.prober");
  flags->unsupported("web.external-url");
  flags->unsupported("web.route-prefix");
  add_web_flags(flags, web);
}

}  // namespace tocsin::exporters::app
