// SPDX-License-Identifier: Apache-2.0
//
// States of the head: a damaged one is refused, any other is written as it was read.
#include "tsdb/core/head_state.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::tsdb {
namespace {

void fuzz(std::string_view bytes) {
  const StatusOr<HeadState> state = HeadState::decode(bytes);
  if (state.ok() && !bytes.empty()) CHECK(state->encode() == bytes);
}

}  // namespace

TOCSIN_FUZZ_TARGET(head_state, fuzz)

}  // namespace tocsin::tsdb
