// SPDX-License-Identifier: Apache-2.0
//
// Pattern: what can be known of an anchored regular expression without running it.
//
// An expression is read as alternatives of literal pieces with gaps between them: `a(b|c)d.*x` is
// {abd, acd}, any text, {x}. When that says all of it, matching is a few comparisons and searches
// (memmem); when it says only what a match needs, it refuses most texts before RE2 has to run. What
// it does not understand it calls a gap, or says that it knows nothing.
//
//   piece: strings, one of which stands there       gap: any text of at least min_bytes
// A value. Texts are trusted to be UTF-8.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::model {

class Pattern {
 public:
  // `dot_is_any`: "." matches a newline too. REQUIRES: `expression` is valid.
  static Pattern analyze(std::string_view expression, bool dot_is_any);

  enum class Verdict { kNo, kYes, kMaybe };
  Verdict matches(std::string_view text) const;

  // All strings that match, sorted, when they are few enough to list; else empty.
  const std::vector<std::string>& literals() const { return literals_; }
  // Begins every match; may be "".
  const std::string& prefix() const { return prefix_; }

  struct Part {
    std::vector<std::string> piece;  // sorted; empty: a gap
    std::size_t min_bytes = 0;
    bool any_text = true;  // of a gap: every text of that length will do
  };
  using Sequence = std::vector<Part>;  // pieces and gaps in turn

 private:
  void summarize();
  void drop_large_pieces();

  bool known_ = false;  // else nothing is known
  std::vector<Sequence> alternatives_;
  std::vector<std::string> literals_;
  std::string prefix_;
};

}  // namespace tocsin::model
