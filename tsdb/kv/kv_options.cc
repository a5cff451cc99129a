// SPDX-License-Identifier: Apache-2.0
#include "tsdb/kv/kv_options.h"

#include <cstdarg>
#include <cstdio>
#include <string>

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include "base/log.h"

namespace tocsin::tsdb {

rocksdb::DBOptions database_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = -1;  // every table stays open: 0.07 bytes of memory per key
  options.max_file_opening_threads = 2;
  options.skip_stats_update_on_db_open = true;  // else open reads every file
  options.max_background_jobs = 2;
  options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(48U << 20, cache);
  options.max_manifest_file_size = 16U << 20;
  options.allow_fallocate = false;  // else log and manifest hold 13 MB of disk that is never used
  options.bgerror_resume_retry_interval = 250'000;  // us; closing may wait so long
  options.compaction_readahead_size = 2U << 20;     // the default of 7.8.3 is none
  // mmap puts the working set into our resident memory and turns I/O errors into SIGBUS.
  options.allow_mmap_reads = false;
  options.allow_mmap_writes = false;
  // Both have defects in 7.8.3: recovery of compressed logs, and false corruption after a sync.
  options.wal_compression = rocksdb::kNoCompression;
  options.track_and_verify_wals_in_manifest = false;
  options.info_log = make_log();  // its own file ends the process when it cannot be written
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions small_values_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 8U << 20;
  options.max_write_buffer_number = 2;
  options.compression = rocksdb::kZSTD;
  options.compression_opts.level = 1;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 32U << 10;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  // Most look-ups of a label set that is not in memory find nothing: then no block is read.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions samples_options() {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;  // tiles are coded already
  options.disable_auto_compactions = true;
  options.level0_file_num_compaction_trigger = 1 << 30;
  options.level0_slowdown_writes_trigger = 1 << 30;
  options.level0_stop_writes_trigger = 1 << 30;
  options.soft_pending_compaction_bytes_limit = 0;
  options.hard_pending_compaction_bytes_limit = 0;
  options.write_buffer_size = 64U << 10;  // never used
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // tsdb/run keeps what it reads again, decoded as far as it can be
  table.block_size = 4U << 10;  // so each value is a block
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::IngestExternalFileOptions ingest_options() {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.failed_move_fall_back_to_copy = true;
  options.snapshot_consistency = false;  // no RocksDB snapshot is ever taken of samples
  // Keys never overlap. If they did, these make the call fail instead of rewriting files or
  // flushing.
  options.allow_global_seqno = false;  // but for batches, see kv_store.cc
  options.write_global_seqno = false;
  options.allow_blocking_flush = false;
  return options;
}

std::shared_ptr<rocksdb::Logger> make_log() {
  class Log final : public rocksdb::Logger {
   public:
    using rocksdb::Logger::Logv;
    // Whoever called RocksDB says what failed; this is the detail.
    void Logv(const char* format, va_list arguments) override {
      char text[1024];
      std::vsnprintf(text, sizeof(text), format, arguments);
      base::log::debug("rocksdb", {{"text", text}});
    }
  };
  auto log = std::make_shared<Log>();
  log->SetInfoLogLevel(rocksdb::WARN_LEVEL);
  return log;
}

Status to_status(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return ok();
  const std::string text = fmt::format("{}: {}", what, status.ToString());
  if (status.IsNotFound()) return make_status(StatusCode::kNotFound, text);
  // A table file that is missing is as lost as a damaged one.
  if (status.IsCorruption() || status.IsPathNotFound())
    return make_status(StatusCode::kDataLoss, text);
  // What kv_files.cc has seen does not say so otherwise.
  const bool full = text.find("No space left on device") != std::string::npos;
  if (full || status.IsNoSpace() || status.IsMemoryLimit()) {
    return make_status(StatusCode::kResourceExhausted, text);
  }
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return make_status(StatusCode::kInternal, text);
  }
  const bool locked = status.IsIOError() && text.find("lock ") != std::string::npos;
  if (locked) return make_status(StatusCode::kFailedPrecondition, text);
  return make_status(StatusCode::kUnavailable, text);
}

}  // namespace tocsin::tsdb

#if defined(__SANITIZE_THREAD__)
// Debian's library is not instrumented, so ThreadSanitizer does not see its atomics and reports
// races inside of it.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:librocksdb.so\n"; }
#endif
