// SPDX-License-Identifier: Apache-2.0
//
// Node: this machine as a collector reads it: files below the mount points that the flags name.
//
// A value of two references; options and services must outlive it.
// Errors: reading returns those of base::FileSystem, or nothing where a missing file is normal.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/common/families.h"
#include "exporters/node/collectors.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {

// One file with one number, and the family that shows it.
struct FileMetric {
  std::string_view file;
  std::string_view name;
  std::string_view help;
  base::MetricType type = base::MetricType::kGauge;
  double factor = 1;
};

struct Node {
  const NodeOptions& options;
  const NodeServices& services;

  // Paths; `path` starts with "/".
  std::string proc(std::string_view path) const { return options.procfs + std::string(path); }
  std::string sys(std::string_view path) const { return options.sysfs + std::string(path); }

  StatusOr<std::string> file(const std::string& path) const {
    return services.files.read_file(path, kMaxProcFile);
  }
  // Without blanks around it.
  StatusOr<std::string> text(const std::string& path) const {
    return read_text(services.files, path);
  }
  // nullopt when it cannot be read.
  std::optional<std::string> try_text(const std::string& path) const;
  // nullopt when it cannot be read, or is no number. Decimal, or hexadecimal with 0x.
  std::optional<double> number(const std::string& path) const;
  bool exists(const std::string& path) const { return services.files.info(path).ok(); }
  // Sorted names in a directory; none when it cannot be read.
  std::vector<std::string> list(const std::string& directory) const;
  // list(), of the names that start with `prefix`.
  std::vector<std::string> list(const std::string& directory, std::string_view prefix) const;
  // The last part of the path behind a link, "" for none.
  std::string link_name(const std::string& path) const;

  // Shows the files of `directory` that are there.
  void show_files(const std::string& directory, std::span<const FileMetric> table,
                  const LabelPairs& labels, Families* out) const;
};

// One run of a collector that is a function.
using Collect = std::function<Status(Families*)>;

// Names of what a filter keeps, remembered: an expression is matched once for each name.
class NameSet {
 public:
  explicit NameSet(Filter filter) : filter_(std::move(filter)) {}
  bool keeps(std::string_view name);

 private:
  static constexpr std::size_t kMaxNames = 8192;  // then it forgets all

  const Filter filter_;
  StringMap<bool> known_;
};

// "no data" of a collector: its feature is not on this machine.
Status no_data(std::string_view what);
// That, for a missing file or directory; otherwise `status`.
Status no_data_if_missing(const Status& status);

}  // namespace tocsin::exporters
