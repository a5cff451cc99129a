// SPDX-License-Identifier: Apache-2.0
//
// textfile: metrics that other programs leave in files.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_textfile(const Node& node, Families* out);

}  // namespace tocsin::exporters
