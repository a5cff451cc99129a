// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/systemd/systemd.h"

#include <map>

#include "exporters/node/systemd/dbus.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kDestination = "org.freedesktop.systemd1";
constexpr std::string_view kManagerPath = "/org/freedesktop/systemd1";
constexpr std::string_view kManager = "org.freedesktop.systemd1.Manager";
constexpr std::string_view kUnit = "org.freedesktop.systemd1.Unit";
constexpr std::string_view kService = "org.freedesktop.systemd1.Service";
constexpr std::string_view kTimer = "org.freedesktop.systemd1.Timer";
constexpr std::string_view kSocket = "org.freedesktop.systemd1.Socket";
constexpr std::string_view kStates[] = {"active", "activating", "deactivating", "inactive",
                                        "failed"};
constexpr double kMicroseconds = 1e6;

// nullopt for a property that this version does not have, or a unit that went away.
std::optional<DbusReader::Variant> property(DbusConnection* bus, std::string_view path,
                                            std::string_view interface, std::string_view name) {
  StatusOr<DbusReader::Variant> value = bus->property(
      {.destination = kDestination, .path = path, .interface = interface, .name = name});
  if (!value.ok()) return std::nullopt;
  return *std::move(value);
}

void show_service(DbusConnection* bus, const NodeOptions& options, const SystemdUnit& unit,
                  Families* out) {
  if (options.systemd_restarts_metrics) {
    if (const auto count = property(bus, unit.path, kService, "NRestarts")) {
      out->counter("node_systemd_service_restart_total", "Service unit count of Restart triggers",
                   {{"name", unit.name}}, count->number);
    }
  }
  if (!options.systemd_task_metrics) return;
  constexpr double kNoLimit = 18446744073709551615.0;
  const auto now = property(bus, unit.path, kService, "TasksCurrent");
  if (now && now->number != kNoLimit) {
    out->gauge("node_systemd_unit_tasks_current", "Current number of tasks per Systemd unit",
               {{"name", unit.name}}, now->number);
  }
  const auto most = property(bus, unit.path, kService, "TasksMax");
  if (most && most->number != kNoLimit) {
    out->gauge("node_systemd_unit_tasks_max", "Maximum number of tasks per Systemd unit",
               {{"name", unit.name}}, most->number);
  }
}

void show_socket(DbusConnection* bus, const SystemdUnit& unit, Families* out) {
  const Labels labels = {{"name", unit.name}};
  if (const auto count = property(bus, unit.path, kSocket, "NAccepted")) {
    out->counter("node_systemd_socket_accepted_connections_total",
                 "Total number of accepted socket connections", labels, count->number);
  }
  if (const auto count = property(bus, unit.path, kSocket, "NConnections")) {
    out->gauge("node_systemd_socket_current_connections", "Current number of socket connections",
               labels, count->number);
  }
  if (const auto count = property(bus, unit.path, kSocket, "NRefused")) {
    out->gauge("node_systemd_socket_refused_connections_total",
               "Total number of refused socket connections", labels, count->number);
  }
}

void show_unit(DbusConnection* bus, const NodeOptions& options, const SystemdUnit& unit,
               Families* out) {
  std::string type;
  if (unit.name.ends_with(".service")) {
    if (const auto value = property(bus, unit.path, kService, "Type")) type = value->text;
    show_service(bus, options, unit, out);
  } else if (unit.name.ends_with(".timer")) {
    if (const auto last = property(bus, unit.path, kTimer, "LastTriggerUSec")) {
      out->gauge("node_systemd_timer_last_trigger_seconds", "Seconds since epoch of last trigger.",
                 {{"name", unit.name}}, last->number / kMicroseconds);
    }
  } else if (unit.name.ends_with(".socket")) {
    show_socket(bus, unit, out);
  }
  for (const std::string_view state : kStates) {
    out->gauge("node_systemd_unit_state", "Systemd unit",
               {{"name", unit.name}, {"state", state}, {"type", type}},
               state == unit.active_state ? 1 : 0);
  }
  if (!options.systemd_start_time_metrics) return;
  double started = 0;
  if (unit.active_state == "active") {
    const auto value = property(bus, unit.path, kUnit, "ActiveEnterTimestamp");
    started = value ? value->number / kMicroseconds : 0;
  }
  out->gauge("node_systemd_unit_start_time_seconds",
             "Start time of the unit since unix epoch in seconds.", {{"name", unit.name}}, started);
}

void show_manager(DbusConnection* bus, const std::vector<SystemdUnit>& units, Families* out) {
  if (const auto version = property(bus, kManagerPath, kManager, "Version")) {
    out->gauge("node_systemd_version", "Detected systemd version", {{"version", version->text}},
               systemd_version_number(version->text));
  }
  if (const auto state = property(bus, kManagerPath, kManager, "SystemState")) {
    out->gauge("node_systemd_system_running",
               "Whether the system is operational (see 'systemctl is-system-running')", {},
               state->text == "running" ? 1 : 0);
  }
  std::map<std::string_view, double> counts;
  for (const std::string_view state : kStates) counts[state] = 0;
  for (const SystemdUnit& unit : units) counts[unit.active_state] += 1;
  for (const auto& [state, count] : counts) {
    out->gauge("node_systemd_units", "Summary of systemd unit states", {{"state", state}}, count);
  }
}

// The expressions are for whole names.
std::string whole(const std::string& pattern) {
  return pattern.empty() ? pattern : "^(?:" + pattern + ")$";
}

}  // namespace

StatusOr<std::vector<SystemdUnit>> parse_units(std::string_view body) {
  DbusReader reader(body);
  std::vector<SystemdUnit> units;
  const bool is_whole = reader.structures([&] {
    SystemdUnit unit;
    unit.name = reader.text();
    reader.text();  // description
    unit.load_state = reader.text();
    unit.active_state = reader.text();
    reader.text();  // sub state
    reader.text();  // what it follows
    unit.path = reader.text();
    reader.u32();  // job: number, type, path
    reader.text();
    reader.text();
    units.push_back(std::move(unit));
  });
  if (!is_whole) return data_loss("systemd: the list of units is cut");
  return units;
}

double systemd_version_number(std::string_view version) {
  const std::size_t begin = version.find_first_of("0123456789");
  if (begin == std::string_view::npos) return 0;
  version.remove_prefix(begin);
  std::size_t end = version.find_first_not_of("0123456789");
  if (end != std::string_view::npos && version[end] == '.') {
    const std::size_t after = version.find_first_not_of("0123456789", end + 1);
    if (after != end + 1) end = after;
  }
  return to_number(version.substr(0, end)).value_or(0);
}

StatusOr<Collect> make_systemd(const Node& node) {
  const FilterOptions& given = node.options.systemd_units;
  ASSIGN_OR_RETURN(Filter filter, Filter::make({.include = whole(given.include),
                                                .exclude = whole(given.exclude)}));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable -> Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<DbusConnection> bus,
                     DbusConnection::open(node.services.system_bus()));
    ASSIGN_OR_RETURN(const std::string body, bus->call({.destination = kDestination,
                                                        .path = kManagerPath,
                                                        .interface = kManager,
                                                        .member = "ListUnits"}));
    ASSIGN_OR_RETURN(const std::vector<SystemdUnit> units, parse_units(body));
    show_manager(bus.get(), units, out);
    for (const SystemdUnit& unit : units) {
      if (unit.load_state != "loaded" || !names.keeps(unit.name)) continue;
      show_unit(bus.get(), node.options, unit, out);
    }
    return bus->is_usable() ? ok() : unavailable("systemd stopped answering");
  });
}

}  // namespace tocsin::exporters
