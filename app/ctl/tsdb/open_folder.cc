// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "app/ctl/tsdb/tools.h"
#include "base/read_only_fs.h"

namespace tocsin::app {

StatusOr<std::unique_ptr<OpenFolder>> OpenFolder::open(const std::string& directory, Mode mode) {
  std::unique_ptr<OpenFolder> folder(new OpenFolder());
  tsdb::Options options;
  options.background = false;
  options.retention = base::Duration(0);
  options.read_only = mode == Mode::kLook;
  if (mode == Mode::kLook) folder->files_ = base::make_read_only_fs();
  base::FileSystem& files = folder->files_ ? *folder->files_ : base::real_file_system();
  if (mode == Mode::kLook && !files.info(base::join_path(directory, "store")).ok()) {
    return not_found("{} is no folder of a database: it has no folder `store`", directory);
  }
  ASSIGN_OR_RETURN(folder->db_,
                   tsdb::Db::open(directory, options, {folder->clock_, files, folder->metrics_}));
  return folder;
}

Progress::Progress(std::FILE* out, std::string_view what)
    : out_(out), what_(what), shown_(::isatty(::fileno(out)) == 1) {}

Progress::~Progress() {
  if (shown_ && last_ >= 0) fmt::print(out_, "\r\x1b[K");
}

void Progress::at(std::uint64_t done, std::uint64_t total) {
  if (!shown_) return;
  constexpr std::uint64_t kStep = 16U << 20;
  const int now =
      total != 0 ? static_cast<int>(done * 100 / total) : static_cast<int>(done / kStep);
  if (now == last_) return;
  last_ = now;
  if (total != 0) {
    fmt::print(out_, "\r\x1b[K{} {} %", what_, now);
  } else {
    fmt::print(out_, "\r\x1b[K{} {} MiB", what_, done >> 20U);
  }
  std::fflush(out_);
}

}  // namespace tocsin::app
