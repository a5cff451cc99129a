// SPDX-License-Identifier: Apache-2.0
//
// Collectors of NFS: its client, its server, and what each mount does.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_nfs(const Node& node, Families* out);
Status collect_nfsd(const Node& node, Families* out);
Status collect_mountstats(const Node& node, Families* out);

}  // namespace tocsin::exporters
