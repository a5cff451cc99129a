// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/disk_faults.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/mutex.h"

namespace tocsin::tests {
namespace {

using Fault = DiskFaults::Fault;

// A name that a power cut takes back.
struct Entry {
  std::string path;
  std::string from;                    // of a rename; empty: made
  std::optional<std::string> content;  // of the file that it replaced
};

struct State {
  explicit State(std::string in_directory) : directory(std::move(in_directory)) {}

  const std::string directory;
  base::Mutex mutex;
  std::uint64_t calls ABSL_GUARDED_BY(mutex) = 0;
  std::uint64_t fail_call ABSL_GUARDED_BY(mutex) = 0;  // 0: none
  Fault fault ABSL_GUARDED_BY(mutex) = Fault::kError;
  bool hit ABSL_GUARDED_BY(mutex) = false;
  bool frozen ABSL_GUARDED_BY(mutex) = false;
  std::string hang_part ABSL_GUARDED_BY(mutex);
  std::uint64_t hang_left ABSL_GUARDED_BY(mutex) = 0;  // calls until the one that hangs; 0: none
  bool hanging ABSL_GUARDED_BY(mutex) = false;
  bool released ABSL_GUARDED_BY(mutex) = true;
  base::CondVar changed;
  std::map<std::string, std::int64_t> synced ABSL_GUARDED_BY(mutex);  // length, by path
  std::vector<Entry> entries ABSL_GUARDED_BY(mutex);                  // oldest first
};

// The calls of the C library have no argument to hand it through.
std::atomic<State*> active{
    nullptr};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): see above

bool is_below(const State& state, std::string_view path) {
  return path.starts_with(state.directory) && path.substr(state.directory.size()).starts_with('/');
}

std::string path_of(int fd) {
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof(path));
  return size <= 0 ? std::string() : std::string(path, static_cast<std::size_t>(size));
}

std::int64_t size_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : -1;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// What is to happen to one call.
struct Verdict {
  int error = 0;
  bool half = false;
};

// Waits when it is this call that hangs.
void hang(State& state, std::string_view path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  if (state.hang_left == 0 || path.find(state.hang_part) == path.npos) return;
  if (--state.hang_left != 0) return;
  state.hanging = true;
  state.changed.notify_all();
  while (!state.released) state.changed.wait(state.mutex);
  state.hanging = false;
}

Verdict judge(State& state, std::string_view path) {
  base::MutexLock lock(state.mutex);
  ++state.calls;
  hang(state, path);
  if (state.frozen) return {EIO, false};
  if (state.fail_call == 0 || state.calls != state.fail_call) return {};
  state.hit = true;
  state.fail_call = 0;
  switch (state.fault) {
    case Fault::kKill:
      ::kill(::getpid(), SIGKILL);
      return {EIO, false};
    case Fault::kFreeze:
    case Fault::kTornFreeze:
      state.frozen = true;
      return {EIO, state.fault == Fault::kTornFreeze};
    case Fault::kDiskFull:
      return {ENOSPC, false};
    case Fault::kError:
      return {EIO, false};
    case Fault::kTornWrite:
      return {EIO, true};
  }
  return {};
}

template <typename... Args>
long call(long number, Args... args) {
  return ::syscall(number, args...);  // NOLINT(cppcoreguidelines-pro-type-vararg): it is one
}

// Remembers how much of the file is synced before it first changes.
void before_change(State& state, const std::string& path) {
  base::MutexLock lock(state.mutex);
  state.synced.try_emplace(path, std::max<std::int64_t>(size_of(path), 0));
}

// Judges a call on an open file; -1 and errno when it fails, 0 when it goes on.
template <typename Half>
int on_file(int fd, Half half) {
  State* state = active.load();
  if (state == nullptr) return 0;
  const std::string path = path_of(fd);
  if (!is_below(*state, path)) return 0;
  before_change(*state, path);
  const Verdict verdict = judge(*state, path);
  if (verdict.error == 0) return 0;
  if (verdict.half) half();
  errno = verdict.error;
  return -1;
}

int on_path(const char* path) {
  State* state = active.load();
  if (state == nullptr || !is_below(*state, path)) return 0;
  const Verdict verdict = judge(*state, path);
  errno = verdict.error;
  return verdict.error == 0 ? 0 : -1;
}

void after_sync(int fd) {
  State* state = active.load();
  if (state == nullptr) return;
  const std::string path = path_of(fd);
  if (!is_below(*state, path) && path != state->directory) return;
  struct stat info{};
  if (::fstat(fd, &info) != 0) return;
  base::MutexLock lock(state->mutex);
  if (!S_ISDIR(info.st_mode)) {
    state->synced[path] = info.st_size;
    return;
  }
  std::erase_if(state->entries, [&](const Entry& entry) { return parent_of(entry.path) == path; });
}

void after_made(const char* path) {
  State* state = active.load();
  if (state == nullptr || !is_below(*state, path)) return;
  base::MutexLock lock(state->mutex);
  state->entries.push_back({path, "", std::nullopt});
  state->synced[path] = 0;
}

