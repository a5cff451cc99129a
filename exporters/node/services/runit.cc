// SPDX-License-Identifier: Apache-2.0
//
// runit: SERVICE/supervise/status below the service directory, 20 bytes:
//
//   0  8  seconds of the last change, TAI64, big-endian
//   8  4  nanoseconds
//  12  4  process
//  16  1  paused
//  17  1  wanted: 'u' or 'd'
//  18  1  TERM was sent
//  19  1  state: 0 down, 1 up, 2 finishing
#include "exporters/node/services/services.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kStatusSize = 20, kWanted = 17, kState = 19;
constexpr std::int64_t kTaiOffset = 4'611'686'018'427'387'914;  // 2^62, and 10 leap seconds
constexpr std::size_t kMaxServices = 4096;

double seconds_of(std::string_view status) {
  std::uint64_t tai = 0;
  for (const char c : status.substr(0, 8)) tai = tai << 8 | static_cast<unsigned char>(c);
  return static_cast<double>(static_cast<std::int64_t>(tai) - kTaiOffset);
}

void show_service(const Node& node, const std::string& path, const std::string& name,
                  Families* out) {
  const StatusOr<std::string> status =
      node.services.files.read_file(path + "/supervise/status", kMaxProcFile);
  // A service that runsv does not watch has none.
  if (!status.ok() || status->size() < kStatusSize) return;
  const bool is_normally_up =
      !node.exists(path + "/down") && !node.exists(path + "/supervise/down");
  const Labels labels = {{"service", name}, {"supervisor", "runit"}};
  out->gauge("node_service_state", "State of runit service.", labels,
             static_cast<unsigned char>((*status)[kState]));
  out->gauge("node_service_desired_state", "Desired state of runit service.", labels,
             (*status)[kWanted] == 'u' ? 1 : 0);
  out->gauge("node_service_normal_state", "Normal state of runit service.", labels,
             is_normally_up ? 1 : 0);
  out->gauge("node_service_state_last_change_timestamp_seconds",
             "Unix timestamp of the last runit service state change.", labels, seconds_of(*status));
}

}  // namespace

Status collect_runit(const Node& node, Families* out) {
  const std::string& directory = node.options.runit_directory;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, node.services.files.list(directory));
  if (names.size() > kMaxServices) return resource_exhausted("runit: {} services", names.size());
  for (const std::string& name : names) {
    show_service(node, directory + "/" + name, name, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
