// SPDX-License-Identifier: Apache-2.0
//
// JSON of query results. Pure functions.
#pragma once

#include "base/json.h"
#include "promql/engine.h"

namespace tocsin::web {

// {"resultType": ..., "result": ...}; with_stats adds "stats".
void write_result(const promql::QueryResult& result, bool with_stats, base::JsonWriter& json);
// Cuts a vector or matrix to `limit` series; true when something was cut. 0: no limit.
bool truncate(promql::Value* value, std::size_t limit);

}  // namespace tocsin::web
