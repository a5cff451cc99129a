// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/text.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

template <typename T>
std::optional<T> parse_whole(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

StatusOr<std::string> read_text(base::FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, files.read_file(path, kMaxProcFile));
  return std::string(trimmed(text));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t start = line.find_first_not_of(kBlanks);
    if (start == std::string_view::npos) return fields;
    line.remove_prefix(start);
    fields.push_back(line.substr(0, line.find_first_of(kBlanks)));
    line.remove_prefix(fields.back().size());
  }
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return lines;
}

std::optional<double> to_number(std::string_view text) { return parse_whole<double>(text); }
std::optional<std::uint64_t> to_count(std::string_view text) {
  return parse_whole<std::uint64_t>(text);
}
std::optional<std::uint64_t> to_hex(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  bool in_run = false;
  while (!text.empty()) {
    const std::size_t length = base::utf8_length(text);
    if (length != 0) {
      out.append(text.substr(0, length));
    } else if (!in_run) {
      out.append("\xEF\xBF\xBD");
    }
    in_run = length == 0;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

base::MetricFamily make_family(std::string_view name, std::string_view help,
                               base::MetricType type) {
  return {std::string(name), std::string(help), type, {}};
}

void add_sample(base::MetricFamily* family, LabelPairs labels, double value) {
  family->samples.push_back({"", std::move(labels), value});
}

void add_single(std::string_view name, std::string_view help, base::MetricType type, double value,
                std::vector<base::MetricFamily>* out) {
  out->push_back(make_family(name, help, type));
  add_sample(&out->back(), {}, value);
}

void append_families(std::vector<base::MetricFamily> families,
                     std::vector<base::MetricFamily>* out) {
  for (base::MetricFamily& family : families) {
    if (!family.samples.empty()) out->push_back(std::move(family));
  }
}

StatusOr<Filter> Filter::make(const FilterOptions& options) {
  Filter filter;
  if (!options.include.empty()) {
    ASSIGN_OR_RETURN(filter.include_, model::Regex::unanchored(options.include));
  }
  if (!options.exclude.empty()) {
    ASSIGN_OR_RETURN(filter.exclude_, model::Regex::unanchored(options.exclude));
  }
  return filter;
}

bool Filter::keeps(std::string_view name) const {
  if (exclude_ && exclude_->matches(name)) return false;
  return !include_ || include_->matches(name);
}

}  // namespace tocsin::exporters
