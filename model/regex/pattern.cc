// SPDX-License-Identifier: Apache-2.0
#include "model/regex/pattern.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "model/unicode/unicode.h"

namespace tocsin::model {
namespace {

using Part = Pattern::Part;
using Sequence = Pattern::Sequence;

constexpr std::size_t kMaxLiterals = 1000;    // that are listed
constexpr std::size_t kMaxPiece = 256;        // strings of a piece
constexpr std::size_t kMaxClass = 32;         // characters of a class
constexpr std::size_t kMaxAlternatives = 16;  // that are not literals
constexpr std::size_t kMaxCompared = 16;      // strings of a piece that are looked for one by one
constexpr int kMaxDepth = 20;
constexpr std::size_t kMaxWritten = 1U << 20;  // bytes of strings that are put together
constexpr std::string_view kMeta = R"(.+*?()|[]{}^$\)";

// The empty string comes first when there is one; the others may lose their order.
Part piece_of(std::vector<std::string> strings) {
  std::sort(strings.begin(), strings.end());
  strings.erase(std::unique(strings.begin(), strings.end()), strings.end());
  return {std::move(strings), 0, true};
}
Part gap(std::size_t min_bytes, bool any_text) { return {{}, min_bytes, any_text}; }
bool is_gap(const Part& part) { return part.piece.empty(); }

// Adds a part behind a sequence; neighbours of one kind become one part. Returns how many bytes of
// strings were written for it.
std::size_t append(Part part, Sequence* sequence) {
  // The empty string could divide a character between two gaps.
  const bool may_be_empty = !is_gap(part) && part.piece.front().empty();
  if (may_be_empty && !sequence->empty() && is_gap(sequence->back())) {
    sequence->back().any_text = false;
  }
  if (sequence->empty() || is_gap(sequence->back()) != is_gap(part)) {
    sequence->push_back(std::move(part));
    return 0;
  }
  Part& last = sequence->back();
  if (is_gap(part)) {
    // Two characters at least are two bytes at least, and may be more.
    const bool exact =
        last.any_text && part.any_text && (last.min_bytes == 0 || part.min_bytes == 0);
    last = gap(last.min_bytes + part.min_bytes, exact);
    return 0;
  }
  if (last.piece.size() * part.piece.size() > kMaxPiece) {
    sequence->push_back(gap(0, false));  // too many: what stood first is still known
    return 0;
  }
  if (part.piece.size() == 1) {  // most often a character
    for (std::string& string : last.piece) string += part.piece[0];
    return last.piece.size() * part.piece[0].size();
  }
  std::size_t written = 0;
  std::vector<std::string> products;
  for (const std::string& a : last.piece) {
    for (const std::string& b : part.piece) {
      products.push_back(a + b);
      written += a.size() + b.size();
    }
  }
  last = piece_of(std::move(products));
  return written;
}

// Reads an expression by recursive descent; gives up at the first thing it does not know.
class Reader {
 public:
  Reader(std::string_view expression, bool dot_is_any)
      : rest_(expression), dot_is_any_(dot_is_any) {}

  std::optional<std::vector<Sequence>> read() {
    while (rest_.starts_with("(?i)") || rest_.starts_with("(?s)")) {
      (rest_[2] == 'i' ? fold_case_ : dot_is_any_) = true;
      rest_.remove_prefix(4);
    }
    std::vector<Sequence> alternatives;
    if (!read_alternatives(0, &alternatives) || !rest_.empty()) return std::nullopt;
    return alternatives;
  }

 private:
  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  // Returns false to give up, as all readers here.
  bool read_alternatives(int depth, std::vector<Sequence>* out) {
    if (depth > kMaxDepth) return false;
    do {
      Sequence sequence;
      if (depth == 0) static_cast<void>(take("^"));  // the expression is anchored anyway
      if (!read_sequence(depth, &sequence)) return false;
      if (sequence.empty()) sequence.push_back(piece_of({""}));
      out->push_back(std::move(sequence));
      if (out->size() > kMaxLiterals) return false;
    } while (take("|"));
    return true;
  }

  bool read_sequence(int depth, Sequence* out) {
    while (!rest_.empty() && !at('|') && !at(')')) {
      if (depth == 0 && at('$') && (rest_.size() == 1 || rest_[1] == '|')) {
        rest_.remove_prefix(1);
        return true;
      }
      Part part;
      if (!read_atom(depth, &part) || !read_repeats(std::move(part), out)) return false;
    }
    return true;
  }

