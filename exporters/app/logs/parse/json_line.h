// SPDX-License-Identifier: Apache-2.0
//
// JsonLine: access logs with one JSON object per line, read without building a document: the values
// of a few keys of the outermost object are taken, the rest is skipped. Of several keys for one field
// the first in the line counts.
//
// A value.
// Threads: shared; the record is the caller's.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/string_map.h"
#include "exporters/app/logs/parse/log_record.h"

namespace tocsin::exporters::app {

class JsonLine {
 public:
  // `fields`: the keys of variables that are not called as nginx calls them, {variable, key}.
  // `labels`: variables that the record's labels are.
  // Errors: kInvalidArgument for a variable that is none.
  static StatusOr<JsonLine> make(const std::vector<std::pair<std::string, std::string>>& fields,
                                 const std::vector<std::string>& labels);

  // False when the line is no object, or is cut.
  bool parse(std::string_view line, LogRecord* record) const;

 private:
  StringMap<LogSlot> keys_;
};

}  // namespace tocsin::exporters::app
