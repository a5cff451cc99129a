// SPDX-License-Identifier: Apache-2.0
//
// bcache: /sys/fs/bcache/UUID, with a directory bdevN for each backing device and cacheN for each
// cache. Sizes are written for people: "20.4G".
#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr base::MetricType kGauge = base::MetricType::kGauge;

constexpr FileMetric kCacheSet[] = {
    {"average_key_size", "node_bcache_average_key_size_sectors",
     "Average data per key in the btree (sectors)."},
    {"cache_available_percent", "node_bcache_cache_available_percent",
     "Percentage of cache device without dirty data, usable for writeback (may contain clean "
     "cached data)."},
    {"congested", "node_bcache_congested", "Congestion."},
    {"root_usage_percent", "node_bcache_root_usage_percent",
     "Percentage of the root btree node in use (tree depth increases if too high)."},
    {"tree_depth", "node_bcache_tree_depth", "Depth of the btree."},
    {"internal/active_journal_entries", "node_bcache_active_journal_entries",
     "Number of journal entries that are newer than the index."},
    {"internal/btree_nodes", "node_bcache_btree_nodes", "Total nodes in the btree."},
    // Upstream's unit: the file is in microseconds.
    {"internal/btree_read_average_duration_us", "node_bcache_btree_read_average_duration_seconds",
     "Average btree read duration.", kGauge, 1e-9},
    {"internal/cache_read_races", "node_bcache_cache_read_races_total",
     "Counts instances where while data was being read from the cache, the bucket was reused and "
     "invalidated - i.e. where the pointer was stale after the read completed.",
     kCounter},
};

constexpr FileMetric kBackingTotals[] = {
    {"cache_hits", "node_bcache_cache_hits_total",
     "Hits counted per individual IO as bcache sees them.", kCounter},
    {"cache_misses", "node_bcache_cache_misses_total",
     "Misses counted per individual IO as bcache sees them.", kCounter},
    {"cache_bypass_hits", "node_bcache_cache_bypass_hits_total",
     "Hits for IO intended to skip the cache.", kCounter},
    {"cache_bypass_misses", "node_bcache_cache_bypass_misses_total",
     "Misses for IO intended to skip the cache.", kCounter},
    {"cache_miss_collisions", "node_bcache_cache_miss_collisions_total",
     "Instances where data insertion from cache miss raced with write (data already present).",
     kCounter},
    {"cache_readaheads", "node_bcache_cache_readaheads_total", "Count of times readahead occurred.",
     kCounter},
};

constexpr FileMetric kWriteback[] = {
    {"target", "node_bcache_dirty_target_bytes",
     "Current dirty data target threshold for this backing device in bytes."},
    {"rate", "node_bcache_writeback_rate",
     "Current writeback rate for this backing device in bytes."},
    {"proportional", "node_bcache_writeback_rate_proportional_term",
     "Current result of proportional controller, part of writeback rate"},
    {"integral", "node_bcache_writeback_rate_integral_term",
     "Current result of integral controller, part of writeback rate"},
    {"change", "node_bcache_writeback_change",
     "Last writeback rate change step for this backing device."},
};

// "321.5k" -> 321 * 1024 + 500: the digit after the point counts hundreds of the unit below.
std::optional<double> from_human(std::string_view text) {
  constexpr std::string_view kUnits = "kMGTPEZY";
  double scale = 1;
  if (!text.empty()) {
    const std::size_t unit = kUnits.find(text.back());
    if (unit != std::string_view::npos) {
      text.remove_suffix(1);
      for (std::size_t i = 0; i <= unit; ++i) scale *= 1024;
    }
  }
  const std::size_t point = text.find('.');
  const std::optional<double> whole = to_number(text.substr(0, point));
  if (!whole) return std::nullopt;
  if (point == std::string_view::npos) return *whole * scale;
  const std::optional<double> tenths = to_number(text.substr(point + 1));
  if (!tenths) return std::nullopt;
  const double rest = *tenths * 100 * (scale / 1024);
  return *whole * scale + (text.starts_with('-') ? -rest : rest);
}

