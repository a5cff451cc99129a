// SPDX-License-Identifier: Apache-2.0
//
// What appending of floats and of side samples have in common. Pure functions.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "storage/appender.h"

namespace tocsin::tsdb {

// kAlreadyExists in the words of Prometheus, for two floats.
Status duplicate_sample(std::int64_t t_ms, std::uint64_t existing_bits, std::uint64_t bits);

// The start timestamp that a sample gets, 0 for none: as given, also when it is not before the
// sample. What such a one means is the reader's business.
std::int64_t start_of(const storage::AppendOptions& options);

}  // namespace tocsin::tsdb
