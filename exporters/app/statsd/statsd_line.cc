// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_line.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/utf8.h"
#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxComponents = 8;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// Cuts the text before the first `mark` off; all of it when there is none.
std::string_view cut(std::string_view* text, char mark) {
  const std::size_t at = text->find(mark);
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return part;
}

std::optional<StatsdType> parse_type(std::string_view text) {
  if (text == "c") return StatsdType::kCounter;
  if (text == "g") return StatsdType::kGauge;
  if (text == "ms") return StatsdType::kTimer;
  if (text == "h") return StatsdType::kHistogram;
  if (text == "d") return StatsdType::kDistribution;
  if (text == "s") return StatsdType::kSet;
  return std::nullopt;
}

bool is_observed(StatsdType type) {
  return type == StatsdType::kTimer || type == StatsdType::kHistogram ||
         type == StatsdType::kDistribution;
}

// Takes one component behind the type.
std::optional<StatsdError> take_option(std::string_view option, StatsdSample* sample) {
  const std::string_view rest = option.substr(std::min<std::size_t>(1, option.size()));
  switch (option.empty() ? '\0' : option.front()) {
    case '@': {
      const std::optional<double> rate = parse_number(rest);
      if (!rate || *rate <= 0 || *rate > 1) return StatsdError::kInvalidRate;
      sample->rate = *rate;
      return std::nullopt;
    }
    case '#':
      sample->tags = rest;
      return std::nullopt;
    case 'c':
      if (!rest.starts_with(':') || rest.size() == 1) return StatsdError::kMalformedComponent;
      sample->container = rest.substr(1);
      return std::nullopt;
    case 'T':
      // A page has no timestamps: the sample counts from when it came.
      if (rest.empty() || !std::all_of(rest.begin(), rest.end(), is_digit)) {
        return StatsdError::kMalformedComponent;
      }
      return std::nullopt;
    default:
      return StatsdError::kMalformedComponent;
  }
}

// Reads "|type|options", with `sample->head` set.
std::optional<StatsdError> take_kind(std::string_view rest, StatsdSample* sample) {
  if (rest.empty()) return StatsdError::kMalformedComponent;
  const std::optional<StatsdType> type = parse_type(cut(&rest, '|'));
  if (!type) return StatsdError::kIllegalType;
  sample->type = *type;
  for (std::size_t i = 2; !rest.empty(); ++i) {
    if (i == kMaxComponents) return StatsdError::kMalformedComponent;
    if (const auto error = take_option(cut(&rest, '|'), sample)) return error;
  }
  return std::nullopt;
}

// Hands on one value of a sample whose kind is known.
void take_value(std::string_view text, StatsdSample sample, StatsdSink& sink) {
  sample.text = text;
  if (sample.type == StatsdType::kSet) {
    if (text.empty()) return sink.error(StatsdError::kMalformedValue);
    return sink.sample(sample);
  }
  const std::optional<double> value = parse_number(text);
  if (!value) return sink.error(StatsdError::kMalformedValue);
  sample.value = *value;
  sample.is_relative =
      sample.type == StatsdType::kGauge && (text.front() == '+' || text.front() == '-');
  if (sample.type == StatsdType::kCounter && sample.value < 0) {
    return sink.error(StatsdError::kNegativeCounter);
  }
  sink.sample(sample);
}

void take_sample(std::string_view head, std::string_view text, StatsdSink& sink) {
  StatsdSample sample{.head = head, .text = {}, .tags = {}, .container = {}};
  std::string_view values = cut(&text, '|');
  if (const auto error = take_kind(text, &sample)) return sink.error(*error);
  if (values.find(':') == std::string_view::npos) return take_value(values, sample, sink);
  // Several values of one series, as DogStatsD packs them.
  if (!is_observed(sample.type)) return sink.error(StatsdError::kIllegalType);
  while (!values.empty()) take_value(cut(&values, ':'), sample, sink);
}

// Whether the first colon behind a value ends its sample: it may belong to tags or a container.
bool separates_samples(std::string_view kind) {
  if (kind.find(':') == std::string_view::npos || kind.find("|#") != std::string_view::npos) {
    return false;
  }
  for (bool is_type = true; !kind.empty(); is_type = false) {
    const std::string_view component = cut(&kind, '|');
    if (component.find(':') == std::string_view::npos) continue;
    return is_type || !component.starts_with("c:");
  }
  return false;
}

