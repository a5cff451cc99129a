// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/tail/file_tail.h"

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/stat.h>

#include "base/log.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::uint64_t kMaxPositionsFile = 1 << 20;
constexpr std::string_view kPacked[] = {".gz", ".xz", ".bz2", ".zst"};

FileId id_of(const struct ::stat& info) { return {info.st_dev, info.st_ino}; }

std::int64_t change_of(const struct ::stat& info) {
  return info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
}

// Up to `size` bytes at `offset`; "" when nothing can be read.
std::string_view read_at(int descriptor, std::uint64_t offset, char* out, std::size_t size) {
  std::size_t got = 0;
  while (got < size) {
    const ssize_t bytes =
        ::pread(descriptor, out + got, size - got, static_cast<off_t>(offset + got));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    got += static_cast<std::size_t>(bytes);
  }
  return {out, got};
}

FileHead head_of(int descriptor, std::size_t size) {
  std::array<char, FileHead::kMaxBytes> bytes;
  return FileHead::of(read_at(descriptor, 0, bytes.data(), std::min(size, bytes.size())));
}

std::vector<std::string> matching(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  for (const std::string& pattern : patterns) {
    ::glob_t found{};
    if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
      paths.insert(paths.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  // What logrotate has packed is no log any more.
  std::erase_if(paths, [](const std::string& path) {
    return std::any_of(std::begin(kPacked), std::end(kPacked),
                       [&](std::string_view end) { return path.ends_with(end); });
  });
  return paths;
}

}  // namespace

FileTail::FileTail(Options options, base::FileSystem& files)
    : options_(std::move(options)), disk_(files) {}

void FileTail::load() {
  if (options_.positions_file.empty()) return;
  const StatusOr<std::string> text = disk_.read_file(options_.positions_file, kMaxPositionsFile);
  if (text.status().code() == StatusCode::kNotFound) return;
  const StatusOr<Positions> positions = text.ok() ? parse_positions(*text) : text.status();
  if (positions.ok()) {
    saved_ = *positions;
  } else {
    base::log::warn("cannot use the log positions",
                    {{"file", options_.positions_file}, {"error", message(positions.status())}});
  }
}

FileTail::~FileTail() {
  for (const auto& [id, file] : files_) ::close(file.descriptor);
}

void FileTail::complain(const std::string& path, std::string_view why) {
  ++stats_.unreadable;
  if (complained_.size() >= options_.max_files || !complained_.insert(path).second) return;
  base::log::warn("cannot follow a log file", {{"file", path}, {"error", why}});
}

// Files ------------------------------------------------------------------------------------------

void FileTail::discover(base::SteadyTime now) {
  if (is_first_) load();
  stats_.unreadable = 0;
  for (auto& [id, file] : files_) file.has_name = false;
  for (const std::string& path : matching(options_.globs)) add(path);
  for (auto& [id, file] : files_) {
    if (file.has_name) {
      file.lost_at.reset();
    } else if (!file.lost_at) {
      file.lost_at = now;
    }
  }
  is_first_ = false;
  saved_.clear();
  stats_.files = files_.size();
}

void FileTail::add(const std::string& path) {
  struct ::stat info{};
  if (::stat(path.c_str(), &info) != 0) return;  // gone again
  if (const auto known = files_.find(id_of(info)); known != files_.end()) {
    known->second.has_name = true;
    known->second.path = path;
    return;
  }
  if (S_ISDIR(info.st_mode)) return;
  if (files_.size() >= options_.max_files) return complain(path, "too many files");
  if (!S_ISREG(info.st_mode)) return complain(path, "not a regular file");
  // Something else may have taken the name: a pipe would block without O_NONBLOCK.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    if (errno == ENOENT) return;
    const Status status = errno_status(errno, "open");
    return complain(path, message(status));
  }
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode) || files_.contains(id_of(info))) {
    ::close(descriptor);
    return;
  }
  complained_.erase(path);
  File& file = files_[id_of(info)];
  file.descriptor = descriptor;
  file.path = path;
  set_start(&file, id_of(info), static_cast<std::uint64_t>(info.st_size));
}

void FileTail::set_start(File* file, FileId id, std::uint64_t size) {
  if (!is_first_) return;
  const auto it = saved_.find(id);
  if (it != saved_.end() && it->second.offset <= size &&
      head_of(file->descriptor, it->second.head.size) == it->second.head) {
    file->offset = it->second.offset;
    file->head = it->second.head;
    return;
  }
  // What has come under a known name while nobody looked is read, too.
  const bool is_successor = std::any_of(saved_.begin(), saved_.end(), [&](const auto& entry) {
    return entry.second.path == file->path;
  });
  if (is_successor) return;
  file->offset = size;
  file->head = head_of(file->descriptor, size);
  char last = '\n';
  if (size > 0) read_at(file->descriptor, size - 1, &last, 1);
  file->skipping = last != '\n';
}

