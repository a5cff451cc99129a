// SPDX-License-Identifier: Apache-2.0
//
// Prints trees on one line, or over several when a part would be longer than 100 bytes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "model/value.h"
#include "promql/parser.h"
#include "promql/syntax/durations.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kMaxLine = 100;
constexpr std::size_t kMaxIndent = 100;
constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

bool is_negative_or_unset(const std::optional<double>& value) {
  return !value.has_value() || std::signbit(*value);
}

bool same_fill(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b && (*a == *b || (std::isnan(*a) && std::isnan(*b))) &&
         is_negative_or_unset(a) == is_negative_or_unset(b);
}

std::string join_labels(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) {
    if (!out.empty()) out += ", ";
    out += model::is_legacy_label_name(label) ? label : model::go_quote(label);
  }
  return out;
}

std::string grouping_text(const Aggregate& aggregate) {
  std::string out(aggregate_text(aggregate.op));
  if (aggregate.without) {
    out += " without (" + join_labels(aggregate.grouping) + ") ";
  } else if (!aggregate.grouping.empty()) {
    out += " by (" + join_labels(aggregate.grouping) + ") ";
  }
  return out;
}

// " bool on (a) group_left (b) fill (0)".
std::string matching_text(const Binary& binary) {
  std::string out;
  if (binary.return_bool) out += " bool";
  if (!binary.matching) return out;
  const VectorMatching& matching = *binary.matching;
  const bool left = matching.cardinality == Cardinality::kManyToOne;
  const bool grouped = left || matching.cardinality == Cardinality::kOneToMany;
  if (!matching.labels.empty() || matching.on || grouped) {
    out += fmt::format(" {} ({})", matching.on ? "on" : "ignoring", join_labels(matching.labels));
  }
  if (grouped) {
    out += fmt::format(" group_{} ({})", left ? "left" : "right", join_labels(matching.include));
  }
  if (same_fill(matching.fill_left, matching.fill_right)) {
    return out + " fill (" + model::format_float_g(*matching.fill_left) + ")";
  }
  if (matching.fill_left) out += " fill_left (" + model::format_float_g(*matching.fill_left) + ")";
  if (matching.fill_right)
    out += " fill_right (" + model::format_float_g(*matching.fill_right) + ")";
  return out;
}

std::string shift_text(const TimeShift& shift) {
  std::string out;
  switch (shift.at) {
    case AtKind::kNone:
      break;
    case AtKind::kTimestamp:
      out += fmt::format(" @ {:.3f}", model::to_seconds(shift.at_time));
      break;
    case AtKind::kStart:
      out += " @ start()";
      break;
    case AtKind::kEnd:
      out += " @ end()";
      break;
  }
  if (shift.offset.expr != nullptr || shift.offset.value != model::Duration(0)) {
    out += " offset " + duration_text(shift.offset);
  }
  return out;
}

std::string selector_text(const VectorSelector& selector) {
  std::string matchers;
  for (const model::Matcher& matcher : selector.matchers) {
    const bool is_name = matcher.name() == model::kMetricName && !selector.name.empty() &&
                         matcher.type() == model::Matcher::Type::kEqual &&
                         matcher.value() == selector.name;
    if (is_name) continue;
    if (!matchers.empty()) matchers += ",";
    matchers += matcher.to_string();
  }
  if (matchers.empty() && !selector.name.empty()) return selector.name;
  return selector.name + "{" + matchers + "}";
}

std::string_view mode_text(RangeMode mode) {
  switch (mode) {
    case RangeMode::kPlain:
      return "";
    case RangeMode::kAnchored:
      return " anchored";
    case RangeMode::kSmoothed:
      return " smoothed";
  }
  return "";
}

std::string number_text(const NumberLiteral& number) {
  if (number.is_duration) {
    const StatusOr<model::Duration> duration = duration_of_seconds(number.value);
    if (duration.ok()) return duration_text(DurationValue{*duration, nullptr});
  }
  if (std::isinf(number.value)) return number.value > 0 ? "+Inf" : "-Inf";
  return model::format_float_f(number.value);
}

std::string subquery_suffix(const Subquery& subquery) {
  return fmt::format("[{}:{}]{}", duration_text(subquery.range),
                     subquery.has_step ? duration_text(subquery.step) : "",
                     shift_text(subquery.shift));
}

class Printer {
 public:
  // Stops soon after `limit` bytes: enough to know that a line is too long.
  explicit Printer(std::size_t limit) : limit_(limit) {}

  void print(const Expr& expr) {
    if (out_.size() > limit_) return;
    std::visit([this](const auto& node) { put(node); }, expr.node);
  }
  std::string take() { return std::move(out_); }

