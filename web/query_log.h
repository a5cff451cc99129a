// SPDX-License-Identifier: Apache-2.0
//
// QueryLogFile: a line of JSON per query that has ended, in Prometheus' words.
//
// Owns: the file, which it appends to. Borrows: Clock, the counter.
// Threads: shared.
// Errors: of opening the file; lines that cannot be written are counted.
#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"
#include "promql/engine.h"

namespace tocsin::web {

class QueryLogFile {
 public:
  struct Services {
    const base::Clock& clock;
    base::FileSystem& files;
    base::Counter& failures;
  };
  static StatusOr<std::shared_ptr<QueryLogFile>> open(const std::string& path, Services services);

  void write(const promql::FinishedQuery& query);

 private:
  QueryLogFile(std::unique_ptr<base::WritableFile> file, Services services)
      : services_(services), file_(std::move(file)) {}

  const Services services_;
  base::Guarded<std::unique_ptr<base::WritableFile>> file_;
};

}  // namespace tocsin::web
