// SPDX-License-Identifier: Apache-2.0
//
// The RocksDB options of the database, and the translation of its errors. Private to tsdb/kv.
//
// Every line here that is not a default answers a measured cost or a known defect of 7.8.3; see
// docs/decisions/0010-runs-in-rocksdb.md. Pure functions.
#pragma once

#include <memory>
#include <string_view>

#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include "base/status.h"

namespace tocsin::tsdb {

rocksdb::DBOptions database_options(const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::ColumnFamilyOptions small_values_options(const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::ColumnFamilyOptions samples_options();
rocksdb::IngestExternalFileOptions ingest_options();
// Takes its warnings to ours, at level debug.
std::shared_ptr<rocksdb::Logger> make_log();

Status to_status(const rocksdb::Status& status, std::string_view what);

}  // namespace tocsin::tsdb
