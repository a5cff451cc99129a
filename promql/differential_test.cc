// SPDX-License-Identifier: Apache-2.0
//
// Random expressions over random data: the engine and the naive evaluator must agree at every step.
//
// Each case has a seed, which is printed when it fails and repeats it:
//   TOCSIN_DIFFERENTIAL_SEED=N TOCSIN_DIFFERENTIAL_EXPRESSIONS=1 promql_tests
//   --gtest_filter='Differential.*'
// TOCSIN_DIFFERENTIAL_EXPRESSIONS says how many to run. The seeds are always the same ones, so that a
// failure is of the change at hand; `./dev nightly differential` takes new ones. What counts as
// agreement is in docs/decisions/0022-differential-tests.md.
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/time.h"
#include "promql/engine.h"
#include "promql/parser.h"
#include "promql/testing/definition.h"
#include "promql/testing/random_data.h"
#include "promql/testing/random_query.h"
#include "promql/testing/shrink.h"
#include "storage/testing/mem_store.h"

namespace tocsin::promql {
namespace {

using model::from_ms;
using testing::Definition;
using testing::NaiveNotes;
using testing::NaiveSeries;
using testing::Outcome;
using testing::Point;

// Cases that share one set of data.
constexpr std::uint32_t kCasesPerData = 50;

struct Times {
  std::int64_t start_ms = 0, end_ms = 0, step_ms = 0;  // step 0: an instant query
};

// The part of a note that does not depend on which of the steps it came up.
std::string note_kind(std::string note) {
  for (const std::string_view cut : {", from buckets", " (see https", ", got ", " occurrences)"}) {
    const std::size_t at = note.find(cut);
    if (at != std::string::npos) note = note.substr(0, at);
  }
  return note;
}

NaiveNotes kinds(const NaiveNotes& notes) {
  NaiveNotes out;
  for (const std::string& note : notes) out.insert(note_kind(note));
  return out;
}

class World {
 public:
  explicit World(std::uint32_t seed) : seed_(seed) {
    options_.delayed_name_removal = seed % 2 == 1;
    options_.use_start_timestamps = seed % 3 == 1;
    options_.max_samples = 0;
    options_.parser = {true, true, true, true, 200};
    testing::RandomDataOptions data;
    data.histograms = histograms();
    data_ = testing::random_data(seed, data);
    std::sort(data_.begin(), data_.end(),
              [](const auto& a, const auto& b) { return a.labels < b.labels; });
    reload();
  }

  bool histograms() const { return seed_ % 4 != 0; }
  const EngineOptions& options() const { return options_; }
  const std::vector<NaiveSeries>& data() const { return data_; }
  void set_data(std::vector<NaiveSeries> data) {
    data_ = std::move(data);
    reload();
  }

  Outcome ask_engine(const std::string& text, const Times& times) {
    Outcome out;
    const bool instant = times.step_ms == 0;
    auto result = instant ? engine_->instant(*store_, text, from_ms(times.start_ms))
                          : engine_->range(*store_, text, from_ms(times.start_ms),
                                           from_ms(times.end_ms), model::Duration(times.step_ms));
    if (!result.ok()) {
      out.error = std::string(message(result.status()));
      return out;
    }
    for (const auto& w : result->annotations.warnings) out.notes.insert(w);
    for (const auto& i : result->annotations.infos) out.notes.insert(i);
    if (const auto* scalar = std::get_if<Scalar>(&result->value)) {
      out.points[{}][times.start_ms] = {scalar->value, nullptr};
    } else if (const auto* vector = std::get_if<Vector>(&result->value)) {
      for (const Sample& s : *vector) out.points[s.labels][times.start_ms] = {s.value, s.histogram};
    } else if (const auto* matrix = std::get_if<Matrix>(&result->value)) {
      for (const Series& s : *matrix) {
        auto& points = out.points[s.labels];
        for (const auto& p : s.floats) points[p.time_ms] = {p.value, nullptr};
        for (const auto& p : s.histograms) points[p.time_ms] = {0, p.histogram};
      }
    }
    return out;
  }

  Definition definition(const std::string& text, const Times& times) const {
    testing::NaiveQuery query{data_, text, times.start_ms, times.end_ms, times.step_ms};
    query.delayed_names = options_.delayed_name_removal;
    query.start_timestamps = options_.use_start_timestamps;
    return Definition(std::move(query), options_.parser);
  }

