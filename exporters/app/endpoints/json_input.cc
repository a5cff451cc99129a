// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/endpoints/json_input.h"

#include <algorithm>
#include <atomic>

#include "exporters/app/earlier_items.h"
#include "exporters/app/endpoints/json_metrics.h"
#include "exporters/app/fields.h"
#include "exporters/app/proxies/http_source.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxMetrics = 200;
constexpr std::uint64_t kMaxBody = 64 << 20;

struct JsonConfig {
  std::string name;
  HttpSource source;
  base::Duration interval{0};
  LabelPairs labels;
  std::vector<JsonMetric> metrics;
};

class JsonInput final : public Input {
 public:
  JsonInput(JsonConfig config, const InputContext& context)
      : Input(source_name("json", config.name, "")),
        config_(std::move(config)),
        services_(context.services),
        max_samples_(context.max_series) {}

  Status collect(std::vector<base::MetricFamily>* out) override {
    const base::SteadyTime now = services_.clock.steady_now();
    // A scraper with the same interval does not come to the millisecond.
    const base::Duration due = config_.interval - config_.interval / 10;
    if (!asked_at_ || now - *asked_at_ >= due) {
      asked_at_ = now;
      last_.clear();
      status_ = ask(&last_);
    }
    out->insert(out->end(), last_.begin(), last_.end());
    Families(out).counter("app_json_values_refused_total",
                          "Values of this source that are no number and not in its map.",
                          {{"source", name()}}, static_cast<double>(refused_));
    return status_;
  }

  std::uint64_t dropped_series() const override {
    return left_out_.load(std::memory_order_relaxed);
  }

 private:
  Status ask(std::vector<base::MetricFamily>* out) {
    ASSIGN_OR_RETURN(const HttpDocument document, fetch(config_.source, services_));
    Families(out).gauge("app_json_http_status_code", "Status of the last answer of this source.",
                        {{"source", name()}}, document.status);
    const StatusOr<base::JsonValue> json = base::parse_json(document.body);
    if (!json.ok()) {
      return data_loss("the answer with status {} is no JSON: {}", document.status,
                       message(json.status()));
    }
    const JsonCounts counts =
        append_json_metrics(*json, config_.metrics, config_.labels, max_samples_, out);
    refused_ += counts.refused;
    left_out_.fetch_add(counts.left_out, std::memory_order_relaxed);
    return ok();
  }

  const JsonConfig config_;
  const InputServices services_;
  const std::size_t max_samples_;
  std::optional<base::SteadyTime> asked_at_;
  std::vector<base::MetricFamily> last_;
  Status status_;
  std::uint64_t refused_ = 0;
  std::atomic<std::uint64_t> left_out_ = 0;
};

// Metrics of one name: all of one type, and told apart by their constant labels.
Status check_twins(const base::YamlNode& section, const std::vector<JsonMetric>& metrics) {
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (metrics[i].name != metrics[j].name) continue;
      if (metrics[i].type != metrics[j].type || metrics[i].labels == metrics[j].labels) {
        return section.error(fmt::format(
            "two metrics {} need one type and labels that tell them apart", metrics[i].name));
      }
    }
  }
  return ok();
}

std::vector<std::string> claims_of(const base::YamlNode& item) {
  const base::YamlNode* labels = item.is_mapping() ? item.find("labels") : nullptr;
  const base::YamlNode* metrics = item.is_mapping() ? item.find("metrics") : nullptr;
  std::vector<std::string> out;
  if (metrics == nullptr) return out;
  for (const base::YamlNode& metric : metrics->items()) {
    const base::YamlNode* more = metric.is_mapping() ? metric.find("labels") : nullptr;
    out.push_back(fmt::format("{} {} {}", text_of(metric, "name"),
                              labels == nullptr ? "" : fingerprint(*labels),
                              more == nullptr ? "" : fingerprint(*more)));
  }
  return out;
}

Status check_claims(const base::YamlNode& section, const base::YamlNode& root) {
  const std::vector<std::string> own = claims_of(section);
  for (const base::YamlNode& other : earlier_items(section, root, "json")) {
    for (const std::string& claim : claims_of(other)) {
      if (std::find(own.begin(), own.end(), claim) == own.end()) continue;
      return section.error(fmt::format(
          "its series cannot be told from those of the item in line {}: give one of them a label",
          other.line()));
    }
  }
  return ok();
}

// A label of the source that a metric has, too, would be there twice.
Status check_labels(const base::YamlNode& section, const JsonConfig& config) {
  for (const JsonMetric& metric : config.metrics) {
    for (const auto& [name, value] : config.labels) {
      const bool is_label = std::any_of(metric.labels.begin(), metric.labels.end(),
                                        [&](const auto& label) { return label.first == name; });
      const bool is_key = std::find(metric.key_labels.begin(), metric.key_labels.end(), name) !=
                          metric.key_labels.end();
      if (is_label || is_key) {
        return section.error(fmt::format("{} has the label {:?} twice", metric.name, name));
      }
    }
  }
  return ok();
}

}  // namespace

StatusOr<std::unique_ptr<Input>> make_json(const base::YamlNode& section,
                                           const InputContext& context) {
  JsonConfig config;
  base::YamlMapping mapping(section);
  mapping.string("name", &config.name, base::YamlMapping::kRequired);
  read_http_source(mapping, "url", context, &config.source);
  read_duration(mapping, "interval", &config.interval);
  read_size(mapping, "max_body", &config.source.max_body);
  if (config.source.max_body == 0 || config.source.max_body > kMaxBody) {
    mapping.fail("max_body", "must be between 1B and 64MiB");
  }
  read_labels(mapping, "labels", &config.labels);
  mapping.each(
      "metrics",
      [&config](const base::YamlNode& node) -> Status {
        if (config.metrics.size() == kMaxMetrics) {
          return node.error(fmt::format("more than {} metrics", kMaxMetrics));
        }
        ASSIGN_OR_RETURN(JsonMetric metric, read_json_metric(node));
        config.metrics.push_back(std::move(metric));
        return ok();
      },
      base::YamlMapping::kRequired);
  RETURN_IF_ERROR(mapping.finish());
  RETURN_IF_ERROR(check_labels(section, config));
  RETURN_IF_ERROR(check_twins(section, config.metrics));
  RETURN_IF_ERROR(check_claims(section, context.root));
  return std::make_unique<JsonInput>(std::move(config), context);
}

}  // namespace tocsin::exporters::app
