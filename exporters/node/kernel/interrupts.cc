// SPDX-License-Identifier: Apache-2.0
//
// /proc/interrupts and /proc/softirqs: a title with the CPUs, then "NAME: count of each CPU text".
#include <algorithm>

#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {
namespace {

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out.push_back(' ');
    out.append(word);
  }
  return out;
}

Status show_interrupts(const Node& node, NameSet* filter, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/interrupts")));
  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.empty()) return invalid_argument("interrupts: empty file");
  const std::size_t cpus = fields_of(lines[0]).size();
  for (const std::string_view line : std::span(lines).subspan(1)) {
    const std::vector<std::string_view> fields = fields_of(line);
    // Lines like "ERR: 0" are no interrupts.
    if (fields.size() < cpus + 2 || !fields[0].ends_with(':')) continue;
    const std::string_view type = fields[0].substr(0, fields[0].size() - 1);
    std::string info = joined(std::span(fields).subspan(cpus + 1));
    std::string devices;
    if (to_count(type)) {
      info = fields[cpus + 1];
      devices = joined(std::span(fields).subspan(cpus + 2));
    }
    if (!filter->keeps(fmt::format("{};{};{}", type, info, devices))) continue;
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
      const std::optional<double> value = to_number(fields[cpu + 1]);
      if (!value) return invalid_argument("interrupts: unexpected line {:?}", line);
      if (*value == 0 && !node.options.interrupts_include_zeros) continue;
      out->counter(
          "node_interrupts_total", "Interrupt details.",
          {{"cpu", fmt::format("{}", cpu)}, {"devices", devices}, {"info", info}, {"type", type}},
          *value);
    }
  }
  return ok();
}

}  // namespace

StatusOr<Collect> make_interrupts(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make(node.options.interrupts));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable {
    return show_interrupts(node, &names, out);
  });
}

Status collect_softirqs(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/softirqs")));
  constexpr std::string_view kCpuPrefix = "CPU";
  std::vector<std::string> cpus;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.empty()) continue;
    if (!fields[0].ends_with(':')) {
      for (const std::string_view cpu : fields) {
        cpus.emplace_back(cpu.substr(std::min(cpu.size(), kCpuPrefix.size())));
      }
      continue;
    }
    const std::string_view type = fields[0].substr(0, fields[0].size() - 1);
    for (std::size_t i = 0; i < cpus.size() && i + 1 < fields.size(); ++i) {
      out->counter("node_softirqs_functions_total", "Softirq counts per CPU.",
                   {{"cpu", cpus[i]}, {"type", type}}, to_number(fields[i + 1]).value_or(0));
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
