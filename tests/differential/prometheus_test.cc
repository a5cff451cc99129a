// SPDX-License-Identifier: Apache-2.0
//
// Random expressions over random data, asked of tocsin over its HTTP API and the real store, and of
// Debian's Prometheus 2.42. Both are filled by remote write with the same samples.
//
// The language is what 2.42 knows. Where the answers differ, each must be what the naive evaluator
// says for its version: docs/decisions/0022-differential-tests.md lists in what they differ.
// Each case has a seed, which is printed when it fails and repeats it, with the same data and times:
//   TOCSIN_DIFFERENTIAL_SEED=N TOCSIN_DIFFERENTIAL_EXPRESSIONS=1 differential_tests
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "base/time.h"
#include "formats/testing/remote_write_writer.h"
#include "model/value.h"
#include "promql/parser.h"
#include "promql/testing/definition.h"
#include "promql/testing/random_data.h"
#include "promql/testing/random_query.h"
#include "promql/testing/shrink.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

using promql::testing::Definition;
using promql::testing::NaiveSeries;
using promql::testing::Outcome;
using promql::testing::Point;

// A fixed time in the past. All steps of subqueries divide it.
constexpr std::int64_t kBase = 1'352'435LL * 1'260'000;
// Cases that share one set of data, and one pair of servers.
constexpr std::uint32_t kCasesPerData = 1'000;

struct Times {
  std::int64_t start_ms = 0, end_ms = 0, step_ms = 0;  // step 0: an instant query
};

std::uint32_t number_from_environment(const char* name, std::uint32_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): test
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

std::vector<NaiveSeries> make_data(std::uint32_t seed) {
  promql::testing::RandomDataOptions options;
  options.histograms = options.start_timestamps = options.utf8_names = false;
  std::vector<NaiveSeries> data = promql::testing::random_data(seed, options);
  for (NaiveSeries& series : data) {
    for (auto& sample : series.samples) sample.t += kBase;
  }
  std::sort(data.begin(), data.end(),
            [](const auto& a, const auto& b) { return a.labels < b.labels; });
  return data;
}

std::string write_request(const std::vector<NaiveSeries>& data) {
  formats::testing::WireWriter request;
  for (const NaiveSeries& series : data) {
    formats::testing::WireWriter out;
    for (const model::LabelView& label : series.labels) {
      formats::testing::WireWriter pair;
      out.message(1, pair.bytes(1, label.name).bytes(2, label.value));
    }
    for (const auto& s : series.samples) {
      out.message(2, formats::testing::sample(s.value, s.t));
    }
    request.message(1, out);
  }
  return formats::testing::snappy_block(request.text());
}

void write(const std::string& address, const std::string& body) {
  const Reply reply = net::testing::RawHttp(address).request(fmt::format(
      "POST /api/v1/write HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Encoding: snappy\r\nContent-Length: {}\r\n\r\n{}",
      address, body.size(), body));
  ASSERT_EQ(reply.status / 100, 2) << address << ": " << reply.status << " " << reply.body;
}

void add_value(const base::JsonValue& pair, std::map<std::int64_t, Point>* out) {
  ASSERT_EQ(pair.items().size(), 2U);
  const auto t = static_cast<std::int64_t>(std::llround(pair.items()[0].number() * 1000));
  const StatusOr<double> value = model::parse_float(pair.items()[1].string());
  ASSERT_TRUE(value.ok());
  (*out)[t] = {*value, nullptr};
}

Outcome parse_answer(const std::string& body) {
  Outcome out;
  const base::JsonValue json = parsed(body);
  if (text_at(json, "status") != "success") {
    out.error = text_at(json, "error");
    EXPECT_NE(*out.error, "") << body;
    return out;
  }
  const base::JsonValue& result = at(json, "data.result");
  if (text_at(json, "data.resultType") == "scalar") {
    add_value(result, &out.points[{}]);
    return out;
  }
  for (const base::JsonValue& series : result.items()) {
    model::LabelsBuilder labels;
    for (const auto& [name, value] : at(series, "metric").entries()) {
      labels.set(name, value.string());
    }
    auto& points = out.points[labels.build()];
    if (series.find("value") != nullptr) add_value(*series.find("value"), &points);
    if (series.find("values") == nullptr) continue;
    for (const base::JsonValue& pair : series.find("values")->items()) add_value(pair, &points);
  }
  return out;
}

std::string seconds(std::int64_t ms) { return fmt::format("{}.{:03}", ms / 1000, ms % 1000); }

Outcome ask(const std::string& address, const std::string& query, const Times& times) {
  Form form{{"query", query}};
  std::string path = "/api/v1/query?";
  if (times.step_ms == 0) {
    form.emplace_back("time", seconds(times.start_ms));
  } else {
    path = "/api/v1/query_range?";
    form.emplace_back("start", seconds(times.start_ms));
    form.emplace_back("end", seconds(times.end_ms));
    form.emplace_back("step", seconds(times.step_ms));
  }
  return parse_answer(http_get(address, path + encode_form(form)).body);
}

