// SPDX-License-Identifier: Apache-2.0
//
// One, two and eight evaluation threads give the same bytes: for every query of the official
// scripts over what they load, and for every query of the benchmark over series with the names and
// labels that its selectors ask for.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/json.h"
#include "base/time.h"
#include "model/histogram_buckets.h"
#include "model/value.h"
#include "promql/engine.h"
#include "promql/script/commands.h"
#include "promql/script/nhcb.h"
#include "storage/testing/mem_store.h"

namespace tocsin::promql {
namespace {

using model::from_ms;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

EngineOptions engine_options() {
  EngineOptions options;
  options.delayed_name_removal = options.use_start_timestamps = true;
  options.parser = {true, true, true, true, 200};
  return options;
}

// As the API writes them: floats in their shortest exact form, histograms by their buckets.
void write_point(std::int64_t time_ms, double value, base::JsonWriter* json) {
  json->begin_array().integer(time_ms).string(model::format_float(value)).end_array();
}
void write_point(std::int64_t time_ms, const model::FloatHistogram& h, base::JsonWriter* json) {
  json->begin_array().integer(time_ms).string(model::to_string(h)).end_array();
}

void write_value(const Value& value, base::JsonWriter* json) {
  json->begin_array();
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    write_point(scalar->time_ms, scalar->value, json);
  } else if (const auto* text = std::get_if<StringValue>(&value)) {
    json->string(text->value);
  } else if (const auto* vector = std::get_if<Vector>(&value)) {
    for (const Sample& s : *vector) {
      json->string(s.labels.to_series_string());
      if (s.histogram != nullptr) {
        write_point(s.time_ms, *s.histogram, json);
      } else {
        write_point(s.time_ms, s.value, json);
      }
    }
  } else {
    for (const Series& s : std::get<Matrix>(value)) {
      json->string(s.labels.to_series_string());
      for (const Point& p : s.floats) write_point(p.time_ms, p.value, json);
      for (const HistogramPoint& p : s.histograms) write_point(p.time_ms, *p.histogram, json);
    }
  }
  json->end_array();
}

std::string json_of(const StatusOr<QueryResult>& result) {
  if (!result.ok()) return "error: " + std::string(message(result.status()));
  std::string out;
  base::JsonWriter json(&out);
  write_value(result->value, &json);
  for (const std::string& w : result->annotations.warnings) out += "\nwarning: " + w;
  for (const std::string& i : result->annotations.infos) out += "\ninfo: " + i;
  return out;
}

// Engines with different numbers of threads, asked the same.
class Engines {
 public:
  void compare(const storage::Queryable& store, const std::string& query, std::int64_t start_ms,
               std::int64_t end_ms, std::int64_t step_ms) {
    const auto ask = [&](Engine& engine) {
      if (step_ms == 0) return json_of(engine.instant(store, query, from_ms(start_ms)));
      return json_of(
          engine.range(store, query, from_ms(start_ms), from_ms(end_ms), model::Duration(step_ms)));
    };
    const std::string one = ask(one_);
    EXPECT_EQ(one, ask(two_)) << query;
    EXPECT_EQ(one, ask(eight_)) << query;
    ++asked_;
  }
  int asked() const { return asked_; }

 private:
  const base::SystemClock clock_;
  base::ThreadPool two_threads_{{.name = "two", .threads = 2}};
  base::ThreadPool eight_threads_{{.name = "eight", .threads = 8}};
  Engine one_{engine_options(), {clock_, nullptr, nullptr}};
  Engine two_{engine_options(), {clock_, &two_threads_, nullptr}};
  Engine eight_{engine_options(), {clock_, &eight_threads_, nullptr}};
  int asked_ = 0;
};

void append(storage::Appender& appender, const script::LoadedSeries& series, std::int64_t step_ms) {
  using Kind = SeriesLine::Item::Kind;
  for (std::size_t i = 0; i < series.line.points.size(); ++i) {
    const SeriesLine::Item& item = series.line.points[i];
    if (item.kind == Kind::kGap) continue;
    const std::int64_t t = static_cast<std::int64_t>(i) * step_ms;
    storage::AppendOptions options;
    if (!series.start_offsets.empty() && series.start_offsets[i]) {
      options.start = from_ms(t + *series.start_offsets[i]);
    }
    const double value = item.kind == Kind::kStale ? model::stale_nan() : item.value;
    const auto appended = item.kind == Kind::kHistogram
                              ? appender.append_histogram({}, series.line.labels, from_ms(t),
                                                          *item.histogram, options)
                              : appender.append({}, series.line.labels, from_ms(t), value, options);
    ASSERT_TRUE(appended.ok()) << message(appended.status());
  }
}

void load(const script::Load& load, storage::testing::MemStore* store) {
  auto appender = store->appender();
  for (const auto& series : load.series) append(*appender, series, load.step_ms);
  if (load.with_nhcb) {
    for (auto& line : script::make_nhcb_series(load.series)) {
      append(*appender, {std::move(line), {}}, load.step_ms);
    }
  }
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
}

void run_script(const std::string& file, Engines* engines) {
  const auto commands = script::parse_script(read_file(file), file, engine_options().parser);
  ASSERT_TRUE(commands.ok()) << message(commands.status());
  auto store = std::make_unique<storage::testing::MemStore>();
  for (const script::Command& command : *commands) {
    if (const auto* loaded = std::get_if<script::Load>(&command)) {
      load(*loaded, store.get());
    } else if (const auto* eval = std::get_if<script::Evaluate>(&command)) {
      const auto& times = eval->times;
      if (!eval->instant) {
        engines->compare(*store, eval->query, times.start_ms, times.end_ms, times.step_ms);
        continue;
      }
      engines->compare(*store, eval->query, times.start_ms, 0, 0);
      engines->compare(*store, eval->query, times.start_ms - 60'000, times.start_ms + 60'000,
                       60'000);
    } else {
      store = std::make_unique<storage::testing::MemStore>();
    }
  }
}

std::string folder_from(const char* variable) {
  const char* folder = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): test
  return folder == nullptr ? "" : folder;
}

TEST(Threads, EveryQueryOfTheScriptsGivesTheSameBytes) {
  const std::string folder = folder_from("TOCSIN_CONFORMANCE_DIR");
  if (folder.empty()) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  Engines engines;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/promql")) {
    if (entry.path().extension() == ".test") run_script(entry.path().string(), &engines);
  }
  std::printf("%d queries\n", engines.asked());
  EXPECT_GT(engines.asked(), 2'000);
}

struct BenchQuery {
  std::string text;
  bool instant = true;
  std::int64_t window_ms = 0, step_ms = 0;
};

std::int64_t duration_ms(const std::string& text) {
  const std::int64_t unit = text.back() == 'h' ? 3'600'000 : text.back() == 'm' ? 60'000 : 1'000;
  return std::stol(text) * unit;
}

// Lines of "id | instant or range:WINDOW:STEP | query".
std::vector<BenchQuery> bench_queries(const std::string& text) {
  std::vector<BenchQuery> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t first = line.find(" | "), second = line.find(" | ", first + 1);
    if (line.starts_with("#") || first == std::string::npos || second == std::string::npos)
      continue;
    BenchQuery query{line.substr(second + 3)};
    std::string kind = line.substr(first + 3, second - first - 3);
    kind.erase(kind.find_last_not_of(' ') + 1);
    if (kind.starts_with("range:")) {
      const std::size_t colon = kind.find(':', 6);
      query.instant = false;
      query.window_ms = duration_ms(kind.substr(6, colon - 6));
      query.step_ms = duration_ms(kind.substr(colon + 1));
    }
    out.push_back(std::move(query));
  }
  return out;
}

