// SPDX-License-Identifier: Apache-2.0
//
// What a server sends as values and labels, and what a configuration or a request has as text.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "base/testing/mem_fs.h"
#include "base/utf8.h"
#include "exporters/postgres/auth_config.h"
#include "exporters/postgres/custom_queries.h"
#include "exporters/postgres/row_mapper.h"

namespace tocsin::exporters::postgres {
namespace {

void fuzz(std::string_view bytes) {
  static_cast<void>(to_number(bytes));
  static_cast<void>(timestamp_to_seconds(bytes));
  static_cast<void>(to_numbers(bytes));
  std::string_view label;
  const std::string text = label_text(bytes);
  CHECK(text.size() <= kMaxLabelBytes);
  for (label = text; !label.empty();) {
    const std::size_t length = base::utf8_length(label);
    CHECK(length != 0);
    label.remove_prefix(length);
  }
  const StatusOr<std::vector<std::pair<int, int>>> ranges = parse_version_range(bytes);
  if (ranges.ok()) CHECK(ranges->size() <= bytes.size());
  const StatusOr<Conninfo> info = probe_conninfo(bytes, nullptr);
  // Files of this machine are not for who asks.
  if (info.ok()) CHECK(conninfo_value(*info, "sslkey").empty());
  if (info.ok()) CHECK(!AuthConfig().allows(*info));
  const auto files = base::testing::make_mem_fs();
  static_cast<void>(AuthConfig::parse(bytes, "f", *files));
  static_cast<void>(CustomQueries::parse(bytes, "f", "pg"));
}

}  // namespace

TOCSIN_FUZZ_TARGET(postgres_values, fuzz)

}  // namespace tocsin::exporters::postgres
