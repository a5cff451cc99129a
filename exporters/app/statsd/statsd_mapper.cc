// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_mapper.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "exporters/app/fields.h"
#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

using base::YamlMapping;
using base::YamlNode;

constexpr std::size_t kMaxRules = 10'000;
constexpr std::string_view kDefaultHelp = "Metric that was made of StatsD's.";

std::vector<std::string_view> fields_of(std::string_view name) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t dot = name.find('.');
    fields.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return fields;
    name.remove_prefix(dot + 1);
  }
}

bool matches_glob(const std::vector<std::string>& pattern,
                  const std::vector<std::string_view>& fields,
                  std::vector<std::string_view>* captures) {
  if (pattern.size() != fields.size()) return false;
  captures->clear();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (pattern[i] == "*") {
      captures->push_back(fields[i]);
    } else if (pattern[i] != fields[i]) {
      return false;
    }
  }
  return true;
}

// Puts captures in the place of $1 and ${1}; those that do not exist are empty.
std::string with_captures(std::string_view text, const std::vector<std::string_view>& captures) {
  std::string out;
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    out.append(text.substr(0, dollar));
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    const bool has_brace = text.starts_with('{');
    std::size_t number = 0;
    const char* begin = text.data() + (has_brace ? 1 : 0);
    const auto [stop, error] = std::from_chars(begin, text.data() + text.size(), number);
    const auto used = static_cast<std::size_t>(stop - text.data());
    if (error != std::errc() || (has_brace && !text.substr(used).starts_with('}'))) {
      out.push_back('$');
      continue;
    }
    text.remove_prefix(used + (has_brace ? 1 : 0));
    if (number >= 1 && number <= captures.size()) out.append(captures[number - 1]);
  }
  return out;
}

Status read_observer(const YamlNode& node, StatsdShape* shape) {
  if (node.scalar() == "summary") {
    shape->observer = StatsdShape::Observer::kSummary;
  } else if (node.scalar() == "histogram") {
    shape->observer = StatsdShape::Observer::kHistogram;
  } else {
    return node.error(fmt::format("{:?} is neither summary nor histogram", node.scalar()));
  }
  return ok();
}

Status read_quantiles(const YamlNode& node, std::vector<double>* quantiles) {
  if (!node.is_sequence()) return node.error("expected a list of quantiles");
  quantiles->clear();
  for (const YamlNode& item : node.items()) {
    double quantile = -1;
    if (item.is_mapping()) {
      YamlMapping m(item);
      m.number("quantile", &quantile, YamlMapping::kRequired);
      m.unsupported({"error"});
      RETURN_IF_ERROR(m.finish());
    } else {
      ASSIGN_OR_RETURN(quantile, item.as_double());
    }
    if (!(quantile >= 0 && quantile <= 1)) return item.error("a quantile is from 0 to 1");
    quantiles->push_back(quantile);
  }
  std::sort(quantiles->begin(), quantiles->end());
  if (std::adjacent_find(quantiles->begin(), quantiles->end()) != quantiles->end()) {
    return node.error("a quantile comes twice");
  }
  return ok();
}

}  // namespace

Status StatsdMapper::read_shape(YamlMapping* mapping, StatsdShape* shape) {
  for (const std::string_view key : {"timer_type", "observer_type"}) {
    mapping->with(key, [shape](const YamlNode& node) { return read_observer(node, shape); });
  }
  read_buckets(*mapping, "buckets", &shape->buckets);
  mapping->with("histogram_options", [shape](const YamlNode& node) {
    YamlMapping m(node);
    read_buckets(m, "buckets", &shape->buckets);
    m.unsupported({"native_histogram_bucket_factor", "native_histogram_max_buckets"});
    return m.finish();
  });
  const auto read = [shape](const YamlNode& node) {
    return read_quantiles(node, &shape->quantiles);
  };
  mapping->with("quantiles", read);
  mapping->with("summary_options", [&read](const YamlNode& node) {
    YamlMapping m(node);
    m.with("quantiles", read);
    m.unsupported({"max_age", "age_buckets", "buf_cap"});
    return m.finish();
  });
  read_duration_or_never(*mapping, "ttl", &shape->ttl);
  return ok();
}

StatusOr<StatsdMapper::Defaults> StatsdMapper::read_defaults(const YamlNode& node,
                                                             base::Duration ttl) {
  Defaults defaults;
  defaults.shape.ttl = ttl;
  YamlMapping m(node);
  RETURN_IF_ERROR(read_shape(&m, &defaults.shape));
  m.with("match_type", [&](const YamlNode& value) -> Status {
    defaults.is_regex = value.scalar() == "regex";
    if (defaults.is_regex || value.scalar() == "glob") return ok();
    return value.error(fmt::format("{:?} is neither glob nor regex", value.scalar()));
  });
  m.unsupported({"glob_disable_ordering"});
  RETURN_IF_ERROR(m.finish());
  return defaults;
}

Status StatsdMapper::read_match(const YamlNode& node, bool is_regex, Rule* rule) {
  const std::string_view text = node.scalar();
  if (text.empty()) return node.error("empty");
  if (is_regex) {
    const Status status = model::Regex::unanchored(text).status();
    if (!status.ok()) return node.error(message(status));
    // A match anywhere counts; the groups keep their numbers.
    StatusOr<model::Regex> regex =
        model::Regex::anchored(fmt::format("(?s:.*?)(?:{})(?s:.*)", text));
    if (!regex.ok()) return node.error(message(regex.status()));
    rule->regex = *std::move(regex);
    return ok();
  }
  for (const std::string_view field : fields_of(text)) {
    const bool is_star = field == "*";
    if (field.empty() || (!is_star && field.find('*') != std::string_view::npos)) {
      return node.error("a glob is fields between dots, each a name or \"*\"");
    }
    rule->fields.emplace_back(field);
  }
  return ok();
}

