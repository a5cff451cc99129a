// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/log_config.h"

#include <algorithm>

#include "base/file_system.h"
#include "exporters/app/earlier_items.h"
#include "exporters/app/fields.h"
#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxPatterns = 100;
constexpr std::size_t kMaxRoutes = 200;
constexpr std::uint64_t kMaxLine = 1 << 20;

std::string name_space_of(const base::YamlNode& item) {
  const std::string_view given = text_of(item, "namespace");
  if (!given.empty()) return std::string(given);
  return text_of(item, "format") == "haproxy_http" ? "haproxy" : "nginx";
}

// The series that an item makes, as texts: two items with a text in common would make the same ones.
std::vector<std::string> claims_of(const base::YamlNode& item) {
  const base::YamlNode* labels = item.is_mapping() ? item.find("labels") : nullptr;
  const std::string suffix = labels == nullptr ? "" : fingerprint(*labels);
  if (text_of(item, "format") != "regex") return {name_space_of(item) + suffix};
  std::vector<std::string> out;
  const base::YamlNode* patterns = item.find("patterns");
  if (patterns == nullptr) return out;
  for (const base::YamlNode& pattern : patterns->items()) {
    for (const std::string_view kind : {"counter", "gauge", "histogram"}) {
      const std::string_view name = text_of(pattern, kind);
      if (!name.empty()) out.push_back(fmt::format("pattern {} {}", name, suffix));
    }
  }
  return out;
}

Status check_claims(const base::YamlNode& section, const base::YamlNode& root) {
  const std::vector<std::string> own = claims_of(section);
  for (const base::YamlNode& other : earlier_items(section, root, "logs")) {
    for (const std::string& claim : claims_of(other)) {
      if (std::find(own.begin(), own.end(), claim) == own.end()) continue;
      return section.error(fmt::format(
          "its series cannot be told from those of the item in line {}: give one of them another "
          "label or namespace",
          other.line()));
    }
  }
  return ok();
}

class Reader {
 public:
  Reader(LogConfig* out, std::string_view directory) : out_(*out), directory_(directory) {}

  Status read(const base::YamlNode& section, const base::YamlNode& root) {
    base::YamlMapping mapping(section);
    mapping.string("name", &out_.name, base::YamlMapping::kRequired);
    mapping.string_list("files", &out_.tail.globs, base::YamlMapping::kRequired);
    mapping.string("format", &format_, base::YamlMapping::kRequired);
    read_tail(mapping);
    read_label_values(mapping);
    format_ == "regex" ? read_patterns(mapping) : read_access(mapping);
    RETURN_IF_ERROR(mapping.finish());
    if (out_.name.empty()) return section.error("name must not be empty");
    if (out_.access.naming == LogNaming::kKnyar) RETURN_IF_ERROR(check_knyar(section, root));
    return check_claims(section, root);
  }

 private:
  void read_tail(base::YamlMapping& mapping) {
    if (mapping.has("files") && out_.tail.globs.empty()) mapping.fail("files", "names no file");
    for (std::string& glob : out_.tail.globs) glob = base::join_path(directory_, glob);
    std::uint64_t max_line = out_.tail.max_line;
    read_size(mapping, "max_line", &max_line);
    if (max_line < 256 || max_line > kMaxLine) {
      mapping.fail("max_line", "must be between 256B and 1MiB");
    }
    out_.tail.max_line = static_cast<std::size_t>(max_line);
    read_count(mapping, "max_files", &out_.tail.max_files, 10'000);
    read_duration(mapping, "poll_interval", &out_.poll_interval);
    mapping.string("positions_file", &out_.tail.positions_file);
    if (!out_.tail.positions_file.empty()) {
      out_.tail.positions_file = base::join_path(directory_, out_.tail.positions_file);
    }
  }

  void read_label_values(base::YamlMapping& mapping) {
    std::vector<std::pair<std::string, std::string>> labels;
    mapping.string_pairs("labels", &labels);
    for (auto& [name, value] : labels) {
      if (Status status = check_label(name); !status.ok()) {
        mapping.fail("labels", message(status));
        return;
      }
      if (!value.starts_with('$')) {
        out_.fixed_labels.emplace_back(name, value);
      } else if (format_ == "regex") {
        mapping.fail("labels", "groups belong to the labels of a pattern");
      } else {
        out_.access.label_names.push_back(name);
        variables_.push_back(value.substr(1));
      }
    }
    if (variables_.size() > kMaxLogLabels) {
      mapping.fail("labels", fmt::format("more than {} variables", kMaxLogLabels));
    }
    std::sort(out_.fixed_labels.begin(), out_.fixed_labels.end());
    out_.access.fixed_labels = out_.fixed_labels;
  }

  static Status check_label(std::string_view name) {
    constexpr std::string_view kOwn[] = {"method", "status", "route",    "upstream",
                                         "host",   "le",     "quantile", "source"};
    if (!model::is_legacy_label_name(name) || name.starts_with("__")) {
      return invalid_argument("{:?} is not a label name", name);
    }
    if (std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn)) {
      return invalid_argument("the label {:?} is one of our own", name);
    }
    return ok();
  }

