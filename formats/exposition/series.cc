// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "formats/exposition.h"
#include "formats/exposition/series_reader.h"
#include "model/value.h"

namespace tocsin::formats {
namespace exposition {

std::string unescape(std::string_view raw, Escapes escapes) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char next = raw[i] == '\\' && i + 1 < raw.size() ? raw[i + 1] : '\0';
    if (next == 'n') {
      out.push_back('\n');
    } else if (next == '\\' || (next == '"' && escapes == Escapes::kLabelValue)) {
      out.push_back(next);
    } else {
      out.push_back(raw[i]);
      continue;
    }
    ++i;
  }
  return out;
}

bool read_float(std::string_view text, double* value) {
  // Most values are whole numbers; up to 18 digits cannot overflow, and the conversion rounds once.
  constexpr std::size_t kMaxDigits = 18;
  std::uint64_t whole = 0;
  std::size_t digits = 0;
  while (digits < text.size() && digits < kMaxDigits && is_class(text[digits], kDigit)) {
    whole = whole * 10 + static_cast<std::uint64_t>(text[digits++] - '0');
  }
  if (digits != 0 && digits == text.size()) {
    *value = static_cast<double>(whole);
    return true;
  }
  if (text.find_first_of("xX") != std::string_view::npos) return false;
  const StatusOr<double> parsed = model::parse_float(text);
  if (!parsed.ok()) return false;
  *value = *parsed;
  return true;
}

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string plain(std::string_view raw) {
  return raw.find('\\') == std::string_view::npos ? std::string(raw)
                                                  : unescape(raw, Escapes::kLabelValue);
}

// The form in which OpenMetrics writes numbers in labels: always with a point or an exponent.
std::string normalize_float(std::string value) {
  const StatusOr<double> number = model::parse_float(value);
  if (!number.ok()) return value;
  std::string out = model::format_float_g(*number);
  if (std::isfinite(*number) && out.find_first_of("e.") == std::string::npos) out.append(".0");
  return out;
}

struct CollectParts {
  void metric(std::string_view raw) { pairs.emplace_back(model::kMetricName, plain(raw)); }
  void label(std::string_view raw_name, std::string_view raw_value) {
    pairs.emplace_back(plain(raw_name), plain(raw_value));
    auto& [name, value] = pairs.back();
    if (!name.empty() && name == numeric_label) value = normalize_float(std::move(value));
  }

  std::string_view numeric_label;  // or empty
  Pairs pairs;
};

// Sorts by name and refuses what a label set cannot hold.
StatusOr<model::Labels> make_labels(Pairs pairs) {
  for (const auto& [name, value] : pairs) {
    const bool bad_metric = name == model::kMetricName && !model::is_metric_name(value);
    if (bad_metric || !model::is_label_name(name)) {
      return invalid_argument("invalid metric name or label name: {}={}", model::go_quote(name),
                              model::go_quote(value));
    }
  }
  std::sort(pairs.begin(), pairs.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto twice = std::adjacent_find(
      pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != pairs.end()) {
    return invalid_argument("label name {} is not unique: invalid sample",
                            model::go_quote(twice->first));
  }
  return model::Labels::from(std::move(pairs));
}

std::string_view numeric_label(model::MetricKind kind) {
  if (kind == model::MetricKind::kHistogram) return model::kBucketLabel;
  if (kind == model::MetricKind::kSummary) return model::kQuantileLabel;
  return {};
}

}  // namespace
}  // namespace exposition

// Both dialects accept this one's superset, so which parser the text came from does not matter.
StatusOr<model::Labels> parse_series(std::string_view series, model::MetricKind kind) {
  using exposition::CollectParts;
  using exposition::Dialect;
  CollectParts parts{exposition::numeric_label(kind), {}};
  const char* const begin = series.data();
  const char* const end = begin + series.size();
  exposition::SeriesReader<Dialect::kText, CollectParts> reader(end, parts);
  if (series.empty()) return invalid_argument("expected a series, got nothing");
  const char* const after = reader.read(begin);
  if (after == nullptr) {
    return invalid_argument("expected {} at byte {} of {}", reader.error().expected,
                            reader.error().at - begin, model::go_quote(series));
  }
  if (after != end) return invalid_argument("expected one series, got {}", model::go_quote(series));
  return exposition::make_labels(std::move(parts.pairs));
}

StatusOr<model::Exemplar> parse_exemplar(std::string_view exemplar) {
  using exposition::CollectParts;
  using exposition::Dialect;
  const auto malformed = [exemplar] {
    return invalid_argument("expected an exemplar, got {}", model::go_quote(exemplar));
  };
  if (exemplar.empty() || exemplar.front() != '{') return malformed();
  CollectParts parts;
  const char* const end = exemplar.data() + exemplar.size();
  exposition::SeriesReader<Dialect::kOpenMetrics, CollectParts> reader(end, parts);
  bool named = false;
  const char* const after = reader.read_labels(exemplar.data() + 1, &named, false);
  if (after == nullptr || after == end || *after != ' ') return malformed();
  const std::string_view numbers = exposition::between(after + 1, end);
  const std::size_t space = std::min(numbers.find(' '), numbers.size());
  model::Exemplar result;
  if (!exposition::read_float(numbers.substr(0, space), &result.value)) return malformed();
  if (space != numbers.size()) {
    double seconds = 0;
    const bool good = exposition::read_float(numbers.substr(space + 1), &seconds);
    if (!good || !(std::fabs(seconds) < 9e15)) return malformed();
    result.time = model::from_ms(static_cast<std::int64_t>(seconds * 1000));
  }
  ASSIGN_OR_RETURN(result.labels, exposition::make_labels(std::move(parts.pairs)));
  return result;
}

void append_quoted(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '\n') {
      out->append("\\n");
      continue;
    }
    if (c == '"' || c == '\\') out->push_back('\\');
    out->push_back(c);
  }
  out->push_back('"');
}

}  // namespace tocsin::formats