 private:
  void reload() {
    engine_.reset();
    store_ = std::make_unique<storage::testing::MemStore>();
    const Status loaded = testing::load(*store_, data_, seed_ % 5 < 2);
    ASSERT_TRUE(loaded.ok()) << message(loaded);
    engine_ = std::make_unique<Engine>(
        options_, Engine::Services{clock_, seed_ % 7 == 0 ? &pool_ : nullptr, nullptr});
  }

  const std::uint32_t seed_;
  const base::SystemClock clock_;
  base::ThreadPool pool_{{.name = "queries", .threads = 2}};
  EngineOptions options_;
  std::vector<NaiveSeries> data_;
  std::unique_ptr<storage::testing::MemStore> store_;
  std::unique_ptr<Engine> engine_;
};

// One expression at given times: what differs, and whether the definition leaves that open.
class Comparison {
 public:
  Comparison(World& world, std::string text, const Times& times)
      : world_(world),
        text_(std::move(text)),
        times_(times),
        definition_(world.definition(text_, times)) {}

  // Whether the naive evaluator met what the language leaves to the machine: year(1e300).
  bool unknown() const { return unknown_; }
  // "" when they agree.
  std::string run() {
    engine_ = world_.ask_engine(text_, times_);
    const Outcome& naive = definition_.exact();
    unknown_ = naive.unknown;
    if (unknown_) return "";
    if (engine_.error.has_value() != naive.error.has_value()) return errors_differ();
    if (engine_.error) return "";
    std::string difference = points_differ();
    return difference.empty() ? notes_differ() : difference;
  }

 private:
  // A range query evaluates a subquery over the whole of its time, also where no window looks.
  bool has_subquery() const { return times_.step_ms > 0 && text_.find(':') != std::string::npos; }

  std::string errors_differ() {
    if (engine_.error && has_subquery() && fails_somewhere()) return "";
    // info() looks for conflicts among the info series of whatever the base has at any step.
    const bool conflict = engine_.error && (engine_.error->find("for info metric") < 50 ||
                                            engine_.error->find("conflicting label") < 50);
    const bool steps = times_.end_ms > times_.start_ms || text_.find(':') != std::string::npos;
    if (conflict && steps) return "";
    const bool refused = engine_.error.has_value();
    if (definition_.sometimes([&](const Outcome& o) { return o.error.has_value() == refused; })) {
      return "";
    }
    return engine_.error ? "engine: " + *engine_.error : "naive: " + *definition_.exact().error;
  }

  // Whether the definition refuses the query at a time between its steps.
  bool fails_somewhere() const {
    Times all = times_;
    all.step_ms = 1'000;
    return world_.definition(text_, all).exact().error.has_value();
  }

  std::string points_differ() {
    const testing::Points& naive = definition_.exact().points;
    for (const auto& [labels, points] : testing::joined(naive, engine_.points)) {
      for (const auto& [t, p] : points) {
        const Point* e = find(engine_.points, labels, t);
        const Point* n = find(naive, labels, t);
        if (agree(e, n) || definition_.allows(labels, t, e)) continue;
        return fmt::format("{} at {}: engine {}, naive {}", labels.to_series_string(), t,
                           testing::text_of(e), testing::text_of(n));
      }
    }
    return "";
  }

  std::string notes_differ() {
    const NaiveNotes engine = kinds(engine_.notes), naive = kinds(definition_.exact().notes);
    for (const std::string& note : naive) {
      if (!engine.contains(note) && !note_left_open(note, true)) {
        std::string said = "only naive says: " + note + "; engine:";
        for (const std::string& other : engine_.notes) said += "\n  " + other;
        return said;
      }
    }
    for (const std::string& note : engine) {
      if (naive.contains(note) || has_subquery()) continue;
      if (!note_left_open(note, false)) return "only the engine says: " + note;
    }
    return "";
  }

  // Notes that depend on what else is evaluated, see the decision.
  bool unclear_note(const std::string& note) const {
    const auto has = [](std::string_view text, std::string_view part) {
      return text.find(part) != std::string_view::npos;
    };
    // Upstream says it where a subquery has several steps, whatever the query.
    const bool steps_differ = has(text_, ":") || has(text_, "@");
    if (has(note, "sort is ineffective") && steps_differ) return true;
    // Where only counts and sums of histograms matter, reading them detects resets.
    const bool counts =
        has(text_, "histogram_count") || has(text_, "histogram_sum") || has(text_, "histogram_avg");
    return has(note, "conflicting counter resets") && counts;
  }

