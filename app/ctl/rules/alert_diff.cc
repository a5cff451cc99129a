// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/rules/alert_diff.h"

#include <algorithm>
#include <map>
#include <optional>

namespace tocsin::app {

namespace {

constexpr std::string_view kAdded = "\x1b[0;32m";
constexpr std::string_view kRemoved = "\x1b[0;31m";
constexpr std::string_view kChanged = "\x1b[0;33m";
constexpr std::string_view kEnd = "\x1b[0m";
constexpr std::string_view kIndent = "    ";

class DiffWriter {
 public:
  // A colour lasts until the next call; it is taken up again behind every new line.
  void colour(std::string_view begin) {
    if (colour_ == begin) return;
    if (!colour_.empty()) text_ += kEnd;
    text_ += begin;
    colour_ = begin;
  }
  void plain() { colour(""); }
  void put(std::string_view text) { text_ += text; }
  void newline() {
    if (!colour_.empty()) text_ += kEnd;
    text_.push_back('\n');
    for (int i = 0; i < level_; ++i) text_ += kIndent;
    text_ += colour_;
  }
  void open(std::string_view bracket) {
    put(bracket);
    ++level_;
    newline();
  }
  void close(std::string_view bracket) {
    --level_;
    newline();
    put(bracket);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view colour_;
  int level_ = 0;
};

class AlertDiff {
 public:
  void all(const std::vector<ExpectedAlert>& expected, const std::vector<ExpectedAlert>& got) {
    const std::size_t count = std::max(expected.size(), got.size());
    out_.open("[");
    for (std::size_t i = 0; i < count; ++i) {
      if (i < expected.size() && i < got.size()) {
        both(expected[i], got[i]);
      } else {
        out_.colour(i < expected.size() ? kRemoved : kAdded);
        differs_ = true;
        one(i < expected.size() ? expected[i] : got[i]);
        out_.plain();
      }
      if (i + 1 < count) separate();
    }
    out_.close("]");
  }
  std::string take() { return differs_ ? out_.take() : ""; }

 private:
  void separate() {
    out_.put(",");
    out_.newline();
  }
  void key(std::string_view name) { out_.put(model::go_quote(name) + ": "); }

  void both(const ExpectedAlert& expected, const ExpectedAlert& got) {
    out_.open("{");
    key("Annotations");
    both(expected.annotations, got.annotations);
    separate();
    key("Labels");
    both(expected.labels, got.labels);
    out_.close("}");
  }

  void both(const model::Labels& expected, const model::Labels& got) {
    using Values = std::pair<std::optional<std::string_view>, std::optional<std::string_view>>;
    std::map<std::string_view, Values> names;
    for (const model::LabelView& label : expected) names[label.name].first = label.value;
    for (const model::LabelView& label : got) names[label.name].second = label.value;
    if (names.empty()) return out_.put("{}");
    out_.open("{");
    std::size_t left = names.size();
    for (const auto& [name, values] : names) {
      value(name, values.first, values.second);
      if (--left > 0) separate();
    }
    out_.close("}");
  }

  void value(std::string_view name, std::optional<std::string_view> expected,
             std::optional<std::string_view> got) {
    const bool same = expected == got;
    differs_ = differs_ || !same;
    if (!expected || !got) out_.colour(got ? kAdded : kRemoved);
    key(name);
    if (expected && got && !same) {
      out_.colour(kChanged);
      out_.put(model::go_quote(*expected) + " => " + model::go_quote(*got));
    } else {
      out_.put(model::go_quote(expected ? *expected : *got));
    }
    out_.plain();
  }

  void one(const ExpectedAlert& alert) {
    out_.open("{");
    key("Annotations");
    one(alert.annotations);
    separate();
    key("Labels");
    one(alert.labels);
    out_.close("}");
  }

  void one(const model::Labels& labels) {
    if (labels.empty()) return out_.put("{}");
    out_.open("{");
    std::size_t left = labels.size();
    for (const model::LabelView& label : labels) {
      key(label.name);
      out_.put(model::go_quote(label.value));
      if (--left > 0) separate();
    }
    out_.close("}");
  }

  DiffWriter out_;
  bool differs_ = false;
};

}  // namespace

std::string diff_alerts(std::vector<ExpectedAlert> expected, std::vector<ExpectedAlert> got) {
  if (expected.empty()) expected.emplace_back();
  if (got.empty()) got.emplace_back();
  AlertDiff diff;
  diff.all(expected, got);
  return diff.take();
}

}  // namespace tocsin::app
