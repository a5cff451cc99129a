// SPDX-License-Identifier: Apache-2.0
//
// Messages of anybody who may publish on the broker: what decodes is within its bounds, and may be
// told to the state whatever it says.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "exporters/app/celery/celery_state.h"
#include "exporters/app/celery/event.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxSeries = 4;
constexpr std::size_t kMaxTasks = 3;

void fuzz(std::string_view bytes) {
  CeleryState state(
      {.max_tasks = kMaxTasks, .max_series = kMaxSeries * CeleryState::kSeriesPerTask});
  base::SteadyTime now;
  // Several messages, one a line.
  while (!bytes.empty()) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(bytes.size(), line.size() + 1));
    const StatusOr<std::vector<CeleryEvent>> events = decode_celery_message(line);
    if (!events.ok()) continue;
    CHECK(events->size() <= kMaxCeleryBatch);
    for (const CeleryEvent& event : *events) {
      CHECK(!exception_class(event.exception).empty());
      state.apply(event, now);
    }
    now += std::chrono::minutes(1);
  }
  CHECK(state.tracked_tasks() <= kMaxTasks);
  std::vector<base::MetricFamily> families;
  state.append_to(now, &families);
  for (const base::MetricFamily& family : families) {
    for (const base::MetricSample& sample : family.samples) CHECK(sample.value >= 0);
  }
}

}  // namespace
TOCSIN_FUZZ_TARGET(celery_event, fuzz)
}  // namespace tocsin::exporters::app
