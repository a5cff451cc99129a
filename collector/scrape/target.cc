// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target.h"

#include <algorithm>

#include "base/hash.h"
#include "model/timestamp.h"
#include "model/value.h"
#include "net/http.h"

namespace tocsin::collector {

namespace {

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kMetricsPath = "__metrics_path__";
constexpr std::string_view kInterval = "__scrape_interval__";
constexpr std::string_view kTimeout = "__scrape_timeout__";
constexpr std::string_view kNativeHistograms = "__scrape_native_histograms__";
constexpr std::string_view kClassicToo = "__always_scrape_classic_histograms__";
constexpr std::string_view kConvertClassic = "__convert_classic_histograms_to_nhcb__";
constexpr std::string_view kUnixSocket = "__unix_socket__";
constexpr std::string_view kParamPrefix = "__param_";

void set_default(model::LabelsBuilder* labels, std::string_view name, std::string_view value) {
  if (labels->get(name).empty()) labels->set(name, value);
}

// The job's params, of which relabelling may have changed the first value of each, as a query
// string.
std::string query_string(const ScrapeOptions& options, const model::LabelsBuilder& labels) {
  std::map<std::string, std::vector<std::string>> params(options.params.begin(),
                                                         options.params.end());
  for (const auto& [name, value] : labels.labels()) {
    if (!name.starts_with(kParamPrefix)) continue;
    std::vector<std::string>& values = params[name.substr(kParamPrefix.size())];
    if (values.empty()) values.emplace_back();
    values.front() = value;
  }
  std::string query;
  for (const auto& [name, values] : params) {
    for (const std::string& value : values) {
      query += fmt::format("{}{}={}", query.empty() ? "?" : "&", net::url_encode(name),
                           net::url_encode(value));
    }
  }
  return query;
}

Status read_times(const model::LabelsBuilder& labels, Target* target) {
  StatusOr<base::Duration> interval = model::parse_duration(labels.get(kInterval));
  if (!interval.ok()) return annotate(interval.status(), "error parsing scrape interval");
  if (interval->count() == 0) return invalid_argument("scrape interval cannot be 0");
  StatusOr<base::Duration> timeout = model::parse_duration(labels.get(kTimeout));
  if (!timeout.ok()) return annotate(timeout.status(), "error parsing scrape timeout");
  if (timeout->count() == 0) return invalid_argument("scrape timeout cannot be 0");
  if (*timeout > *interval) {
    return invalid_argument("scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
                            labels.get(kTimeout), labels.get(kInterval));
  }
  target->interval = *interval;
  target->timeout = *timeout;
  return ok();
}

Status read_flag(const model::LabelsBuilder& labels, std::string_view name, bool* flag) {
  const std::string_view text = labels.get(name);
  const std::optional<bool> value = model::parse_go_bool(text);
  if (!value) {
    return invalid_argument("error parsing {}: strconv.ParseBool: parsing {}: invalid syntax", name,
                            model::go_quote(text));
  }
  *flag = *value;
  return ok();
}

}  // namespace

std::string Target::key() const {
  return fmt::format("{}\xff{}\xff{}\xff{}{}{}", url, unix_socket, labels.encoded(),
                     int{histograms.native}, int{histograms.classic_too}, int{convert_classic});
}

model::Labels discovered_labels(const discovery::TargetGroup& group, const model::Labels& target,
                                const ScrapeOptions& options) {
  model::LabelsBuilder labels(group.labels);
  for (const model::LabelView& label : target) labels.set(label.name, label.value);
  set_default(&labels, "job", options.job);
  set_default(&labels, kInterval, model::format_duration(options.interval));
  set_default(&labels, kTimeout, model::format_duration(options.timeout));
  set_default(&labels, kMetricsPath, options.metrics_path);
  set_default(&labels, kScheme, options.scheme);
  const auto set_flag = [&](std::string_view name, bool value) {
    set_default(&labels, name, value ? "true" : "false");
  };
  set_flag(kNativeHistograms, options.histograms.native);
  set_flag(kClassicToo, options.histograms.classic_too);
  set_flag(kConvertClassic, options.convert_classic);
  for (const auto& [name, values] : options.params) {
    if (!values.empty()) labels.set(fmt::format("{}{}", kParamPrefix, name), values.front());
  }
  return labels.build();
}

StatusOr<std::optional<Target>> make_target(const model::Labels& discovered,
                                            const ScrapeOptions& options) {
  model::LabelsBuilder labels(discovered);
  if (!model::relabel(options.relabel, &labels)) return std::optional<Target>();
  const std::string address(labels.get(kAddress));
  if (address.empty()) return invalid_argument("no address");
  if (address.find('/') != std::string::npos) {
    return invalid_argument("{:?} is not a valid hostname", address);
  }
  Target target;
  target.discovered = discovered;
  RETURN_IF_ERROR(read_times(labels, &target));
  RETURN_IF_ERROR(read_flag(labels, kNativeHistograms, &target.histograms.native));
  RETURN_IF_ERROR(read_flag(labels, kClassicToo, &target.histograms.classic_too));
  RETURN_IF_ERROR(read_flag(labels, kConvertClassic, &target.convert_classic));
  target.unix_socket = labels.get(kUnixSocket);

  std::string path(labels.get(kMetricsPath));
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  target.url =
      fmt::format("{}://{}{}{}", labels.get(kScheme), address, path, query_string(options, labels));

  set_default(&labels, "instance", address);
  model::LabelsBuilder own;
  for (const auto& [name, value] : labels.labels()) {
    if (name.starts_with("__")) continue;
    if (!model::is_utf8(value))
      return invalid_argument("invalid label value for {:?}: {:?}", name, value);
    own.set(name, value);
  }
  target.labels = own.build();
  return std::optional<Target>(std::move(target));
}

base::Duration scrape_offset(const Target& target, std::uint64_t seed) {
  const std::uint64_t hash =
      base::fnv1a64(target.url, base::fnv1a64(target.labels.encoded())) ^ seed;
  // Targets that share a moment are scraped with one wake-up and warm caches, which a machine that
  // sleeps between the moments pays for anew each time. A moment is short, so that of many targets
  // few share one: 333 of 10,000 at 15 s.
  const std::int64_t moment = std::clamp<std::int64_t>(target.interval.count() / 10, 1, 500);
  const std::int64_t moments = std::max<std::int64_t>(target.interval.count() / moment, 1);
  return base::Duration(static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(moments)) *
                        moment);
}

}  // namespace tocsin::collector
