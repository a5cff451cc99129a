// SPDX-License-Identifier: Apache-2.0
#include "base/testing/mem_fs.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "base/mutex.h"

namespace tocsin::base::testing {
namespace {

constexpr std::uint64_t kFreeBytes = std::uint64_t{1} << 40;

Status error_of(int error_number, std::string_view operation, const std::string& path) {
  return errno_status(error_number, fmt::format("{} {}", operation, path));
}

struct Content {
  std::string bytes;
  Timestamp modified;
};

// Everything of one file system, kept alive by open files too: as with the system's, a file that is
// removed or renamed stays readable and writable through them.
struct Tree {
  Mutex mutex;
  std::function<Timestamp()> now;
  std::map<std::string, std::shared_ptr<Content>> files ABSL_GUARDED_BY(mutex);
  std::set<std::string> directories ABSL_GUARDED_BY(mutex);
  std::set<std::string> locked ABSL_GUARDED_BY(mutex);
};

class MemWritableFile final : public WritableFile {
 public:
  MemWritableFile(std::shared_ptr<Tree> tree, std::shared_ptr<Content> content)
      : tree_(std::move(tree)), content_(std::move(content)) {}

  Status append(std::string_view data) override { return append_parts({&data, 1}); }

  Status append_parts(std::span<const std::string_view> parts) override {
    const Timestamp now = tree_->now();
    MutexLock lock(tree_->mutex);
    for (std::string_view part : parts) content_->bytes += part;
    content_->modified = now;
    return ok();
  }

  Status sync() override { return ok(); }

  Status truncate(std::uint64_t size) override {
    MutexLock lock(tree_->mutex);
    content_->bytes.resize(static_cast<std::size_t>(size));
    return ok();
  }

  std::uint64_t size() const override {
    MutexLock lock(tree_->mutex);
    return content_->bytes.size();
  }

 private:
  const std::shared_ptr<Tree> tree_;
  const std::shared_ptr<Content> content_;
};

class MemRandomAccessFile final : public RandomAccessFile {
 public:
  MemRandomAccessFile(std::shared_ptr<Tree> tree, std::shared_ptr<Content> content)
      : tree_(std::move(tree)),
        content_(std::move(content)),
        size_at_open_(content_->bytes.size()) {}

  StatusOr<std::string_view> read(std::uint64_t offset, std::size_t length,
                                  char* scratch) const override {
    MutexLock lock(tree_->mutex);
    const std::string& bytes = content_->bytes;
    if (offset >= bytes.size()) return std::string_view();
    const std::string_view part = std::string_view(bytes).substr(offset, length);
    std::memcpy(scratch, part.data(), part.size());
    return std::string_view(scratch, part.size());
  }

  std::uint64_t size() const override { return size_at_open_; }

 private:
  const std::shared_ptr<Tree> tree_;
  const std::shared_ptr<Content> content_;
  const std::uint64_t size_at_open_;
};

class MemFileLock final : public FileLock {
 public:
  MemFileLock(std::shared_ptr<Tree> tree, std::string path)
      : tree_(std::move(tree)), path_(std::move(path)) {}
  ~MemFileLock() override {
    MutexLock lock(tree_->mutex);
    tree_->locked.erase(path_);
  }

