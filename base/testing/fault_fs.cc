// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/testing/mem_fs.h"

namespace tocsin::base::testing {
namespace {

// How much of a file a power cut leaves; follows the file when it is renamed.
struct Written {
  std::uint64_t synced = 0;
};

Status fault_status(FaultFs::Fault fault, std::string_view operation, const std::string& path) {
  const int error_number = fault == FaultFs::Fault::kDiskFull ? ENOSPC : EIO;
  return errno_status(error_number, fmt::format("{} {} (injected)", operation, path));
}

}  // namespace

struct FaultFs::State {
  explicit State(FileSystem& files) : inner(files) {}

  // Counts one operation; returns the fault that hits it.
  std::optional<Fault> next_fault() {
    MutexLock lock(mutex);
    ++operations;
    if (!armed || operations < fail_operation) return std::nullopt;
    armed = sticky;
    return fault;
  }

  Status next(std::string_view operation, const std::string& path) {
    const std::optional<Fault> hit = next_fault();
    return hit ? fault_status(*hit, operation, path) : ok();
  }

  FileSystem& inner;
  Mutex mutex;
  std::uint64_t operations ABSL_GUARDED_BY(mutex) = 0;
  bool armed ABSL_GUARDED_BY(mutex) = false;
  bool sticky ABSL_GUARDED_BY(mutex) = false;
  Fault fault ABSL_GUARDED_BY(mutex) = Fault::kError;
  std::uint64_t fail_operation ABSL_GUARDED_BY(mutex) = 0;
  std::map<std::string, std::shared_ptr<Written>> written ABSL_GUARDED_BY(mutex);
  std::optional<std::uint64_t> free_bytes ABSL_GUARDED_BY(mutex);

  class File;
};

class FaultFs::State::File final : public WritableFile {
 public:
  File(std::shared_ptr<State> state, std::unique_ptr<WritableFile> inner, std::string path,
       std::shared_ptr<Written> written)
      : state_(std::move(state)),
        inner_(std::move(inner)),
        path_(std::move(path)),
        written_(std::move(written)) {}

  Status append(std::string_view data) override { return append_parts({&data, 1}); }

  Status append_parts(std::span<const std::string_view> parts) override {
    const std::optional<Fault> fault = state_->next_fault();
    if (!fault) return inner_->append_parts(parts);
    if (*fault == Fault::kTornWrite) {
      std::string all;
      for (std::string_view part : parts) all += part;
      RETURN_IF_ERROR(inner_->append(std::string_view(all).substr(0, all.size() / 2)));
    }
    return fault_status(*fault, "write", path_);
  }

  Status sync() override {
    RETURN_IF_ERROR(state_->next("sync", path_));
    RETURN_IF_ERROR(inner_->sync());
    MutexLock lock(state_->mutex);
    written_->synced = inner_->size();
    return ok();
  }

  Status truncate(std::uint64_t size) override {
    RETURN_IF_ERROR(state_->next("truncate", path_));
    RETURN_IF_ERROR(inner_->truncate(size));
    MutexLock lock(state_->mutex);
    written_->synced = std::min(written_->synced, size);
    return ok();
  }

  std::uint64_t size() const override { return inner_->size(); }

