// SPDX-License-Identifier: Apache-2.0
//
// slabinfo: /proc/slabinfo, "name active objects size per-slab pages-per-slab : ...". swap:
// /proc/swaps.
#include <array>

#include "exporters/node/memory/memory.h"

namespace tocsin::exporters {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kColumns = {{
    {"node_slabinfo_active_objects",
     "The number of objects that are currently active (i.e., in use)."},
    {"node_slabinfo_objects",
     "The total number of allocated objects (i.e., objects that are both in use and not in use)."},
    {"node_slabinfo_object_size_bytes", "The size of objects in this slab, in bytes."},
    {"node_slabinfo_objects_per_slab", "The number of objects stored in each slab."},
    {"node_slabinfo_pages_per_slab", "The number of pages allocated for each slab."},
}};

Status show_slabs(const Node& node, NameSet* names, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/slabinfo")));
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with('#') || line.starts_with("slabinfo")) continue;
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() <= kColumns.size() || !names->keeps(fields[0])) continue;
    for (std::size_t i = 0; i < kColumns.size(); ++i) {
      const std::optional<double> value = to_number(fields[i + 1]);
      if (!value) return invalid_argument("slabinfo: unexpected line {:?}", line);
      out->gauge(kColumns[i].first, kColumns[i].second, {{"slab", fields[0]}}, *value);
    }
  }
  return ok();
}

}  // namespace

StatusOr<Collect> make_slabinfo(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make(node.options.slabs));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable {
    return show_slabs(node, &names, out);
  });
}

Status collect_swap(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/swaps"));
  if (!text.ok()) return no_data_if_missing(text.status());
  constexpr double kBytesPerKb = 1024;
  for (const std::string_view line : lines_of(*text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 5 || fields[0] == "Filename") continue;
    const Labels labels = {{"device", fields[0]}, {"swap_type", fields[1]}};
    out->gauge("node_swap_size_bytes", "Swap device size in bytes.", labels,
               to_number(fields[2]).value_or(0) * kBytesPerKb);
    out->gauge("node_swap_used_bytes", "Swap device used in bytes.", labels,
               to_number(fields[3]).value_or(0) * kBytesPerKb);
    out->gauge("node_swap_priority", "Swap device priority.", labels,
               to_number(fields[4]).value_or(0));
  }
  return ok();
}

}  // namespace tocsin::exporters
