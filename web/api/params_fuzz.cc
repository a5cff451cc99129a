// SPDX-License-Identifier: Apache-2.0
//
// Query parameters of the HTTP APIs, from the encoded query string on.
#include "web/api/params.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::web {
namespace {

void fuzz(std::string_view bytes) {
  if (bytes.size() > 1000) return;
  const StatusOr<net::QueryParams> params = net::QueryParams::parse(bytes);
  if (!params.ok()) return;
  static_cast<void>(time_param(*params, "time", std::nullopt));
  static_cast<void>(duration_param(*params, "step", std::nullopt));
  static_cast<void>(integer_param(*params, "limit"));
  static_cast<void>(limit_param(*params));
  static_cast<void>(match_params(*params));
  static_cast<void>(label_request(*params));
}

}  // namespace

TOCSIN_FUZZ_TARGET(params, fuzz)

}  // namespace tocsin::web
