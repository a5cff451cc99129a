// SPDX-License-Identifier: Apache-2.0
//
// Alerts and silences as clients post them.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "web/api/v2_json.h"

namespace tocsin::web {
namespace {

void fuzz(std::string_view bytes) {
  std::vector<model::Alert> alerts;
  const Violation violation = read_alerts(bytes, &alerts);
  if (violation.http != 0) CHECK(!violation.text.empty());
  notifier::Silence silence;
  if (read_silence(bytes, &silence).http != 0) return;
  std::string out;
  base::JsonWriter json(&out);
  write_silence(silence, base::Timestamp(), json);
  CHECK(base::parse_json(out).ok());
}

}  // namespace

TOCSIN_FUZZ_TARGET(v2, fuzz)

}  // namespace tocsin::web
