// SPDX-License-Identifier: Apache-2.0
#include "promql/script/series_line.h"

#include <charconv>
#include <utility>

#include "model/timestamp.h"
#include "model/value.h"
#include "promql/parser.h"
#include "promql/script/histogram_literal.h"

namespace tocsin::promql::script {

namespace {

using Item = SeriesLine::Item;

// A line may not grow into more points than this.
constexpr std::uint64_t kMaxPoints = 1'000'000;

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim_left(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

// Length of a {...} label set at the start of `text`, quotes respected; npos when it does not end.
std::size_t braces_length(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && quote != '`') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '}') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

std::size_t metric_length(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && !is_space(text[end]) && text[end] != '{' && text[end] != '@') ++end;
  std::size_t brace = end;
  while (brace < text.size() && is_space(text[brace])) ++brace;
  const bool labels =
      brace < text.size() && text[brace] == '{' && !text.substr(brace).starts_with("{{");
  if (!labels) return end;
  const std::size_t length = braces_length(text.substr(brace));
  return length == std::string_view::npos ? length : brace + length;
}

StatusOr<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count > kMaxPoints) {
    return invalid_argument("bad number of repetitions {:?}", text);
  }
  return count;
}

// Length of a number at the start: sign, then inf, nan or digits with fraction and exponent.
std::size_t number_length(std::string_view text) {
  std::size_t i = 0;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  auto word = [&](std::string_view name) {
    if (text.size() < i + name.size()) return false;
    for (std::size_t k = 0; k < name.size(); ++k) {
      if ((text[i + k] | 0x20) != name[k]) return false;
    }
    return true;
  };
  if (word("inf") || word("nan")) return i + 3;
  auto digits = [&] {
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
  };
  digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    digits();
  }
  if (i + 1 < text.size() && (text[i] | 0x20) == 'e') {
    ++i;
    if (text[i] == '+' || text[i] == '-') ++i;
    digits();
  }
  return i;
}

class PointParser {
 public:
  explicit PointParser(std::string_view text) : rest_(trim_left(text)) {}

  StatusOr<std::vector<Item>> all() {
    while (!rest_.empty()) {
      RETURN_IF_ERROR(rest_.starts_with("{{") ? histograms() : floats());
      if (items_.size() > kMaxPoints) return invalid_argument("too many points");
    }
    return std::move(items_);
  }

 private:
  std::string_view word() {
    std::size_t end = 0;
    while (end < rest_.size() && !is_space(rest_[end])) ++end;
    const std::string_view result = rest_.substr(0, end);
    rest_ = trim_left(rest_.substr(end));
    return result;
  }

  StatusOr<model::FloatHistogram> histogram() {
    const std::size_t end = rest_.find("}}");
    if (!rest_.starts_with("{{") || end == std::string_view::npos) {
      return invalid_argument("unterminated histogram at {:?}", rest_);
    }
    StatusOr<model::FloatHistogram> h = parse_histogram(rest_.substr(2, end - 2));
    rest_ = rest_.substr(end + 2);
    return h;
  }

  void push(const model::FloatHistogram& h) {
    Item item;
    item.kind = Item::Kind::kHistogram;
    item.histogram = std::make_shared<const model::FloatHistogram>(h);
    items_.push_back(std::move(item));
  }
  void push(Item::Kind kind, double value) { items_.push_back({kind, value, nullptr}); }

  // {{..}}, {{..}}xN, {{..}}+{{..}}xN
  Status histograms() {
    ASSIGN_OR_RETURN(model::FloatHistogram current, histogram());
    std::optional<model::FloatHistogram> change;
    double sign = 1;
    if (rest_.starts_with("+{{") || rest_.starts_with("-{{")) {
      sign = rest_.front() == '-' ? -1 : 1;
      rest_.remove_prefix(1);
      ASSIGN_OR_RETURN(change, histogram());
    }
    std::uint64_t times = 0;
    if (const std::string_view suffix = word(); !suffix.empty()) {
      if (suffix.front() != 'x') return invalid_argument("unexpected {:?}", suffix);
      ASSIGN_OR_RETURN(times, parse_count(suffix.substr(1)));
    } else if (change) {
      return invalid_argument("a histogram change needs a number of repetitions");
    }
    push(current);
    for (std::uint64_t i = 0; i < times; ++i) {
      if (change) {
        ASSIGN_OR_RETURN(current, add(current, *change, sign));
      }
      push(current);
    }
    return ok();
  }

