// SPDX-License-Identifier: Apache-2.0
//
// The bytes are described in docs/formats/record_log.md. The checksum is stored masked, rotated and
// offset by a constant as LevelDB and RocksDB do, because the CRC of bytes that contain their own
// CRC is weak, and payloads may hold record logs.
#include "base/record_log.h"

#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace tocsin::base {
namespace {

constexpr std::string_view kMagic = "TCSNLOG1";
constexpr std::size_t kHeaderSize = 9;
constexpr std::size_t kReadSize = 256 << 10;

std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8U; }

std::uint32_t record_crc(char type, std::string_view payload) {
  return masked(crc32c(payload, crc32c({&type, 1})));
}

void store_u32(std::uint32_t value, char* out) {
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(out, &value, sizeof value);
}

std::uint32_t load_u32(const char* in) {
  std::uint32_t value = 0;
  std::memcpy(&value, in, sizeof value);
  return value;
}

Status append_record(WritableFile* file, std::uint8_t type, std::string_view payload) {
  if (payload.size() > RecordLog::kMaxPayload) {
    return invalid_argument("record of {} bytes: the limit is {}", payload.size(),
                            RecordLog::kMaxPayload);
  }
  std::array<char, kHeaderSize> header{};
  header[8] = static_cast<char>(type);
  store_u32(static_cast<std::uint32_t>(payload.size()), header.data());
  store_u32(record_crc(header[8], payload), header.data() + 4);
  const std::array<std::string_view, 2> parts = {std::string_view(header.data(), header.size()),
                                                 payload};
  return file->append_parts(parts);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Reads a file from front to back through a buffer.
class Input {
 public:
  explicit Input(const RandomAccessFile& file) : file_(file) {}

  // The next `size` bytes, fewer at the end of the file; they stay next until skip(). Valid until
  // the next call.
  StatusOr<std::string_view> peek(std::size_t size) {
    if (buffer_.size() - at_ < size) RETURN_IF_ERROR(fill(size));
    return std::string_view(buffer_).substr(at_, size);
  }

  void skip(std::size_t size) { at_ += size; }

 private:
  Status fill(std::size_t size) {
    buffer_.erase(0, std::exchange(at_, 0));
    const std::uint64_t left = file_.size() - std::min<std::uint64_t>(file_.size(), offset_);
    const std::size_t kept = buffer_.size();
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(size - kept, kReadSize)));
    buffer_.resize(kept + wanted);
    const StatusOr<std::string_view> read = file_.read(offset_, wanted, buffer_.data() + kept);
    buffer_.resize(kept + (read.ok() ? read->size() : 0));
    RETURN_IF_ERROR(read.status());
    offset_ += read->size();
    return ok();
  }

  const RandomAccessFile& file_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t offset_ = 0;  // of the file, behind buffer_
};

// Reads the next record; nothing when what follows is not a whole, sound record.
StatusOr<std::optional<std::string_view>> next_record(Input* input, std::uint64_t left,
                                                      std::uint8_t* type) {
  ASSIGN_OR_RETURN(const std::string_view header, input->peek(kHeaderSize));
  if (header.size() < kHeaderSize) return std::nullopt;
  const std::uint32_t length = load_u32(header.data());
  // Checked first: a damaged length must not make us read, or allocate, what is not there.
  if (length > RecordLog::kMaxPayload || length > left - kHeaderSize) return std::nullopt;
  ASSIGN_OR_RETURN(const std::string_view record, input->peek(kHeaderSize + length));
  if (record.size() < kHeaderSize + length) return std::nullopt;
  const std::string_view payload = record.substr(kHeaderSize);
  if (load_u32(record.data() + 4) != record_crc(record[8], payload)) return std::nullopt;
  *type = static_cast<std::uint8_t>(record[8]);
  return payload;
}

StatusOr<RecordLogReplay> replay_file(const RandomAccessFile& file,
                                      const RecordLog::Reader& reader) {
  RecordLogReplay replay;
  Input input(file);
  ASSIGN_OR_RETURN(const std::string_view magic, input.peek(kMagic.size()));
  if (magic != kMagic.substr(0, magic.size())) return data_loss("not a record log");
  if (magic.size() < kMagic.size()) {  // empty, or torn while it was created
    replay.damaged_bytes = magic.size();
    return replay;
  }
  input.skip(kMagic.size());
  replay.valid_bytes = kMagic.size();
  for (;;) {
    std::uint8_t type = 0;
    ASSIGN_OR_RETURN(const std::optional<std::string_view> payload,
                     next_record(&input, file.size() - replay.valid_bytes, &type));
    if (!payload) break;
    RETURN_IF_ERROR(reader(type, *payload));
    ++replay.records;
    replay.valid_bytes += kHeaderSize + payload->size();
    input.skip(kHeaderSize + payload->size());
  }
  replay.damaged_bytes = file.size() - replay.valid_bytes;
  return replay;
}

}  // namespace

