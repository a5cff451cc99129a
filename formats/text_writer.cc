// SPDX-License-Identifier: Apache-2.0
#include "formats/text_writer.h"

#include <algorithm>
#include <vector>

#include "formats/exposition.h"
#include "model/labels.h"
#include "model/value.h"

namespace tocsin::formats {
namespace {

std::string_view type_text(base::MetricType type) {
  switch (type) {
    case base::MetricType::kCounter:
      return "counter";
    case base::MetricType::kGauge:
      return "gauge";
    case base::MetricType::kHistogram:
      return "histogram";
    case base::MetricType::kSummary:
      return "summary";
    case base::MetricType::kUntyped:
      return "untyped";
  }
  return "untyped";
}

enum class Quotes { kKeep, kEscape };

void append_escaped(std::string_view text, Quotes quotes, std::string* out) {
  for (const char c : text) {
    if (c == '\n') {
      out->append("\\n");
      continue;
    }
    if (c == '\\' || (c == '"' && quotes == Quotes::kEscape)) out->push_back('\\');
    out->push_back(c);
  }
}

void append_name(std::string_view name, bool legacy, std::string* out) {
  if (legacy) {
    out->append(name);
  } else {
    append_quoted(name, out);
  }
}

void append_header(const base::MetricFamily& family, bool legacy, std::string* out) {
  if (!family.help.empty()) {
    out->append("# HELP ");
    append_name(family.name, legacy, out);
    out->push_back(' ');
    append_escaped(family.help, Quotes::kKeep, out);
    out->push_back('\n');
  }
  out->append("# TYPE ");
  append_name(family.name, legacy, out);
  out->append(" ").append(type_text(family.type)).append("\n");
}

void append_sample(const base::MetricSample& sample, std::string_view family, bool legacy,
                   std::string* out) {
  if (legacy) {
    out->append(family).append(sample.suffix);
  } else {
    out->push_back('{');
    append_quoted(std::string(family) + sample.suffix, out);
  }
  char separator = legacy ? '{' : ',';
  for (const auto& [name, value] : sample.labels) {
    out->push_back(separator);
    separator = ',';
    append_name(name, model::is_legacy_label_name(name), out);
    out->push_back('=');
    append_quoted(value, out);
  }
  if (!legacy || !sample.labels.empty()) out->push_back('}');
  out->append(" ").append(model::format_float_g(sample.value)).append("\n");
}

std::vector<const base::MetricFamily*> sorted_by_name(
    std::span<const base::MetricFamily> families) {
  std::vector<const base::MetricFamily*> sorted;
  sorted.reserve(families.size());
  for (const base::MetricFamily& family : families) {
    if (!family.samples.empty()) sorted.push_back(&family);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->name < b->name; });
  return sorted;
}

bool has_name(const std::vector<const base::MetricFamily*>& sorted, std::string_view name) {
  const auto it = std::lower_bound(sorted.begin(), sorted.end(), name,
                                   [](const auto* a, std::string_view b) { return a->name < b; });
  return it != sorted.end() && (*it)->name == name;
}

void append_openmetrics_header(const base::MetricFamily& family, std::string_view name,
                               std::string_view type, std::string* out) {
  const bool legacy = model::is_legacy_metric_name(name);
  out->append("# TYPE ");
  append_name(name, legacy, out);
  out->append(" ").append(type).append("\n");
  if (family.help.empty()) return;
  out->append("# HELP ");
  append_name(name, legacy, out);
  out->push_back(' ');
  append_escaped(family.help, Quotes::kEscape, out);
  out->push_back('\n');
}

}  // namespace

void write_text(std::span<const base::MetricFamily> families, std::string* out) {
  const std::string* last = nullptr;
  for (const base::MetricFamily* family : sorted_by_name(families)) {
    const bool legacy = model::is_legacy_metric_name(family->name);
    if (last == nullptr || *last != family->name) append_header(*family, legacy, out);
    last = &family->name;
    for (const base::MetricSample& sample : family->samples) {
      append_sample(sample, family->name, legacy, out);
    }
  }
}

void write_openmetrics(std::span<const base::MetricFamily> families, std::string* out) {
  constexpr std::string_view kTotal = "_total";
  const std::vector<const base::MetricFamily*> sorted = sorted_by_name(families);
  const std::string* last = nullptr;
  for (const base::MetricFamily* family : sorted) {
    std::string_view name = family->name;
    std::string_view type = type_text(family->type);
    if (family->type == base::MetricType::kUntyped) type = "unknown";
    if (family->type == base::MetricType::kCounter) {
      const std::string_view stem =
          name.substr(0, name.size() - std::min(name.size(), kTotal.size()));
      const bool fits = name.ends_with(kTotal) && !stem.empty() && !has_name(sorted, stem);
      if (fits) name = stem;
      if (!fits) type = "unknown";
    }
    if (last == nullptr || *last != family->name) {
      append_openmetrics_header(*family, name, type, out);
    }
    last = &family->name;
    const bool legacy = model::is_legacy_metric_name(family->name);
    for (const base::MetricSample& sample : family->samples) {
      append_sample(sample, family->name, legacy, out);
    }
  }
  out->append("# EOF\n");
}

}  // namespace tocsin::formats
