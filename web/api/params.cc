// SPDX-License-Identifier: Apache-2.0
#include "web/api/params.h"

#include <charconv>
#include <cmath>

#include "model/labels.h"
#include "model/timestamp.h"
#include "model/value.h"
#include "promql/parser.h"
#include "web/api/envelope.h"

namespace tocsin::web {

StatusOr<base::Timestamp> time_param(const net::QueryParams& params, std::string_view name,
                                     std::optional<base::Timestamp> fallback) {
  const std::string_view text = params.get(name);
  if (text.empty() && fallback) return *fallback;
  StatusOr<base::Timestamp> time = model::parse_timestamp(text);
  if (time.ok()) return time;
  std::string reason = fmt::format("cannot parse {} to a valid timestamp", model::go_quote(text));
  if (fallback) reason = fmt::format("invalid time value for '{}': {}", name, reason);
  return bad_parameter(name, reason);
}

StatusOr<base::Duration> duration_param(const net::QueryParams& params, std::string_view name,
                                        std::optional<base::Duration> fallback) {
  const std::string_view text = params.get(name);
  if (text.empty() && fallback) return *fallback;
  if (StatusOr<double> seconds = model::parse_float(text); seconds.ok()) {
    constexpr double kMaxSeconds = 9.2e9;  // Go's longest duration in ns
    if (!std::isfinite(*seconds) || std::abs(*seconds) > kMaxSeconds) {
      return bad_parameter(name,
                           fmt::format("cannot parse {} to a valid duration. It overflows int64",
                                       model::go_quote(text)));
    }
    return base::Duration(std::llround(*seconds * 1000));
  }
  if (StatusOr<base::Duration> duration = model::parse_duration(text); duration.ok())
    return duration;
  return bad_parameter(name,
                       fmt::format("cannot parse {} to a valid duration", model::go_quote(text)));
}

StatusOr<std::int64_t> integer_param(const net::QueryParams& params, std::string_view name) {
  const std::string_view text = params.get(name);
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool signs = text.starts_with('+') && digits.starts_with('-');
  if (error == std::errc() && end == digits.data() + digits.size() && !signs) return value;
  const bool range = error == std::errc::result_out_of_range && !signs;
  return bad_parameter(name, fmt::format("strconv.Atoi: parsing {}: {}", model::go_quote(text),
                                         range ? "value out of range" : "invalid syntax"));
}

StatusOr<std::size_t> limit_param(const net::QueryParams& params) {
  const std::string_view text = params.get("limit");
  if (text.empty()) return 0;
  ASSIGN_OR_RETURN(std::int64_t limit, integer_param(params, "limit"));
  if (limit < 0) return bad_parameter("limit", "limit must be non-negative");
  return static_cast<std::size_t>(limit);
}

StatusOr<std::vector<model::Matchers>> match_params(const net::QueryParams& params) {
  std::vector<model::Matchers> sets;
  for (const std::string& text : params.all("match[]")) {
    StatusOr<model::Matchers> matchers = promql::parse_metric_selector(text);
    if (!matchers.ok()) return bad_parameter("match[]", message(matchers.status()));
    const bool all_empty = std::all_of(matchers->begin(), matchers->end(),
                                       [](const model::Matcher& m) { return m.matches_empty(); });
    if (all_empty)
      return bad_parameter("match[]", "match[] must contain at least one non-empty matcher");
    sets.push_back(std::move(*matchers));
  }
  return sets;
}

StatusOr<LabelRequest> label_request(const net::QueryParams& params) {
  LabelRequest request;
  ASSIGN_OR_RETURN(request.hints.limit, limit_param(params));
  ASSIGN_OR_RETURN(request.hints.mint, time_param(params, "start", model::kMinTime));
  ASSIGN_OR_RETURN(request.hints.maxt, time_param(params, "end", model::kMaxTime));
  ASSIGN_OR_RETURN(request.matchers, match_params(params));
  return request;
}

}  // namespace tocsin::web
