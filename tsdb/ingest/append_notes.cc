// SPDX-License-Identifier: Apache-2.0
//
// Appending of exemplars and metadata.
#include "base/check.h"
#include "tsdb/ingest/appender.h"

namespace tocsin::tsdb {

using storage::AppendResult;
using storage::SeriesId;

namespace {

constexpr std::size_t kMaxMetadataBytes = 64U << 10;  // unit and help of one series

}  // namespace

Status TsdbAppender::append_exemplar(storage::SeriesRef ref, const model::Labels& labels,
                                     const model::Exemplar& exemplar) {
  CHECK(!finished_);
  ASSIGN_OR_RETURN(const AppendResult result, resolve(ref, labels));
  const SeriesId id(result.ref.value());
  model::Exemplar stored = exemplar;
  if (!stored.time) stored.time = core_.clock.now();
  const auto pending = pending_exemplars_.find(id);
  const model::Exemplar* newest =
      pending != pending_exemplars_.end()
          ? &std::get<model::Exemplar>(batch_.notes[pending->second].value)
          : nullptr;
  const auto verdict = core_.head.notes().check(id, stored, newest);
  if (!verdict.ok() && verdict.status().code() == StatusCode::kOutOfRange) {
    core_.metrics.out_of_order_exemplars.inc();
  }
  RETURN_IF_ERROR(verdict.status());
  if (*verdict == ExemplarVerdict::kDrop) return ok();
  Note note{id, std::move(stored)};
  RETURN_IF_ERROR(charge(note_bytes(note)));
  note_series(id, labels);
  pending_exemplars_.insert_or_assign(id, batch_.notes.size());
  batch_.add_note(std::move(note));
  return ok();
}

Status TsdbAppender::update_metadata(storage::SeriesRef ref, const model::Labels& labels,
                                     const model::Metadata& metadata) {
  CHECK(!finished_);
  if (metadata.unit.size() + metadata.help.size() > kMaxMetadataBytes) {
    return invalid_argument("metadata is longer than {} bytes", kMaxMetadataBytes);
  }
  ASSIGN_OR_RETURN(const AppendResult result, resolve(ref, labels));
  const SeriesId id(result.ref.value());
  if (core_.head.notes().has(id, metadata)) return ok();
  Note note{id, metadata};
  RETURN_IF_ERROR(charge(note_bytes(note)));
  note_series(id, labels);
  batch_.add_note(std::move(note));
  return ok();
}

}  // namespace tocsin::tsdb
