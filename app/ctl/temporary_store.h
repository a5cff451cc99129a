// SPDX-License-Identifier: Apache-2.0
//
// A database of its own in a temporary directory, for tools that run scripts and tests; removed in
// the end.
//
// Owns: the directory. Threads: as the database. Errors: of making the directory and the database.
#pragma once

#include <memory>

#include "promql/script.h"

namespace tocsin::app {

StatusOr<std::unique_ptr<promql::ScriptStore>> make_temporary_store();
// One that seals what it has in the middle of a load, and after it seals the rest, merges
// everything to the oldest tier and opens itself anew: evaluations read from disk only.
StatusOr<std::unique_ptr<promql::ScriptStore>> make_reopened_store();

}  // namespace tocsin::app
