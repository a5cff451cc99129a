// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/custom_queries.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/hash.h"
#include "base/log.h"
#include "base/yaml.h"

namespace tocsin::exporters::postgres {
namespace {

constexpr std::uint64_t kMaxFile = 4 << 20;
constexpr std::size_t kMaxQueries = 1'000;

StatusOr<Usage> parse_usage(const base::YamlNode& node) {
  constexpr std::array<std::pair<std::string_view, Usage>, 7> kUsages = {{
      {"DISCARD", Usage::kDiscard},
      {"LABEL", Usage::kLabel},
      {"COUNTER", Usage::kCounter},
      {"GAUGE", Usage::kGauge},
      {"HISTOGRAM", Usage::kHistogram},
      {"MAPPEDMETRIC", Usage::kMapped},
      {"DURATION", Usage::kDuration},
  }};
  for (const auto& [name, usage] : kUsages) {
    if (node.scalar() == name) return usage;
  }
  return node.error(fmt::format("unknown usage {:?}", node.scalar()));
}

// "9.6.2", "12", "v14.1": as PostgreSQL counts; nullopt when it is no version.
std::optional<int> version_number(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  std::array<int, 3> parts{};
  for (int& part : parts) {
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc() || part < 0 || part > 9999) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    if (text.empty()) break;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  if (parts[0] >= 10) return parts[0] * 10'000 + parts[1];
  return parts[0] * 10'000 + parts[1] * 100 + parts[2];
}

// One comparison narrows the range.
bool narrow(std::string_view text, std::pair<int, int>* range) {
  std::size_t length = 0;
  while (length < text.size() &&
         std::string_view("<>=!").find(text[length]) != std::string_view::npos) {
    ++length;
  }
  const std::string_view comparison = text.substr(0, length);
  const std::optional<int> version = version_number(text.substr(length));
  if (!version) return false;
  if (comparison == ">=") {
    range->first = std::max(range->first, *version);
  } else if (comparison == ">") {
    range->first = std::max(range->first, *version + 1);
  } else if (comparison == "<") {
    range->second = std::min(range->second, *version);
  } else if (comparison == "<=") {
    range->second = std::min(range->second, *version + 1);
  } else if (comparison.empty() || comparison == "=" || comparison == "==") {
    *range = {std::max(range->first, *version), std::min(range->second, *version + 1)};
  } else {
    return false;
  }
  return true;
}

}  // namespace

StatusOr<std::vector<std::pair<int, int>>> parse_version_range(std::string_view text) {
  std::vector<std::pair<int, int>> ranges;
  const std::string_view whole = text;
  for (;;) {
    const std::size_t bars = text.find("||");
    std::string_view part = text.substr(0, bars);
    std::pair<int, int> range = {0, kNoVersion};
    bool has_any = false;
    while (!part.empty()) {
      const std::string_view word = part.substr(0, part.find(' '));
      part.remove_prefix(std::min(word.size() + 1, part.size()));
      if (word.empty()) continue;
      has_any = true;
      if (!narrow(word, &range)) return invalid_argument("not a range of versions: {:?}", whole);
    }
    if (has_any) ranges.push_back(range);
    if (bars == std::string_view::npos) return ranges;
    text.remove_prefix(bars + 2);
  }
}

class CustomQueryParser {
 public:
  CustomQueryParser(std::string_view prefix, CustomQueries* out) : prefix_(prefix), out_(*out) {}

