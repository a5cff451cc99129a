// SPDX-License-Identifier: Apache-2.0
//
// zfs: /proc/spl/kstat/zfs. Tables "name type data"; per pool one row of I/O below its titles, the
// state, and a table for each dataset.
#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

constexpr std::pair<std::string_view, std::string_view> kTables[] = {
    {"abdstats", "abd"},
    {"arcstats", "arc"},
    {"dbufstats", "dbuf"},
    {"dmu_tx", "dmu_tx"},
    {"dnodestats", "dnode"},
    {"fm", "fm"},
    {"vdev_cache_stats", "vdev_cache"},
    {"vdev_mirror_stats", "vdev_mirror"},
    {"xuio_stats", "xuio"},
    {"zfetchstats", "zfetch"},
    {"zil", "zil"},
};

constexpr std::string_view kStates[] = {"online",  "degraded", "faulted",  "offline",
                                        "removed", "unavail",  "suspended"};

// Types of kstat that hold one number.
bool is_number_type(std::string_view type) { return type == "3" || type == "4"; }

std::string metric_name(std::string_view prefix, std::string_view field) {
  std::string name = fmt::format("node_zfs_{}_{}", prefix, field);
  for (char& c : name) {
    const bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!valid) c = '_';
  }
  return name;
}

void show_table(std::string_view text, std::string_view file, std::string_view prefix,
                Families* out) {
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 3 || !is_number_type(fields[1])) continue;
    const std::optional<double> value = to_number(fields[2]);
    if (!value) continue;
    out->untyped(metric_name(prefix, fields[0]),
                 fmt::format("kstat.zfs.misc.{}.{}", file, fields[0]), {}, *value);
  }
}

void show_io(std::string_view text, std::string_view pool, Families* out) {
  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.size() < 3) return;
  const std::vector<std::string_view> titles = fields_of(lines[1]);
  const std::vector<std::string_view> values = fields_of(lines[2]);
  for (std::size_t i = 0; i < titles.size() && i < values.size(); ++i) {
    const std::optional<double> value = to_number(values[i]);
    if (!value) continue;
    out->untyped(metric_name("zpool", titles[i]), fmt::format("kstat.zfs.misc.io.{}", titles[i]),
                 {{"zpool", pool}}, *value);
  }
}

void show_dataset(std::string_view text, std::string_view pool, Families* out) {
  std::string_view dataset;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 3) continue;
    if (fields[0] == "dataset_name") {
      dataset = trimmed(line.substr(static_cast<std::size_t>(fields[2].data() - line.data())));
      continue;
    }
    const std::optional<double> value =
        is_number_type(fields[1]) ? to_number(fields[2]) : std::optional<double>();
    if (!value || fields.size() != 3 || dataset.empty()) continue;
    out->untyped(metric_name("zpool_dataset", fields[0]),
                 fmt::format("kstat.zfs.misc.objset.{}", fields[0]),
                 {{"dataset", dataset}, {"zpool", pool}}, *value);
  }
}

void show_pool(const Node& node, const std::string& directory, const std::string& pool,
               Families* out) {
  if (const StatusOr<std::string> io = node.file(directory + "/io"); io.ok()) {
    show_io(*io, pool, out);
  }
  for (const std::string& name : node.list(directory, "objset-")) {
    const StatusOr<std::string> dataset = node.file(directory + "/" + name);
    if (dataset.ok()) show_dataset(*dataset, pool, out);
  }
  std::optional<std::string> state = node.try_text(directory + "/state");
  if (!state) return;
  for (char& c : *state) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const std::string_view one : kStates) {
    out->gauge("node_zfs_zpool_state", "kstat.zfs.misc.state", {{"state", one}, {"zpool", pool}},
               one == *state ? 1 : 0);
  }
}

}  // namespace

Status collect_zfs(const Node& node, Families* out) {
  const std::string directory = node.proc("/spl/kstat/zfs");
  const StatusOr<std::vector<std::string>> names = node.services.files.list(directory);
  if (!names.ok()) return no_data("ZFS / ZFS statistics are not available");
  for (const auto& [file, prefix] : kTables) {
    const StatusOr<std::string> text = node.file(fmt::format("{}/{}", directory, file));
    if (text.ok()) show_table(*text, file, prefix, out);
  }
  for (const std::string& name : *names) {
    // A pool is a directory; every one has a state.
    if (node.exists(fmt::format("{}/{}/state", directory, name))) {
      show_pool(node, directory + "/" + name, name, out);
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
