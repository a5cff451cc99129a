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

// The start timestamp that a sample at `t_ms` gets; 0 for none. One that is not before its sample
// is wrong and counts as none.
std::int64_t start_of(std::int64_t t_ms, const storage::AppendOptions& options);

}  // namespace tocsin::tsdb
