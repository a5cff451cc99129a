// SPDX-License-Identifier: Apache-2.0
//
// The time per sample from a page's text to the calls of the store, without the store; and the
// memory per series of the scrape side.
#include <benchmark/benchmark.h>

#include "collector/scrape/page_writer.h"
#include "formats/testing/sample_page.h"

namespace tocsin::collector {
namespace {

constexpr std::size_t kSeries = 1000;

// Takes everything and keeps nothing.
class Nowhere final : public storage::Appendable {
 public:
  class Appender final : public storage::Appender {
   public:
    StatusOr<storage::AppendResult> append(storage::SeriesRef ref, const model::Labels&,
                                           model::Timestamp, double,
                                           const storage::AppendOptions&) override {
      return storage::AppendResult{ref ? ref : storage::SeriesRef(++next), !ref};
    }
    StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                     model::Timestamp, const model::FloatHistogram&,
                                                     const storage::AppendOptions&) override {
      return unimplemented("no histograms");
    }
    StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                     model::Timestamp, const model::Histogram&,
                                                     const storage::AppendOptions&) override {
      return unimplemented("no histograms");
    }
    Status append_exemplar(storage::SeriesRef, const model::Labels&,
                           const model::Exemplar&) override {
      return ok();
    }
    Status update_metadata(storage::SeriesRef, const model::Labels&,
                           const model::Metadata&) override {
      return ok();
    }
    StatusOr<storage::GroupId> define_group(storage::GroupId,
                                            std::span<const storage::SeriesRef>) override {
      return storage::GroupId(1);
    }
    Status step(storage::GroupId, model::Timestamp) override { return ok(); }
    Status set(std::uint32_t, double) override { return ok(); }
    Status set_range(std::uint32_t, std::span<const double> values) override {
      benchmark::DoNotOptimize(values.data());
      return ok();
    }
    Status stale_all(storage::GroupId, model::Timestamp) override { return ok(); }
    void commit(CommitCallback done) override { done(ok()); }
    void rollback() override {}

    std::uint64_t next = 0;
  };

  std::unique_ptr<storage::Appender> appender() override { return std::make_unique<Appender>(); }
  void drop_group(storage::GroupId) override {}
};

void BM_StorePage(benchmark::State& state) {
  base::SystemClock clock;
  base::Registry registry;
  Nowhere store;
  ScrapeShared shared(registry);
  const auto options = std::make_shared<const ScrapeOptions>();
  const auto targets = static_cast<std::size_t>(state.range(0));
  const bool shared_lines = state.range(1) != 0;
  std::vector<std::unique_ptr<PageWriter>> writers;
  std::vector<std::string> pages;
  Nowhere::Appender appender;
  for (std::size_t i = 0; i < targets; ++i) {
    std::string page = formats::testing::SamplePage(kSeries, i).next();
    for (std::size_t at = 0; !shared_lines && (at = page.find("cpu=", at)) != std::string::npos;) {
      page.replace(at, 3, fmt::format("host{}", i));
    }
    pages.push_back(std::move(page));
    writers.push_back(
        std::make_unique<PageWriter>(options, model::Labels::of({{"instance", std::to_string(i)}}),
                                     PageWriter::Services{clock, store, shared}));
  }
  std::int64_t ms = 1;
  const auto scrape = [&](std::size_t i) {
    auto memory = shared.memory.take();
    PageWriter::Page* const page = &memory->page;
    ScrapeFigures figures;
    Status status = writers[i]->read(formats::ExpositionFormat::kText, pages[i], page, &figures);
    if (status.ok()) status = writers[i]->store(appender, base::from_ms(ms++), *page, &figures);
    writers[i]->tidy(*page);
    shared.memory.give_back(std::move(memory));
    if (!status.ok()) state.SkipWithError("the page was refused");
  };
  for (std::size_t i = 0; i < targets; ++i) scrape(i);
  for (std::size_t i = 0; i < targets; ++i) scrape(i);
  std::size_t i = 0;
  for (auto _ : state) scrape(i++ % targets);
  double bytes = static_cast<double>(shared.lines.stats().bytes);
  for (const auto& writer : writers) bytes += static_cast<double>(writer->memory());
  state.counters["bytes_per_series"] = bytes / static_cast<double>(kSeries * targets);
  state.counters["per_sample"] = benchmark::Counter(
      static_cast<double>(kSeries),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_StorePage)
    ->ArgNames({"targets", "shared"})
    ->Args({1, 1})
    ->Args({500, 1})
    ->Args({500, 0});

}  // namespace
}  // namespace tocsin::collector