  void read_access(base::YamlMapping& mapping) {
    AccessOptions& access = out_.access;
    if (format_ == "haproxy_http") access.name_space = "haproxy";
    mapping.with("namespace", [&](const base::YamlNode& node) -> Status {
      access.name_space = node.scalar();
      if (model::is_legacy_metric_name(access.name_space)) return ok();
      return node.error("is no beginning of a metric name");
    });
    std::string naming = "nginxlog";
    read_word(mapping, "naming", {"nginxlog", "knyar"}, &naming);
    if (naming == "knyar") access.naming = LogNaming::kKnyar;
    read_buckets(mapping, "buckets", &access.buckets);
    mapping.each("routes", [this](const base::YamlNode& node) { return read_route(node); });
    if (format_ == "json") mapping.string_pairs("fields", &fields_);
    if (mapping.has("format")) read_format(mapping);
    if (access.naming == LogNaming::kKnyar && !access.routes.empty()) {
      mapping.fail("routes", "naming: knyar has no label for it");
    }
  }

  void read_format(base::YamlMapping& mapping) {
    StatusOr<LineParser> parser = make_parser();
    if (!parser.ok()) return mapping.fail("format", message(parser.status()));
    if (!parser->has(LogField::kStatus)) {
      return mapping.fail("format", "has no $status: nothing could be counted");
    }
    const bool needs_host = out_.access.naming == LogNaming::kKnyar;
    if (needs_host && !parser->has(LogField::kHost)) {
      return mapping.fail("format", "naming: knyar needs $server_name or $host");
    }
    const bool has_path = parser->has(LogField::kRequest) || parser->has(LogField::kPath);
    if (!out_.access.routes.empty() && !has_path) {
      return mapping.fail("routes", "the format has neither $request nor $uri");
    }
    out_.parser.emplace(*std::move(parser));
  }

  StatusOr<LineParser> make_parser() const {
    if (format_ == "json") {
      ASSIGN_OR_RETURN(JsonLine json, JsonLine::make(fields_, variables_));
      return LineParser(std::move(json));
    }
    if (format_ == "haproxy_http") {
      if (variables_.empty()) return LineParser(HaproxyHttpFormat{});
      return unimplemented("not supported yet: labels of variables of haproxy_http");
    }
    std::string_view text = format_;
    if (format_ == "combined") text = kCombinedLogFormat;
    if (format_ == "common") text = kCommonLogFormat;
    ASSIGN_OR_RETURN(LineFormat format, LineFormat::compile(text, variables_));
    return LineParser(std::move(format));
  }

  Status read_route(const base::YamlNode& node) {
    if (out_.access.routes.size() == kMaxRoutes) {
      return node.error(fmt::format("more than {} routes", kMaxRoutes));
    }
    base::YamlMapping mapping(node);
    std::string match, route;
    mapping.string("match", &match, base::YamlMapping::kRequired);
    mapping.string("route", &route, base::YamlMapping::kRequired);
    if (route.find('$') != std::string::npos) {
      mapping.fail("route", "not supported yet: groups of the expression in a route");
    }
    RETURN_IF_ERROR(mapping.finish());
    StatusOr<model::Regex> regex = model::Regex::unanchored(match);
    if (!regex.ok()) return node.error(message(regex.status()));
    out_.access.routes.push_back({*std::move(regex), std::move(route)});
    return ok();
  }

  void read_patterns(base::YamlMapping& mapping) {
    mapping.each(
        "patterns", [this](const base::YamlNode& node) { return read_pattern(node); },
        base::YamlMapping::kRequired);
    if (out_.patterns.empty()) mapping.fail("patterns", "format: regex needs patterns");
  }

  Status read_pattern(const base::YamlNode& node) {
    if (out_.patterns.size() == kMaxPatterns) {
      return node.error(fmt::format("more than {} patterns", kMaxPatterns));
    }
    base::YamlMapping mapping(node);
    std::string match, help, value;
    std::vector<std::pair<std::string, std::string>> labels;
    std::vector<double> buckets = Buckets::usual();
    mapping.string("match", &match, base::YamlMapping::kRequired);
    mapping.string("help", &help);
    mapping.string("value", &value);
    mapping.string_pairs("labels", &labels);
    std::string name;
    const std::optional<LogPattern::Kind> kind = read_kind(mapping, &name);
    if (kind == LogPattern::Kind::kHistogram) read_buckets(mapping, "buckets", &buckets);
    RETURN_IF_ERROR(mapping.finish());
    if (!kind) return node.error("expected one of counter, gauge, histogram");
    StatusOr<model::Regex> regex = model::Regex::unanchored(match);
    if (!regex.ok()) return node.error(message(regex.status()));
    LogPattern pattern{.match = *std::move(regex),
                       .kind = *kind,
                       .name = std::move(name),
                       .help = std::move(help),
                       .labels = {},
                       .buckets = std::move(buckets)};
    if (pattern.help.empty()) pattern.help = fmt::format("Lines that match {}", match);
    RETURN_IF_ERROR(bind(node, value, labels, &pattern));
    RETURN_IF_ERROR(check_twin(node, pattern));
    out_.patterns.push_back(std::move(pattern));
    return ok();
  }

