// SPDX-License-Identifier: Apache-2.0
#include "web/status_api.h"

#include "web/api/envelope.h"
#include "web/api/params.h"

namespace tocsin::web {
namespace {

constexpr std::int64_t kEntries = 10;
constexpr std::int64_t kMaxEntries = 10'000;

StatusOr<std::size_t> entry_limit(const net::QueryParams& params) {
  if (params.get("limit").empty()) return static_cast<std::size_t>(kEntries);
  const StatusOr<std::int64_t> limit = integer_param(params, "limit");
  if (!limit.ok() || *limit < 1) return invalid_argument("limit must be a positive number");
  if (*limit > kMaxEntries) return invalid_argument("limit must not exceed {}", kMaxEntries);
  return static_cast<std::size_t>(*limit);
}

void write_head(const storage::StoreStats& stats, base::JsonWriter& json) {
  // An empty head has upstream's extremes.
  const bool any = stats.head_min_time <= stats.head_max_time;
  json.key("headStats").begin_object();
  json.key("numSeries").integer(static_cast<std::int64_t>(stats.active_series));
  json.key("numLabelPairs").integer(static_cast<std::int64_t>(stats.label_pairs));
  json.key("chunkCount").integer(static_cast<std::int64_t>(stats.head_chunks));
  json.key("minTime").integer(any ? base::to_ms(stats.head_min_time) : INT64_MAX);
  json.key("maxTime").integer(any ? base::to_ms(stats.head_max_time) : INT64_MIN);
  json.end_object();
}

void write_entries(std::string_view key, const std::vector<storage::CardinalityEntry>& entries,
                   base::JsonWriter& json) {
  json.key(key).begin_array();
  for (const storage::CardinalityEntry& entry : entries) {
    json.begin_object().field("name", entry.name);
    json.key("value").integer(static_cast<std::int64_t>(entry.value)).end_object();
  }
  json.end_array();
}

StatusOr<net::HttpResponse> tsdb_status(const storage::Admin& store,
                                        const net::HttpRequest& request) {
  ASSIGN_OR_RETURN(const net::QueryParams params, request.form());
  ASSIGN_OR_RETURN(const std::size_t limit, entry_limit(params));
  return success([&](base::JsonWriter& json) {
    json.begin_object();
    write_head(store.stats(), json);
    write_entries("seriesCountByMetricName", store.series_by_metric(limit), json);
    write_entries("labelValueCountByLabelName", store.values_by_label(limit), json);
    write_entries("memoryInBytesByLabelName", store.bytes_by_label(limit), json);
    write_entries("seriesCountByLabelValuePair", store.series_by_pair(limit), json);
    json.end_object();
  });
}

}  // namespace

void add_status_api(net::Router& router, const storage::Admin& store) {
  router.add("GET", "/api/v1/status/tsdb", [&store](const net::HttpRequest& request) {
    StatusOr<net::HttpResponse> response = tsdb_status(store, request);
    return response.ok() ? *std::move(response) : failure(response.status());
  });
}

}  // namespace tocsin::web
