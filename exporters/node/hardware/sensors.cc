// SPDX-License-Identifier: Apache-2.0
//
// Heat and power: thermal_zone, powersupplyclass, rapl, watchdog.
#include <map>

#include "exporters/node/hardware/hardware.h"

namespace tocsin::exporters {
namespace {

struct SupplyValue {
  std::string_view file;
  std::string_view name;
};

constexpr SupplyValue kPlain[] = {
    {"authentic", "authentic"},
    {"calibrate", "calibrate"},
    {"capacity", "capacity"},
    {"capacity_alert_max", "capacity_alert_max"},
    {"capacity_alert_min", "capacity_alert_min"},
    {"cycle_count", "cyclecount"},
    {"online", "online"},
    {"present", "present"},
    {"time_to_empty_now", "time_to_empty_seconds"},
    {"time_to_full_now", "time_to_full_seconds"},
};

constexpr SupplyValue kMicroUnits[] = {
    {"current_boot", "current_boot"},
    {"current_max", "current_max"},
    {"current_now", "current_ampere"},
    {"energy_empty", "energy_empty"},
    {"energy_empty_design", "energy_empty_design"},
    {"energy_full", "energy_full"},
    {"energy_full_design", "energy_full_design"},
    {"energy_now", "energy_watthour"},
    {"voltage_boot", "voltage_boot"},
    {"voltage_max", "voltage_max"},
    {"voltage_max_design", "voltage_max_design"},
    {"voltage_min", "voltage_min"},
    {"voltage_min_design", "voltage_min_design"},
    {"voltage_now", "voltage_volt"},
    {"voltage_ocv", "voltage_ocv"},
    {"charge_control_limit", "charge_control_limit"},
    {"charge_control_limit_max", "charge_control_limit_max"},
    {"charge_counter", "charge_counter"},
    {"charge_empty", "charge_empty"},
    {"charge_empty_design", "charge_empty_design"},
    {"charge_full", "charge_full"},
    {"charge_full_design", "charge_full_design"},
    {"charge_now", "charge_ampere"},
    {"charge_term_current", "charge_term_current"},
    {"constant_charge_current", "constant_charge_current"},
    {"constant_charge_current_max", "constant_charge_current_max"},
    {"constant_charge_voltage", "constant_charge_voltage"},
    {"constant_charge_voltage_max", "constant_charge_voltage_max"},
    {"precharge_current", "precharge_current"},
    {"input_current_limit", "input_current_limit"},
    {"power_now", "power_watt"},
};

constexpr SupplyValue kTenths[] = {
    {"temp", "temp_celsius"},
    {"temp_alert_max", "temp_alert_max_celsius"},
    {"temp_alert_min", "temp_alert_min_celsius"},
    {"temp_ambient", "temp_ambient_celsius"},
    {"temp_ambient_alert_max", "temp_ambient_max_celsius"},
    {"temp_ambient_alert_min", "temp_ambient_min_celsius"},
    {"temp_max", "temp_max_celsius"},
    {"temp_min", "temp_min_celsius"},
};

constexpr std::string_view kTexts[] = {
    "capacity_level", "charge_type", "health",     "manufacturer", "model_name", "scope",
    "serial_number",  "status",      "technology", "type",         "usb_type"};

void show_supply(const Node& node, const std::string& supply, Families* out) {
  const std::string directory = node.sys("/class/power_supply/" + supply);
  const auto show = [&](std::span<const SupplyValue> table, double divisor) {
    for (const SupplyValue& row : table) {
      const std::optional<double> value = node.number(fmt::format("{}/{}", directory, row.file));
      if (!value) continue;
      out->gauge(fmt::format("node_power_supply_{}", row.name),
                 fmt::format("{} value of /sys/class/power_supply/<power_supply>.", row.name),
                 {{"power_supply", supply}}, *value / divisor);
    }
  };
  show(kPlain, 1);
  show(kMicroUnits, 1e6);
  show(kTenths, 10);
  LabelPairs labels = {{"power_supply", supply}};
  for (const std::string_view name : kTexts) {
    const std::optional<std::string> text = node.try_text(fmt::format("{}/{}", directory, name));
    if (text && !text->empty()) labels.emplace_back(name, to_valid_utf8(*text));
  }
  out->add({"node_power_supply_info", "info of /sys/class/power_supply/<power_supply>."},
           std::move(labels), 1);
}

// "package-0" -> {"package", "0"}; a name without a number counts how often it came.
std::pair<std::string, std::string> rapl_name(const std::string& text,
                                              std::map<std::string, int>* uses) {
  const std::size_t dash = text.rfind('-');
  if (dash != std::string::npos && to_count(std::string_view(text).substr(dash + 1))) {
    return {text.substr(0, dash), text.substr(dash + 1)};
  }
  return {text, fmt::format("{}", (*uses)[text]++)};
}

std::string metric_part(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!valid) c = '_';
  }
  return out;
}

}  // namespace

