// SPDX-License-Identifier: Apache-2.0
//
// ResultWriter: writes what a rule group produced in one iteration, and staleness markers for
// series that vanished.
//
// Confined to its rule group.
// Errors: those of the store; out-of-order and duplicate results are
// dropped and counted.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "storage/appender.h"

namespace tocsin::rules {

struct RuleOutput {
  model::Labels labels;
  double value = 0;
  std::shared_ptr<const model::FloatHistogram> histogram;  // set: value is unused
};

class ResultWriter {
 public:
  // Borrows: storage.
  explicit ResultWriter(storage::Appendable& storage) : storage_(storage) {}
  ResultWriter(const ResultWriter&) = delete;
  ResultWriter& operator=(const ResultWriter&) = delete;

  // Writes the outputs of rule number `rule` at `t` and waits until they are readable, so that
  // later rules of the iteration see them. A rule that failed is not passed and keeps its series
  // until it succeeds again.
  Status write(std::size_t rule, const std::vector<RuleOutput>& outputs, model::Timestamp t);
  // Marks every series written last as stale at `t`: the rules are gone.
  Status write_stale(model::Timestamp t);

  std::uint64_t dropped() const { return dropped_; }
  // Series written by rule number `rule` in its last iteration move to another writer, after a
  // reload.
  using Written = std::unordered_map<model::Labels, storage::SeriesRef, model::LabelsHash>;
  Written take(std::size_t rule);
  void give(std::size_t rule, Written written);

 private:
  Status append(storage::Appender& appender, const RuleOutput& output, storage::SeriesRef* ref,
                model::Timestamp t);

  storage::Appendable& storage_;
  std::vector<Written> written_;  // by rule
  std::uint64_t dropped_ = 0;
};

}  // namespace tocsin::rules
