// SPDX-License-Identifier: Apache-2.0
#include "formats/exposition/line_parser.h"

#include <algorithm>

namespace tocsin::formats::exposition {
namespace {

using model::MetricKind;

constexpr MetricKind kTextKinds[] = {MetricKind::kCounter, MetricKind::kGauge,
                                     MetricKind::kHistogram, MetricKind::kSummary};
constexpr MetricKind kOpenMetricsKinds[] = {
    MetricKind::kUnknown,        MetricKind::kCounter, MetricKind::kGauge, MetricKind::kHistogram,
    MetricKind::kGaugeHistogram, MetricKind::kSummary, MetricKind::kInfo,  MetricKind::kStateset};

template <Dialect kDialect>
std::optional<MetricKind> find_kind(std::string_view text) {
  const std::span<const MetricKind> kinds =
      kDialect == Dialect::kText ? std::span<const MetricKind>(kTextKinds) : kOpenMetricsKinds;
  for (const MetricKind kind : kinds) {
    if (model::kind_text(kind) == text) return kind;
  }
  if (kDialect == Dialect::kText && text == "untyped") return MetricKind::kUnknown;
  return std::nullopt;
}

// What an error shows of the page: up to the next blank, but enough to be found again.
std::string excerpt(const char* at, const char* end) {
  constexpr std::ptrdiff_t kMaxExcerpt = 32;
  if (at == end) return "the end of the page";
  if (*at == '\n') return "the end of the line";
  const char* stop = at + std::min(end - at, kMaxExcerpt);
  const char* const blank =
      std::find_if(at + 1, stop, [](char c) { return c == ' ' || c == '\t' || c == '\n'; });
  return model::go_quote(between(at, blank));
}

std::string plain(std::string_view raw, Escapes escapes) {
  return raw.find('\\') == std::string_view::npos ? std::string(raw) : unescape(raw, escapes);
}

}  // namespace

template <Dialect kDialect>
Status LineParser<kDialect>::fail(const char* at, std::string_view expected) const {
  return invalid_argument("line {}: expected {}, got {}", 1 + std::count(begin_, at, '\n'),
                          expected, excerpt(at, end_));
}

template <Dialect kDialect>
Status LineParser<kDialect>::take_metric_name(std::string* metric) {
  std::string_view name;
  const char* after = nullptr;
  if (p_ != end_ && *p_ == '"') {
    IgnoreParts ignore;
    bool all_ascii = true;
    after = SeriesReader<kDialect, IgnoreParts>(end_, ignore).read_quoted(p_, &name, &all_ascii);
  } else if (p_ != end_ && is_class(*p_, kLetter | kColon)) {
    after = skip_class(p_, end_, kLetter | kDigit | kColon);
    name = between(p_, after);
  }
  if (after == nullptr) return fail(p_, "a metric name");
  *metric = plain(name, Escapes::kLabelValue);
  p_ = after;
  return ok();
}

template <Dialect kDialect>
Status LineParser<kDialect>::take_series(ExpositionSample* sample) {
  IgnoreParts ignore;
  SeriesReader<kDialect, IgnoreParts> reader(end_, ignore);
  const char* const after = reader.read(p_);
  if (after == nullptr) return fail(reader.error().at, reader.error().expected);
  sample->series = between(p_, after);
  sample->kind = kind_;
  sample->unit = unit_;
  p_ = after;
  return ok();
}

template <Dialect kDialect>
Status LineParser<kDialect>::take_value(double* value) {
  const char* after = p_;
  while (after != end_ && *after != ' ' && *after != '\n' &&
         (kDialect == Dialect::kOpenMetrics || (*after != '\t' && *after != '{'))) {
    ++after;
  }
  if (!read_float(between(p_, after), value)) return fail(p_, "a value");
  p_ = after;
  return ok();
}

template <Dialect kDialect>
Status LineParser<kDialect>::emit_type(const std::string& metric, const char* text_begin,
                                       std::string_view text) {
  const auto kind = find_kind<kDialect>(text);
  if (!kind) return fail(text_begin, "a metric type");
  kind_ = *kind;
  sink_.type(metric, kind_);
  return ok();
}

template <Dialect kDialect>
Status LineParser<kDialect>::emit_help(const std::string& metric, const char* text_begin,
                                       std::string_view text, Escapes escapes) {
  if (!model::is_utf8(text)) return fail(text_begin, "a help text in UTF-8");
  if (text.find('\\') == std::string_view::npos) {
    sink_.help(metric, text);
  } else {
    sink_.help(metric, unescape(text, escapes));
  }
  return ok();
}

template class LineParser<Dialect::kText>;
template class LineParser<Dialect::kOpenMetrics>;

}  // namespace tocsin::formats::exposition
