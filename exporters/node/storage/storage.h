// SPDX-License-Identifier: Apache-2.0
//
// Collectors of storage: file systems, arrays, drives and tapes that count for themselves.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_bcache(const Node& node, Families* out);
Status collect_bcachefs(const Node& node, Families* out);
Status collect_btrfs(const Node& node, Families* out);
Status collect_dmmultipath(const Node& node, Families* out);
Status collect_drbd(const Node& node, Families* out);
Status collect_mdadm(const Node& node, Families* out);
Status collect_nvme(const Node& node, Families* out);
Status collect_nvmesubsystem(const Node& node, Families* out);
Status collect_xfs(const Node& node, Families* out);
Status collect_zfs(const Node& node, Families* out);

// The service that asks a mounted btrfs, by ioctl.
StatusOr<BtrfsReport> ask_btrfs(const std::string& path);
StatusOr<Collect> make_tapestats(const Node& node);

}  // namespace tocsin::exporters
