// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/endpoints/json_metrics.h"

#include <algorithm>

#include "exporters/app/fields.h"
#include "exporters/app/series_budget.h"
#include "model/labels.h"
#include "model/value.h"

namespace tocsin::exporters::app {
namespace {

using Kind = base::JsonValue::Kind;

std::optional<double> number_of(const base::JsonValue& value, const JsonMetric& metric) {
  switch (value.kind()) {
    case Kind::kInteger:
    case Kind::kNumber:
      return value.number();
    case Kind::kBoolean:
      return value.boolean() ? 1 : 0;
    case Kind::kString: {
      const auto it = metric.map.find(value.string());
      if (it != metric.map.end()) return it->second;
      if (metric.map.empty()) {
        const StatusOr<double> number = model::parse_float(value.string());
        if (number.ok()) return *number;
      }
      return metric.otherwise;
    }
    default:
      return std::nullopt;
  }
}

Status read_map(const base::YamlNode& node, JsonMetric* out) {
  if (!node.is_mapping()) return node.error("expected texts with numbers");
  for (const auto& [text, value] : node.entries()) {
    ASSIGN_OR_RETURN(const double number, value.as_double());
    if (text == "*") {
      out->otherwise = number;
    } else {
      out->map[text] = number;
    }
  }
  return ok();
}

void read_key_labels(base::YamlMapping& mapping, JsonMetric* out) {
  mapping.with("label_from_key", [out](const base::YamlNode& node) -> Status {
    if (node.is_scalar()) {
      out->key_labels = {std::string(node.scalar())};
    } else {
      ASSIGN_OR_RETURN(out->key_labels, node.as_string_list());
    }
    for (const std::string& name : out->key_labels) {
      if (!model::is_legacy_label_name(name) || name.starts_with("__")) {
        return node.error(fmt::format("{:?} is not a label name", name));
      }
    }
    return ok();
  });
}

}  // namespace

StatusOr<JsonMetric> read_json_metric(const base::YamlNode& node) {
  JsonMetric out;
  std::string type = "gauge";
  base::YamlMapping mapping(node);
  read_metric_name(mapping, "name", &out.name, base::YamlMapping::kRequired);
  mapping.string("help", &out.help);
  mapping.with(
      "path",
      [&out](const base::YamlNode& value) -> Status {
        StatusOr<JsonPath> path = JsonPath::parse(value.scalar());
        if (!path.ok()) return value.error(message(path.status()));
        out.path = *std::move(path);
        return ok();
      },
      base::YamlMapping::kRequired);
  mapping.with("map", [&out](const base::YamlNode& value) { return read_map(value, &out); });
  read_key_labels(mapping, &out);
  read_labels(mapping, "labels", &out.labels);
  read_word(mapping, "type", {"gauge", "counter"}, &type);
  RETURN_IF_ERROR(mapping.finish());
  if (type == "counter") out.type = base::MetricType::kCounter;
  if (out.help.empty()) out.help = fmt::format("Value of {}", node.find("path")->scalar());
  // Else two samples would have the same labels.
  if (out.key_labels.size() != out.path.wildcards()) {
    return node.error(fmt::format("label_from_key must name {} labels, one for each * of the path",
                                  out.path.wildcards()));
  }
  StringSet names;
  for (const auto& [name, value] : out.labels) names.insert(name);
  for (const std::string& name : out.key_labels) {
    if (!names.insert(name).second) return node.error(fmt::format("two labels {:?}", name));
  }
  return out;
}

JsonCounts append_json_metrics(const base::JsonValue& document,
                               const std::vector<JsonMetric>& metrics, const LabelPairs& labels,
                               std::size_t max_samples, std::vector<base::MetricFamily>* out) {
  JsonCounts counts;
  std::size_t samples = 0;
  Families families(out);
  for (const JsonMetric& metric : metrics) {
    metric.path.visit(
        document, [&](const base::JsonValue& value, std::span<const std::string> keys) {
          const std::optional<double> number = number_of(value, metric);
          if (!number) {
            ++counts.refused;
            return;
          }
          if (samples == max_samples) {
            ++counts.left_out;
            return;
          }
          ++samples;
          LabelPairs all = labels;
          all.insert(all.end(), metric.labels.begin(), metric.labels.end());
          for (std::size_t i = 0; i < keys.size(); ++i) {
            std::string key = keys[i];
            SeriesBudget::cut_value(&key);
            all.emplace_back(metric.key_labels[i], std::move(key));
          }
          families.add({metric.name, metric.help, metric.type}, std::move(all), *number);
        });
  }
  return counts;
}

}  // namespace tocsin::exporters::app
