// SPDX-License-Identifier: Apache-2.0
//
// What a sentinel knows about the masters it watches, beyond the lines in its INFO.
#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxMasters = 1000;
constexpr std::size_t kMaxPeers = 1000;  // other sentinels of one master

std::string_view text_at(const RespValue& map, std::string_view key) {
  const RespValue* value = map.at(key);
  return value == nullptr ? std::string_view() : value->as_text();
}

double number_at(const RespValue& map, std::string_view key) {
  return number_of(text_at(map, key)).value_or(0);
}

struct Master {
  std::string_view name, address;
};

// Whether neither this sentinel nor a quorum thinks that it is down.
bool is_fine(const RespValue& instance) {
  const std::string_view flags = text_at(instance, "flags");
  return instance.at("flags") != nullptr && flags.find("o_down") == std::string_view::npos &&
         flags.find("s_down") == std::string_view::npos;
}

Status show_quorum(const Section& section, const Master& master) {
  const StatusOr<RespValue> reply = section.server.call({"SENTINEL", "CKQUORUM", master.name});
  RETURN_IF_ERROR(section.server.breakage());
  section.out.gauge("sentinel_master_ckquorum_status", reply.ok() ? 1 : 0,
                    {{"master_name", master.name},
                     {"message", reply.ok() ? reply->as_text() : message(reply.status())}});
  return ok();
}

Status show_sentinels(const Section& section, const Master& master) {
  const StatusOr<RespValue> reply = section.server.call({"SENTINEL", "SENTINELS", master.name});
  RETURN_IF_ERROR(section.server.breakage());
  double fine = 1;  // this one
  if (reply.ok()) {
    for (const RespValue& peer :
         std::span(reply->items).first(std::min(reply->items.size(), kMaxPeers))) {
      if (is_fine(peer)) ++fine;
      if (!section.options.sentinel_peers) continue;
      section.out.gauge("sentinel_peer_info", 1,
                        {{"flags", text_at(peer, "flags")},
                         {"ip", text_at(peer, "ip")},
                         {"master_address", master.address},
                         {"master_name", master.name},
                         {"name", text_at(peer, "name")},
                         {"port", text_at(peer, "port")},
                         {"runid", text_at(peer, "runid")}});
    }
  }
  section.out.gauge("sentinel_master_ok_sentinels", fine,
                    {{"master_address", master.address}, {"master_name", master.name}});
  return ok();
}

Status show_slaves(const Section& section, const Master& master) {
  const StatusOr<RespValue> reply = section.server.call({"SENTINEL", "SLAVES", master.name});
  RETURN_IF_ERROR(section.server.breakage());
  double fine = 0;
  if (reply.ok()) {
    fine = static_cast<double>(std::count_if(reply->items.begin(), reply->items.end(), is_fine));
  }
  section.out.gauge("sentinel_master_ok_slaves", fine,
                    {{"master_address", master.address}, {"master_name", master.name}});
  return ok();
}

Status show_master(const Section& section, const RespValue& about) {
  const std::string address = fmt::format("{}:{}", text_at(about, "ip"), text_at(about, "port"));
  const Master master{.name = text_at(about, "name"), .address = address};
  if (master.name.empty()) return ok();
  RETURN_IF_ERROR(show_quorum(section, master));
  const Labels labels = {{"master_address", address}, {"master_name", master.name}};
  RedisMetrics& out = section.out;
  out.gauge("sentinel_master_setting_ckquorum", number_at(about, "quorum"), labels);
  out.gauge("sentinel_master_setting_failover_timeout", number_at(about, "failover-timeout"),
            labels);
  out.gauge("sentinel_master_setting_parallel_syncs", number_at(about, "parallel-syncs"), labels);
  out.gauge("sentinel_master_setting_down_after_milliseconds",
            number_at(about, "down-after-milliseconds"), labels);
  out.gauge("sentinel_master_config_epoch", number_at(about, "config-epoch"), labels);
  out.gauge("sentinel_master_last_ok_ping_reply_seconds",
            number_at(about, "last-ok-ping-reply") / 1e3, labels);
  RETURN_IF_ERROR(show_sentinels(section, master));
  return show_slaves(section, master);
}

}  // namespace

Status show_sentinel(const Section& section) {
  const StatusOr<RespValue> masters = section.server.call({"SENTINEL", "MASTERS"});
  RETURN_IF_ERROR(section.server.breakage());
  if (masters.ok()) {
    for (const RespValue& master :
         std::span(masters->items).first(std::min(masters->items.size(), kMaxMasters))) {
      RETURN_IF_ERROR(show_master(section, master));
    }
  }
  if (!section.options.config_metrics) return ok();
  const StatusOr<RespValue> reply = section.server.call({"SENTINEL", "CONFIG", "GET", "*"});
  if (!reply.ok()) return section.server.breakage();
  for (const auto& [key, value] : to_config(*reply)) {
    if (section.options.redact_config && key == "sentinel-pass") continue;
    section.out.gauge("sentinel_config_key_value", 1, {{"key", key}, {"value", value}});
    if (const auto number = number_of(value)) {
      section.out.gauge("sentinel_config_value", *number, {{"key", key}});
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