 private:
  void put(const NumberLiteral& number) { out_ += number_text(number); }
  void put(const StringLiteral& text) { out_ += model::go_quote(text.value); }
  void put(const VectorSelector& selector) {
    out_ += selector_text(selector);
    out_ += mode_text(selector.mode);
    out_ += shift_text(selector.shift);
  }
  void put(const MatrixSelector& matrix) {
    const auto& selector = *matrix.vector->as<VectorSelector>();
    out_ += selector_text(selector);
    out_ += "[" + duration_text(matrix.range) + "]";
    out_ += mode_text(selector.mode);
    out_ += shift_text(selector.shift);
  }
  void put(const Subquery& subquery) {
    print(*subquery.inner);
    out_ += subquery_suffix(subquery);
  }
  void put(const Paren& paren) {
    out_ += "(";
    print(*paren.inner);
    out_ += ")";
  }
  void put(const Unary& unary) {
    out_ += unary.negate ? "-" : "+";
    print(*unary.inner);
  }
  void put(const Binary& binary) {
    const auto* base = binary.left->as<NumberLiteral>();
    if (binary.op == BinaryOp::kPow && base != nullptr && std::isinf(base->value)) {
      out_ += "Inf";  // a sign would take the whole power as its operand
    } else {
      print(*binary.left);
    }
    out_ += " ";
    out_ += op_text(binary.op);
    out_ += matching_text(binary) + " ";
    print(*binary.right);
  }
  void put(const Aggregate& aggregate) {
    out_ += grouping_text(aggregate) + "(";
    if (aggregate.parameter != nullptr) {
      print(*aggregate.parameter);
      out_ += ", ";
    }
    print(*aggregate.inner);
    out_ += ")";
  }
  void put(const Call& call) {
    out_ += call.function->name;
    out_ += "(";
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
      if (i > 0) out_ += ", ";
      print(*call.arguments[i]);
    }
    out_ += ")";
  }

  std::size_t limit_;
  std::string out_;
};

// Long chains nest to the left: without a limit their text would grow with the square.
std::string indent(std::size_t level) { return std::string(2 * std::min(level, kMaxIndent), ' '); }

// Prints with every line indented by `level`; parts that fit on a line stay on it.
class PrettyPrinter {
 public:
  void print(const Expr& expr, std::size_t level) {
    Printer line(kMaxLine);
    line.print(expr);
    const std::string text = line.take();
    if (text.size() <= kMaxLine) {
      out_ += indent(level) + text;
      return;
    }
    std::visit([&](const auto& node) { split(expr, node, level); }, expr.node);
  }
  std::string take() { return std::move(out_); }

 private:
  template <typename Leaf>
  void split(const Expr& expr, const Leaf&, std::size_t level) {
    out_ += indent(level) + to_string(expr);
  }
  void split(const Expr&, const Subquery& subquery, std::size_t level) {
    print(*subquery.inner, level);
    out_ += subquery_suffix(subquery);
  }
  void split(const Expr&, const Paren& paren, std::size_t level) {
    out_ += indent(level) + "(\n";
    print(*paren.inner, level + 1);
    out_ += "\n" + indent(level) + ")";
  }
  void split(const Expr&, const Unary& unary, std::size_t level) {
    const std::size_t start = out_.size();
    print(*unary.inner, level);
    const std::size_t spaces = out_.find_first_not_of(' ', start) - start;
    out_.replace(start, spaces, indent(level) + (unary.negate ? "-" : "+"));
  }
  void split(const Expr&, const Binary& binary, std::size_t level) {
    print(*binary.left, level + 1);
    out_ += "\n" + indent(level);
    out_ += op_text(binary.op);
    out_ += matching_text(binary) + "\n";
    print(*binary.right, level + 1);
  }
  void split(const Expr&, const Aggregate& aggregate, std::size_t level) {
    out_ += indent(level) + grouping_text(aggregate) + "(\n";
    if (aggregate.parameter != nullptr) {
      print(*aggregate.parameter, level + 1);
      out_ += ",\n";
    }
    print(*aggregate.inner, level + 1);
    out_ += "\n" + indent(level) + ")";
  }
  void split(const Expr&, const Call& call, std::size_t level) {
    out_ += indent(level);
    out_ += call.function->name;
    out_ += "(\n";
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
      if (i > 0) out_ += ",\n";
      print(*call.arguments[i], level + 1);
    }
    out_ += "\n" + indent(level) + ")";
  }

  std::string out_;
};

}  // namespace

std::string to_string(const Expr& expr) {
  Printer printer(kUnlimited);
  printer.print(expr);
  return printer.take();
}

std::string pretty_print(const Expr& expr) {
  PrettyPrinter printer;
  printer.print(expr, 0);
  return printer.take();
}

}  // namespace tocsin::promql
