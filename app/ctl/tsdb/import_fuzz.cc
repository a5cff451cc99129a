// SPDX-License-Identifier: Apache-2.0
//
// Pages to import: what is in the store afterwards is what a map would hold that refuses late samples
// and other values, and as many were refused. Input: the page.
#include <bit>
#include <map>

#include "app/ctl/tsdb/tools.h"
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "formats/exposition.h"
#include "storage/testing/mem_store.h"

namespace tocsin::app {
namespace {

using Samples = std::map<std::int64_t, std::uint64_t>;  // bits by time

// What the page says, in a map.
class Naive final : public formats::ExpositionSink {
 public:
  Status sample(const formats::ExpositionSample& sample) override {
    ASSIGN_OR_RETURN(const model::Labels labels, formats::parse_series(sample.series, sample.kind));
    if (!sample.timestamp_ms) return invalid_argument("no timestamp");
    const auto bits = std::bit_cast<std::uint64_t>(sample.value);
    Samples& of_one = series[labels.to_series_string()];
    // The store of tests takes repetitions also when they are late.
    const auto there = of_one.find(*sample.timestamp_ms);
    const bool is_late = !of_one.empty() && *sample.timestamp_ms < of_one.rbegin()->first;
    const bool is_taken = there != of_one.end() ? there->second == bits : !is_late;
    ++(is_taken ? accepted : refused);
    if (is_taken) of_one.emplace(*sample.timestamp_ms, bits);
    return ok();
  }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}

  std::map<std::string, Samples> series;
  std::uint64_t accepted = 0, refused = 0;
};

std::map<std::string, Samples> stored(const storage::testing::MemStore& store) {
  std::map<std::string, Samples> all;
  storage::SelectHints hints;
  hints.mint = base::from_ms(INT64_MIN);
  hints.maxt = base::from_ms(INT64_MAX);
  const auto selection = store.select({}, hints, {});
  CHECK(selection.ok());
  for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
    storage::ColumnBatch batch;
    CHECK((*selection)->read(b, &batch).ok());
    for (const storage::SeriesColumn& column : batch.series) {
      Samples& of_one = all[(*selection)->labels(column.series).to_series_string()];
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        if (!column.has(row)) continue;
        of_one.emplace(column.times->ms[column.first + row],
                       std::bit_cast<std::uint64_t>(column.floats[row]));
      }
    }
  }
  return all;
}

void fuzz(std::string_view bytes) {
  storage::testing::MemStore store;
  Imported imported;
  Naive naive;
  const Status expected = formats::parse_openmetrics(bytes, naive);
  const Status status = import_page(bytes, store, &imported);
  CHECK(status.ok() == expected.ok());
  if (!status.ok()) return;
  CHECK(imported.accepted == naive.accepted && imported.refused == naive.refused);
  CHECK(imported.first_refusal.ok() == (naive.refused == 0));
  CHECK(stored(store) == naive.series);
}

}  // namespace

TOCSIN_FUZZ_TARGET(import, fuzz)

}  // namespace tocsin::app