  // _, _xN, stale, a, axN, a+bxN, a-bxN
  Status floats() {
    const std::string_view text = word();
    if (text == "stale") {
      push(Item::Kind::kStale, 0);
      return ok();
    }
    const std::size_t x = text.find('x');
    std::uint64_t times = 0;
    if (x != std::string_view::npos) {
      ASSIGN_OR_RETURN(times, parse_count(text.substr(x + 1)));
    }
    const std::string_view value = text.substr(0, x);
    if (value == "_") {
      const std::uint64_t gaps = x == std::string_view::npos ? 1 : times;
      for (std::uint64_t i = 0; i < gaps; ++i) push(Item::Kind::kGap, 0);
      return ok();
    }
    const std::size_t length = number_length(value);
    ASSIGN_OR_RETURN(double current, model::parse_float(value.substr(0, length)));
    double change = 0;
    const bool changes = length < value.size();
    if (changes) {
      ASSIGN_OR_RETURN(change, model::parse_float(value.substr(length)));
    }
    push(Item::Kind::kFloat, current);
    for (std::uint64_t i = 0; i < times; ++i) {
      if (changes) current += change;
      push(Item::Kind::kFloat, current);
    }
    return ok();
  }

  std::string_view rest_;
  std::vector<Item> items_;
};

// A duration with a sign, in milliseconds.
StatusOr<std::int64_t> parse_offset(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  ASSIGN_OR_RETURN(const model::Duration duration, model::parse_duration(text));
  return negative ? -duration.count() : duration.count();
}

Status append_offsets(std::string_view word, std::vector<std::optional<std::int64_t>>* out) {
  const std::size_t x = word.find('x');
  std::uint64_t times = 0;
  if (x != std::string_view::npos) {
    ASSIGN_OR_RETURN(times, parse_count(word.substr(x + 1)));
  }
  const std::string_view value = word.substr(0, x);
  if (value == "_") {
    out->insert(out->end(), x == std::string_view::npos ? 1 : times, std::nullopt);
    return ok();
  }
  const std::size_t sign = value.find_first_of("+-", 1);
  ASSIGN_OR_RETURN(std::int64_t current, parse_offset(value.substr(0, sign)));
  std::int64_t change = 0;
  if (sign != std::string_view::npos) {
    ASSIGN_OR_RETURN(change, parse_offset(value.substr(sign)));
  }
  for (std::uint64_t i = 0; i <= times; ++i, current += change) out->emplace_back(current);
  return ok();
}

}  // namespace

StatusOr<SplitLine> split_line(std::string_view text) {
  text = trim_left(text);
  const std::size_t length = metric_length(text);
  if (length == std::string_view::npos) {
    RETURN_IF_ERROR(parse_metric(text).status());  // the parser says what is wrong
    return invalid_argument("unterminated labels in {:?}", text);
  }
  SplitLine line;
  ASSIGN_OR_RETURN(line.labels, parse_metric(text.substr(0, length)));
  std::string_view rest = text.substr(length);
  if (rest.starts_with("@st")) {
    line.start_times = true;
    rest.remove_prefix(3);
  }
  line.points = trim_left(rest);
  return line;
}

StatusOr<std::vector<Item>> parse_points(std::string_view text) { return PointParser(text).all(); }

StatusOr<std::vector<std::optional<std::int64_t>>> parse_start_offsets(std::string_view text) {
  std::vector<std::optional<std::int64_t>> offsets;
  text = trim_left(text);
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && !is_space(text[end])) ++end;
    RETURN_IF_ERROR(append_offsets(text.substr(0, end), &offsets));
    if (offsets.size() > kMaxPoints) return invalid_argument("too many points");
    text = trim_left(text.substr(end));
  }
  return offsets;
}

}  // namespace tocsin::promql::script

namespace tocsin::promql {

std::string histogram_text(const model::FloatHistogram& histogram) {
  return script::to_text(histogram);
}

StatusOr<SeriesLine> parse_series_line(std::string_view text) {
  ASSIGN_OR_RETURN(const script::SplitLine line, script::split_line(text));
  if (line.start_times) return invalid_argument("start timestamps are only allowed in load");
  SeriesLine series;
  series.labels = line.labels;
  ASSIGN_OR_RETURN(series.points, script::parse_points(line.points));
  return series;
}

}  // namespace tocsin::promql
