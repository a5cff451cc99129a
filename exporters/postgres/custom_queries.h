// SPDX-License-Identifier: Apache-2.0
//
// CustomQueries: the file of --extend.query-path, in upstream's format.
//
// A value; its Columns point into it, so it stays where it is once it is shared.
// Errors: kInvalidArgument with file:line:column.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/metrics.h"
#include "base/time.h"
#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {

struct CustomQuery {
  std::string name;  // families begin with it
  std::string sql;
  bool only_first = false;  // `master`: not in databases that were discovered
  base::Duration cache{0};
  // Versions of the server, [from, until); any of them. Empty = all.
  std::vector<std::pair<int, int>> versions;
  std::vector<Column> columns;
};

class CustomQueries {
 public:
  // `prefix` takes the place of "pg" in names.
  static StatusOr<std::unique_ptr<const CustomQueries>> parse(std::string_view text,
                                                              std::string_view file,
                                                              std::string_view prefix);

  const std::deque<CustomQuery>& queries() const { return queries_; }

 private:
  friend class CustomQueryParser;
  std::deque<CustomQuery> queries_;
  std::deque<std::string> texts_;           // of Columns
  std::deque<StringMap<double>> mappings_;  // of Columns
};

// The file as it was loaded at the start.
struct LoadedQueries {
  std::unique_ptr<const CustomQueries> queries;  // null: none, or they could not be loaded
  // pg_exporter_user_queries_load_error, when there is a file.
  std::vector<base::MetricFamily> families;
};
LoadedQueries load_custom_queries(const std::string& path, std::string_view prefix,
                                  base::FileSystem& files);

// ">=9.6.0 <12.0.0 || 14.1.0" as ranges of PostgreSQL's numbers (90600).
StatusOr<std::vector<std::pair<int, int>>> parse_version_range(std::string_view text);

}  // namespace tocsin::exporters::postgres
