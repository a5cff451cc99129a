// SPDX-License-Identifier: Apache-2.0
//
// The work behind `tocsinctl tsdb`: each writes what it has to say to `out`.
//
// Functions over folders of databases; all but import only look. Errors: with the path in the text.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "model/matcher.h"
#include "tsdb/db.h"

namespace tocsin::app {

// An open folder with everything it needs.
class OpenFolder {
 public:
  enum class Mode { kLook, kWrite };
  static StatusOr<std::unique_ptr<OpenFolder>> open(const std::string& directory, Mode mode);
  tsdb::Db& db() { return *db_; }

 private:
  OpenFolder() = default;
  base::SystemClock clock_;
  base::Registry metrics_;
  std::unique_ptr<base::FileSystem> files_;
  std::unique_ptr<tsdb::Db> db_;
};

// One line that is written over, on a terminal; nothing elsewhere.
class Progress {
 public:
  Progress(std::FILE* out, std::string_view what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // `total` 0: unknown.
  void at(std::uint64_t done, std::uint64_t total);

 private:
  std::FILE* const out_;
  const std::string what_;
  const bool shown_;
  int last_ = -1;
};

struct DumpOptions {
  enum class Format { kProm, kSeriesJson, kOpenMetrics };
  Format format = Format::kProm;
  std::int64_t min_ms = INT64_MIN / 4;
  std::int64_t max_ms = INT64_MAX / 4;
  std::vector<std::string> matchers;  // selectors; none: all series
};

Status list_runs(const std::string& directory, bool human, std::FILE* out);
Status dump(const std::string& directory, const DumpOptions& options, std::FILE* out);
Status analyze(const std::string& directory, const std::string& matchers, std::size_t limit,
               std::FILE* out);
// kDataLoss when something is damaged; it is printed.
Status verify(const std::string& directory, std::FILE* out);
// What became of the samples of a page. One that is there already counts as accepted.
struct Imported {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // out of order, or another value than the one that is there
  Status first_refusal;
};
// Appends the samples of an OpenMetrics page, all with timestamps, a batch at a time: what comes
// before an error may be in.
Status import_page(std::string_view page, storage::Appendable& to, Imported* imported);
// Appends the samples of an OpenMetrics file, all with timestamps, to the database in `directory`,
// which is made when it is absent. kOutOfRange when some were refused; the others are in.
Status import_openmetrics(const std::string& file, const std::string& directory, std::FILE* out);

}  // namespace tocsin::app
