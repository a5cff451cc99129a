// SPDX-License-Identifier: Apache-2.0
//
// zoneinfo: /proc/zoneinfo, a block of "name value" lines for each zone. Counters of a whole node
// stand in the block of its first zone.
#include "exporters/node/memory/memory.h"

namespace tocsin::exporters {
namespace {

struct Field {
  std::string_view key;
  std::string_view name;
  std::string_view help;
};

constexpr Field kFields[] = {
    {"min", "min_pages", "Zone watermark pages_min"},
    {"low", "low_pages", "Zone watermark pages_low"},
    {"high", "high_pages", "Zone watermark pages_high"},
    {"spanned", "spanned_pages", "Total pages spanned by the zone, including holes"},
    {"present", "present_pages", "Physical pages existing within the zone"},
    {"managed", "managed_pages", "Present pages managed by the buddy system"},
    {"nr_free_pages", "nr_free_pages", "Total number of free pages in the zone"},
    {"nr_active_anon", "nr_active_anon_pages", "Number of anonymous pages recently more used"},
    {"nr_inactive_anon", "nr_inactive_anon_pages", "Number of anonymous pages recently less used"},
    {"nr_isolated_anon", "nr_isolated_anon_pages", "Temporary isolated pages from anon lru"},
    {"nr_anon_pages", "nr_anon_pages", "Number of anonymous pages currently used by the system"},
    {"nr_anon_transparent_hugepages", "nr_anon_transparent_hugepages",
     "Number of anonymous transparent huge pages currently used by the system"},
    {"nr_active_file", "nr_active_file_pages", "Number of active pages with file-backing"},
    {"nr_inactive_file", "nr_inactive_file_pages", "Number of inactive pages with file-backing"},
    {"nr_isolated_file", "nr_isolated_file_pages", "Temporary isolated pages from file lru"},
    {"nr_file_pages", "nr_file_pages", "Number of file pages"},
    {"nr_slab_reclaimable", "nr_slab_reclaimable_pages", "Number of reclaimable slab pages"},
    {"nr_slab_unreclaimable", "nr_slab_unreclaimable_pages", "Number of unreclaimable slab pages"},
    {"nr_mlock_stack", "nr_mlock_stack_pages", "mlock()ed pages found and moved off LRU"},
    {"nr_kernel_stack", "nr_kernel_stacks", "Number of kernel stacks"},
    {"nr_mapped", "nr_mapped_pages", "Number of mapped pages"},
    {"nr_dirty", "nr_dirty_pages", "Number of dirty pages"},
    {"nr_writeback", "nr_writeback_pages", "Number of writeback pages"},
    {"nr_unevictable", "nr_unevictable_pages", "Number of unevictable pages"},
    {"nr_shmem", "nr_shmem_pages", "Number of shmem pages (included tmpfs/GEM pages)"},
};

constexpr Field kCounters[] = {
    {"nr_dirtied", "nr_dirtied_total", "Page dirtyings since bootup"},
    {"nr_written", "nr_written_total", "Page writings since bootup"},
    {"numa_hit", "numa_hit_total", "Allocated in intended node"},
    {"numa_miss", "numa_miss_total", "Allocated in non intended node"},
    {"numa_foreign", "numa_foreign_total", "Was intended here, hit elsewhere"},
    {"numa_interleave", "numa_interleave_total", "Interleaver preferred this zone"},
    {"numa_local", "numa_local_total", "Allocation from local node"},
    {"numa_other", "numa_other_total", "Allocation from other node"},
};

const Field* find(std::span<const Field> fields, std::string_view key) {
  for (const Field& field : fields) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

struct Zone {
  std::string_view node;
  std::string_view name;
};

// "protection: (0, 2039, 31932)"
void show_protection(const Zone& zone, std::span<const std::string_view> fields, Families* out) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string_view value = fields[i];
    if (value.starts_with('(')) value.remove_prefix(1);
    while (value.ends_with(',') || value.ends_with(')')) value.remove_suffix(1);
    out->gauge(fmt::format("node_zoneinfo_protection_{}", i),
               fmt::format("Protection array {}. field", i),
               {{"node", zone.node}, {"zone", zone.name}}, to_number(value).value_or(0));
  }
}

void show_line(const Zone& zone, std::span<const std::string_view> fields, Families* out) {
  if (fields[0] == "protection:") return show_protection(zone, fields.subspan(1), out);
  if (fields.size() == 3 && fields[0] == "pages") fields = fields.subspan(1);  // "pages free 9"
  if (fields.size() != 2) return;
  const Field* gauge = find(kFields, fields[0]);
  const Field* counter = gauge == nullptr ? find(kCounters, fields[0]) : nullptr;
  if (gauge == nullptr && counter == nullptr) return;
  const Field& field = gauge == nullptr ? *counter : *gauge;
  out->add({fmt::format("node_zoneinfo_{}", field.name), field.help,
            gauge == nullptr ? base::MetricType::kCounter : base::MetricType::kGauge},
           label_pairs({{"node", zone.node}, {"zone", zone.name}}),
           to_number(fields[1]).value_or(0));
}

}  // namespace

Status collect_zoneinfo(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/zoneinfo")));
  Zone zone;
  bool is_per_cpu = false;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() == 4 && fields[0] == "Node" && fields[2] == "zone") {
      zone = {fields[1].substr(0, fields[1].find(',')), fields[3]};
      is_per_cpu = false;
      continue;
    }
    // "high" is also the name of a CPU's limit.
    if (!fields.empty() && fields[0] == "pagesets") is_per_cpu = true;
    if (fields.empty() || is_per_cpu || zone.name.empty()) continue;
    show_line(zone, fields, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
