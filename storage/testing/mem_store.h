// SPDX-License-Identifier: Apache-2.0
//
// MemStore: an in-memory Appendable and Queryable that is simple rather than fast, the reference
// that tests compare the database and the query engine with.
//
// Samples are kept as they came, in one ordered map per series. Order and duplicate errors, groups,
// positions, start timestamps and float histograms behave as storage/appender.h says. Series of one
// group are read with one shared TimestampColumn and a presence bitmap; others share a column when
// their timestamps are equal.
// Exemplars are kept without a limit, metadata of the last update.
// Threads: shared (one lock). Errors: those of storage/appender.h.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "storage/appender.h"
#include "storage/exemplars.h"
#include "storage/queryable.h"

namespace tocsin::storage::testing {

struct MemStoreOptions {
  // A sample may be this much older than the newest of the store; 0 refuses every out-of-order
  // sample.
  model::Duration out_of_order_window{0};
};

class MemStore final : public Appendable,
                       public Queryable,
                       public ExemplarQueryable,
                       public MetadataQueryable {
 public:
  explicit MemStore(MemStoreOptions options = {});
  ~MemStore() override;
  MemStore(const MemStore&) = delete;
  MemStore& operator=(const MemStore&) = delete;

  // Appendable. Appenders must not outlive the store.
  std::unique_ptr<Appender> appender() override;
  void drop_group(GroupId group) override;

  // Queryable. A Selection is a copy and may outlive the store.
  StatusOr<std::unique_ptr<Selection>> select(const model::Matchers& matchers,
                                              const SelectHints& hints,
                                              const QueryContext& context) const override;
  StatusOr<LabelResult> label_names(const model::Matchers& matchers, const LabelHints& hints,
                                    const QueryContext& context) const override;
  StatusOr<LabelResult> label_values(std::string_view name, const model::Matchers& matchers,
                                     const LabelHints& hints,
                                     const QueryContext& context) const override;
  StatusOr<std::vector<model::Labels>> series(const std::vector<model::Matchers>& matcher_sets,
                                              const LabelHints& hints,
                                              const QueryContext& context) const override;

  StatusOr<std::vector<ExemplarSeries>> exemplars(const std::vector<model::Matchers>& matcher_sets,
                                                  model::Timestamp mint,
                                                  model::Timestamp maxt) const override;
  StatusOr<std::vector<SeriesMetadata>> metadata(const model::Matchers& matchers,
                                                 std::size_t limit) const override;
  StatusOr<std::vector<model::MetricMetadata>> metric_metadata(
      std::string_view metric) const override;

 private:
  class Batch;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::storage::testing