void collect(const Expr& expr, std::map<std::string, model::LabelsBuilder>* metrics) {
  if (const auto* selector = expr.as<VectorSelector>(); selector && !selector->name.empty()) {
    model::LabelsBuilder& labels = (*metrics)[selector->name];
    for (const model::Matcher& m : selector->matchers) {
      if (m.type() == model::Matcher::Type::kEqual) labels.set(m.name(), m.value());
      if (m.regex() != nullptr && !m.regex()->literals().empty()) {
        labels.set(m.name(), m.regex()->literals()[0]);
      }
    }
  }
  for (const Expr* child : expr.children()) collect(*child, metrics);
}

constexpr std::int64_t kBenchEnd = 7 * 3'600'000;

// Of each metric one series per instance and one more dimension, 150 in all.
void fill(const std::map<std::string, model::LabelsBuilder>& metrics,
          storage::testing::MemStore* store) {
  std::mt19937 random(7);
  for (const auto& [name, wanted] : metrics) {
    auto appender = store->appender();
    for (int i = 0; i < 150; ++i) {
      model::LabelsBuilder labels = wanted;
      labels.set(model::kMetricName, name).set("job", "node").set("zone", i % 2 == 0 ? "a" : "b");
      if (i >= 3) labels.set("instance", fmt::format("node-{:04}:9100", i / 3));
      labels.set("nodename", "n" + std::to_string(i / 3));
      if (wanted.get("mode").empty()) labels.set("mode", i % 3 == 0 ? "idle" : "user");
      labels.set("handler", i % 3 == 1 ? "/a" : "/b");
      constexpr const char* kBounds[] = {"0.1", "1", "+Inf"};
      if (name.ends_with("_bucket")) labels.set("le", kBounds[i % 3]);
      storage::SeriesRef ref;
      double value = 0;
      labels.set("device", std::to_string(i % 3));
      const model::Labels built = labels.build();
      for (std::int64_t t = 0; t <= kBenchEnd; t += 60'000) {
        value += static_cast<double>(random() % 1000) / 37 * (i % 3 + 1);
        const auto appended = appender->append(ref, built, from_ms(t), value);
        ASSERT_TRUE(appended.ok()) << message(appended.status());
        ref = appended->ref;
      }
    }
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }
}

TEST(Threads, EveryQueryOfTheBenchmarkGivesTheSameBytes) {
  const std::string folder = folder_from("TOCSIN_CONFORMANCE_DIR");
  if (folder.empty()) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  const std::string file = folder + "/../bench/queries.txt";
  if (!std::filesystem::exists(file)) {
    std::printf("there is no %s\n", file.c_str());
    return;
  }
  const auto queries = bench_queries(read_file(file));
  std::map<std::string, model::LabelsBuilder> metrics;
  for (const BenchQuery& query : queries) {
    const auto expr = parse_expr(query.text, engine_options().parser);
    ASSERT_TRUE(expr.ok()) << query.text << ": " << message(expr.status());
    collect(**expr, &metrics);
  }
  storage::testing::MemStore store;
  fill(metrics, &store);
  Engines engines;
  for (const BenchQuery& query : queries) {
    const std::int64_t start = query.instant ? kBenchEnd : kBenchEnd - query.window_ms;
    // At most 40 steps: what differs between threads does not need more.
    const std::int64_t step = std::max(query.step_ms, query.window_ms / 40);
    engines.compare(store, query.text, start, kBenchEnd, query.instant ? 0 : step);
  }
  std::printf("%d queries\n", engines.asked());
  EXPECT_GE(engines.asked(), 30);
}

}  // namespace
}  // namespace tocsin::promql
