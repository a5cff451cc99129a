// SPDX-License-Identifier: Apache-2.0
//
// JSON of query results. Pure functions.
#pragma once

#include "base/json.h"
#include "promql/engine.h"

namespace tocsin::web {

// About how much text write_result() makes of a value.
std::uint64_t json_size(const promql::Value& value);
// {"timings": ..., "samples": ...}
void write_stats(const promql::QueryStats& stats, base::JsonWriter& json);
// The members httpRequest and ruleGroup, where there is such a thing.
void write_origin(const promql::QueryOrigin& origin, base::JsonWriter& json);
// A query of Engine::running().
void write_running(const promql::Engine::Running& query, base::Timestamp now,
                   base::JsonWriter& json);
// {"resultType": ..., "result": ...}; with_stats adds "stats".
void write_result(const promql::QueryResult& result, bool with_stats, base::JsonWriter& json);
// Cuts a vector or matrix to `limit` series; true when something was cut. 0: no limit.
bool truncate(promql::Value* value, std::size_t limit);

}  // namespace tocsin::web
