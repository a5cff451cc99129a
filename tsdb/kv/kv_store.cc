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
#include "base/log.h"
#include "tsdb/kv/kv_options.h"

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
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kCacheBytes);
  std::unique_ptr<rocksdb::DB> db;
  // By Family; RocksDB's default family, which is not used, is the last.
  std::vector<rocksdb::ColumnFamilyHandle*> handles;

  ~Impl() {
    if (db == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    db->Close();
  }
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles[static_cast<std::size_t>(family)];
  }

  rocksdb::Status open(const std::string& directory, const rocksdb::DBOptions& options,
                       KvMode mode) {
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

  Status write(const KvBatch& batch, bool sync) {
    rocksdb::WriteBatch changes(batch.bytes() + batch.changes().size() * 16);
    for (const KvBatch::Change& change : batch.changes()) {
      const rocksdb::Status status =
          change.erase ? changes.Delete(handle(change.family), change.key)
                       : changes.Put(handle(change.family), change.key, change.value);
      RETURN_IF_ERROR(to_status(status, "building a batch"));
    }
    rocksdb::WriteOptions options;
    options.sync = sync;
    rocksdb::Status status = db->Write(options, &changes);
    if (!status.ok() && db->Resume().ok()) {
      // An earlier failure (a full disk that is not full any more) had made the database read-only.
      status = db->Write(options, &changes);
    }
    return to_status(status, "writing metadata");
  }
};

KvStore::KvStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvStore::~KvStore() = default;

StatusOr<std::unique_ptr<KvStore>> KvStore::open(const std::string& directory, KvMode mode) {
  auto impl = std::make_unique<Impl>();
  rocksdb::DBOptions options = database_options(impl->cache);
  if (mode == KvMode::kReadOnly) {
    options.create_if_missing = false;
    options.create_missing_column_families = false;
    options.info_log = no_log();  // else it makes a file
  }
  rocksdb::Status status = impl->open(directory, options, mode);
  if (status.IsCorruption()) {
    // One unreadable run file must not take the others with it: then only reads of that file fail.
    base::log::warn("database is damaged, opening what is readable",
                    {{"directory", directory}, {"error", status.ToString()}});
    options.paranoid_checks = false;
    status = impl->open(directory, options, mode);
  }
  RETURN_IF_ERROR(to_status(status, fmt::format("opening {}", directory)));
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

Status KvStore::commit(const KvBatch& batch) { return impl_->write(batch, true); }
Status KvStore::commit_unsynced(const KvBatch& batch) { return impl_->write(batch, false); }

Status KvStore::ingest(const std::string& path) {
  return to_status(
      impl_->db->IngestExternalFile(impl_->handle(Family::kSamples), {path}, ingest_options()),
      "ingesting a run file");
}

Status KvStore::drop_sample_files(const std::string& begin, const std::string& end) {
  const rocksdb::Slice first = slice(begin);
  const rocksdb::Slice last = slice(end);
  return to_status(rocksdb::DeleteFilesInRange(impl_->db.get(), impl_->handle(Family::kSamples),
                                               &first, &last, false),
                   "dropping run files");
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
  return to_status(checkpoint->CreateCheckpoint(directory),
                   fmt::format("writing a checkpoint to {}", directory));
}

}  // namespace tocsin::tsdb
