// SPDX-License-Identifier: Apache-2.0
//
// build_run: writes the table file of a run: directory, timestamp columns, tiles.
//
// Series are put in metric order (name, then labels), so that the series a query selects lie next
// to each other. Pure but for the file.
// Errors: kInvalidArgument for columns that contradict
// themselves, kUnimplemented for histograms, what SampleFile returns.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "tsdb/run/run_format.h"

namespace tocsin::tsdb {

// Writes `path`; id and tier are taken from `info`. With no sample at all writes no file and
// returns no tiles and no side blocks.
StatusOr<RunRecord> build_run(const std::string& path, const RunInfo& info,
                              std::vector<RunSeriesInput> series,
                              std::vector<RunSideInput> side = {});

}  // namespace tocsin::tsdb