void FileTail::drop_lost(base::SteadyTime now, const Sink& sink) {
  for (auto it = files_.begin(); it != files_.end();) {
    File& file = it->second;
    if (!file.lost_at || now - *file.lost_at < options_.linger) {
      ++it;
      continue;
    }
    // Nobody will end the last line.
    const std::string_view rest =
        read_at(file.descriptor, file.offset, buffer_.data(), options_.max_line);
    if (!rest.empty() && !file.skipping && rest.find('\n') == std::string_view::npos) {
      add_line(rest);
      hand_out(sink);
    }
    ::close(file.descriptor);
    it = files_.erase(it);
  }
  stats_.files = files_.size();
}

bool FileTail::poll(base::SteadyTime now, const Sink& sink) {
  buffer_.resize(options_.max_line + kReadBytes);
  discover(now);
  std::vector<std::map<FileId, File>::iterator> unread;
  // Those behind the last turn come first, so that a busy file does not starve the others.
  for (auto it = files_.lower_bound(turn_); it != files_.end(); ++it) unread.push_back(it);
  for (auto it = files_.begin(); it != files_.lower_bound(turn_); ++it) unread.push_back(it);
  const std::uint64_t until = stats_.bytes + options_.bytes_per_poll;
  while (!unread.empty() && stats_.bytes < until) {
    std::vector<std::map<FileId, File>::iterator> more;
    for (const auto& it : unread) {
      turn_ = it->first;
      if (stats_.bytes >= until || read_some(&it->second, sink) == Read::kMore) more.push_back(it);
    }
    unread = std::move(more);
  }
  if (unread.empty()) drop_lost(now, sink);
  // What a burst of long lines needed is not kept.
  buffer_ = {};
  return !unread.empty();
}

// Lines ------------------------------------------------------------------------------------------

bool FileTail::was_truncated(const File& file, std::uint64_t size) const {
  if (size < file.offset) return true;
  return file.head.size > 0 && !(head_of(file.descriptor, file.head.size) == file.head);
}

FileTail::Read FileTail::read_some(File* file, const Sink& sink) {
  struct ::stat info{};
  if (::fstat(file->descriptor, &info) != 0) return Read::kEnd;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  const std::int64_t change = change_of(info);
  if (size == file->seen_size && change == file->seen_change_ns) return Read::kEnd;
  if (was_truncated(*file, size)) {
    ++stats_.truncations;
    file->offset = 0;
    file->head = {};
    file->skipping = false;
  }
  const std::string_view data =
      read_at(file->descriptor, file->offset, buffer_.data(), buffer_.size());
  stats_.bytes += data.size();
  const bool is_full = data.size() == buffer_.size();
  take_lines(file, data.size(), sink);
  if (file->head.size < FileHead::kMaxBytes && file->head.size < file->offset) {
    file->head = head_of(file->descriptor, file->offset);
  }
  if (is_full) return Read::kMore;
  file->seen_size = size;
  file->seen_change_ns = change;
  return Read::kEnd;
}

void FileTail::add_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > options_.max_line) {
    line = line.substr(0, options_.max_line);
    ++stats_.lines_cut;
  }
  lines_.push_back(line);
}

void FileTail::hand_out(const Sink& sink) {
  stats_.lines += lines_.size();
  if (!lines_.empty()) sink(lines_);
  lines_.clear();
}

// Takes the whole lines of what was read. A line without an end stays in the file, unless it is
// already longer than a line may be.
void FileTail::take_lines(File* file, std::size_t size, const Sink& sink) {
  std::string_view rest(buffer_.data(), size);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    if (!file->skipping) add_line(rest.substr(0, end));
    file->skipping = false;
    rest.remove_prefix(end + 1);
    file->offset += end + 1;
  }
  if (file->skipping) {
    file->offset += rest.size();
  } else if (rest.size() > options_.max_line) {
    add_line(rest);
    file->skipping = true;
    file->offset += rest.size();
  }
  hand_out(sink);
}

// Positions --------------------------------------------------------------------------------------

Status FileTail::save() {
  if (options_.positions_file.empty()) return ok();
  Positions positions;
  for (const auto& [id, file] : files_) {
    if (!file.skipping) positions[id] = {file.path, file.offset, file.head};
  }
  if (positions == written_) return ok();
  RETURN_IF_ERROR(
      base::write_file_atomically(disk_, options_.positions_file, print_positions(positions)));
  written_ = std::move(positions);
  return ok();
}

}  // namespace tocsin::exporters::app