bool any_part(const promql::Expr& expr, bool (*holds)(const promql::Expr&)) {
  if (holds(expr)) return true;
  const std::vector<const promql::Expr*> parts = expr.children();
  return std::any_of(parts.begin(), parts.end(),
                     [&](const promql::Expr* e) { return any_part(*e, holds); });
}

bool is_fixed(const promql::Expr& expr) {
  const auto* selector = expr.as<promql::VectorSelector>();
  const auto* subquery = expr.as<promql::Subquery>();
  return (selector != nullptr && selector->shift.at != promql::AtKind::kNone) ||
         (subquery != nullptr && subquery->shift.at != promql::AtKind::kNone);
}

bool is_literal(const promql::Expr& expr) {
  if (const auto* paren = expr.as<promql::Paren>()) return is_literal(*paren->inner);
  if (const auto* sign = expr.as<promql::Unary>()) return is_literal(*sign->inner);
  return expr.as<promql::NumberLiteral>() != nullptr || expr.as<promql::StringLiteral>() != nullptr;
}

// Of a selector in timestamp() that has both @ and an offset, upstream (3.x too) forgets the offset.
bool loses_offset(const promql::Call& call) {
  if (call.function->name != "timestamp") return false;
  const promql::Expr* argument = call.arguments[0].get();
  while (const auto* paren = argument->as<promql::Paren>()) argument = paren->inner.get();
  const auto* selector = argument->as<promql::VectorSelector>();
  return selector != nullptr && is_fixed(*argument) && selector->shift.offset.value.count() != 0;
}

// What depends on the step beside something that @ binds to a time. The parameter of an aggregation
// upstream (3.x too) takes from the first step only then, and overlooks @ in it. Of a function over
// a range, 2.42 moves the range on with the steps.
bool confuses_upstream(const promql::Expr& expr) {
  bool computed = false;
  if (const auto* aggregation = expr.as<promql::Aggregate>()) {
    computed = aggregation->parameter != nullptr && !is_literal(*aggregation->parameter);
  } else if (const auto* call = expr.as<promql::Call>()) {
    if (loses_offset(*call)) return true;
    bool range = false, other = call->function->name == "predict_linear";
    for (const promql::ExprPtr& argument : call->arguments) {
      const bool matrix = argument->type() == promql::ValueType::kMatrix;
      range = range || matrix;
      other = other || (!matrix && !is_literal(*argument));
    }
    computed = range && other;
  }
  return computed && any_part(expr, is_fixed);
}

// Both servers, with the same data.
class Pair {
 public:
  Pair(const std::string& prometheus, std::uint32_t seed) : data_(make_data(seed)) {
    const std::string config = files_.write("config.yml", "global: {scrape_interval: 1m}\n");
    tocsin_ = std::make_unique<Tocsin>(Tocsin::Options{
        .config = config,
        .data = files_.file("tocsin"),
        .more = {"--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"}});
    prometheus_ = std::make_unique<Process>(std::vector<std::string>{
        prometheus, "--config.file=" + config, "--storage.tsdb.path=" + files_.file("prometheus"),
        "--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=100y"});
    fill();
  }

  // "" when the answers agree, or differ as the two versions do.
  std::string difference(const std::string& text, const Times& times) {
    differed_ = false;
    Definition now = definition(text, times, false);
    skipped_ = now.exact().unknown || any_part(**promql::parse_expr(text), confuses_upstream);
    if (skipped_) return "";
    const Outcome ours = ask(tocsin_->address(), text, times);
    const Outcome theirs = ask(address_, text, times);
    if (ours.error && theirs.error) return "";
    Definition before = definition(text, times, true);
    if (ours.error.has_value() != theirs.error.has_value()) {
      differed_ = true;
      if (explained(now, times, ours) && explained(before, times, theirs)) return "";
      return fmt::format("tocsin: {}, Prometheus: {}", ours.error.value_or("no error"),
                         theirs.error.value_or("no error"));
    }
    for (const auto& [labels, points] : promql::testing::joined(ours.points, theirs.points)) {
      for (const auto& [t, value] : points) {
        const Point* a = find(ours.points, labels, t);
        const Point* b = find(theirs.points, labels, t);
        if (agree(a, b)) continue;
        differed_ = true;
        if (now.allows(labels, t, a) && before.allows(labels, t, b)) continue;
        return fmt::format(
            "{} at base+{}: tocsin {}, Prometheus {}; for them the evaluator says {} "
            "and {}",
            labels.to_series_string(), t - kBase, text_of(a), text_of(b),
            text_of(find(now.exact().points, labels, t)),
            text_of(find(before.exact().points, labels, t)));
      }
    }
    return "";
  }

  // Whether the last case was not compared.
  bool skipped() const { return skipped_; }
  // Whether the answers to it differed.
  bool differed() const { return differed_; }

 private:
  void fill() {
    ASSERT_TRUE(tocsin_->wait_ready());
    address_ = prometheus_->wait_for_listener();
    ASSERT_TRUE(eventually([&] { return http_get(address_, "/-/ready").status == 200; }));
    const std::string body = write_request(data_);
    write(address_, body);
    write(tocsin_->address(), body);
  }

