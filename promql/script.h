// SPDX-License-Identifier: Apache-2.0
//
// The script runner: executes the official PromQL test language (docs: `tocsinctl promqltest
// --help`).
//
// Each evaluation runs in three forms: as given, re-printed with @ at other times, and as the
// middle step of a range. The store comes from a factory, so the same scripts run over memory and
// over the database.
// Threads: confined. Errors: a bad script is kInvalidArgument with file:line; a
// failed evaluation is a ScriptFailure.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "promql/engine.h"
#include "storage/appender.h"
#include "storage/queryable.h"

namespace tocsin::promql {

// A fresh, empty store; destroying it frees everything.
class ScriptStore {
 public:
  virtual ~ScriptStore() = default;
  virtual storage::Appendable& appendable() = 0;
  virtual storage::Queryable& queryable() = 0;
  // Called during a load, when each series without histograms has its first half of the points,
  // and after it; the store may put away what it has. Views of before are not used any more.
  virtual Status pause() { return ok(); }
  virtual Status loaded() { return ok(); }
};
using ScriptStoreFactory = std::function<StatusOr<std::unique_ptr<ScriptStore>>()>;

struct ScriptFailure {
  int line = 0;
  std::string text;  // what was expected and what came
};
struct ScriptResult {
  int total = 0;
  int passed = 0;
  std::vector<ScriptFailure> failures;
};

// Runs one script; goes on after a failed evaluation.
StatusOr<ScriptResult> run_script(std::string_view text, std::string_view file,
                                  const ScriptStoreFactory& make_store);

// Parses "<series> <points>" of the load command and of rule tests' input_series: points as in "1 2
// _x3 4+1x5 stale".
struct SeriesLine {
  model::Labels labels;
  struct Item {
    enum class Kind { kGap, kFloat, kHistogram, kStale };
    Kind kind = Kind::kGap;
    double value = 0;
    std::shared_ptr<const model::FloatHistogram> histogram;
  };
  std::vector<Item> points;
};
StatusOr<SeriesLine> parse_series_line(std::string_view text);
// A native histogram as such a line has it: {{count:2 sum:3 buckets:[2]}}.
std::string histogram_text(const model::FloatHistogram& histogram);

}  // namespace tocsin::promql