  Status query(const std::string& name, const base::YamlNode& node) {
    CustomQuery query;
    query.name = name;
    if (const std::size_t at = query.name.find("pg"); at != std::string::npos) {
      query.name.replace(at, 2, prefix_);
    }
    if (!node.is_mapping()) return node.error("expected a mapping with query and metrics");
    // Upstream asks the relation of that name when no statement is given.
    query.sql = fmt::format("SELECT * FROM {}", name);
    for (const auto& [key, value] : node.entries()) {
      if (key == "query") {
        ASSIGN_OR_RETURN(query.sql, value.as_string());
      } else if (key == "master") {
        ASSIGN_OR_RETURN(query.only_first, value.as_bool());
      } else if (key == "cache_seconds") {
        ASSIGN_OR_RETURN(const std::int64_t seconds, value.as_int());
        if (seconds < 0) return value.error("expected seconds");
        query.cache = std::chrono::seconds(seconds);
      } else if (key == "runonserver") {
        StatusOr<std::vector<std::pair<int, int>>> versions = parse_version_range(value.scalar());
        if (!versions.ok()) return value.error(message(versions.status()));
        query.versions = *std::move(versions);
      } else if (key == "metrics") {
        for (const base::YamlNode& item : value.items()) {
          for (const auto& [column, options] : item.entries()) {
            RETURN_IF_ERROR(this->column(column, options, &query));
          }
        }
      }
    }
    out_.queries_.push_back(std::move(query));
    return ok();
  }

 private:
  std::string_view keep(std::string text) {
    out_.texts_.push_back(std::move(text));
    return out_.texts_.back();
  }

  Status column(const std::string& name, const base::YamlNode& options, CustomQuery* query) {
    Column column{.name = keep(name)};
    const base::YamlNode* usage = options.find("usage");
    if (usage == nullptr) return options.error("a column needs a usage");
    ASSIGN_OR_RETURN(column.usage, parse_usage(*usage));
    if (const base::YamlNode* text = options.find("description"); text != nullptr) {
      ASSIGN_OR_RETURN(std::string description, text->as_string());
      column.help = keep(std::move(description));
    }
    const bool is_duration = column.usage == Usage::kDuration;
    column.metric =
        keep(fmt::format("{}_{}{}", query->name, name, is_duration ? "_milliseconds" : ""));
    if (const base::YamlNode* mapping = options.find("metric_mapping"); mapping != nullptr) {
      StringMap<double> numbers;
      for (const auto& [text, number] : mapping->entries()) {
        ASSIGN_OR_RETURN(numbers[text], number.as_double());
      }
      out_.mappings_.push_back(std::move(numbers));
      column.mapping = &out_.mappings_.back();
    }
    query->columns.push_back(column);
    return ok();
  }

  const std::string_view prefix_;
  CustomQueries& out_;
};

StatusOr<std::unique_ptr<const CustomQueries>> CustomQueries::parse(std::string_view text,
                                                                    std::string_view file,
                                                                    std::string_view prefix) {
  ASSIGN_OR_RETURN(const base::YamlNode root, base::parse_yaml(text, file));
  auto out = std::make_unique<CustomQueries>();
  if (root.is_null()) return out;
  if (!root.is_mapping()) return root.error("expected a mapping of names to queries");
  if (root.entries().size() > kMaxQueries) return root.error("too many queries");
  CustomQueryParser parser(prefix, out.get());
  for (const auto& [name, node] : root.entries()) RETURN_IF_ERROR(parser.query(name, node));
  return out;
}

LoadedQueries load_custom_queries(const std::string& path, std::string_view prefix,
                                  base::FileSystem& files) {
  LoadedQueries loaded;
  if (path.empty()) return loaded;
  const StatusOr<std::string> text = files.read_file(path, kMaxFile);
  Status status = text.status();
  std::string digest;
  if (text.ok()) {
    const auto bytes = base::sha256(*text);
    digest = base::to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    auto queries = CustomQueries::parse(*text, path, prefix);
    status = queries.status();
    if (status.ok()) loaded.queries = *std::move(queries);
  }
  if (!status.ok()) {
    base::log::warn("failed to load custom queries", {{"path", path}, {"error", message(status)}});
  }
  loaded.families.push_back(
      {"pg_exporter_user_queries_load_error",
       "Whether the user queries file was loaded and parsed successfully (1 "
       "for error, 0 for success).",
       base::MetricType::kGauge,
       {{"", {{"filename", path}, {"hashsum", digest}}, status.ok() ? 0.0 : 1.0}}});
  return loaded;
}

}  // namespace tocsin::exporters::postgres
