// SPDX-License-Identifier: Apache-2.0
//
// Single numbers that the kernel shows: open files, entropy, hung tasks, SELinux, cgroups.
#include "exporters/node/disk/mounts.h"
#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {

// /proc/sys/fs/file-nr: allocated, free (always 0), maximum.
Status collect_filefd(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/sys/fs/file-nr")));
  const std::vector<std::string_view> fields = fields_of(text);
  const std::optional<double> allocated =
      fields.size() == 3 ? to_number(fields[0]) : std::optional<double>();
  const std::optional<double> maximum =
      fields.size() == 3 ? to_number(fields[2]) : std::optional<double>();
  if (!allocated || !maximum) return invalid_argument("file-nr: unexpected content {:?}", text);
  out->gauge("node_filefd_allocated", "File descriptor statistics: allocated.", {}, *allocated);
  out->gauge("node_filefd_maximum", "File descriptor statistics: maximum.", {}, *maximum);
  return ok();
}

Status collect_entropy(const Node& node, Families* out) {
  constexpr FileMetric kFiles[] = {
      {"entropy_avail", "node_entropy_available_bits", "Bits of available entropy."},
      {"poolsize", "node_entropy_pool_size_bits", "Bits of entropy pool."},
  };
  const std::string directory = node.proc("/sys/kernel/random");
  if (!node.exists(directory)) return not_found("{} is missing", directory);
  node.show_files(directory, kFiles, {}, out);
  return ok();
}

Status collect_kernel_hung(const Node& node, Families* out) {
  const std::optional<double> count = node.number(node.proc("/sys/kernel/hung_task_detect_count"));
  if (!count) return no_data("hung_task_detect_count does not exist");
  out->counter("node_kernel_hung_tasks_total",
               "Total number of tasks that have been detected as hung since the system booted.", {},
               *count);
  return ok();
}

// /sys/fs/selinux/enforce, and the mode that /etc/selinux/config asks for.
Status collect_selinux(const Node& node, Families* out) {
  const std::optional<double> mode = node.number(node.sys("/fs/selinux/enforce"));
  out->gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false", {}, mode ? 1 : 0);
  if (!mode) return ok();
  double configured = -1;
  const std::string config =
      node.try_text(path_here(node.options.rootfs, "/etc/selinux/config")).value_or("");
  for (const std::string_view line : lines_of(config)) {
    if (!line.starts_with("SELINUX=")) continue;
    const std::string_view value = trimmed(line.substr(8));
    configured = value == "enforcing" ? 1 : value == "permissive" ? 0 : -1;
  }
  out->gauge("node_selinux_config_mode", "Configured SELinux enforcement mode", {}, configured);
  out->gauge("node_selinux_current_mode", "Current SELinux enforcement mode", {}, *mode);
  return ok();
}

// /proc/cgroups: name hierarchy count enabled.
Status collect_cgroups(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/cgroups")));
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with('#')) continue;
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 4) continue;
    const std::optional<double> count = to_number(fields[2]);
    const std::optional<double> enabled = to_number(fields[3]);
    if (!count || !enabled) return invalid_argument("cgroups: unexpected line {:?}", line);
    out->gauge("node_cgroups_cgroups", "Current cgroup number of the subsystem.",
               {{"subsys_name", fields[0]}}, *count);
    out->gauge("node_cgroups_enabled", "Current cgroup number of the subsystem.",
               {{"subsys_name", fields[0]}}, *enabled);
  }
  return ok();
}

}  // namespace tocsin::exporters
