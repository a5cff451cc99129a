// SPDX-License-Identifier: Apache-2.0
#include "promql/testing/definition.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "model/histogram_buckets.h"
#include "model/value.h"
#include "promql/testing/naive_histogram.h"

namespace tocsin::promql::testing {

namespace {

constexpr double kEpsilon = 1e-9;

std::set<model::Labels> present(const Points& all, std::int64_t t) {
  std::set<model::Labels> out;
  for (const auto& [labels, points] : all) {
    if (points.contains(t)) out.insert(labels);
  }
  return out;
}

}  // namespace

const Point* find(const Points& points, const model::Labels& labels, std::int64_t t) {
  const auto series = points.find(labels);
  if (series == points.end()) return nullptr;
  const auto point = series->second.find(t);
  return point == series->second.end() ? nullptr : &point->second;
}

Points joined(const Points& a, const Points& b) {
  Points out = a;
  for (const auto& [labels, points] : b) out[labels].insert(points.begin(), points.end());
  return out;
}

bool agree(const Point& a, const Point& b) {
  if ((a.histogram == nullptr) != (b.histogram == nullptr)) return false;
  if (a.histogram != nullptr) return naive::nearly(*a.histogram, *b.histogram, kEpsilon);
  if (std::isnan(a.value) || std::isnan(b.value)) return std::isnan(a.value) == std::isnan(b.value);
  if (a.value == b.value) return true;
  return std::fabs(a.value - b.value) <= kEpsilon * (std::fabs(a.value) + std::fabs(b.value));
}

bool agree(const Point* a, const Point* b) {
  return a == nullptr || b == nullptr ? a == b : agree(*a, *b);
}

std::string text_of(const Point* p) {
  if (p == nullptr) return "nothing";
  return p->histogram == nullptr ? model::format_float_g(p->value)
                                 : model::to_string(*p->histogram);
}

const Outcome& Definition::exact() { return with_noise(0); }

const Outcome& Definition::with_noise(std::uint32_t noise) {
  while (outcomes_.size() <= noise) {
    outcomes_.push_back(evaluate(static_cast<std::uint32_t>(outcomes_.size())));
  }
  return outcomes_[noise];
}

Outcome Definition::evaluate(std::uint32_t noise) const {
  Outcome out;
  auto expr = parse_expr(query_.text, parser_);
  if (expr.ok()) {
    const Status resolved = resolve_durations(expr->get(), model::Duration(query_.step_ms),
                                              model::Duration(query_.end_ms - query_.start_ms));
    if (!resolved.ok()) expr = resolved;
  }
  if (!expr.ok()) {
    out.error = std::string(message(expr.status()));
    return out;
  }
  NaiveQuery query = query_;
  query.noise = noise;
  NaiveNames names;
  const std::int64_t step = std::max<std::int64_t>(query.step_ms, 1);
  for (std::int64_t t = query.start_ms; t <= query.end_ms; t += step) {
    auto value = evaluate_naively(**expr, query, t, &names, &out.notes);
    if (!value.ok()) {
      out.unknown = value.status().code() == StatusCode::kUnimplemented;
      out.error = std::string(message(value.status()));
      return out;
    }
    if (value->type == ValueType::kScalar) out.points[{}][t] = {value->number, nullptr};
    for (const auto& e : value->vector) {
      out.points[e.labels][t] = {e.sample.value, e.sample.histogram};
    }
  }
  return out;
}

bool Definition::allows(const model::Labels& labels, std::int64_t t, const Point* answer) {
  with_noise(kNoises);  // and all before it
  const Points& exact = outcomes_[0].points;
  const Point* n = find(exact, labels, t);
  if (agree(answer, n)) return true;
  const std::set<model::Labels> all = present(exact, t);
  double spread = 0;
  for (std::size_t noise = 1; noise <= kNoises; ++noise) {
    const Outcome& other = outcomes_[noise];
    if (other.error) return true;
    const Point* o = find(other.points, labels, t);
    if (answer == nullptr || n == nullptr) {
      if (present(other.points, t) != all) return true;
      continue;
    }
    if (o == nullptr || agree(*o, *answer)) return true;
    if (o->histogram != nullptr || n->histogram != nullptr) continue;
    if (std::isnan(o->value) != std::isnan(n->value)) return true;
    if (!std::isnan(o->value)) spread = std::max(spread, std::fabs(o->value - n->value));
  }
  if (answer == nullptr || n == nullptr) return false;
  if (answer->histogram != nullptr || n->histogram != nullptr) return false;
  return std::fabs(answer->value - n->value) <= 16 * spread;
}

bool Definition::sometimes(const std::function<bool(const Outcome&)>& holds) {
  for (std::uint32_t noise = 1; noise <= kNoises; ++noise) {
    if (holds(with_noise(noise))) return true;
  }
  return false;
}

}  // namespace tocsin::promql::testing
