// SPDX-License-Identifier: Apache-2.0
//
// Pages by state, node and zone: vmstat, ksmd, meminfo_numa, buddyinfo.
#include "exporters/node/memory/memory.h"

namespace tocsin::exporters {
namespace {

Status show_vmstat(const Node& node, NameSet* names, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/vmstat")));
  for (const std::string_view line : lines_of(text)) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, blank);
    if (!names->keeps(name)) continue;
    const std::optional<double> value = to_number(line.substr(blank + 1));
    if (!value) return invalid_argument("vmstat: expected a number in {:?}", line);
    out->untyped(fmt::format("node_vmstat_{}", name),
                 fmt::format("/proc/vmstat information field {}.", name), {}, *value);
  }
  return ok();
}

// "Active(anon)" -> "Active_anon"
std::string numa_field(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '(') out.push_back('_');
    if (c != '(' && c != ')' && c != ':') out.push_back(c);
  }
  return out;
}

void show_numa_field(std::string_view field, std::string_view number, base::MetricType type,
                     double value, Families* out) {
  out->add({fmt::format("node_memory_numa_{}", field),
            fmt::format("Memory information field {}.", field), type},
           label_pairs({{"node", number}}), value);
}

}  // namespace

StatusOr<Collect> make_vmstat(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make({.include = node.options.vmstat_fields}));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable {
    return show_vmstat(node, &names, out);
  });
}

Status collect_ksmd(const Node& node, Families* out) {
  constexpr base::MetricType kGauge = base::MetricType::kGauge;
  constexpr FileMetric kFiles[] = {
      {"full_scans", "node_ksmd_full_scans_total",
       "How many times all mergeable areas have been scanned.", base::MetricType::kCounter},
      {"general_profit", "node_ksmd_general_profit_bytes",
       "How effective is KSM. ksm_saved_pages * sizeof(page) - (all_rmap_items) * "
       "sizeof(rmap_item)"},
      {"merge_across_nodes", "node_ksmd_merge_across_nodes",
       "Specifies if pages from different NUMA nodes can be merged."},
      {"pages_shared", "node_ksmd_pages_shared", "How many shared pages are being used."},
      {"pages_sharing", "node_ksmd_pages_sharing",
       "How many more sites are sharing them i.e. how much saved."},
      {"pages_to_scan", "node_ksmd_pages_to_scan",
       "How many pages to scan before ksmd goes to sleep."},
      {"pages_unshared", "node_ksmd_pages_unshared",
       "How many pages unique but repeatedly checked for merging."},
      {"pages_volatile", "node_ksmd_pages_volatile",
       "How many pages changing too fast to be placed in a tree."},
      {"run", "node_ksmd_run", "The status of ksmd. stopped = 0, running = 1"},
      {"sleep_millisecs", "node_ksmd_sleep_seconds",
       "How many seconds ksmd should sleep before next scan.", kGauge, 0.001},
  };
  const std::string directory = node.sys("/kernel/mm/ksm");
  if (!node.exists(directory)) return no_data("ksm is not built into this kernel");
  node.show_files(directory, kFiles, {}, out);
  return ok();
}

// /sys/devices/system/node/nodeN/{meminfo,numastat}
Status collect_meminfo_numa(const Node& node, Families* out) {
  const std::string nodes = node.sys("/devices/system/node");
  for (const std::string& name : node.list(nodes, "node")) {
    const std::string_view number = std::string_view(name).substr(4);
    if (!to_count(number)) continue;
    ASSIGN_OR_RETURN(const std::string memory,
                     node.file(fmt::format("{}/{}/meminfo", nodes, name)));
    for (const std::string_view line : lines_of(memory)) {
      const std::vector<std::string_view> fields = fields_of(line);
      if (fields.size() < 4) continue;
      const double unit = fields.size() > 4 && fields[4] == "kB" ? 1024 : 1;
      const std::optional<double> value = to_number(fields[3]);
      if (!value) return invalid_argument("meminfo of a node: unexpected line {:?}", line);
      show_numa_field(numa_field(fields[2]), number, base::MetricType::kGauge, *value * unit, out);
    }
    ASSIGN_OR_RETURN(const std::string events,
                     node.file(fmt::format("{}/{}/numastat", nodes, name)));
    for (const std::string_view line : lines_of(events)) {
      const std::vector<std::string_view> fields = fields_of(line);
      if (fields.size() != 2) continue;
      show_numa_field(fmt::format("{}_total", fields[0]), number, base::MetricType::kCounter,
                      to_number(fields[1]).value_or(0), out);
    }
  }
  return ok();
}

// "Node 0, zone   Normal   4381 1093 ...": free blocks of 2^0, 2^1, ... pages.
Status collect_buddyinfo(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/buddyinfo")));
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 5 || !fields[1].ends_with(',')) continue;
    const std::string_view number = fields[1].substr(0, fields[1].size() - 1);
    for (std::size_t i = 4; i < fields.size(); ++i) {
      out->gauge("node_buddyinfo_blocks", "Count of free blocks according to size.",
                 {{"node", number}, {"size", fmt::format("{}", i - 4)}, {"zone", fields[3]}},
                 to_number(fields[i]).value_or(0));
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
