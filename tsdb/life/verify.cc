// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/verify.h"

#include <algorithm>

#include "tsdb/journal/segment.h"
#include "tsdb/query/series_finder.h"
#include "tsdb/side/side_codec.h"

namespace tocsin::tsdb {
namespace {

using base::join_path;
using storage::kBatchSeries;
using storage::SeriesColumn;
using storage::SeriesId;

class Verifier {
 public:
  Verifier(const Core& core, const VerifyProgress& progress) : core_(core), progress_(progress) {}

  StatusOr<VerifyReport> verify() {
    const auto runs = core_.runs->snapshot();
    for (const RunInfo& run : RunStore::runs(*runs)) total_ += run.bytes;
    total_ += core_.journal->size_bytes();
    for (const RunInfo& run : RunStore::runs(*runs)) RETURN_IF_ERROR(check_run(*runs, run));
    RETURN_IF_ERROR(check_journal());
    RETURN_IF_ERROR(check_tombstones());
    return std::move(report_);
  }

 private:
  void damaged(std::string what) {
    ++report_.damaged;
    if (report_.damage.size() < VerifyReport::kMaxDamage) report_.damage.push_back(std::move(what));
  }
  void advance(std::uint64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  Status check_run(const RunStore::Snapshot& runs, const RunInfo& run) {
    ++report_.runs;
    report_.bytes += run.bytes;
    const StatusOr<std::vector<SeriesId>> ids = RunStore::series_of(runs, run.id);
    if (!ids.ok()) {
      damaged(fmt::format("run {}: its directory: {}", run.id.value(), message(ids.status())));
      advance(run.bytes);
      return ok();
    }
    const std::uint64_t damage_before = report_.damaged;
    std::uint64_t samples = 0;
    for (std::size_t begin = 0; begin < ids->size(); begin += kBatchSeries) {
      const auto batch =
          std::span(*ids).subspan(begin, std::min(kBatchSeries, ids->size() - begin));
      RETURN_IF_ERROR(check_series(runs, run, batch, &samples));
      advance(run.bytes * batch.size() / ids->size());
    }
    std::uint64_t side_samples = 0;
    RETURN_IF_ERROR(check_side(runs, run, &side_samples));
    if (report_.damaged == damage_before && side_samples != run.side_samples) {
      damaged(fmt::format("run {}: it holds {} side samples, its record says {}", run.id.value(),
                          side_samples, run.side_samples));
    }
    report_.series += ids->size();
    report_.samples += samples + side_samples;
    if (report_.damaged == damage_before && samples != run.samples) {
      damaged(fmt::format("run {}: it holds {} samples, its record says {}", run.id.value(),
                          samples, run.samples));
    }
    return ok();
  }

  Status check_series(const RunStore::Snapshot& runs, const RunInfo& run,
                      std::span<const SeriesId> ids, std::uint64_t* samples) {
    std::vector<std::vector<SeriesColumn>> columns(ids.size());
    std::vector<std::string> warnings;
    RETURN_IF_ERROR(RunStore::read_one(runs, run.id, ids, &columns, &warnings));
    for (std::string& warning : warnings) damaged(std::move(warning));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      for (const SeriesColumn& column : columns[i]) *samples += count(column);
      const StatusOr<model::Labels> labels = labels_of(core_, ids[i]);
      if (!labels.ok() || labels->empty()) {
        damaged(fmt::format("run {}: series {} has no labels{}{}", run.id.value(), ids[i].value(),
                            labels.ok() ? "" : ": ", message(labels.status())));
      }
    }
    return ok();
  }

  Status check_side(const RunStore::Snapshot& runs, const RunInfo& run, std::uint64_t* samples) {
    std::vector<std::string> warnings;
    ASSIGN_OR_RETURN(const std::vector<RunSideInput> side,
                     RunStore::side_of(runs, run.id, &warnings));
    for (std::string& warning : warnings) damaged(std::move(warning));
    for (const RunSideInput& series : side) {
      for (const SideChunk& chunk : series.chunks) {
        std::vector<SideSample> decoded;
        const Status status = decode_side(chunk.bytes, series.id, &decoded);
        if (!status.ok()) {
          damaged(fmt::format("run {}: side samples of series {}: {}", run.id.value(),
                              series.id.value(), message(status)));
        }
        *samples += decoded.size();
      }
    }
    return ok();
  }

  static std::uint64_t count(const SeriesColumn& column) {
    std::uint64_t rows = 0;
    for (std::uint32_t row = 0; row < column.rows; ++row) rows += column.has(row) ? 1 : 0;
    return rows;
  }

  // Of finished segments. What follows the last whole record is what a crash leaves, and is cut off
  // when it is replayed: no damage. The next start reports it.
  Status check_journal() {
    const std::string directory = join_path(core_.directory, "journal");
    const StatusOr<std::vector<std::string>> names = core_.files.list(directory);
    if (!names.ok()) return names.status().code() == StatusCode::kNotFound ? ok() : names.status();
    for (const std::string& name : *names) {
      const std::optional<std::uint64_t> number = parse_segment_name(name);
      if (!number || *number >= core_.journal->segment()) continue;
      const StatusOr<std::string> bytes =
          core_.files.read_file(join_path(directory, name), UINT64_MAX);
      if (bytes.status().code() == StatusCode::kNotFound) continue;  // sealed meanwhile
      RETURN_IF_ERROR(bytes.status());
      ++report_.journal_segments;
      advance(bytes->size());
      if (bytes->empty()) continue;
      if (const auto header = parse_segment_header(*bytes); !header.ok()) {
        damaged(fmt::format("journal segment {}: {}", *number, message(header.status())));
        continue;
      }
      std::string_view rest = *bytes;
      rest.remove_prefix(std::min(rest.size(), kSegmentHeaderBytes));
      while (take_record(&rest)) ++report_.journal_records;
    }
    return ok();
  }

  Status check_tombstones() {
    const std::string path = join_path(core_.directory, TombstoneFile::kName);
    const StatusOr<std::string> bytes = core_.files.read_file(path, UINT64_MAX);
    if (bytes.status().code() == StatusCode::kNotFound) return ok();
    RETURN_IF_ERROR(bytes.status());
    if (const auto decoded = Tombstones::decode(*bytes); !decoded.ok()) {
      damaged(fmt::format("tombstones: {}", message(decoded.status())));
    }
    return ok();
  }

  const Core& core_;
  const VerifyProgress& progress_;
  VerifyReport report_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

StatusOr<VerifyReport> verify(const Core& core, const VerifyProgress& progress) {
  return Verifier(core, progress).verify();
}

}  // namespace tocsin::tsdb
