// SPDX-License-Identifier: Apache-2.0
//
// Reading parameters of /api/v1 requests: times, durations, limits, selectors.
//
// Pure functions.
// Errors: kInvalidArgument `invalid parameter "NAME": REASON`, upstream's texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "model/matcher.h"
#include "net/http.h"
#include "storage/queryable.h"

namespace tocsin::web {

// RFC 3339 or float seconds; `fallback` when the parameter is absent or empty.
StatusOr<base::Timestamp> time_param(const net::QueryParams& params, std::string_view name,
                                     std::optional<base::Timestamp> fallback);
// Float seconds or a Prometheus duration; `fallback` as above.
StatusOr<base::Duration> duration_param(const net::QueryParams& params, std::string_view name,
                                        std::optional<base::Duration> fallback);
// A whole number as Go's Atoi reads it. REQUIRES: the parameter is there.
StatusOr<std::int64_t> integer_param(const net::QueryParams& params, std::string_view name);
// 0: no limit.
StatusOr<std::size_t> limit_param(const net::QueryParams& params);
StatusOr<std::vector<model::Matchers>> match_params(const net::QueryParams& params);

struct LabelRequest {
  std::vector<model::Matchers> matchers;
  storage::LabelHints hints;
};
// match[], start, end and limit of labels, label values and series.
StatusOr<LabelRequest> label_request(const net::QueryParams& params);

}  // namespace tocsin::web
