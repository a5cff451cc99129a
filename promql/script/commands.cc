// SPDX-License-Identifier: Apache-2.0
//
// Line by line: a command is its first line and what follows to the next blank line.
#include "promql/script/commands.h"

#include <algorithm>
#include <utility>

#include "model/timestamp.h"
#include "model/value.h"
#include "promql/parser.h"
#include "promql/script/series_line.h"

namespace tocsin::promql::script {

namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Takes the first word off `rest`.
std::string_view take_word(std::string_view* rest) {
  *rest = trim(*rest);
  const std::size_t end = std::min(rest->find_first_of(" \t"), rest->size());
  const std::string_view word = rest->substr(0, end);
  *rest = trim(rest->substr(end));
  return word;
}

Status take_keyword(std::string_view keyword, std::string_view* rest) {
  if (take_word(rest) == keyword) return ok();
  return invalid_argument("expected {:?}", keyword);
}

StatusOr<std::int64_t> take_duration(std::string_view* rest) {
  std::string_view word = take_word(rest);
  const bool negative = word.starts_with('-');
  if (negative) word.remove_prefix(1);
  ASSIGN_OR_RETURN(const model::Duration d, model::parse_duration(word));
  return negative ? -d.count() : d.count();
}

// "from X to Y step Z"
StatusOr<TimeRange> take_range(std::string_view* rest) {
  TimeRange range;
  RETURN_IF_ERROR(take_keyword("from", rest));
  ASSIGN_OR_RETURN(range.start_ms, take_duration(rest));
  RETURN_IF_ERROR(take_keyword("to", rest));
  ASSIGN_OR_RETURN(range.end_ms, take_duration(rest));
  RETURN_IF_ERROR(take_keyword("step", rest));
  ASSIGN_OR_RETURN(range.step_ms, take_duration(rest));
  if (range.step_ms <= 0) return invalid_argument("step must be positive");
  return range;
}

StatusOr<ExpectedText> parse_expected_text(std::string_view rest) {
  ExpectedText expected;
  if (rest.starts_with("msg:")) {
    expected.text = std::string(trim(rest.substr(4)));
  } else if (rest.starts_with("regex:")) {
    ASSIGN_OR_RETURN(expected.regex, model::Regex::unanchored(trim(rest.substr(6))));
  } else if (!rest.empty()) {
    return invalid_argument("expected msg: or regex:, got {:?}", rest);
  }
  return expected;
}

// The part of "expect ..." that concerns annotations; false when `what` is another kind.
StatusOr<bool> annotation_expectation(std::string_view what, std::string_view rest,
                                      Evaluate* eval) {
  if (what == "no_warn") {
    eval->no_warnings = true;
  } else if (what == "no_info") {
    eval->no_infos = true;
  } else if (what == "warn" || what == "info") {
    ASSIGN_OR_RETURN(ExpectedText text, parse_expected_text(rest));
    (what == "warn" ? eval->warnings : eval->infos).push_back(std::move(text));
  } else {
    return false;
  }
  const bool conflict =
      (eval->no_warnings && !eval->warnings.empty()) || (eval->no_infos && !eval->infos.empty());
  if (conflict) return invalid_argument("contradicting expectations");
  return true;
}

Status parse_expectation(std::string_view rest, Evaluate* eval) {
  const std::string_view what = take_word(&rest);
  ASSIGN_OR_RETURN(const bool annotation, annotation_expectation(what, rest, eval));
  if (annotation) return ok();
  if (what == "fail") {
    if (eval->fail)
      return invalid_argument("invalid expect lines, multiple expect fail lines are not allowed");
    eval->fail = true;
    ASSIGN_OR_RETURN(eval->failure, parse_expected_text(rest));
  } else if (what == "ordered") {
    eval->ordered = true;
  } else if (what == "string") {
    ASSIGN_OR_RETURN(eval->text, model::go_unquote(rest));
  } else if (what == "range") {
    RETURN_IF_ERROR(take_keyword("vector", &rest));
    ASSIGN_OR_RETURN(eval->matrix_range, take_range(&rest));
  } else {
    return invalid_argument("unknown expectation {:?}", what);
  }
  return ok();
}

// A line below an evaluation: expectation, old-style failure text, number or series.
Status parse_result_line(std::string_view line, Evaluate* eval) {
  std::string_view rest = line;
  const std::string_view word = take_word(&rest);
  if (word == "expect") return parse_expectation(rest, eval);
  if (word == "expected_fail_message") {
    eval->failure.text = std::string(rest);
    return ok();
  }
  if (word == "expected_fail_regexp") {
    ASSIGN_OR_RETURN(eval->failure.regex, model::Regex::unanchored(rest));
    return ok();
  }
  if (const StatusOr<double> number = model::parse_float(line); number.ok()) {
    eval->scalar = *number;
    return ok();
  }
  ASSIGN_OR_RETURN(SeriesLine series, parse_series_line(line));
  if (eval->instant && !eval->matrix_range && series.points.size() != 1) {
    return invalid_argument("expecting one value in instant evaluation, got {}",
                            series.points.size());
  }
  eval->series.push_back(std::move(series));
  return ok();
}

Status parse_flavour(std::string_view command, Evaluate* eval) {
  if (command == "eval_fail") {
    eval->fail = true;
  } else if (command == "eval_warn") {
    eval->warnings.emplace_back();
  } else if (command == "eval_info") {
    eval->infos.emplace_back();
  } else if (command == "eval_ordered") {
    eval->ordered = true;
  } else if (command != "eval") {
    return invalid_argument("unknown command {:?}", command);
  }
  return ok();
}

class ScriptParser {
 public:
  ScriptParser(std::string_view text, std::string_view file, const ParserOptions& options)
      : text_(text), file_(file), options_(options) {}