std::optional<std::string> content_of(const char* path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void after_rename(const char* from, const char* to, std::optional<std::string> replaced) {
  State* state = active.load();
  if (state == nullptr || !is_below(*state, to)) return;
  base::MutexLock lock(state->mutex);
  state->entries.push_back({to, from, std::move(replaced)});
  std::map<std::string, std::int64_t> synced;
  const std::string below = std::string(from) + "/";
  state->synced.erase(to);
  for (auto& [path, size] : state->synced) {
    const bool moves = path == from || path.starts_with(below);
    synced[moves ? to + path.substr(std::string_view(from).size()) : path] = size;
  }
  state->synced = std::move(synced);
}

int open_file(int directory, const char* path, int flags, unsigned mode) {
  State* state = active.load();
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
  const bool below = state != nullptr && changes && is_below(*state, path);
  const bool made = below && (flags & O_CREAT) != 0 && size_of(path) < 0;
  if (below && on_path(path) != 0) return -1;
  const int fd = static_cast<int>(call(SYS_openat, directory, path, flags, mode));
  if (fd >= 0 && made) after_made(path);
  if (fd >= 0 && below && !made && (flags & O_TRUNC) != 0) {
    base::MutexLock lock(state->mutex);
    state->synced[path] = 0;
  }
  return fd;
}

void take_back(const Entry& entry) {
  std::error_code ignored;
  if (entry.from.empty()) {
    std::filesystem::remove_all(entry.path, ignored);
    return;
  }
  std::filesystem::rename(entry.path, entry.from, ignored);
  if (entry.content) std::ofstream(entry.path, std::ios::binary) << *entry.content;
}

}  // namespace

DiskFaults::DiskFaults(std::string directory) {
  auto state = std::make_unique<State>(std::move(directory));
  CHECK(active.exchange(state.release()) == nullptr);
}

DiskFaults::~DiskFaults() { delete active.exchange(nullptr); }

void DiskFaults::fail_at(std::uint64_t n, Fault fault) {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  state.fail_call = state.calls + n;
  state.fault = fault;
  state.hit = false;
}

void DiskFaults::hang_at(std::uint64_t n, std::string part) {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  state.hang_part = std::move(part);
  state.hang_left = n;
  state.released = false;
}

bool DiskFaults::wait_until_hanging() {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  while (!state.hanging && !state.released) state.changed.wait(state.mutex);
  return state.hanging;
}

void DiskFaults::release() {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  state.hang_left = 0;
  state.released = true;
  state.changed.notify_all();
}

void DiskFaults::clear() {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  state.fail_call = 0;
  state.hit = state.frozen = false;
}

std::uint64_t DiskFaults::calls() const {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  return state.calls;
}

bool DiskFaults::hit() const {
  State& state = *active.load();
  base::MutexLock lock(state.mutex);
  return state.hit;
}

void DiskFaults::power_cut() {
  State& state = *active.load();
  std::map<std::string, std::int64_t> synced;
  std::vector<Entry> entries;
  {
    base::MutexLock lock(state.mutex);
    state.fail_call = 0;
    state.hit = state.frozen = false;
    synced.swap(state.synced);
    entries.swap(state.entries);
  }
  active.store(nullptr);  // what follows is no doing of the program
  for (const auto& [path, size] : synced) {
    if (!std::filesystem::is_regular_file(path) || size_of(path) <= size) continue;
    CHECK(::truncate(path.c_str(), size) == 0);
  }
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) take_back(*entry);
  active.store(&state);
}

}  // namespace tocsin::tests

// The calls -------------------------------------------------------------------------------------

using namespace tocsin::tests;

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  if (on_file(fd, [&] { call(SYS_write, fd, data, size / 2); }) != 0) return -1;
  return call(SYS_write, fd, data, size);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  if (on_file(fd, [&] { call(SYS_write, fd, parts[0].iov_base, parts[0].iov_len / 2); }) != 0) {
    return -1;
  }
  return call(SYS_writev, fd, parts, count);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (on_file(fd, [&] { call(SYS_pwrite64, fd, data, size / 2, offset); }) != 0) return -1;
  return call(SYS_pwrite64, fd, data, size, offset);
}

int ftruncate(int fd, off_t size) noexcept {
  if (on_file(fd, [] {}) != 0) return -1;
  return static_cast<int>(call(SYS_ftruncate, fd, size));
}

int fsync(int fd) {
  if (on_file(fd, [] {}) != 0) return -1;
  const int result = static_cast<int>(call(SYS_fsync, fd));
  if (result == 0) after_sync(fd);
  return result;
}

int fdatasync(int fd) {
  if (on_file(fd, [] {}) != 0) return -1;
  const int result = static_cast<int>(call(SYS_fdatasync, fd));
  if (result == 0) after_sync(fd);
  return result;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return open_file(AT_FDCWD, path, flags, mode);
}

int rename(const char* from, const char* to) noexcept {
  if (on_path(to) != 0) return -1;
  State* state = active.load();
  auto replaced = state != nullptr && is_below(*state, to) ? content_of(to) : std::nullopt;
  const int result = static_cast<int>(call(SYS_rename, from, to));
  if (result == 0) after_rename(from, to, std::move(replaced));
  return result;
}

int link(const char* from, const char* to) noexcept {
  if (on_path(to) != 0) return -1;
  const int result = static_cast<int>(call(SYS_link, from, to));
  if (result != 0) return result;
  after_made(to);
  State* state = active.load();
  if (state == nullptr || !is_below(*state, to)) return result;
  tocsin::base::MutexLock lock(state->mutex);
  const auto known = state->synced.find(from);
  state->synced[to] = known != state->synced.end() ? known->second : size_of(to);
  return result;
}

int unlink(const char* path) noexcept {
  if (on_path(path) != 0) return -1;
  return static_cast<int>(call(SYS_unlink, path));
}

int rmdir(const char* path) noexcept {
  if (on_path(path) != 0) return -1;
  return static_cast<int>(call(SYS_rmdir, path));
}

int remove(const char* path) noexcept {
  if (on_path(path) != 0) return -1;
  if (call(SYS_unlink, path) == 0) return 0;
  return errno == EISDIR || errno == EPERM ? static_cast<int>(call(SYS_rmdir, path)) : -1;
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (on_path(path) != 0) return -1;
  const int result = static_cast<int>(call(SYS_mkdir, path, mode));
  if (result == 0) after_made(path);
  return result;
}

}  // extern "C"