Status StatsdMapper::read_rule(const YamlNode& node) {
  Rule rule;
  rule.shape = defaults_.shape;
  bool is_regex = defaults_.is_regex;
  YamlMapping m(node);
  m.with("match_type", [&](const YamlNode& value) -> Status {
    is_regex = value.scalar() == "regex";
    if (is_regex || value.scalar() == "glob") return ok();
    return value.error(fmt::format("{:?} is neither glob nor regex", value.scalar()));
  });
  m.with(
      "match", [&](const YamlNode& value) { return read_match(value, is_regex, &rule); },
      YamlMapping::kRequired);
  m.string("name", &rule.name);
  m.string("help", &rule.help);
  m.with("action", [&](const YamlNode& value) -> Status {
    rule.drops = value.scalar() == "drop";
    if (rule.drops || value.scalar() == "map") return ok();
    return value.error(fmt::format("{:?} is neither map nor drop", value.scalar()));
  });
  m.with("match_metric_type", [&](const YamlNode& value) -> Status {
    const std::string_view text = value.scalar();
    rule.type = text == "counter" ? MetricType::kCounter
                : text == "gauge" ? MetricType::kGauge
                                  : MetricType::kObserver;
    if (text == "counter" || text == "gauge" || text == "observer" || text == "timer") return ok();
    return value.error(fmt::format("{:?} is neither counter, gauge nor observer", text));
  });
  read_labels(m, "labels", &rule.labels);
  for (const auto& [label, value] : rule.labels) {
    if (label == "le" || label == "quantile") m.fail("labels", "le and quantile are taken");
  }
  m.boolean("honor_labels", &rule.honor_labels);
  m.number("scale", &rule.scale);
  RETURN_IF_ERROR(read_shape(&m, &rule.shape));
  if (!rule.drops && rule.name.empty()) m.fail("name", "a metric needs a name");
  if (!std::isfinite(rule.scale) || rule.scale <= 0) m.fail("scale", "must be more than 0");
  RETURN_IF_ERROR(m.finish());
  (is_regex ? regexes_ : globs_).push_back(std::move(rule));
  return ok();
}

StatusOr<StatsdMapper> StatsdMapper::read(const YamlNode* defaults, const YamlNode* mappings,
                                          base::Duration ttl) {
  StatsdMapper mapper;
  mapper.defaults_.shape.ttl = ttl;
  if (defaults != nullptr) {
    ASSIGN_OR_RETURN(mapper.defaults_, read_defaults(*defaults, ttl));
  }
  if (mappings == nullptr || mappings->is_null()) return mapper;
  if (!mappings->is_sequence()) return mappings->error("expected a list of rules");
  if (mappings->items().size() > kMaxRules) {
    return mappings->error(fmt::format("at most {} rules", kMaxRules));
  }
  for (const YamlNode& rule : mappings->items()) RETURN_IF_ERROR(mapper.read_rule(rule));
  return mapper;
}

StatsdMapper::Mapped StatsdMapper::expand(const Rule& rule, std::string_view name,
                                          const std::vector<std::string_view>& captures) const {
  const auto expanded = [&](std::string_view text) {
    if (!rule.regex) return with_captures(text, captures);
    std::string out;
    rule.regex->expand(name, text, &out);
    return out;
  };
  Mapped mapped{.is_mapped = true,
                .is_dropped = rule.drops,
                .name = {},
                .help = rule.help.empty() ? kDefaultHelp : std::string_view(rule.help),
                .labels = {},
                .honor_labels = rule.honor_labels,
                .scale = rule.scale,
                .shape = &rule.shape};
  if (rule.drops) return mapped;
  mapped.name = escaped_metric_name(expanded(rule.name));
  mapped.is_dropped = mapped.name.empty();
  for (const auto& [label, value] : rule.labels) mapped.labels.emplace_back(label, expanded(value));
  return mapped;
}

StatsdMapper::Mapped StatsdMapper::map(std::string_view name, StatsdType type) const {
  const MetricType kind = type == StatsdType::kCounter ? MetricType::kCounter
                          : type == StatsdType::kGauge || type == StatsdType::kSet
                              ? MetricType::kGauge
                              : MetricType::kObserver;
  const auto fits = [kind](const Rule& rule) {
    return rule.type == MetricType::kAny || rule.type == kind;
  };
  std::vector<std::string_view> captures;
  if (!globs_.empty()) {
    const std::vector<std::string_view> fields = fields_of(name);
    for (const Rule& rule : globs_) {
      if (fits(rule) && matches_glob(rule.fields, fields, &captures)) {
        return expand(rule, name, captures);
      }
    }
  }
  for (const Rule& rule : regexes_) {
    if (fits(rule) && rule.regex->matches(name)) return expand(rule, name, {});
  }
  return {.name = escaped_metric_name(name),
          .help = kDefaultHelp,
          .labels = {},
          .shape = &defaults_.shape};
}

}  // namespace tocsin::exporters::app
