// SPDX-License-Identifier: Apache-2.0
//
// The text format 0.0.4, read as leniently as upstream reads it: blanks anywhere between tokens,
// any other line that begins with "#" is a comment.
//
// Confined. Borrows the page and the sink.
// Errors: see exposition.h.
#pragma once

#include "formats/exposition/line_parser.h"

namespace tocsin::formats::exposition {

class TextParser : public LineParser<Dialect::kText> {
 public:
  TextParser(std::string_view page, ExpositionSink& sink) : LineParser(page, sink) {}

  bool finished() const { return at_end(); }

  // Reads one line. REQUIRES: not finished.
  Status read_line() {
    p_ = skip_blanks(p_, end_);
    if (at_end() || take_newline()) return ok();
    if (*p_ == '#') {
      ++p_;
      RETURN_IF_ERROR(read_comment());
      take_newline();
      return ok();
    }
    ExpositionSample sample;
    RETURN_IF_ERROR(take_series(&sample));
    return read_rest(&sample);
  }

  // Reads what follows the series of `sample`.
  Status read_rest(ExpositionSample* sample) {
    p_ = skip_blanks(p_, end_);
    RETURN_IF_ERROR(take_value(&sample->value));
    p_ = skip_blanks(p_, end_);
    if (!at_end() && *p_ != '\n') RETURN_IF_ERROR(take_timestamp(sample));
    if (!at_end() && !take_newline()) return fail(p_, "the end of the line after the timestamp");
    return sink_.sample(*sample);
  }

 private:
  Status take_timestamp(ExpositionSample* sample) {
    const char* const after = skip_class(p_, end_, kDigit);
    std::int64_t value = 0;
    for (const char* digit = p_; digit != after; ++digit) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, *digit - '0', &value)) {
        return fail(p_, "a timestamp of 64 bits");
      }
    }
    if (after == p_) return fail(p_, "a timestamp in milliseconds or the end of the line");
    sample->timestamp_ms = value;
    p_ = skip_blanks(after, end_);
    return ok();
  }

  // Reads what follows a "#". HELP and TYPE are words of their own between blanks.
  Status read_comment() {
    const bool blank = !at_end() && (*p_ == ' ' || *p_ == '\t');
    p_ = skip_blanks(p_, end_);
    if (blank && take_word("HELP")) return read_metadata(true);
    if (blank && take_word("TYPE")) return read_metadata(false);
    p_ = line_end();
    return ok();
  }

  bool take_word(std::string_view word) {
    const char* const before = p_;
    if (take(word) && !at_end() && (*p_ == ' ' || *p_ == '\t')) {
      p_ = skip_blanks(p_, end_);
      return true;
    }
    p_ = before;
    return false;
  }

  Status read_metadata(bool help) {
    std::string metric;
    RETURN_IF_ERROR(take_metric_name(&metric));
    const char* const stop = line_end();
    const char* const begin = p_ == stop ? stop : p_ + 1;  // one separator, the rest is text
    p_ = stop;
    const std::string_view text = between(begin, stop);
    if (help) return emit_help(metric, begin, text, Escapes::kHelp);
    return emit_type(metric, begin, text);
  }
};

}  // namespace tocsin::formats::exposition
