// SPDX-License-Identifier: Apache-2.0
//
// Expressions: what was parsed prints, in both forms, and the printed text parses to what prints the
// same; it is planned and explained, and evaluated where there is no data.
#include "promql/parser.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "promql/engine.h"

namespace tocsin::promql {
namespace {

class NoSeries final : public storage::Selection {
 public:
  std::span<const storage::SeriesEntry> series() const override { return {}; }
  model::Labels labels(std::size_t) const override { return {}; }
  Status read(std::size_t, storage::ColumnBatch*) const override { return ok(); }
  Status last(std::size_t, model::Timestamp, model::Duration,
              std::vector<storage::LastValue>*) const override {
    return ok();
  }
};

class EmptyStore final : public storage::Queryable {
 public:
  StatusOr<std::unique_ptr<storage::Selection>> select(
      const model::Matchers&, const storage::SelectHints&,
      const storage::QueryContext&) const override {
    return std::make_unique<NoSeries>();
  }
  StatusOr<storage::LabelResult> label_names(const model::Matchers&, const storage::LabelHints&,
                                             const storage::QueryContext&) const override {
    return storage::LabelResult();
  }
  StatusOr<storage::LabelResult> label_values(std::string_view, const model::Matchers&,
                                              const storage::LabelHints&,
                                              const storage::QueryContext&) const override {
    return storage::LabelResult();
  }
  StatusOr<std::vector<model::Labels>> series(const std::vector<model::Matchers>&,
                                              const storage::LabelHints&,
                                              const storage::QueryContext&) const override {
    return std::vector<model::Labels>();
  }
};

void fuzz(std::string_view bytes) {
  const ParserOptions options{.experimental_functions = true,
                              .duration_expressions = true,
                              .extended_range_selectors = true,
                              .fill_modifiers = true};
  const StatusOr<ExprPtr> expr = parse_expr(bytes, options);
  if (expr.ok()) {
    const std::string text = to_string(**expr);
    const StatusOr<ExprPtr> again = parse_expr(text, options);
    CHECK(again.ok());
    CHECK(to_string(**again) == text);
    const StatusOr<ExprPtr> pretty = parse_expr(pretty_print(**expr), options);
    CHECK(pretty.ok());
    CHECK(to_string(**pretty) == text);
    EngineOptions engine_options;
    engine_options.parser = options;
    engine_options.max_samples = 1000;
    engine_options.timeout = base::Duration(1000);
    const base::SystemClock clock;
    Engine engine(engine_options, {clock});
    const base::Timestamp start = base::from_ms(60'000);
    const base::Timestamp end = base::from_ms(120'000);
    static_cast<void>(engine.explain(bytes, start, end, base::Duration(15'000)));
    const EmptyStore store;
    QueryOptions query_options;
    query_options.analyze = true;
    static_cast<void>(engine.instant(store, bytes, start, query_options));
    static_cast<void>(engine.range(store, bytes, start, end, base::Duration(15'000)));
  }
  static_cast<void>(parse_metric_selector(bytes));
  static_cast<void>(parse_metric(bytes));
}

}  // namespace

TOCSIN_FUZZ_TARGET(parser, fuzz)

}  // namespace tocsin::promql