  Definition definition(const std::string& text, const Times& times, bool before_3) const {
    promql::testing::NaiveQuery query{data_, text, times.start_ms, times.end_ms, times.step_ms};
    query.before_3 = before_3;
    return Definition(std::move(query), {});
  }

  // Whether it fails, or does not fail, as the definition says.
  bool explained(Definition& definition, const Times& times, const Outcome& answer) const {
    const bool fails = answer.error.has_value();
    if (definition.exact().error.has_value() == fails) return true;
    const auto as_answer = [&](const Outcome& o) { return o.error.has_value() == fails; };
    if (definition.sometimes(as_answer)) return true;
    return fails && fails_over_time(definition, times, *answer.error);
  }

  // Errors of what is evaluated over the whole of a range query, not at its steps alone.
  bool fails_over_time(const Definition& definition, const Times& times,
                       const std::string& error) const {
    const bool before_3 = definition.query().before_3;
    const bool subquery = definition.query().text.find(':') != std::string::npos;
    // Since 3.x series that become equal are joined when they are never there at the same time.
    const bool range = times.step_ms > 0 || subquery;
    constexpr std::string_view kSame = "vector cannot contain metrics with the same labelset";
    if (before_3 && range && error.find(kSame) != std::string::npos) return true;
    if (!subquery || times.step_ms == 0) return false;
    Times all = times;
    all.step_ms = 1'000;
    return this->definition(definition.query().text, all, before_3).exact().error.has_value();
  }

  const TempDir files_;
  const std::vector<NaiveSeries> data_;
  std::unique_ptr<Tocsin> tocsin_;
  std::unique_ptr<Process> prometheus_;
  std::string address_;
  bool skipped_ = false, differed_ = false;
};

Times random_times(std::mt19937& random) {
  constexpr std::int64_t kSteps[] = {7'000, 15'000, 30'000, 60'000, 113'000, 300'000};
  Times out;
  out.start_ms = kBase + static_cast<std::int64_t>(random() % 1'700) * 1'000 - 100'000;
  if (random() % 4 == 0) out.start_ms += static_cast<std::int64_t>(random() % 1'000);
  out.end_ms = out.start_ms;
  if (random() % 3 == 0) return out;
  out.step_ms = kSteps[random() % std::size(kSteps)];
  out.end_ms += out.step_ms * static_cast<std::int64_t>(random() % 8);
  return out;
}

std::string report(Pair& pair, std::uint32_t seed, const std::string& text, const Times& times) {
  const std::string small = promql::testing::shrink(text, {}, [&](const std::string& candidate) {
    return !pair.difference(candidate, times).empty();
  });
  return fmt::format("seed {}\nexpression {}\nsmaller    {}\nstart base+{} end base+{} step {}\n{}",
                     seed, text, small, times.start_ms - kBase, times.end_ms - kBase, times.step_ms,
                     pair.difference(small, times));
}

TEST(DifferentialPrometheus, AgreesWhereTheVersionsDo) {
  const std::string program = source_path("build/parts/bin/prometheus");
  if (::access(program.c_str(), X_OK) != 0) {
    GTEST_SKIP() << program << " is missing: run tools/fetch_test_parts";
  }
  const std::uint32_t first = number_from_environment("TOCSIN_DIFFERENTIAL_SEED", 1'000);
  const std::uint32_t count = number_from_environment("TOCSIN_DIFFERENTIAL_EXPRESSIONS", 300);
  const std::uint32_t max_failures = number_from_environment("TOCSIN_DIFFERENTIAL_FAILURES", 5);
  std::printf("%u expressions, first seed %u\n", count, first);
  promql::testing::RandomQueryOptions options;
  options.experimental = options.histograms = options.utf8_names = options.since_2_42 = false;
  std::unique_ptr<Pair> pair;
  std::uint32_t failures = 0, skipped = 0, explained = 0;
  for (std::uint32_t i = 0; i < count && failures < max_failures; ++i) {
    const std::uint32_t seed = first + i;
    if (pair == nullptr || seed % kCasesPerData == 0) {
      pair.reset();
      pair = std::make_unique<Pair>(program, seed / kCasesPerData);
      if (::testing::Test::HasFatalFailure()) return;
    }
    const std::string text = promql::testing::RandomQuery(seed, options).next();
    std::mt19937 random(seed);
    const Times times = random_times(random);
    const std::string difference = pair->difference(text, times);
    skipped += pair->skipped() ? 1 : 0;
    explained += pair->differed() ? 1 : 0;
    if (difference.empty()) continue;
    ++failures;
    ADD_FAILURE() << report(*pair, seed, text, times);
  }
  std::printf("%u of them not compared, %u differ as the versions do or by rounding\n", skipped,
              explained);
  EXPECT_LT(skipped * 50, std::max(count, 500U));
}

}  // namespace
}  // namespace tocsin::tests
