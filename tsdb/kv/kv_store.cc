// SPDX-License-Identifier: Apache-2.0
#include "tsdb/kv/kv_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/utilities/checkpoint.h>

#include "base/check.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/mutex.h"
#include "tsdb/kv/kv_files.h"
#include "tsdb/kv/kv_options.h"
#include "tsdb/kv/kv_tables.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kCacheBytes = 32U << 20;
// Keys read at once; bounds the memory that tiles under decoding take.
constexpr std::size_t kKeysPerRead = 16;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

}  // namespace

void KvBatch::put(Family family, std::string key, std::string value) {
  DCHECK(family != Family::kSamples);
  bytes_ += key.size() + value.size();
  changes_.push_back({family, false, std::move(key), std::move(value)});
}

void KvBatch::erase(Family family, std::string key) {
  DCHECK(family != Family::kSamples);
  bytes_ += key.size();
  changes_.push_back({family, true, std::move(key), std::string()});
}

void KvBatch::append(const KvBatch& more) {
  changes_.insert(changes_.end(), more.changes_.begin(), more.changes_.end());
  bytes_ += more.bytes_;
}

struct SampleFile::Impl {
  rocksdb::Options options{rocksdb::DBOptions(), samples_options()};
  // The last argument keeps the pages of the newest, hottest data in the system's cache.
  rocksdb::SstFileWriter writer{rocksdb::EnvOptions(), options, nullptr, false};
};

SampleFile::SampleFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SampleFile::~SampleFile() = default;

StatusOr<std::unique_ptr<SampleFile>> SampleFile::create(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  RETURN_IF_ERROR(to_status(impl->writer.Open(path), "creating a run file"));
  return std::unique_ptr<SampleFile>(new SampleFile(std::move(impl)));
}

Status SampleFile::put(std::string_view key, std::string_view value) {
  return to_status(impl_->writer.Put(slice(key), slice(value)), "writing a run file");
}

StatusOr<std::uint64_t> SampleFile::finish() {
  rocksdb::ExternalSstFileInfo info;
  RETURN_IF_ERROR(to_status(impl_->writer.Finish(&info), "syncing a run file"));
  return info.file_size;
}

struct KvStore::Impl {
  std::string directory;
  KvFiles kv_files;
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kCacheBytes);
  std::unique_ptr<rocksdb::DB> db;
  // By Family; RocksDB's default family, which is not used, is the last.
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  // Serialises writers over their I/O; readers never take it.
  base::Mutex writer;
  std::uint64_t next_batch ABSL_GUARDED_BY(writer) = 1;
  bool keeps_files ABSL_GUARDED_BY(writer) = false;  // since a change has failed

  ~Impl() {
    if (db == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    rocksdb::CancelAllBackgroundWork(db.get(), true);
    for (; db->Resume().IsBusy(); kv_files.env()->SleepForMicroseconds(1000)) kv_files.give_up();
    db->Close();
  }
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles[static_cast<std::size_t>(family)];
  }
  std::string batch_directory() const { return base::join_path(directory, "batch"); }

  Status clear_batches() const {
    base::FileSystem& files = base::real_file_system();
    RETURN_IF_ERROR(files.remove_recursively(batch_directory()));
    return files.create_directories(batch_directory());
  }

  rocksdb::Status open(const rocksdb::DBOptions& options, KvMode mode) {
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
        {"meta", small_values_options(cache)},
        {"series", small_values_options(cache)},
        {"samples", samples_options()},
        {rocksdb::kDefaultColumnFamilyName, small_values_options(cache)}};
    rocksdb::DB* raw = nullptr;
    rocksdb::Status status =
        mode == KvMode::kReadOnly
            ? rocksdb::DB::OpenForReadOnly(options, directory, families, &handles, &raw)
            : rocksdb::DB::Open(options, directory, families, &handles, &raw);
    if (status.ok()) db.reset(raw);
    return status;
  }

  // Does what changes the manifest. When that fails and RocksDB gets going again, 7.8.3 asserts that
  // it has kept files meanwhile, which only some of its own calls see to.
  Status change(std::string_view what, const std::function<rocksdb::Status()>& work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer) {
    db->DisableFileDeletions();
    const rocksdb::Status status = work();
    const bool all = std::exchange(keeps_files, !status.ok());
    if (status.ok()) db->EnableFileDeletions(/*force=*/all);
    return to_status(status, what);
  }

  Status ingest(const std::vector<rocksdb::IngestExternalFileArg>& files, std::string_view what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer) {
    return change(what, [&] { return db->IngestExternalFiles(files); });
  }

  Status commit(const KvBatch& batch) {
    base::MutexLock lock(writer);
    const std::string prefix = base::join_path(batch_directory(), fmt::format("{}", next_batch++));
    ASSIGN_OR_RETURN(const KvTables tables, KvTables::write(batch, prefix, cache));
    std::vector<rocksdb::IngestExternalFileArg> files;
    for (const Family family : {Family::kMeta, Family::kSeries}) {
      if (tables.path(family).empty()) continue;
      rocksdb::IngestExternalFileArg& file = files.emplace_back();
      file.column_family = handle(family);
      file.external_files = {tables.path(family)};
      file.options = ingest_options();
      file.options.allow_global_seqno = true;  // its keys replace those that are there
    }
    return files.empty() ? ok() : ingest(files, "writing metadata");
  }

  Status drop(const rocksdb::Slice& begin, const rocksdb::Slice& end) {
    base::MutexLock lock(writer);
    return change("dropping run files", [&] {
      return rocksdb::DeleteFilesInRange(db.get(), handle(Family::kSamples), &begin, &end, false);
    });
  }
};

