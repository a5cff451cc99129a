// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_format.h"

#include <utility>
#include <vector>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint8_t kRunVersion = 3;  // of run records
constexpr std::size_t kSampleKeyBytes = 14;

// Big-endian, so that keys sort as their numbers do.
template <typename T>
void put_big(std::string* out, T value) {
  for (unsigned shift = sizeof(T) * 8; shift > 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> (shift - 8)));
  }
}

std::uint64_t load_big64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = (value << 8U) | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

}  // namespace

std::string run_key(RunId id) {
  std::string key(kRunPrefix);
  put_big(&key, id.value());
  return key;
}

std::string encode_run(const RunRecord& run) {
  std::string out(1, static_cast<char>(kRunVersion));
  out.push_back(static_cast<char>(run.info.tier));
  put_signed(&out, run.info.min_ms);
  put_signed(&out, run.info.max_ms);
  for (const std::uint64_t number : {run.info.series, run.info.samples, run.info.bytes}) {
    put_varint(&out, number);
  }
  for (const std::uint32_t number : {run.directory_parts, run.columns, run.tiles, run.name_parts}) {
    put_varint(&out, number);
  }
  put_signed(&out, run.info.created_ms);
  put_varint(&out, run.side_blocks);
  if (run.side_blocks == 0) return out;
  put_varint(&out, run.side_parts);
  put_varint(&out, run.info.side_samples);
  put_signed(&out, run.info.side_min_ms);
  put_signed(&out, run.info.side_max_ms);
  return out;
}

StatusOr<RunRecord> decode_run(std::string_view key, std::string_view value) {
  if (key.size() != kRunPrefix.size() + 8) return data_loss("damaged key of a run");
  RunRecord run;
  run.info.id = RunId(load_big64(key.substr(kRunPrefix.size())));
  ByteReader in(value);
  if (const unsigned version = in.byte(); version != kRunVersion) {
    return data_loss("run {}: unknown version {}", run.info.id.value(), version);
  }
  run.info.tier = in.byte();
  run.info.min_ms = in.signed_varint();
  run.info.max_ms = in.signed_varint();
  run.info.series = in.varint();
  run.info.samples = in.varint();
  run.info.bytes = in.varint();
  run.directory_parts = in.varint32();
  run.columns = in.varint32();
  run.tiles = in.varint32();
  run.name_parts = in.varint32();
  run.info.created_ms = in.signed_varint();
  run.side_blocks = in.varint32();
  if (run.side_blocks != 0) {
    run.side_parts = in.varint32();
    run.info.side_samples = in.varint();
    run.info.side_min_ms = in.signed_varint();
    run.info.side_max_ms = in.signed_varint();
  }
  if (!in.ok() || !in.at_end()) return data_loss("run {}: damaged record", run.info.id.value());
  return run;
}

std::string encode_journal(const JournalPosition& position) {
  std::string out;
  put_varint(&out, position.segment);
  put_varint(&out, position.offset);
  return out;
}

StatusOr<JournalPosition> decode_journal(std::string_view value) {
  ByteReader in(value);
  JournalPosition position;
  position.segment = in.varint();
  position.offset = in.varint();
  if (!in.ok() || !in.at_end()) return data_loss("damaged journal position");
  return position;
}

std::string encode_number(std::uint64_t value) {
  std::string out;
  put_varint(&out, value);
  return out;
}

StatusOr<std::uint64_t> decode_number(std::string_view value) {
  ByteReader in(value);
  const std::uint64_t number = in.varint();
  if (!in.ok() || !in.at_end()) return data_loss("damaged number");
  return number;
}

std::string run_begin(std::uint8_t tier, RunId id) {
  std::string key(1, static_cast<char>(tier));
  put_big(&key, id.value());
  return key;
}

std::string run_end(std::uint8_t tier, RunId id) { return run_begin(tier, RunId(id.value() + 1)); }

std::string sample_key(const RunInfo& run, FrameKind kind, std::uint32_t number) {
  std::string key = run_begin(run.tier, run.id);
  key.push_back(static_cast<char>(kind));
  put_big(&key, number);
  return key;
}

StatusOr<SampleKeyRun> run_of_sample_key(std::string_view key) {
  if (key.size() != kSampleKeyBytes) return data_loss("damaged key of a run file");
  return SampleKeyRun{static_cast<std::uint8_t>(key[0]), RunId(load_big64(key.substr(1)))};
}

}  // namespace tocsin::tsdb
