// SPDX-License-Identifier: Apache-2.0
//
// The time per sample of reading pages of many targets of one kind, in turn: by position, with a
// line that comes and goes, shuffled, and by the parser alone.
#include <algorithm>
#include <map>

#include <benchmark/benchmark.h>

#include "base/string_map.h"
#include "formats/page/quick_decimal.h"
#include "formats/page_reader.h"
#include "formats/testing/sample_page.h"

namespace tocsin::formats {
namespace {

constexpr std::size_t kSeries = 1000;
constexpr std::size_t kPages = 3;  // of each target, one after the other

class AnySeries final : public PageReader::Listener {
 public:
  Status added(std::uint32_t, const PageReader::Exposed&) override { return ok(); }
};

void per_sample(benchmark::State& state) {
  state.counters["per_sample"] = benchmark::Counter(
      static_cast<double>(kSeries),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

std::vector<std::vector<std::string>> make_pages(std::size_t targets) {
  std::vector<std::vector<std::string>> pages(targets);
  for (std::size_t i = 0; i < targets; ++i) {
    testing::SamplePage sample(kSeries, i);
    for (std::size_t j = 0; j < kPages; ++j) pages[i].push_back(sample.next());
  }
  return pages;
}

void read_in_turn(benchmark::State& state, const std::vector<std::vector<std::string>>& pages) {
  LineTable table({});
  AnySeries any;
  PageReader::Page page;
  std::vector<std::unique_ptr<PageReader>> readers;
  for (const auto& of_target : pages) {
    readers.push_back(std::make_unique<PageReader>(table));
    if (!readers.back()->read(ExpositionFormat::kText, of_target.back(), any, &page).ok()) {
      state.SkipWithError("malformed page");
    }
    readers.back()->rearrange([](std::uint32_t) { return true; });
  }
  std::size_t target = 0;
  std::size_t number = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        readers[target]->read(ExpositionFormat::kText, pages[target][number], any, &page).ok());
    if (!page.same_series) readers[target]->rearrange([](std::uint32_t) { return true; });
    if (++target == pages.size()) {
      target = 0;
      number = (number + 1) % kPages;
    }
  }
  std::size_t bytes = 0;
  for (const auto& reader : readers) bytes += reader->memory();
  state.counters["bytes_per_series"] =
      static_cast<double>(bytes) / static_cast<double>(kSeries * readers.size());
  per_sample(state);
}

void BM_ReadByPosition(benchmark::State& state) {
  read_in_turn(state, make_pages(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(BM_ReadByPosition)->Arg(1)->Arg(500);

void BM_ReadWithOneLineMoreOrLess(benchmark::State& state) {
  auto pages = make_pages(static_cast<std::size_t>(state.range(0)));
  for (auto& of_target : pages)
    of_target[1].insert(of_target[1].find("# HELP", 5000), "new_line 1\n");
  read_in_turn(state, pages);
}
BENCHMARK(BM_ReadWithOneLineMoreOrLess)->Arg(500);

void BM_ReadShuffled(benchmark::State& state) {
  auto pages = make_pages(static_cast<std::size_t>(state.range(0)));
  std::mt19937_64 random(1);
  for (auto& of_target : pages) {
    for (std::string& text : of_target) {
      std::vector<std::string> lines;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at) + 1;
        if (text[at] != '#') lines.push_back(text.substr(at, end - at));
        at = end;
      }
      std::shuffle(lines.begin(), lines.end(), random);
      text.clear();
      for (const std::string& line : lines) text += line;
    }
  }
  read_in_turn(state, pages);
}
BENCHMARK(BM_ReadShuffled)->Arg(100);

// For comparison: the parser, and a look-up of each series.
void BM_ParseAndLookUp(benchmark::State& state) {
  const auto pages = make_pages(static_cast<std::size_t>(state.range(0)));
  class Sink final : public ExpositionSink {
   public:
    Status sample(const ExpositionSample& s) override {
      sum += s.value + known.try_emplace(std::string(s.series), 1).first->second;
      return ok();
    }
    void type(std::string_view, model::MetricKind) override {}
    void help(std::string_view, std::string_view) override {}
    void unit(std::string_view, std::string_view) override {}
    StringMap<int> known;
    double sum = 0;
  };
  std::vector<Sink> sinks(pages.size());
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_text(pages[i % pages.size()][0], sinks[i % pages.size()]).ok());
    ++i;
  }
  per_sample(state);
}
BENCHMARK(BM_ParseAndLookUp)->Arg(1)->Arg(500);

void BM_QuickDecimal(benchmark::State& state) {
  testing::SamplePage sample(kSeries, 1);
  std::vector<std::string> values;
  const std::string page = sample.next();
  for (std::size_t at = page.find("} "); at != std::string::npos; at = page.find("} ", at + 1)) {
    values.push_back(page.substr(at + 2, page.find('\n', at) + 1 - at - 2) + std::string(64, ' '));
  }
  for (auto _ : state) {
    for (const std::string& value : values) {
      double number = 0;
      benchmark::DoNotOptimize(page::read_quick_decimal(value.data(), &number));
      benchmark::DoNotOptimize(number);
    }
  }
  per_sample(state);
}
BENCHMARK(BM_QuickDecimal);

}  // namespace
}  // namespace tocsin::formats