 private:
  const std::shared_ptr<Tree> tree_;
  const std::string path_;
};

std::string without_slash(const std::string& path) {
  return path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

std::string as_prefix(const std::string& directory) {
  return directory.ends_with('/') ? directory : directory + "/";
}

// The entries of an ordered container whose keys begin with `prefix`.
template <typename Map>
auto range_of(Map& map, const std::string& prefix) {
  auto end = map.lower_bound(prefix);
  const auto begin = end;
  const auto key = [](const auto& entry) -> const std::string& {
    if constexpr (requires { entry.first; }) {
      return entry.first;
    } else {
      return entry;
    }
  };
  while (end != map.end() && key(*end).starts_with(prefix)) ++end;
  return std::pair(begin, end);
}

class MemFs final : public FileSystem {
 public:
  explicit MemFs(std::function<Timestamp()> now) : tree_(std::make_shared<Tree>()) {
    tree_->now = now ? std::move(now) : [] { return Timestamp(); };
  }

  StatusOr<std::unique_ptr<WritableFile>> open_writable(const std::string& path,
                                                        OpenMode mode) override {
    const Timestamp now = tree_->now();
    MutexLock lock(tree_->mutex);
    if (is_directory(path)) return error_of(EISDIR, "open", path);
    std::shared_ptr<Content>& content = tree_->files[path];
    if (content == nullptr) {
      content = std::make_shared<Content>();
      content->modified = now;
    } else if (mode == OpenMode::kTruncate) {
      content->bytes.clear();
      content->modified = now;
    }
    return std::make_unique<MemWritableFile>(tree_, content);
  }

  StatusOr<std::unique_ptr<RandomAccessFile>> open_random(const std::string& path) override {
    MutexLock lock(tree_->mutex);
    const auto found = tree_->files.find(path);
    if (found == tree_->files.end()) return error_of(ENOENT, "open", path);
    return std::make_unique<MemRandomAccessFile>(tree_, found->second);
  }

  StatusOr<std::string> read_file(const std::string& path, std::uint64_t max_size) override {
    MutexLock lock(tree_->mutex);
    const auto found = tree_->files.find(path);
    if (found == tree_->files.end()) return error_of(ENOENT, "open", path);
    if (found->second->bytes.size() > max_size) {
      return resource_exhausted("read {}: larger than {} bytes", path, max_size);
    }
    return found->second->bytes;
  }

  StatusOr<std::vector<std::string>> list(const std::string& directory) override;
  StatusOr<FileInfo> info(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;

  Status create_directories(const std::string& path) override {
    MutexLock lock(tree_->mutex);
    std::vector<std::string> parts;
    for (std::size_t end = 0; end < path.size();) {
      end = std::min(path.find('/', end + 1), path.size());
      parts.push_back(without_slash(path.substr(0, end)));
      if (tree_->files.contains(parts.back())) return error_of(ENOTDIR, "mkdir", parts.back());
    }
    tree_->directories.insert(parts.begin(), parts.end());
    return ok();
  }

  Status remove_recursively(const std::string& path) override {
    MutexLock lock(tree_->mutex);
    const auto [file, end_of_files] = range_of(tree_->files, as_prefix(path));
    tree_->files.erase(file, end_of_files);
    const auto [directory, end_of_directories] = range_of(tree_->directories, as_prefix(path));
    tree_->directories.erase(directory, end_of_directories);
    tree_->files.erase(path);
    tree_->directories.erase(without_slash(path));
    return ok();
  }

  Status sync_directory(const std::string&) override { return ok(); }

  StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    ASSIGN_OR_RETURN(const auto file, open_writable(path, OpenMode::kAppend));
    MutexLock lock(tree_->mutex);
    if (!tree_->locked.insert(path).second) {
      return failed_precondition("lock {}: held by another process", path);
    }
    return std::make_unique<MemFileLock>(tree_, path);
  }

  StatusOr<std::uint64_t> free_bytes(const std::string&) override { return kFreeBytes; }
  StatusOr<std::uint64_t> total_bytes(const std::string&) override { return kFreeBytes; }

 private:
  bool is_directory(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(tree_->mutex) {
    if (path == "/" || path == ".") return true;
    if (tree_->directories.contains(without_slash(path))) return true;
    const auto [first, end] = range_of(tree_->files, as_prefix(path));
    return first != end;
  }

  const std::shared_ptr<Tree> tree_;
};

StatusOr<std::vector<std::string>> MemFs::list(const std::string& directory) {
  MutexLock lock(tree_->mutex);
  if (!is_directory(directory)) return error_of(ENOENT, "list", directory);
  const std::string prefix = directory == "." ? "" : as_prefix(directory);
  std::set<std::string> names;
  const auto add = [&](const std::string& path) {
    if (path.size() > prefix.size()) {
      names.insert(path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size()));
    }
  };
  const auto [file, end_of_files] = range_of(tree_->files, prefix);
  for (auto it = file; it != end_of_files; ++it) add(it->first);
  const auto [inner, end_of_inner] = range_of(tree_->directories, prefix);
  for (auto it = inner; it != end_of_inner; ++it) add(*it);
  return std::vector<std::string>(names.begin(), names.end());
}

StatusOr<FileInfo> MemFs::info(const std::string& path) {
  MutexLock lock(tree_->mutex);
  FileInfo info;
  if (const auto found = tree_->files.find(path); found != tree_->files.end()) {
    info.size = found->second->bytes.size();
    info.modified = found->second->modified;
    return info;
  }
  if (!is_directory(path)) return error_of(ENOENT, "stat", path);
  info.is_directory = true;
  return info;
}

Status MemFs::rename(const std::string& from, const std::string& to) {
  MutexLock lock(tree_->mutex);
  if (const auto found = tree_->files.find(from); found != tree_->files.end()) {
    if (is_directory(to)) return error_of(EISDIR, "rename", to);
    std::shared_ptr<Content> content = found->second;
    tree_->files.erase(found);
    tree_->files[to] = std::move(content);
    return ok();
  }
  if (!is_directory(from)) return error_of(ENOENT, "rename", from);
  const std::string prefix = as_prefix(from);
  const auto [occupied, end_of_occupied] = range_of(tree_->files, as_prefix(to));
  if (occupied != end_of_occupied) return error_of(ENOTEMPTY, "rename", to);
  const auto [file, end_of_files] = range_of(tree_->files, prefix);
  const std::map<std::string, std::shared_ptr<Content>> files(file, end_of_files);
  tree_->files.erase(file, end_of_files);
  for (const auto& [path, content] : files) {
    tree_->files[as_prefix(to) + path.substr(prefix.size())] = content;
  }
  const auto [inner, end_of_inner] = range_of(tree_->directories, prefix);
  const std::set<std::string> directories(inner, end_of_inner);
  tree_->directories.erase(inner, end_of_inner);
  for (const std::string& path : directories) {
    tree_->directories.insert(as_prefix(to) + path.substr(prefix.size()));
  }
  tree_->directories.erase(without_slash(from));
  tree_->directories.insert(without_slash(to));
  return ok();
}

Status MemFs::remove(const std::string& path) {
  MutexLock lock(tree_->mutex);
  if (tree_->files.erase(path) != 0) return ok();
  const auto [file, end_of_files] = range_of(tree_->files, as_prefix(path));
  const auto [inner, end_of_inner] = range_of(tree_->directories, as_prefix(path));
  if (file != end_of_files || inner != end_of_inner) return error_of(ENOTEMPTY, "remove", path);
  tree_->directories.erase(without_slash(path));
  return ok();
}

}  // namespace

std::unique_ptr<FileSystem> make_mem_fs(std::function<Timestamp()> now) {
  return std::make_unique<MemFs>(std::move(now));
}

}  // namespace tocsin::base::testing