  StatusOr<std::vector<Command>> all() {
    std::string_view line;
    while (next(&line)) {
      if (line.empty()) continue;
      Status status = command(line);
      if (!status.ok()) {
        return invalid_argument("{}:{}: {}", file_, line_, message(status));
      }
    }
    return std::move(commands_);
  }

 private:
  // The next line; false at the end. A comment counts as a blank line, so it ends a block too.
  bool next(std::string_view* line) {
    if (position_ < text_.size()) {
      const std::size_t end = std::min(text_.find('\n', position_), text_.size());
      *line = trim(text_.substr(position_, end - position_));
      position_ = end + 1;
      ++line_;
      if (line->starts_with('#')) *line = {};
      return true;
    }
    return false;
  }

  Status command(std::string_view line) {
    std::string_view rest = line;
    const std::string_view word = take_word(&rest);
    if (word == "clear") {
      commands_.emplace_back(Clear{});
      return ok();
    }
    if (word == "load" || word == "load_with_nhcb") return load(word == "load_with_nhcb", rest);
    return evaluate(word, rest);
  }

  Status load(bool with_nhcb, std::string_view rest) {
    Load load;
    load.with_nhcb = with_nhcb;
    ASSIGN_OR_RETURN(load.step_ms, take_duration(&rest));
    std::string_view line;
    std::optional<SplitLine> starts;
    while (next(&line) && !line.empty()) {
      ASSIGN_OR_RETURN(const SplitLine split, split_line(line));
      if (split.start_times) {
        starts = split;
        continue;
      }
      LoadedSeries series;
      series.line.labels = split.labels;
      ASSIGN_OR_RETURN(series.line.points, parse_points(split.points));
      if (starts) {
        if (starts->labels != split.labels) return invalid_argument("@st line of another series");
        ASSIGN_OR_RETURN(series.start_offsets, parse_start_offsets(starts->points));
        if (series.start_offsets.size() != series.line.points.size()) {
          return invalid_argument("@st line has {} items, its series {}",
                                  series.start_offsets.size(), series.line.points.size());
        }
        starts.reset();
      }
      // Of two lines of one series the last counts.
      std::erase_if(load.series, [&](const LoadedSeries& other) {
        return other.line.labels == series.line.labels;
      });
      load.series.push_back(std::move(series));
    }
    if (starts) return invalid_argument("@st line without a series line");
    commands_.emplace_back(std::move(load));
    return ok();
  }

  Status evaluate(std::string_view word, std::string_view rest) {
    Evaluate eval;
    eval.line = line_;
    RETURN_IF_ERROR(parse_flavour(word, &eval));
    const std::string_view kind = take_word(&rest);
    if (kind == "instant") {
      RETURN_IF_ERROR(take_keyword("at", &rest));
      ASSIGN_OR_RETURN(eval.times.start_ms, take_duration(&rest));
    } else if (kind == "range") {
      eval.instant = false;
      ASSIGN_OR_RETURN(eval.times, take_range(&rest));
    } else {
      return invalid_argument("expected instant or range, got {:?}", kind);
    }
    eval.query = std::string(rest);
    ASSIGN_OR_RETURN(eval.expr, parse_expr(eval.query, options_));
    std::string_view line;
    while (next(&line) && !line.empty()) RETURN_IF_ERROR(parse_result_line(line, &eval));
    commands_.emplace_back(std::move(eval));
    return ok();
  }

  std::string_view text_;
  std::string_view file_;
  const ParserOptions& options_;
  std::size_t position_ = 0;
  int line_ = 0;
  std::vector<Command> commands_;
};

}  // namespace

bool ExpectedText::matches(std::string_view actual) const {
  if (text) return *text == actual;
  return !regex || regex->matches(actual);
}

StatusOr<std::vector<Command>> parse_script(std::string_view text, std::string_view file,
                                            const ParserOptions& options) {
  return ScriptParser(text, file, options).all();
}

}  // namespace tocsin::promql::script
