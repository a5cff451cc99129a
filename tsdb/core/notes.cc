// SPDX-License-Identifier: Apache-2.0
//
// The note file: notes are few, so it is replaced as a whole.
#include "base/log.h"
#include "tsdb/core/core.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1ULL << 30;

std::string path_of(const Core& core) { return base::join_path(core.directory, kNotesFile); }

}  // namespace

Status load_notes(Core& core) {
  {
    const auto options = core.options.lock();
    core.head.notes().set_max_exemplars(options->max_exemplars);
    core.head.notes().set_max_metadata_bytes(options->max_metadata_bytes);
  }
  const std::string path = path_of(core);
  if (core.files.info(path).status().code() == StatusCode::kNotFound) return ok();
  ASSIGN_OR_RETURN(const std::string bytes, core.files.read_file(path, kMaxFileBytes));
  const Status read = core.head.notes().decode(bytes);
  if (read.code() != StatusCode::kDataLoss) return annotate(read, "{}", path);
  core.metrics.corruptions.with({"notes"}).inc();
  base::log::error("exemplars and metadata are damaged: those before the journal are lost",
                   {{"path", path}, {"error", message(read)}});
  return ok();
}

Status save_notes(Core& core) {
  const std::optional<std::string> bytes = core.head.notes().encode_if_changed();
  if (!bytes) return ok();
  Status written = sync_journal(core);
  if (written.ok()) written = write_file_atomically(core.files, path_of(core), *bytes);
  if (!written.ok()) core.head.notes().keep_changed();
  return annotate(written, "writing exemplars and metadata");
}

}  // namespace tocsin::tsdb
