// SPDX-License-Identifier: Apache-2.0
//
// A plan as JSON, for people who want to know what a query does. Pure function.
#pragma once

#include "base/json.h"
#include "promql/eval/evaluation.h"
#include "promql/eval/profile.h"
#include "promql/plan/plan.h"

namespace tocsin::promql::run {

// {"plan": NODE, "sources": [...]}; of a plan that was evaluated `run` and `profile` say what was
// done, otherwise they are null.
void write_plan(const plan::Plan& plan, const eval::Evaluation* run, const eval::Profile* profile,
                base::JsonWriter* json);

}  // namespace tocsin::promql::run