  // The one kind that is named, with the name of the metric.
  static std::optional<LogPattern::Kind> read_kind(base::YamlMapping& mapping, std::string* name) {
    using Kind = LogPattern::Kind;
    std::optional<Kind> kind;
    for (const auto& [key, value] : {std::pair{"counter", Kind::kCounter},
                                     {"gauge", Kind::kGauge},
                                     {"histogram", Kind::kHistogram}}) {
      if (!mapping.has(key)) continue;
      if (kind) mapping.fail(key, "a pattern makes one metric");
      kind = value;
      read_metric_name(mapping, key, name);
    }
    return kind;
  }

  // Resolves "$group".
  Status bind(const base::YamlNode& node, std::string_view value,
              const std::vector<std::pair<std::string, std::string>>& labels,
              LogPattern* pattern) const {
    const std::vector<std::string> groups = pattern->match.group_names();
    const auto group_of = [&](std::string_view text) -> StatusOr<std::size_t> {
      text.remove_prefix(1);
      const auto it = std::find(groups.begin(), groups.end(), text);
      if (it == groups.end() || text.empty()) {
        return node.error(fmt::format("match has no group {:?}", text));
      }
      return static_cast<std::size_t>(it - groups.begin()) + 1;
    };
    if (!value.empty()) {
      if (!value.starts_with('$')) return node.error("value must be a group, as $seconds");
      ASSIGN_OR_RETURN(pattern->value_group, group_of(value));
    } else if (pattern->kind != LogPattern::Kind::kCounter) {
      return node.error("a gauge or histogram needs a value");
    }
    for (const auto& [name, text] : labels) {
      RETURN_IF_ERROR(check_pattern_label(node, name));
      PatternValue bound{text, 0};
      if (text.starts_with('$')) {
        ASSIGN_OR_RETURN(bound.group, group_of(text));
      }
      pattern->labels.emplace_back(name, std::move(bound));
    }
    return ok();
  }

  Status check_pattern_label(const base::YamlNode& node, std::string_view name) const {
    const bool is_twice = std::any_of(out_.fixed_labels.begin(), out_.fixed_labels.end(),
                                      [name](const auto& label) { return label.first == name; });
    if (is_twice) return node.error(fmt::format("all its series have the label {:?}", name));
    const bool is_own = name == "le" || name == "quantile" || name == "source";
    if (!is_own && model::is_legacy_label_name(name) && !name.starts_with("__")) return ok();
    return node.error(fmt::format("{:?} cannot be the name of a label", name));
  }

  // Several patterns may fill one family, when their constant labels tell the series apart.
  Status check_twin(const base::YamlNode& node, const LogPattern& pattern) const {
    const auto constants = [](const LogPattern& of) {
      LabelPairs out;
      for (const auto& [name, value] : of.labels) {
        if (value.group == 0) out.emplace_back(name, value.text);
      }
      std::sort(out.begin(), out.end());
      return out;
    };
    for (const LogPattern& other : out_.patterns) {
      if (other.name != pattern.name) continue;
      if (other.kind != pattern.kind) return node.error("two patterns differ about what it is");
      if (constants(other) == constants(pattern)) {
        return node.error(fmt::format(
            "another pattern has the same {} and the same constant labels", other.name));
      }
    }
    return ok();
  }

  static Status check_knyar(const base::YamlNode& section, const base::YamlNode& root) {
    const base::YamlNode* status = root.is_mapping() ? root.find("nginx") : nullptr;
    if (status == nullptr || status->items().empty()) return ok();
    return section.error(
        "naming: knyar and a stub_status in the section nginx would both be "
        "nginx_http_requests_total: leave one of them out");
  }

  LogConfig& out_;
  const std::string_view directory_;
  std::string format_;
  std::vector<std::string> variables_;  // of labels
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace

StatusOr<LogConfig> read_log(const base::YamlNode& section, const base::YamlNode& root,
                             std::string_view directory) {
  LogConfig out;
  RETURN_IF_ERROR(Reader(&out, directory).read(section, root));
  return out;
}

}  // namespace tocsin::exporters::app