  bool read_atom(int depth, Part* out) {
    if (take(".")) {
      is_dot_ = true;
      *out = gap(1, false);
      return true;
    }
    is_dot_ = false;
    if (at('[')) return read_class(out);
    if (at('(')) return read_group(depth, out);
    std::string character;
    if (!read_character(&character)) return false;
    return fold(character, out);
  }

  bool read_character(std::string* out) {
    if (rest_.empty()) return false;
    if (rest_.front() == '\\') {
      const char c = rest_.size() > 1 ? rest_[1] : 'a';
      const bool punctuation = (c > ' ' && c < '0') || (c > '9' && c < 'A') ||
                               (c > 'Z' && c < 'a' && c != '_') || (c > 'z' && c < 0x7f);
      if (!punctuation) return false;
      out->push_back(c);
      rest_.remove_prefix(2);
      return true;
    }
    if (kMeta.find(rest_.front()) != std::string_view::npos) return false;
    const std::size_t size = unicode::decode(rest_).size;
    out->append(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }

  // A letter in all its cases. RE2 folds k and s with characters outside of ASCII.
  bool fold(const std::string& character, Part* out) const {
    std::vector<std::string> cases = {character};
    if (fold_case_) {
      const auto c = static_cast<unsigned char>(character[0]);
      if (c >= 0x80) return false;
      const bool upper = c >= 'A' && c <= 'Z';
      const bool lower = c >= 'a' && c <= 'z';
      if (upper || lower) cases.emplace_back(1, static_cast<char>(c ^ 0x20U));
      if ((c | 0x20U) == 'k' && (upper || lower)) cases.emplace_back("\u212a");
      if ((c | 0x20U) == 's' && (upper || lower)) cases.emplace_back("\u017f");
    }
    *out = piece_of(std::move(cases));
    return true;
  }

  // [abc] and [a-c]; others give up, but for the length of a match.
  bool read_class(Part* out) {
    const std::size_t end = rest_.find(']', rest_.starts_with("[^") ? 3 : 2);
    if (end == std::string_view::npos) return false;
    const std::string_view body = rest_.substr(1, end - 1);
    if (body.find_first_of("[\\") != std::string_view::npos) return false;
    rest_.remove_prefix(end + 1);
    *out = gap(1, false);
    if (body.front() == '^' || fold_case_) return true;
    std::vector<std::string> strings;
    for (std::size_t i = 0; i < body.size(); ++i) {
      const auto c = static_cast<unsigned char>(body[i]);
      if (c >= 0x80) return true;
      auto last = c;
      if (i + 2 < body.size() && body[i + 1] == '-') {
        last = static_cast<unsigned char>(body[i + 2]);
        i += 2;
      }
      if (last >= 0x80 || last < c || strings.size() + (last - c) >= kMaxClass) return true;
      for (unsigned character = c; character <= last; ++character) {
        strings.emplace_back(1, static_cast<char>(character));
      }
    }
    *out = piece_of(std::move(strings));
    return true;
  }

  bool read_group(int depth, Part* out) {
    const bool before = fold_case_;
    if (take("(?i:")) {
      fold_case_ = true;
    } else if (!take("(?:")) {
      if (rest_.starts_with("(?")) return false;
      rest_.remove_prefix(1);
    }
    std::vector<Sequence> inside;
    const bool read = read_alternatives(depth + 1, &inside) && take(")");
    fold_case_ = before;
    if (!read) return false;
    is_dot_ = false;
    std::vector<std::string> strings;
    for (Sequence& sequence : inside) {
      if (sequence.size() == 1 && !is_gap(sequence[0])) {
        std::move(sequence[0].piece.begin(), sequence[0].piece.end(), std::back_inserter(strings));
        continue;
      }
      // One alternative that is no literal; of several nothing is known.
      *out = inside.size() == 1 && sequence.size() == 1 ? std::move(sequence[0]) : gap(0, false);
      return true;
    }
    *out = strings.size() > kMaxLiterals ? gap(0, false) : piece_of(std::move(strings));
    return true;
  }

  // What follows the atom: * + ? {n,m}, lazy or not, which makes no difference to a whole match.
  bool read_repeats(Part part, Sequence* out) {
    if (at('{')) return false;
    const bool star = take("*");
    const bool plus = !star && take("+");
    const bool maybe = !star && !plus && take("?");
    if (!star && !plus && !maybe) return add(std::move(part), out);
    static_cast<void>(take("?"));
    if (at('*') || at('+') || at('?') || at('{')) return false;
    if (maybe) {
      if (is_gap(part)) {
        part = gap(0, false);
      } else {
        part.piece.emplace_back();
        part = piece_of(std::move(part.piece));
      }
      return add(std::move(part), out);
    }
    if (is_dot_) return add(gap(plus ? 1 : 0, dot_is_any_), out);
    if (plus && !add(std::move(part), out)) return false;
    return add(gap(0, false), out);
  }

  bool add(Part part, Sequence* out) {
    written_ += append(std::move(part), out);
    return written_ <= kMaxWritten;
  }

  std::string_view rest_;
  bool dot_is_any_;
  bool fold_case_ = false;
  bool is_dot_ = false;      // the last atom was "."
  std::size_t written_ = 0;  // by append()
};

// Whether the sequence takes the whole text. Every piece is taken as early, and the last one as
// short, as possible, which leaves the most for the others.
bool takes(const Sequence& sequence, std::string_view text) {
  std::size_t gap_bytes = 0;
  bool after_gap = false;
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    const Part& part = sequence[i];
    if (is_gap(part)) {
      gap_bytes += part.min_bytes;
      after_gap = true;
      continue;
    }
    const bool last = i + 1 == sequence.size();
    if (gap_bytes > text.size()) return false;
    if (after_gap) text.remove_prefix(gap_bytes);
    std::size_t end = std::string_view::npos;
    for (const std::string& wanted : part.piece) {
      if (last) {
        if (after_gap ? text.ends_with(wanted) : text == wanted) return true;
      } else if (after_gap) {
        const std::size_t at = text.find(wanted);
        if (at != std::string_view::npos) end = std::min(end, at + wanted.size());
      } else if (text.starts_with(wanted)) {
        end = std::min(end, wanted.size());
      }
    }
    if (last || end == std::string_view::npos) return false;
    text.remove_prefix(end);
    gap_bytes = 0;
    after_gap = false;
  }
  return after_gap ? text.size() >= gap_bytes : text.empty();
}

bool is_exact(const Sequence& sequence) {
  return std::all_of(sequence.begin(), sequence.end(),
                     [](const Part& part) { return part.any_text; });
}

std::string common_prefix(std::string_view a, std::string_view b) {
  return {a.begin(), std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first};
}

}  // namespace

void Pattern::summarize() {
  std::vector<std::string> all;
  bool finite = true;
  std::optional<std::string> prefix;
  for (const Sequence& sequence : alternatives_) {
    finite = finite && sequence.size() == 1 && !is_gap(sequence[0]);
    if (finite) all.insert(all.end(), sequence[0].piece.begin(), sequence[0].piece.end());
    if (is_gap(sequence[0])) {
      prefix.emplace();
      continue;
    }
    for (const std::string& wanted : sequence[0].piece) {
      prefix = prefix ? common_prefix(*prefix, wanted) : wanted;
    }
  }
  prefix_ = prefix.value_or("");
  if (finite && all.size() <= kMaxLiterals) literals_ = piece_of(std::move(all)).piece;
}

// Pieces of many strings take longer to look for than RE2 takes for all.
void Pattern::drop_large_pieces() {
  for (Sequence& sequence : alternatives_) {
    Sequence smaller;
    for (Part& part : sequence) {
      append(part.piece.size() > kMaxCompared ? gap(0, false) : std::move(part), &smaller);
    }
    sequence = std::move(smaller);
  }
}

Pattern Pattern::analyze(std::string_view expression, bool dot_is_any) {
  Pattern pattern;
  std::optional<std::vector<Sequence>> read = Reader(expression, dot_is_any).read();
  if (!read) return pattern;
  pattern.alternatives_ = *std::move(read);
  pattern.summarize();
  pattern.known_ = !pattern.literals_.empty() || pattern.alternatives_.size() <= kMaxAlternatives;
  if (!pattern.known_) pattern.alternatives_.clear();
  if (pattern.literals_.empty()) pattern.drop_large_pieces();
  return pattern;
}

Pattern::Verdict Pattern::matches(std::string_view text) const {
  if (!known_) return Verdict::kMaybe;
  if (!literals_.empty()) {
    const bool listed = std::binary_search(literals_.begin(), literals_.end(), text, std::less<>());
    return listed ? Verdict::kYes : Verdict::kNo;
  }
  Verdict verdict = Verdict::kNo;
  for (const Sequence& sequence : alternatives_) {
    if (!takes(sequence, text)) continue;
    if (is_exact(sequence)) return Verdict::kYes;
    verdict = Verdict::kMaybe;
  }
  return verdict;
}

}  // namespace tocsin::model