KvStore::KvStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvStore::~KvStore() = default;

StatusOr<std::unique_ptr<KvStore>> KvStore::open(const std::string& directory, KvMode mode) {
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  rocksdb::DBOptions options = database_options(impl->cache);
  options.env = impl->kv_files.env();
  if (mode == KvMode::kReadOnly) {
    options.create_if_missing = false;
    options.create_missing_column_families = false;
  }
  rocksdb::Status status = impl->open(options, mode);
  if (status.IsCorruption()) {
    // One unreadable run file must not take the others with it: then only reads of that file fail.
    base::log::warn("database is damaged, opening what is readable",
                    {{"directory", directory}, {"error", status.ToString()}});
    options.paranoid_checks = false;
    status = impl->open(options, mode);
  }
  RETURN_IF_ERROR(to_status(status, fmt::format("opening {}", directory)));
  if (mode == KvMode::kReadWrite) RETURN_IF_ERROR(impl->clear_batches());
  return std::unique_ptr<KvStore>(new KvStore(std::move(impl)));
}

StatusOr<std::string> KvStore::get(Family family, std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      impl_->db->Get(rocksdb::ReadOptions(), impl_->handle(family), slice(key), &value);
  RETURN_IF_ERROR(to_status(status, "reading metadata"));
  return value;
}

StatusOr<std::optional<std::string>> KvStore::find(Family family, std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      impl_->db->Get(rocksdb::ReadOptions(), impl_->handle(family), slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(to_status(status, "reading metadata"));
  return value;
}

void KvStore::get_samples(std::span<const std::string> keys, const Visit& visit) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  std::array<rocksdb::Slice, kKeysPerRead> slices;
  for (std::size_t begin = 0; begin < keys.size(); begin += kKeysPerRead) {
    const std::size_t count = std::min(kKeysPerRead, keys.size() - begin);
    for (std::size_t i = 0; i < count; ++i) slices[i] = slice(keys[begin + i]);
    std::array<rocksdb::PinnableSlice, kKeysPerRead> values;
    std::array<rocksdb::Status, kKeysPerRead> statuses;
    impl_->db->MultiGet(options, impl_->handle(Family::kSamples), count, slices.data(),
                        values.data(), statuses.data(), true);
    for (std::size_t i = 0; i < count; ++i) {
      visit(begin + i, to_status(statuses[i], "reading samples"), view(values[i]));
    }
  }
}

Status KvStore::scan(Family family, std::string_view prefix, const Scan& visit) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 128U << 10;
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->db->NewIterator(options, impl_->handle(family)));
  for (it->Seek(slice(prefix)); it->Valid() && it->key().starts_with(slice(prefix)); it->Next()) {
    RETURN_IF_ERROR(visit(view(it->key()), view(it->value())));
  }
  return to_status(it->status(), "scanning metadata");
}

Status KvStore::commit(const KvBatch& batch) { return impl_->commit(batch); }

Status KvStore::ingest(const std::string& path) {
  rocksdb::IngestExternalFileArg file;
  file.column_family = impl_->handle(Family::kSamples);
  file.external_files = {path};
  file.options = ingest_options();
  base::MutexLock lock(impl_->writer);
  return impl_->ingest({file}, "ingesting a run file");
}

Status KvStore::drop_sample_files(const std::string& begin, const std::string& end) {
  return impl_->drop(slice(begin), slice(end));
}

std::vector<KvStore::FileRange> KvStore::sample_files() const {
  rocksdb::ColumnFamilyMetaData data;
  impl_->db->GetColumnFamilyMetaData(impl_->handle(Family::kSamples), &data);
  std::vector<FileRange> result;
  for (const rocksdb::LevelMetaData& level : data.levels) {
    for (const rocksdb::SstFileMetaData& file : level.files) {
      result.push_back({file.smallestkey, file.largestkey, file.size, file.db_path + file.name});
    }
  }
  return result;
}

std::size_t KvStore::cached_bytes() const { return impl_->cache->GetUsage(); }

void KvStore::release_cache() { impl_->cache->EraseUnRefEntries(); }

std::uint64_t KvStore::bytes_on_disk() const {
  std::uint64_t total = 0;
  for (rocksdb::ColumnFamilyHandle* handle : impl_->handles) {
    std::uint64_t bytes = 0;
    impl_->db->GetIntProperty(handle, rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
    total += bytes;
  }
  rocksdb::VectorLogPtr logs;
  if (impl_->db->GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs) total += log->SizeFileBytes();
  }
  return total;
}

Status KvStore::checkpoint(const std::string& directory) {
  rocksdb::Checkpoint* raw = nullptr;
  RETURN_IF_ERROR(
      to_status(rocksdb::Checkpoint::Create(impl_->db.get(), &raw), "preparing a checkpoint"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  base::MutexLock lock(impl_->writer);  // else a change could let go of files that it links
  return to_status(checkpoint->CreateCheckpoint(directory),
                   fmt::format("writing a checkpoint to {}", directory));
}

}  // namespace tocsin::tsdb
