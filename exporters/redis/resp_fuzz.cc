// SPDX-License-Identifier: Apache-2.0
//
// Replies of a hostile server: read in one piece and byte by byte they are the same values, and no
// value is bigger or deeper than the limits allow.
#include "exporters/redis/resp.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "exporters/redis/info.h"

namespace tocsin::exporters {
namespace {

constexpr RespParser::Limits kLimits{.depth = 8, .line_bytes = 4096, .value_bytes = 64 << 10};

std::size_t depth_of(const RespValue& value) {
  std::size_t deepest = 0;
  for (const RespValue& item : value.items) deepest = std::max(deepest, depth_of(item));
  return value.is_array() ? deepest + 1 : 0;
}

void append(const RespValue& value, std::string* out) {
  out->append(fmt::format("{} {} {} {:?} {}(", static_cast<int>(value.kind), value.integer,
                          value.number, value.text, value.items.size()));
  for (const RespValue& item : value.items) append(item, out);
  out->append(")");
}

// Everything that is in the bytes, as text.
std::string read_all(std::string_view bytes, std::size_t piece) {
  RespParser parser(kLimits);
  std::string out;
  while (!bytes.empty()) {
    const StatusOr<std::size_t> used = parser.feed(bytes.substr(0, piece));
    if (!used.ok()) return out + std::string(message(used.status()));
    CHECK(*used != 0 && *used <= piece);
    bytes.remove_prefix(*used);
    if (!parser.has_value()) continue;
    const RespValue value = parser.take();
    CHECK(depth_of(value) <= kLimits.depth);
    append(value, &out);
    static_cast<void>(value.as_number());
    static_cast<void>(value.at("key"));
  }
  return out;
}

void fuzz(std::string_view bytes) {
  CHECK(read_all(bytes, bytes.size() + 1) == read_all(bytes, 1));
  // The text of INFO comes from the same server.
  const RedisInfo info(bytes);
  RedisMetrics metrics({.with_role = true});
  show_info(info, {.databases = 2, .now_seconds = 1}, &metrics);
  for (const base::MetricFamily& family : metrics.take()) CHECK(!family.samples.empty());
}

}  // namespace
TOCSIN_FUZZ_TARGET(resp, fuzz)
}  // namespace tocsin::exporters
