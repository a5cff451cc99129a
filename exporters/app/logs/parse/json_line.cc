// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/parse/json_line.h"

#include <algorithm>
#include <charconv>

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxDepth = 64;

void append_utf8(std::uint32_t rune, std::string* out) {
  const auto add = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (rune < 0x80) return add(rune);
  if (rune < 0x800) {
    add(0xC0 | (rune >> 6));
  } else if (rune < 0x10000) {
    add(0xE0 | (rune >> 12));
    add(0x80 | ((rune >> 6) & 0x3F));
  } else {
    add(0xF0 | (rune >> 18));
    add(0x80 | ((rune >> 12) & 0x3F));
    add(0x80 | ((rune >> 6) & 0x3F));
  }
  add(0x80 | (rune & 0x3F));
}

// Takes the four digits behind "\u" off `text`.
std::optional<std::uint32_t> take_hex(std::string_view* text) {
  if (text->size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + 4, value, 16);
  if (error != std::errc() || end != text->data() + 4) return std::nullopt;
  text->remove_prefix(4);
  return value;
}

// Takes what follows "\u" off `text`; halves of a pair that stand alone become U+FFFD.
bool take_unicode(std::string_view* text, std::string* out) {
  const std::optional<std::uint32_t> first = take_hex(text);
  if (!first) return false;
  std::uint32_t rune = *first;
  if (rune >= 0xD800 && rune < 0xDC00 && text->starts_with("\\u")) {
    std::string_view ahead = text->substr(2);
    const std::optional<std::uint32_t> second = take_hex(&ahead);
    if (second && *second >= 0xDC00 && *second < 0xE000) {
      rune = 0x10000 + ((rune - 0xD800) << 10) + (*second - 0xDC00);
      *text = ahead;
    }
  }
  append_utf8(rune >= 0xD800 && rune < 0xE000 ? 0xFFFD : rune, out);
  return true;
}

// Appends the text that is written as `text` between quotes.
bool unescape(std::string_view text, std::string* out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return true;
    if (text.size() < 2) return false;
    const char letter = text[1];
    text.remove_prefix(2);
    if (letter == 'u') {
      if (!take_unicode(&text, out)) return false;
      continue;
    }
    const std::size_t which = kLetters.find(letter);
    if (which == std::string_view::npos) return false;
    out->push_back(kMeanings[which]);
  }
  return true;
}

// Walks over one object.
class Walker {
 public:
  explicit Walker(std::string_view line) : rest_(line) {}

  void skip_space() {
    std::size_t size = 0;
    while (size < rest_.size() && (rest_[size] == ' ' || rest_[size] == '\t')) ++size;
    rest_.remove_prefix(size);
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() const { return rest_.empty(); }

  // The text between quotes, with its escapes. REQUIRES: the opening quote was taken.
  bool take_string(std::string_view* out) {
    for (std::size_t at = 0;;) {
      at = rest_.find_first_of("\"\\", at);
      if (at == std::string_view::npos) return false;
      if (rest_[at] == '"') {
        *out = rest_.substr(0, at);
        rest_.remove_prefix(at + 1);
        return true;
      }
      at += 2;
    }
  }
  // A number or a word: up to what ends a value.
  bool take_word(std::string_view* out) {
    const std::size_t size = std::min(rest_.find_first_of(",]} \t"), rest_.size());
    *out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return size > 0;
  }
  // A whole array or object, whose opening bracket was taken.
  bool skip_nested() {
    std::size_t depth = 1;
    std::string_view text;
    while (depth > 0) {
      const std::size_t at = rest_.find_first_of("\"[]{}");
      if (at == std::string_view::npos) return false;
      const char c = rest_[at];
      rest_.remove_prefix(at + 1);
      if (c == '"') {
        if (!take_string(&text)) return false;
      } else if (c == '[' || c == '{') {
        if (++depth > kMaxDepth) return false;
      } else {
        --depth;
      }
    }
    return true;
  }

 private:
  std::string_view rest_;
};

enum class Value { kString, kWord, kNested, kBroken };

Value take_value(Walker* walker, std::string_view* text) {
  walker->skip_space();
  if (walker->take('"')) return walker->take_string(text) ? Value::kString : Value::kBroken;
  if (walker->take('{') || walker->take('[')) {
    return walker->skip_nested() ? Value::kNested : Value::kBroken;
  }
  return walker->take_word(text) ? Value::kWord : Value::kBroken;
}

void store(const LogSlot& slot, std::string_view value, LogRecord* record) {
  if (slot.field && record->at(*slot.field).empty()) record->set(*slot.field, value);
  if (slot.label && record->labels[*slot.label].empty()) record->labels[*slot.label] = value;
}

}  // namespace

StatusOr<JsonLine> JsonLine::make(const std::vector<std::pair<std::string, std::string>>& fields,
                                  const std::vector<std::string>& labels) {
  const auto key_of = [&](std::string_view variable) {
    for (const auto& [name, key] : fields) {
      if (name == variable) return key;
    }
    return std::string(variable);
  };
  JsonLine out;
  for (const std::string_view variable : log_variables()) {
    out.keys_[key_of(variable)].field = log_field(variable);
  }
  for (std::size_t i = 0; i < labels.size(); ++i) out.keys_[key_of(labels[i])].label = i;
  for (const auto& [name, key] : fields) {
    if (!log_field(name) && std::find(labels.begin(), labels.end(), name) == labels.end()) {
      return invalid_argument("{:?} is neither a variable that is counted nor one of the labels",
                              name);
    }
  }
  return out;
}

bool JsonLine::parse(std::string_view line, LogRecord* record) const {
  record->clear();
  record->scratch.clear();
  // What is unescaped is shorter than what is escaped: texts in it stay where they are.
  record->scratch.reserve(line.size());
  Walker walker(line);
  walker.skip_space();
  if (!walker.take('{')) return false;
  walker.skip_space();
  for (bool first = true; !walker.take('}'); first = false) {
    if (!first && !walker.take(',')) return false;
    walker.skip_space();
    std::string_view key, value;
    if (!walker.take('"') || !walker.take_string(&key)) return false;
    walker.skip_space();
    if (!walker.take(':')) return false;
    const Value kind = take_value(&walker, &value);
    if (kind == Value::kBroken) return false;
    walker.skip_space();
    const auto it = keys_.find(key);
    if (it == keys_.end() || kind == Value::kNested || (kind == Value::kWord && value == "null")) {
      continue;
    }
    if (kind == Value::kString && value.find('\\') != std::string_view::npos) {
      const std::size_t begin = record->scratch.size();
      if (!unescape(value, &record->scratch)) return false;
      value = std::string_view(record->scratch).substr(begin);
    }
    store(it->second, value, record);
  }
  walker.skip_space();
  return walker.at_end();
}

}  // namespace tocsin::exporters::app
