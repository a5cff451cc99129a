// SPDX-License-Identifier: Apache-2.0
//
// Identifiers shared by the storage interfaces. Values.
#pragma once

#include <cstdint>

#include "base/strong_int.h"

namespace tocsin::storage {

// A series of one store: stable across restarts, never reused while its samples exist. 0 is no
// series.
using SeriesId = base::StrongInt<struct SeriesIdTag, std::uint64_t>;

// A handle for appending that saves the label look-up: valid in one run of the process, until the
// series leaves memory; an outdated one is refused with kNotFound and the caller appends by labels.
// 0 is no reference.
using SeriesRef = base::StrongInt<struct SeriesRefTag, std::uint64_t>;

// What arrives together and shares a timestamp column: a scrape target, a rule group. Grouping is
// an optimisation and never changes an answer. 0 is no group.
using GroupId = base::StrongInt<struct GroupIdTag, std::uint32_t>;

}  // namespace tocsin::storage
