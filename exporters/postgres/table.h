// SPDX-License-Identifier: Apache-2.0
//
// The collectors as tables: which statement, for which versions of the server, and what its columns
// become.
//
// Values without any behaviour; those of upstream's collectors are constants in queries/.
#pragma once

#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "base/string_map.h"

namespace tocsin::exporters::postgres {

class Rows;

enum class Usage { kLabel, kCounter, kGauge, kUntyped, kHistogram, kDuration, kMapped, kDiscard };

struct Column {
  std::string_view name;  // in the answer
  Usage usage = Usage::kGauge;
  std::string_view metric = {};  // the whole name of the family; not for labels
  std::string_view help = {};
  const StringMap<double>* mapping = nullptr;  // of kMapped
};

// What a value that is NULL shows.
enum class Nulls { kSkip, kZero, kNaN };

inline constexpr int kNoVersion = std::numeric_limits<int>::max();

// One statement. In `sql`, @NAME@ stands for an option (see render_sql()).
struct Query {
  int from = 0;            // the first version of the server, as 90600 or 150000
  int until = kNoVersion;  // the first that is too new
  std::string_view sql;
  std::span<const Column> columns = {};
  Nulls nulls = Nulls::kSkip;
  // Instead of columns: appends whole families for these rows.
  Status (*read)(const Rows&, std::vector<base::MetricFamily>*) = nullptr;
};

struct CollectorSpec {
  std::string_view name;
  bool is_default = false;      // on unless told otherwise
  bool is_of_database = false;  // shows one database: asked in each that is discovered
  std::span<const Query> queries = {};
};

// Parts of the list of all collectors. The order is that in which they are asked: what may take
// locks or long comes last.
std::span<const CollectorSpec> server_collectors();
std::span<const CollectorSpec> activity_collectors();
std::span<const CollectorSpec> replication_collectors();
std::span<const CollectorSpec> database_collectors();
std::span<const CollectorSpec> table_collectors();

// Shows where the lag of replication and slots had other names before 0.20.
std::span<const Query> compatible_queries();
// pg_stat_database_conflicts_*, which upstream shows beside its collectors.
std::span<const Query> conflict_queries();

std::vector<const CollectorSpec*> all_collectors();

}  // namespace tocsin::exporters::postgres