 private:
  const std::shared_ptr<State> state_;
  const std::unique_ptr<WritableFile> inner_;
  const std::string path_;  // when it was opened, for messages
  const std::shared_ptr<Written> written_;
};

FaultFs::FaultFs(FileSystem& inner) : state_(std::make_shared<State>(inner)) {}
FaultFs::~FaultFs() = default;

void FaultFs::fail_at(std::uint64_t n, Fault fault, bool sticky) {
  CHECK(n > 0);
  MutexLock lock(state_->mutex);
  state_->armed = true;
  state_->sticky = sticky;
  state_->fault = fault;
  state_->fail_operation = state_->operations + n;
}

void FaultFs::clear() {
  MutexLock lock(state_->mutex);
  state_->armed = false;
}

std::uint64_t FaultFs::operations() const {
  MutexLock lock(state_->mutex);
  return state_->operations;
}

void FaultFs::power_cut() {
  std::map<std::string, std::shared_ptr<Written>> written;
  {
    MutexLock lock(state_->mutex);
    written = state_->written;
  }
  for (const auto& [path, file] : written) {
    const StatusOr<FileInfo> info = state_->inner.info(path);
    if (!info.ok() || info->size <= file->synced) continue;
    const auto opened = state_->inner.open_writable(path, OpenMode::kAppend);
    CHECK(opened.ok());
    CHECK((*opened)->truncate(file->synced).ok());
  }
}

StatusOr<std::unique_ptr<WritableFile>> FaultFs::open_writable(const std::string& path,
                                                               OpenMode mode) {
  RETURN_IF_ERROR(state_->next("open", path));
  ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, state_->inner.open_writable(path, mode));
  MutexLock lock(state_->mutex);
  std::shared_ptr<Written>& written = state_->written[path];
  if (written == nullptr) {
    // What was there before this object saw the file counts as synced.
    written = std::make_shared<Written>();
    written->synced = file->size();
  }
  written->synced = std::min(written->synced, file->size());
  return std::make_unique<State::File>(state_, std::move(file), path, written);
}

StatusOr<std::unique_ptr<RandomAccessFile>> FaultFs::open_random(const std::string& path) {
  return state_->inner.open_random(path);
}

StatusOr<std::string> FaultFs::read_file(const std::string& path, std::uint64_t max_size) {
  return state_->inner.read_file(path, max_size);
}

StatusOr<std::vector<std::string>> FaultFs::list(const std::string& directory) {
  return state_->inner.list(directory);
}

StatusOr<FileInfo> FaultFs::info(const std::string& path) { return state_->inner.info(path); }

Status FaultFs::rename(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(state_->next("rename", from));
  RETURN_IF_ERROR(state_->inner.rename(from, to));
  MutexLock lock(state_->mutex);
  state_->written.erase(to);
  // A directory takes everything below it along.
  std::map<std::string, std::shared_ptr<Written>> renamed;
  for (const auto& [path, written] : state_->written) {
    const bool moves = path == from || path.starts_with(from + "/");
    renamed[moves ? to + path.substr(from.size()) : path] = written;
  }
  state_->written = std::move(renamed);
  return ok();
}

Status FaultFs::remove(const std::string& path) {
  RETURN_IF_ERROR(state_->next("remove", path));
  RETURN_IF_ERROR(state_->inner.remove(path));
  MutexLock lock(state_->mutex);
  state_->written.erase(path);
  return ok();
}

Status FaultFs::create_directories(const std::string& path) {
  RETURN_IF_ERROR(state_->next("mkdir", path));
  return state_->inner.create_directories(path);
}

Status FaultFs::remove_recursively(const std::string& path) {
  RETURN_IF_ERROR(state_->next("remove", path));
  RETURN_IF_ERROR(state_->inner.remove_recursively(path));
  MutexLock lock(state_->mutex);
  std::erase_if(state_->written, [&](const auto& entry) {
    return entry.first == path || entry.first.starts_with(path + "/");
  });
  return ok();
}

Status FaultFs::sync_directory(const std::string& directory) {
  RETURN_IF_ERROR(state_->next("sync", directory));
  return state_->inner.sync_directory(directory);
}

StatusOr<std::unique_ptr<FileLock>> FaultFs::lock(const std::string& path) {
  return state_->inner.lock(path);
}

StatusOr<std::uint64_t> FaultFs::total_bytes(const std::string& path) {
  return state_->inner.total_bytes(path);
}

void FaultFs::set_free_bytes(std::optional<std::uint64_t> bytes) {
  MutexLock lock(state_->mutex);
  state_->free_bytes = bytes;
}

StatusOr<std::uint64_t> FaultFs::free_bytes(const std::string& path) {
  {
    MutexLock lock(state_->mutex);
    if (state_->free_bytes) return *state_->free_bytes;
  }
  return state_->inner.free_bytes(path);
}

}  // namespace tocsin::base::testing
