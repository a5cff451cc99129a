// SPDX-License-Identifier: Apache-2.0
#include "web/api/targets_json.h"

#include "formats/api_json.h"
#include "model/timestamp.h"
#include "net/http.h"

namespace tocsin::web {

namespace {

// The URL as somebody on another machine would write it.
std::string global_url(const std::string& url, const std::string& external_url) {
  StatusOr<net::Url> parsed = net::Url::parse(url);
  StatusOr<net::Url> external = net::Url::parse(external_url);
  if (!parsed.ok() || !external.ok()) return url;
  if (parsed->host != "localhost" && parsed->host != "127.0.0.1" && parsed->host != "::1")
    return url;
  parsed->host = external->host;
  return parsed->to_string();
}

void write_active(const collector::TargetStatus& target, const std::string& external_url,
                  base::JsonWriter& json) {
  json.begin_object().key("discoveredLabels");
  formats::write_labels(target.discovered, &json);
  json.key("labels");
  formats::write_labels(target.labels, &json);
  json.field("scrapePool", target.job);
  json.field("scrapeUrl", target.scrape_url);
  json.field("globalUrl", global_url(target.global_url, external_url));
  json.field("lastError", target.last_error);
  const bool never = base::to_ms(target.last_scrape) == 0;
  json.field("lastScrape", never ? std::string("0001-01-01T00:00:00Z")
                                 : model::format_rfc3339(target.last_scrape));
  json.key("lastScrapeDuration").number(base::to_seconds(target.last_duration));
  json.field("health", health_text(target.health));
  json.field("scrapeInterval", model::format_duration(target.interval));
  json.field("scrapeTimeout", model::format_duration(target.timeout));
  json.end_object();
}

}  // namespace

std::string_view health_text(collector::Health health) {
  switch (health) {
    case collector::Health::kUp:
      return "up";
    case collector::Health::kDown:
      return "down";
    case collector::Health::kUnknown:
      return "unknown";
  }
  return "unknown";
}

void write_targets(const collector::TargetsSnapshot& targets, std::string_view state,
                   std::string_view pool, const std::string& external_url, base::JsonWriter& json) {
  json.begin_object().key("activeTargets").begin_array();
  const bool all = state.empty() || state == "any";
  const bool show_active = all || state == "active";
  const bool show_dropped = all || state == "dropped";
  if (show_active) {
    for (const collector::TargetStatus& target : targets.active) {
      if (pool.empty() || target.job == pool) write_active(target, external_url, json);
    }
  }
  json.end_array().key("droppedTargets").begin_array();
  if (show_dropped) {
    for (const collector::DroppedTarget& target : targets.dropped) {
      if (!pool.empty() && target.job != pool) continue;
      json.begin_object().key("discoveredLabels");
      formats::write_labels(target.discovered, &json);
      json.field("scrapePool", target.job).end_object();
    }
  }
  json.end_array().key("droppedTargetCounts").begin_object();
  if (show_dropped) {
    for (const auto& [job, count] : targets.dropped_counts) {
      if (pool.empty() || job == pool) json.key(job).integer(static_cast<std::int64_t>(count));
    }
  }
  json.end_object().end_object();
}

}  // namespace tocsin::web
