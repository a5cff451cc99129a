// SPDX-License-Identifier: Apache-2.0
//
// limitk and limit_ratio: choose series without looking at their samples, and the counts that topk,
// bottomk and limitk share.
//
// limit_ratio keeps a series by the hash of its labels, the one upstream uses, so that both choose
// the same series.
// Values; pure functions.
// Errors: kFailedPrecondition with upstream's texts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "promql/eval/aggregate.h"
#include "promql/eval/annotations.h"

namespace tocsin::promql::eval {

// How many samples of each group each step keeps: k truncated, at least 0 and at most `most`.
// Errors: "Parameter value is NaN"; unless no step asks for a sample, "Scalar value ... underflows
// int64" or "... overflows int64".
StatusOr<std::vector<std::size_t>> sample_limits(std::span<const double> k, std::size_t most);

// Keeps at each step the first k[step] samples of each group, in the order of the series.
StatusOr<VectorSet> limit_count(const std::vector<Group>& groups, VectorSet set,
                                std::span<const double> k);

// Keeps at each step the series whose place in [0, 1] is below ratio[step], or, for a negative
// ratio, not below 1 + ratio[step]. A ratio beyond [-1, 1] is warned about at `position`.
// Errors: "Ratio value is NaN".
StatusOr<VectorSet> limit_ratio(VectorSet set, std::span<const double> ratio,
                                PositionRange position, AnnotationSet* annotations);

// The hash of labels by which limit_ratio places a series.
std::uint64_t sampling_hash(const model::Labels& labels);

}  // namespace tocsin::promql::eval
