// SPDX-License-Identifier: Apache-2.0
//
// Silences in the record log: what was read is written and read as the same.
#include "notifier/silence/silence_codec.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::notifier {
namespace {

void fuzz(std::string_view bytes) {
  const StatusOr<std::vector<Silence>> silences = decode_silences(bytes);
  if (!silences.ok()) return;
  const std::string encoded = encode_silences(*silences);
  const StatusOr<std::vector<Silence>> again = decode_silences(encoded);
  CHECK(again.ok());
  CHECK(encode_silences(*again) == encoded);
}

}  // namespace

TOCSIN_FUZZ_TARGET(silence_codec, fuzz)

}  // namespace tocsin::notifier