struct RecordLog::Impl {
  Impl(FileSystem& f, std::string p) : files(f), path(std::move(p)) {}

  Status replay_or_create(const Reader& reader);
  Status cut_torn_tail();

  FileSystem& files;
  const std::string path;
  RecordLogReplay replay;
  std::unique_ptr<WritableFile> file;
  std::uint64_t end = 0;            // behind the last acknowledged record
  bool torn_tail = false;           // a failed append may have left bytes behind `end`
  bool sync_failed = false;         // what the file holds is unknown: only rewrite() helps
  bool directory_unsynced = false;  // a power cut may bring the log before rewrite() back
};

Status RecordLog::Impl::replay_or_create(const Reader& reader) {
  const auto input = files.open_random(path);
  if (input.ok()) {
    ASSIGN_OR_RETURN(replay, replay_file(**input, reader));
  } else if (input.status().code() != StatusCode::kNotFound) {
    return input.status();
  }
  if (replay.valid_bytes == 0) {
    RETURN_IF_ERROR(write_file_atomically(files, path, kMagic));
    replay.valid_bytes = kMagic.size();
  }
  ASSIGN_OR_RETURN(file, files.open_writable(path, FileSystem::OpenMode::kAppend));
  end = replay.valid_bytes;
  if (file->size() == end) return ok();
  RETURN_IF_ERROR(file->truncate(end));
  return file->sync();
}

Status RecordLog::Impl::cut_torn_tail() {
  if (sync_failed) return unavailable("{}: unusable since a failed sync; rewrite it", path);
  if (!torn_tail) return ok();
  RETURN_IF_ERROR(file->truncate(end));
  torn_tail = false;
  return ok();
}

StatusOr<std::unique_ptr<RecordLog>> RecordLog::open(FileSystem& files, std::string path,
                                                     const Reader& reader) {
  auto impl = std::make_unique<Impl>(files, std::move(path));
  const Status status = impl->replay_or_create(reader);
  if (!status.ok()) return annotate(status, "record log {}", impl->path);
  return std::unique_ptr<RecordLog>(new RecordLog(std::move(impl)));
}

RecordLog::RecordLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordLog::~RecordLog() = default;

Status RecordLog::append(std::uint8_t type, std::string_view payload) {
  RETURN_IF_ERROR(impl_->cut_torn_tail());
  if (Status status = append_record(impl_->file.get(), type, payload); !status.ok()) {
    impl_->torn_tail = true;
    // When this fails as well the next append tries again, and open() cuts torn tails, too.
    static_cast<void>(impl_->cut_torn_tail());
    return status;
  }
  impl_->end += kHeaderSize + payload.size();
  return ok();
}

Status RecordLog::sync() {
  RETURN_IF_ERROR(impl_->cut_torn_tail());
  if (impl_->directory_unsynced) {
    RETURN_IF_ERROR(impl_->files.sync_directory(directory_of(impl_->path)));
    impl_->directory_unsynced = false;
  }
  Status status = impl_->file->sync();
  impl_->sync_failed = !status.ok();
  return status;
}

Status RecordLog::rewrite(const Rewriter& write) {
  const std::string temporary = impl_->path + ".tmp";
  const auto write_file = [&]() -> StatusOr<std::unique_ptr<WritableFile>> {
    ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                     impl_->files.open_writable(temporary, FileSystem::OpenMode::kTruncate));
    RETURN_IF_ERROR(file->append(kMagic));
    // An error that the caller's function swallows must not let a log with a hole replace the old.
    Status first_error;
    RETURN_IF_ERROR(write([&](std::uint8_t type, std::string_view payload) {
      if (first_error.ok()) first_error = append_record(file.get(), type, payload);
      return first_error;
    }));
    RETURN_IF_ERROR(first_error);
    RETURN_IF_ERROR(file->sync());
    RETURN_IF_ERROR(impl_->files.rename(temporary, impl_->path));
    return file;
  };
  StatusOr<std::unique_ptr<WritableFile>> file = write_file();
  if (!file.ok()) {
    static_cast<void>(impl_->files.remove(temporary));
    return annotate(file.status(), "record log {}", impl_->path);
  }
  // The old file has lost its name: from here on the new one is the log, whatever happens.
  impl_->file = *std::move(file);
  impl_->end = impl_->file->size();
  impl_->torn_tail = false;
  impl_->sync_failed = false;
  // A failure leaves a log that a power cut may undo, as it may an append; sync() tries again.
  impl_->directory_unsynced = !impl_->files.sync_directory(directory_of(impl_->path)).ok();
  return ok();
}

std::uint64_t RecordLog::size_bytes() const { return impl_->end; }
const RecordLogReplay& RecordLog::replay() const { return impl_->replay; }

}  // namespace tocsin::base