std::optional<double> human_file(const Node& node, const std::string& path) {
  const std::optional<std::string> text = node.try_text(path);
  return text ? from_human(*text) : std::nullopt;
}

void show_backing_device(const Node& node, const std::string& path, const LabelPairs& labels,
                         Families* out) {
  if (const auto dirty = human_file(node, path + "/dirty_data")) {
    out->add({"node_bcache_dirty_data_bytes",
              "Amount of dirty data for this backing device in the cache."},
             labels, *dirty);
  }
  const std::string debug = node.try_text(path + "/writeback_rate_debug").value_or("");
  for (const std::string_view line : lines_of(debug)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view text = trimmed(line.substr(colon + 1));
    if (text.ends_with("/sec")) text.remove_suffix(4);
    for (const FileMetric& metric : kWriteback) {
      const auto value = metric.file == line.substr(0, colon) ? from_human(text) : std::nullopt;
      if (value) out->add({metric.name, metric.help}, labels, *value);
    }
  }
  if (const auto bypassed = human_file(node, path + "/stats_total/bypassed")) {
    out->add({"node_bcache_bypassed_bytes_total",
              "Amount of IO (both reads and writes) that has bypassed the cache.", kCounter},
             labels, *bypassed);
  }
  node.show_files(path + "/stats_total", kBackingTotals, labels, out);
}

void show_cache(const Node& node, const std::string& path, const LabelPairs& labels,
                Families* out) {
  constexpr FileMetric kSizes[] = {
      {"io_errors", "node_bcache_io_errors",
       "Number of errors that have occurred, decayed by io_error_halflife."},
      {"metadata_written", "node_bcache_metadata_written_bytes_total",
       "Sum of all non data writes (btree writes and all other metadata).", kCounter},
      {"written", "node_bcache_written_bytes_total",
       "Sum of all data that has been written to the cache.", kCounter},
  };
  for (const FileMetric& metric : kSizes) {
    const auto value = human_file(node, fmt::format("{}/{}", path, metric.file));
    if (value) out->add({metric.name, metric.help, metric.type}, labels, *value);
  }
  // Costs the kernel a walk over all buckets, with a lock held.
  if (!node.options.bcache_priority_stats) return;
  const std::string text = node.try_text(path + "/priority_stats").value_or("");
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 2 || !fields[1].ends_with('%')) continue;
    const auto value = to_number(fields[1].substr(0, fields[1].size() - 1));
    if (value && fields[0] == "Unused:") {
      out->add({"node_bcache_priority_stats_unused_percent",
                "The percentage of the cache that doesn't contain any data."},
               labels, *value);
    } else if (value && fields[0] == "Metadata:") {
      out->add({"node_bcache_priority_stats_metadata_percent", "Bcache's metadata overhead."},
               labels, *value);
    }
  }
}

}  // namespace

Status collect_bcache(const Node& node, Families* out) {
  const std::string directory = node.sys("/fs/bcache");
  for (const std::string& uuid : node.list(directory)) {
    if (uuid.find('-') == std::string::npos) continue;
    const std::string path = directory + "/" + uuid;
    node.show_files(path, kCacheSet, {{"uuid", uuid}}, out);
    if (const auto size = human_file(node, path + "/btree_cache_size")) {
      out->gauge("node_bcache_btree_cache_size_bytes",
                 "Amount of memory currently used by the btree cache.", {{"uuid", uuid}}, *size);
    }
    for (const std::string& device : node.list(path)) {
      const std::string below = path + "/" + device;
      if (device.starts_with("bdev")) {
        show_backing_device(node, below, {{"backing_device", device}, {"uuid", uuid}}, out);
      } else if (device.starts_with("cache") && to_count(std::string_view(device).substr(5))) {
        show_cache(node, below, {{"cache_device", device}, {"uuid", uuid}}, out);
      }
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
