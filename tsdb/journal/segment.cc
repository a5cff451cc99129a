// SPDX-License-Identifier: Apache-2.0
#include "tsdb/journal/segment.h"

#include <charconv>

#include "base/record_log.h"
#include "tsdb/journal/journal.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

constexpr std::string_view kMagic = "TCSNJNL1";
constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kNameDigits = 8;

}  // namespace

std::string segment_name(std::uint64_t number) { return fmt::format("{:08}{}", number, kSuffix); }

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || name.size() < kNameDigits) {
    return std::nullopt;
  }
  return number;
}

std::string segment_header(std::uint64_t number, std::int64_t created_ms) {
  std::string out(kMagic);
  put_fixed<std::uint32_t>(&out, kSegmentVersion);
  put_fixed<std::uint32_t>(&out, 0);
  put_fixed(&out, number);
  put_fixed(&out, created_ms);
  put_fixed(&out, base::crc32c(out));
  return out;
}

StatusOr<SegmentHeader> parse_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kMagic)) {
    return data_loss("journal segment without a whole header");
  }
  ByteReader reader(bytes.substr(kMagic.size()));
  const auto version = reader.fixed<std::uint32_t>();
  static_cast<void>(reader.fixed<std::uint32_t>());
  SegmentHeader header;
  header.number = reader.fixed<std::uint64_t>();
  header.created_ms = reader.fixed<std::int64_t>();
  if (reader.fixed<std::uint32_t>() != base::crc32c(bytes.substr(0, kSegmentHeaderBytes - 4))) {
    return data_loss("journal segment header is damaged");
  }
  if (version > kSegmentVersion) {
    return failed_precondition("journal format {} is newer than this program (it reads {})",
                               version, kSegmentVersion);
  }
  if (version < kSegmentVersion) {
    return failed_precondition("journal format {} is older than this program (it reads {})",
                               version, kSegmentVersion);
  }
  return header;
}

std::string record_frame(std::uint8_t type, std::string_view payload) {
  const char type_byte = static_cast<char>(type);
  std::string out;
  put_fixed(&out, static_cast<std::uint32_t>(payload.size()));
  put_fixed(&out, base::crc32c(payload, base::crc32c({&type_byte, 1})));
  out.push_back(type_byte);
  return out;
}

std::optional<Record> take_record(std::string_view* bytes) {
  if (bytes->size() < kFrameBytes) return std::nullopt;
  const auto length = load_fixed<std::uint32_t>(bytes->data());
  if (length > kMaxJournalRecord || bytes->size() - kFrameBytes < length) return std::nullopt;
  const auto crc = load_fixed<std::uint32_t>(bytes->data() + 4);
  if (base::crc32c(bytes->substr(8, 1 + std::size_t{length})) != crc) return std::nullopt;
  const Record record{static_cast<std::uint8_t>((*bytes)[8]), bytes->substr(kFrameBytes, length)};
  bytes->remove_prefix(kFrameBytes + length);
  return record;
}

}  // namespace tocsin::tsdb