void take_line(std::string_view line, StatsdSink& sink) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return sink.error(StatsdError::kMalformedLine);
  }
  const std::string_view head = line.substr(0, colon);
  std::string_view rest = line.substr(colon + 1);
  const std::size_t bar = rest.find('|');
  if (bar == std::string_view::npos) return sink.error(StatsdError::kMalformedLine);
  const bool is_packed = rest.substr(0, bar).find(':') != std::string_view::npos;
  if (is_packed || !separates_samples(rest.substr(bar + 1))) return take_sample(head, rest, sink);
  while (!rest.empty()) take_sample(head, cut(&rest, ':'), sink);
}

void add_tag(std::string_view tag, char separator, StatsdSeries* series) {
  const std::size_t at = tag.find(separator);
  const std::string_view name = tag.substr(0, at);
  if (at == std::string_view::npos || name.empty() || at + 1 == tag.size()) {
    ++series->bad_tags;
    return;
  }
  std::string label = escaped_metric_name(name);
  if (label.starts_with("__") || label == "le" || label == "quantile") {
    ++series->bad_tags;
    return;
  }
  const std::string_view value = tag.substr(at + 1);
  const auto place =
      std::lower_bound(series->tags.begin(), series->tags.end(), label,
                       [](const auto& pair, const std::string& text) { return pair.first < text; });
  if (place != series->tags.end() && place->first == label) {
    place->second = value;
  } else {
    series->tags.emplace(place, std::move(label), value);
  }
}

void add_tags(std::string_view text, char separator, StatsdSeries* series) {
  while (!text.empty()) {
    std::string_view tag = cut(&text, ',');
    if (separator == ':' && tag.starts_with('#')) tag.remove_prefix(1);
    add_tag(tag, separator, series);
  }
}

// SignalFx has name[a=b]rest, Librato name#a=b, InfluxDB name,a=b.
void read_head(std::string_view head, StatsdSeries* series) {
  const std::size_t open = head.find('['), close = head.find(']');
  const bool has_open = open != std::string_view::npos, has_close = close != std::string_view::npos;
  if (has_open && has_close && open < close) {
    series->name.append(head.substr(0, open)).append(head.substr(close + 1));
    return add_tags(head.substr(open + 1, close - open - 1), '=', series);
  }
  if (has_open || has_close) {
    ++series->bad_tags;
    series->name = head;
    return;
  }
  const std::size_t mark = head.find_first_of("#,");
  series->name = head.substr(0, mark);
  if (mark != std::string_view::npos) add_tags(head.substr(mark + 1), '=', series);
}

}  // namespace

std::string_view statsd_error_text(StatsdError error) {
  static constexpr std::array<std::string_view, kStatsdErrors> kTexts = {
      "malformed_line",   "malformed_component", "malformed_value",
      "illegal_type",     "invalid_sample_rate", "mixed_tagging_styles",
      "negative_counter", "type_conflict",       "too_many_series",
      "set_full"};
  return kTexts[static_cast<std::size_t>(error)];
}

std::size_t read_statsd_packet(std::string_view packet, StatsdSink& sink) {
  std::size_t lines = 0;
  while (!packet.empty()) {
    std::string_view line = cut(&packet, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    ++lines;
    take_line(line, sink);
  }
  return lines;
}

StatsdSeries read_statsd_series(const StatsdSample& sample) {
  StatsdSeries series;
  series.is_text = model::is_utf8(sample.head) && model::is_utf8(sample.tags) &&
                   model::is_utf8(sample.container);
  read_head(sample.head, &series);
  series.is_mixed = !series.tags.empty() && !sample.tags.empty();
  add_tags(sample.tags, ':', &series);
  if (!sample.container.empty()) {
    add_tag(fmt::format("container_id:{}", sample.container), ':', &series);
  }
  return series;
}

std::string escaped_metric_name(std::string_view name) {
  std::string out;
  out.reserve(name.size() + 1);
  if (!name.empty() && is_digit(name.front())) out.push_back('_');
  char before = '\0';
  while (!name.empty()) {
    const char c = name.front();
    if (is_letter(c) || is_digit(c) || c == '_') {
      out.push_back(c);
    } else if (c != '-' || before != '-') {
      out.push_back('_');
    }
    before = c;
    name.remove_prefix(std::max<std::size_t>(1, base::utf8_length(name)));
  }
  return out;
}

}  // namespace tocsin::exporters::app
