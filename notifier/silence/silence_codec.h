// SPDX-License-Identifier: Apache-2.0
//
// The bytes of silences that change together in the record log: a JSON array, see
// docs/formats/notifier.md.
//
// Pure.
// Errors: kDataLoss for what is not a list of silences.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "notifier/silence.h"

namespace tocsin::notifier {

std::string encode_silences(std::span<const Silence> silences);
StatusOr<std::vector<Silence>> decode_silences(std::string_view payload);

}  // namespace tocsin::notifier
