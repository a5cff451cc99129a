// SPDX-License-Identifier: Apache-2.0
//
// Collectors of the kernel's limits, scheduler and interrupts. Each is one run; the comment at its
// body says what it reads.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_filefd(const Node& node, Families* out);
Status collect_entropy(const Node& node, Families* out);
Status collect_kernel_hung(const Node& node, Families* out);
Status collect_selinux(const Node& node, Families* out);
Status collect_pressure(const Node& node, Families* out);
Status collect_schedstat(const Node& node, Families* out);
Status collect_cgroups(const Node& node, Families* out);
Status collect_processes(const Node& node, Families* out);
Status collect_softirqs(const Node& node, Families* out);
Status collect_sysctl(const Node& node, Families* out);
Status collect_os(const Node& node, Families* out);
Status collect_timex(const Node& node, Families* out);
StatusOr<Collect> make_interrupts(const Node& node);

StatusOr<Collect> make_perf(const Node& node);
// The service behind it.
StatusOr<PerfCounter> open_perf_counter(const PerfEvent& event);

}  // namespace tocsin::exporters