Status collect_thermal_zone(const Node& node, Families* out) {
  // A machine without zones has collected them all.
  const std::string directory = node.sys("/class/thermal");
  for (const std::string& name : node.list(directory, "thermal_zone")) {
    const std::string zone = directory + "/" + name;
    // Some zones cannot be read while their device sleeps.
    const std::optional<double> temperature = node.number(zone + "/temp");
    const std::optional<std::string> type = node.try_text(zone + "/type");
    if (!temperature || !type) continue;
    out->gauge("node_thermal_zone_temp", "Zone temperature in Celsius",
               {{"type", *type}, {"zone", name.substr(12)}}, *temperature / 1000);
  }
  for (const std::string& name : node.list(directory, "cooling_device")) {
    const std::string device = directory + "/" + name;
    const std::optional<double> now = node.number(device + "/cur_state");
    const std::optional<double> most = node.number(device + "/max_state");
    const std::optional<std::string> type = node.try_text(device + "/type");
    if (!now || !most || !type) continue;
    const std::string number = name.substr(14);
    out->gauge("node_cooling_device_cur_state", "Current throttle state of the cooling device",
               {{"name", number}, {"type", *type}}, *now);
    out->gauge("node_cooling_device_max_state", "Maximum throttle state of the cooling device",
               {{"name", number}, {"type", *type}}, *most);
  }
  return ok();
}

StatusOr<Collect> make_powersupplyclass(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make({.exclude = node.options.powersupply_ignored}));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable -> Status {
    const StatusOr<std::vector<std::string>> supplies =
        node.services.files.list(node.sys("/class/power_supply"));
    if (!supplies.ok()) return no_data_if_missing(supplies.status());
    for (const std::string& supply : *supplies) {
      if (names.keeps(supply)) show_supply(node, supply, out);
    }
    return ok();
  });
}

// /sys/class/powercap/intel-rapl:*; the counter is for root only on most machines.
Status collect_rapl(const Node& node, Families* out) {
  const std::string directory = node.sys("/class/powercap");
  std::map<std::string, int> uses;
  bool found = false;
  for (const std::string& entry : node.list(directory, "intel-rapl:")) {
    const std::string path = directory + "/" + entry;
    const std::optional<std::string> text = node.try_text(path + "/name");
    if (!text) continue;
    const auto [name, index] = rapl_name(*text, &uses);
    const std::optional<double> energy = node.number(path + "/energy_uj");
    if (!energy) continue;
    found = true;
    const double joules = *energy / 1'000'000;
    if (node.options.rapl_zone_label) {
      out->counter("node_rapl_joules_total", "Current RAPL value in joules",
                   {{"index", index}, {"path", path}, {"rapl_zone", name}}, joules);
    } else {
      out->counter(fmt::format("node_rapl_{}_joules_total", metric_part(name)),
                   fmt::format("Current RAPL {} value in joules", name),
                   {{"index", index}, {"path", path}}, joules);
    }
  }
  return found ? ok() : no_data("no readable RAPL zones");
}

Status collect_watchdog(const Node& node, Families* out) {
  constexpr FileMetric kFiles[] = {
      {"bootstatus", "node_watchdog_bootstatus",
       "Value of /sys/class/watchdog/<watchdog>/bootstatus"},
      {"fw_version", "node_watchdog_fw_version",
       "Value of /sys/class/watchdog/<watchdog>/fw_version"},
      {"nowayout", "node_watchdog_nowayout", "Value of /sys/class/watchdog/<watchdog>/nowayout"},
      {"timeleft", "node_watchdog_timeleft_seconds",
       "Value of /sys/class/watchdog/<watchdog>/timeleft"},
      {"timeout", "node_watchdog_timeout_seconds",
       "Value of /sys/class/watchdog/<watchdog>/timeout"},
      {"pretimeout", "node_watchdog_pretimeout_seconds",
       "Value of /sys/class/watchdog/<watchdog>/pretimeout"},
      {"access_cs0", "node_watchdog_access_cs0",
       "Value of /sys/class/watchdog/<watchdog>/access_cs0"},
  };
  const std::string directory = node.sys("/class/watchdog");
  const StatusOr<std::vector<std::string>> names = node.services.files.list(directory);
  if (!names.ok()) return no_data_if_missing(names.status());
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    node.show_files(path, kFiles, {{"name", name}}, out);
    const auto text = [&](std::string_view file) {
      return node.try_text(fmt::format("{}/{}", path, file)).value_or("");
    };
    out->gauge("node_watchdog_info", "Info of /sys/class/watchdog/<watchdog>",
               {{"identity", text("identity")},
                {"name", name},
                {"options", text("options")},
                {"pretimeout_governor", text("pretimeout_governor")},
                {"state", text("state")},
                {"status", text("status")}},
               1);
  }
  return ok();
}

}  // namespace tocsin::exporters
