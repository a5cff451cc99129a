// SPDX-License-Identifier: Apache-2.0
//
// FileTail follows the files that patterns name and hands out the lines that are written to them.
//
// A file is its device and inode, whatever it is called: what was renamed is read to its end while the
// new file under the old name is read from its beginning. A file that became shorter, or begins with
// other bytes, was truncated and is read from its beginning. What is there at the first poll is read
// from its end, what comes later from its beginning. Nothing is kept of a line without an end: it is
// read again when the rest is there.
//
// Owns: a descriptor for each file, a buffer.
// Borrows: FileSystem (must outlive it), for the positions.
// Threads: confined. poll() blocks as long as the files do.
// Errors: none; what cannot be read is in Stats and logged once.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/string_map.h"
#include "base/time.h"
#include "exporters/app/logs/tail/positions.h"

namespace tocsin::exporters::app {

class FileTail {
 public:
  struct Options {
    std::vector<std::string> globs = {};
    std::size_t max_line = 64 << 10;       // bytes; the rest of a longer one is dropped
    std::size_t max_files = 500;           // more are not followed
    std::size_t bytes_per_poll = 4 << 20;  // of all files
    // How long a file that has lost its name is still read: programs write to it until they reopen.
    base::Duration linger{10'000};
    // Where positions are kept over a restart; "": nowhere.
    std::string positions_file = {};
  };
  struct Stats {
    std::uint64_t lines = 0, bytes = 0;
    std::uint64_t lines_cut = 0;
    std::uint64_t truncations = 0;
    std::size_t files = 0;       // followed now
    std::size_t unreadable = 0;  // named, but not to be read, or more than max_files
  };
  // Lines without their ends; valid during the call.
  using Sink = std::function<void(std::span<const std::string_view> lines)>;

  FileTail(Options options, base::FileSystem& files);
  ~FileTail();
  FileTail(const FileTail&) = delete;
  FileTail& operator=(const FileTail&) = delete;

  // Hands out what is there, at most about bytes_per_poll; true when there is more. `now` does not
  // go back.
  bool poll(base::SteadyTime now, const Sink& sink);
  // Writes the positions, when they changed.
  Status save();

  const Stats& stats() const { return stats_; }

 private:
  struct File {
    int descriptor = -1;
    std::string path;
    std::uint64_t offset = 0;  // of the first line that was not handed out
    FileHead head;
    bool skipping = false;                    // up to the next line
    bool has_name = true;                     // in this poll
    std::optional<base::SteadyTime> lost_at;  // the first poll in which it had none
    // At the last read; nothing new is there while they stay.
    std::uint64_t seen_size = 0;
    std::int64_t seen_change_ns = -1;
  };
  enum class Read { kMore, kEnd };

  void load();
  void discover(base::SteadyTime now);
  void add(const std::string& path);
  void set_start(File* file, FileId id, std::uint64_t size);
  void drop_lost(base::SteadyTime now, const Sink& sink);
  Read read_some(File* file, const Sink& sink);
  bool was_truncated(const File& file, std::uint64_t size) const;
  void take_lines(File* file, std::size_t size, const Sink& sink);
  void add_line(std::string_view line);
  void hand_out(const Sink& sink);
  void complain(const std::string& path, std::string_view why);

  const Options options_;
  base::FileSystem& disk_;
  std::map<FileId, File> files_;
  StringSet complained_;  // paths that were logged
  std::vector<char> buffer_;
  std::vector<std::string_view> lines_;
  Positions saved_;  // of the run before
  Positions written_;
  bool is_first_ = true;
  FileId turn_;  // whose turn it is to be read first
  Stats stats_;
};

}  // namespace tocsin::exporters::app