  bool note_left_open(const std::string& note, bool said) {
    if (unclear_note(note)) return true;
    return definition_.sometimes(
        [&](const Outcome& o) { return kinds(o.notes).contains(note) != said; });
  }

  World& world_;
  const std::string text_;
  const Times times_;
  Definition definition_;
  Outcome engine_;
  bool unknown_ = false;
};

Times random_times(std::mt19937& random) {
  constexpr std::int64_t kSteps[] = {7'000, 15'000, 30'000, 60'000, 113'000, 300'000};
  Times out;
  out.start_ms = static_cast<std::int64_t>(random() % 1'700) * 1'000 - 100'000;
  if (random() % 4 == 0) out.start_ms += static_cast<std::int64_t>(random() % 1'000);
  out.end_ms = out.start_ms;
  if (random() % 3 == 0) return out;
  out.step_ms = kSteps[random() % std::size(kSteps)];
  out.end_ms += out.step_ms * static_cast<std::int64_t>(random() % 8);
  if (random() % 3 == 0) out.end_ms += static_cast<std::int64_t>(random()) % out.step_ms;
  return out;
}

// Leaves out series that the difference does not need.
void shrink_data(World& world, const std::string& text, const Times& times) {
  for (std::size_t i = world.data().size(); i-- > 0;) {
    const std::vector<NaiveSeries> before = world.data();
    std::vector<NaiveSeries> fewer = before;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    world.set_data(fewer);
    if (Comparison(world, text, times).run().empty()) world.set_data(before);
  }
}

std::string report(std::uint32_t data_seed, const std::string& text, Times times) {
  World world(data_seed);
  const auto fails = [&](const std::string& candidate) {
    return !Comparison(world, candidate, times).run().empty();
  };
  const std::string small = testing::shrink(text, world.options().parser, fails);
  shrink_data(world, small, times);
  std::string out = fmt::format("expression {}\nsmaller    {}\n", text, small);
  out += fmt::format("start {} end {} step {} delayed names {} start timestamps {}\n",
                     times.start_ms, times.end_ms, times.step_ms,
                     world.options().delayed_name_removal, world.options().use_start_timestamps);
  out += Comparison(world, small, times).run() + "\n";
  if (world.data().size() < 4) out += testing::describe(world.data());
  return out;
}

std::uint32_t number_from_environment(const char* name, std::uint32_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): test
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

TEST(Differential, EngineAgreesWithTheDefinition) {
  const std::uint32_t first = number_from_environment("TOCSIN_DIFFERENTIAL_SEED", 1000);
  const std::uint32_t count = number_from_environment("TOCSIN_DIFFERENTIAL_EXPRESSIONS", 2'000);
  const std::uint32_t max_failures = number_from_environment("TOCSIN_DIFFERENTIAL_FAILURES", 5);
  std::printf("%u expressions, first seed %u\n", count, first);
  std::unique_ptr<World> world;
  std::uint32_t failures = 0, refused = 0, unknown = 0;
  for (std::uint32_t i = 0; i < count && failures < max_failures; ++i) {
    const std::uint32_t seed = first + i, data_seed = seed / kCasesPerData;
    if (world == nullptr || seed % kCasesPerData == 0) world = std::make_unique<World>(data_seed);
    testing::RandomQueryOptions options;
    options.histograms = world->histograms();
    const std::string text = testing::RandomQuery(seed, options).next();
    std::mt19937 random(seed);
    const Times times = random_times(random);
    const auto parsed = parse_expr(text, world->options().parser);
    ASSERT_TRUE(parsed.ok()) << text << "\n" << message(parsed.status()) << " seed " << seed;
    Comparison comparison(*world, text, times);
    const std::string difference = comparison.run();
    unknown += comparison.unknown() ? 1 : 0;
    refused += world->ask_engine(text, times).error ? 1 : 0;
    if (difference.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << "\n" << report(data_seed, text, times);
  }
  std::printf("%u of them refused, %u unknown\n", refused, unknown);
  EXPECT_LT(unknown * 50, std::max(count, 200U));
  EXPECT_LT(refused * 3, std::max(count, 60U)) << "the generator makes too few valid expressions";
}

}  // namespace
}  // namespace tocsin::promql
