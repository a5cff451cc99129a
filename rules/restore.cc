// SPDX-License-Identifier: Apache-2.0
//
// Restoring `for` after a restart: ALERTS_FOR_STATE holds when each alert became active. An alert
// that was pending keeps the time that was left, but never less than the grace period; one that was
// firing fires at the next evaluation.
#include "model/value.h"
#include "rules/group.h"

namespace tocsin::rules {

namespace {

using Key = model::Labels;
struct LastState {
  std::int64_t time_ms;
  double active_at_seconds;
};

// Last value of every ALERTS_FOR_STATE series of the rule in [mint, maxt]; stale ones are left out.
StatusOr<std::map<Key, LastState>> last_states(const AlertingRule& rule, base::Timestamp mint,
                                               base::Timestamp maxt,
                                               const storage::Queryable& queryable) {
  storage::SelectHints hints;
  hints.mint = mint;
  hints.maxt = maxt;
  const model::Matchers matchers = {model::Matcher::equal(model::kMetricName, "ALERTS_FOR_STATE"),
                                    model::Matcher::equal(model::kAlertName, rule.options().name)};
  ASSIGN_OR_RETURN(std::unique_ptr<storage::Selection> selection,
                   queryable.select(matchers, hints, {}));
  std::map<Key, LastState> states;
  for (std::size_t b = 0; b < selection->batch_count(); ++b) {
    storage::ColumnBatch batch;
    RETURN_IF_ERROR(selection->read(b, &batch));
    for (const storage::SeriesColumn& column : batch.series) {
      for (std::uint32_t row = column.rows; row-- > 0;) {
        if (!column.has(row)) continue;
        if (!model::is_stale(column.floats[row])) {
          states[selection->labels(column.series).without_metric_name()] = {
              column.times->ms[column.first + row], column.floats[row]};
        }
        break;
      }
    }
  }
  return states;
}

}  // namespace

Status restore_alerting_rule(AlertingRule& rule, base::Timestamp at, const AlertTiming& timing,
                             const storage::Queryable& queryable) {
  const base::Duration hold = rule.options().hold;
  if (hold < timing.grace_period) return ok();
  using States = std::map<Key, LastState>;
  ASSIGN_OR_RETURN(States states, last_states(rule, at - timing.outage_tolerance, at, queryable));
  for (auto& [labels, instance] : rule.instances()) {
    auto found = states.find(labels);
    if (found == states.end()) continue;
    const base::Timestamp down_at = base::from_ms(found->second.time_ms);
    base::Timestamp active_at =
        base::from_ms(static_cast<std::int64_t>(found->second.active_at_seconds) * 1000);
    const base::Duration remaining = hold - (down_at - active_at);
    if (remaining > base::Duration(0)) {
      active_at = remaining < timing.grace_period ? at + timing.grace_period - hold
                                                  : active_at + (at - down_at);
    }
    instance.active_at = active_at;
  }
  return ok();
}

}  // namespace tocsin::rules
