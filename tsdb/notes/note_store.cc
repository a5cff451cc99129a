// SPDX-License-Identifier: Apache-2.0
//
//   note file = magic "TCSNNOT1" | version u32 (1) | count varint | (id varint | note)* | crc u32
// Exemplars are in the order of their coming.
#include "tsdb/notes/note_store.h"

#include <algorithm>
#include <tuple>

#include "base/record_log.h"
#include "base/time.h"

namespace tocsin::tsdb {

using model::Exemplar;
using model::Metadata;
using storage::SeriesId;

namespace {

constexpr std::string_view kMagic = "TCSNNOT1";
constexpr std::uint32_t kVersion = 1;

std::size_t runes(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6U) != 2; }));
}

std::uint64_t size_of(const Metadata& metadata) {
  return sizeof(metadata) + metadata.unit.size() + metadata.help.size() + 64;
}

bool same(const Exemplar& a, const Exemplar& b) {
  return a.time == b.time && a.value == b.value && a.labels == b.labels;
}

// Whether `exemplar` is `newest` shown again by a source that gives no times.
bool is_shown_again(const Exemplar& exemplar, const Exemplar& newest) {
  return exemplar.assumed_time && newest.assumed_time && exemplar.value == newest.value &&
         exemplar.labels == newest.labels;
}

}  // namespace

StatusOr<ExemplarVerdict> judge_exemplar(const Exemplar& exemplar, const Exemplar* newest) {
  std::size_t length = 0;
  for (const model::LabelView& label : exemplar.labels) {
    length += runes(label.name) + runes(label.value);
  }
  if (length > kMaxExemplarRunes) {
    return invalid_argument("label length for exemplar exceeds maximum of {} UTF-8 characters",
                            kMaxExemplarRunes);
  }
  if (newest == nullptr) return ExemplarVerdict::kTake;
  if (same(exemplar, *newest)) return ExemplarVerdict::kDrop;
  const bool older = exemplar.time != newest->time     ? exemplar.time < newest->time
                     : exemplar.value != newest->value ? exemplar.value < newest->value
                                                       : exemplar.labels < newest->labels;
  if (older) return out_of_range("out of order exemplar");
  return ExemplarVerdict::kTake;
}

void NoteStore::set_max_exemplars(std::size_t count) {
  const auto state = state_.lock();
  state->max_exemplars = count;
  while (state->ring.size() > count) drop_oldest(&*state);
}

void NoteStore::set_max_metadata_bytes(std::size_t bytes) {
  state_.lock()->max_metadata_bytes = bytes;
}

StatusOr<ExemplarVerdict> NoteStore::check(SeriesId id, const Exemplar& exemplar,
                                           const Exemplar* pending) const {
  const auto state = state_.lock();
  if (state->max_exemplars == 0) return ExemplarVerdict::kDrop;
  const auto found = state->exemplars.find(id);
  const Exemplar* newest = pending;
  if (newest == nullptr && found != state->exemplars.end()) newest = &found->second.back();
  if (newest != nullptr && is_shown_again(exemplar, *newest)) return ExemplarVerdict::kDrop;
  return judge_exemplar(exemplar, newest);
}

bool NoteStore::has(SeriesId id, const Metadata& metadata) const {
  const auto state = state_.lock();
  const auto found = state->metadata.find(id);
  return found != state->metadata.end() && found->second->first == metadata;
}

void NoteStore::apply(const Note& note) {
  const auto state = state_.lock();
  if (const auto* exemplar = std::get_if<Exemplar>(&note.value)) {
    apply_exemplar(note.id, *exemplar, &*state);
  } else {
    apply_metadata(note.id, std::get<Metadata>(note.value), &*state);
  }
}

void NoteStore::apply_exemplar(SeriesId id, const Exemplar& exemplar, State* state) {
  if (state->max_exemplars == 0) return;
  std::deque<Exemplar>& of_series = state->exemplars[id];
  const auto verdict = judge_exemplar(exemplar, of_series.empty() ? nullptr : &of_series.back());
  if (!verdict.ok() || *verdict == ExemplarVerdict::kDrop) {
    if (of_series.empty()) state->exemplars.erase(id);
    return;
  }
  of_series.push_back(exemplar);
  state->ring.push_back(id);
  ++state->stats.exemplars_appended;
  state->changed = true;
  if (state->ring.size() > state->max_exemplars) drop_oldest(state);
}

void NoteStore::drop_oldest(State* state) {
  const SeriesId id = state->ring.front();
  state->ring.pop_front();
  const auto found = state->exemplars.find(id);
  if (found == state->exemplars.end()) return;  // the series is gone
  found->second.pop_front();
  if (found->second.empty()) state->exemplars.erase(found);
  state->changed = true;
}

void NoteStore::apply_metadata(SeriesId id, const Metadata& metadata, State* state) {
  const auto found = state->metadata.find(id);
  if (found != state->metadata.end() && found->second->first == metadata) return;
  const std::uint64_t bytes = size_of(metadata);
  const bool known = state->interned.contains(metadata);
  if (!known && state->stats.metadata_bytes + bytes > state->max_metadata_bytes) {
    ++state->stats.metadata_dropped;
    return;
  }
  forget_metadata(id, state);
  const auto [at, inserted] = state->interned.try_emplace(metadata, 0);
  if (inserted) state->stats.metadata_bytes += bytes;
  ++at->second;
  state->metadata.emplace(id, at);
  state->changed = true;
}

void NoteStore::forget_metadata(SeriesId id, State* state) {
  const auto found = state->metadata.find(id);
  if (found == state->metadata.end()) return;
  const Interned::iterator at = found->second;
  state->metadata.erase(found);
  state->changed = true;
  if (--at->second != 0) return;
  state->stats.metadata_bytes -= size_of(at->first);
  state->interned.erase(at);
}

void NoteStore::remove(SeriesId id) {
  const auto state = state_.lock();
  forget_metadata(id, &*state);
  if (state->exemplars.erase(id) == 0) return;
  std::erase(state->ring, id);
  state->changed = true;
}

std::vector<Exemplar> NoteStore::exemplars(SeriesId id, std::int64_t min_ms,
                                           std::int64_t max_ms) const {
  const auto state = state_.lock();
  std::vector<Exemplar> out;
  const auto found = state->exemplars.find(id);
  if (found == state->exemplars.end()) return out;
  for (const Exemplar& exemplar : found->second) {
    const std::int64_t ms = base::to_ms(*exemplar.time);
    if (ms >= min_ms && ms <= max_ms) out.push_back(exemplar);
  }
  return out;
}

std::optional<Metadata> NoteStore::metadata(SeriesId id) const {
  const auto state = state_.lock();
  const auto found = state->metadata.find(id);
  if (found == state->metadata.end()) return std::nullopt;
  return found->second->first;
}

std::vector<Metadata> NoteStore::distinct_metadata(std::span<const SeriesId> ids) const {
  const auto state = state_.lock();
  std::set<const Metadata*> seen;
  std::vector<Metadata> out;
  for (const SeriesId id : ids) {
    const auto found = state->metadata.find(id);
    if (found == state->metadata.end()) continue;
    const Metadata& metadata = found->second->first;
    if (seen.insert(&metadata).second) out.push_back(metadata);
  }
  std::sort(out.begin(), out.end(), Less());
  return out;
}

NoteStore::Stats NoteStore::stats() const {
  const auto state = state_.lock();
  Stats stats = state->stats;
  stats.exemplars = state->ring.size();
  stats.exemplar_series = state->exemplars.size();
  stats.metadata_series = state->metadata.size();
  return stats;
}

// File ------------------------------------------------------------------------------------------

std::optional<std::string> NoteStore::encode_if_changed() {
  const auto state = state_.lock();
  if (!std::exchange(state->changed, false)) return std::nullopt;
  std::string out(kMagic);
  put_fixed(&out, kVersion);
  put_varint(&out, state->ring.size() + state->metadata.size());
  std::unordered_map<SeriesId, std::size_t> next;
  for (const SeriesId id : state->ring) {
    put_varint(&out, id.value());
    put_note({id, state->exemplars.at(id)[next[id]++]}, &out);
  }
  for (const auto& [id, at] : state->metadata) {
    put_varint(&out, id.value());
    put_note({id, at->first}, &out);
  }
  put_fixed(&out, base::crc32c(out));
  return out;
}

void NoteStore::keep_changed() { state_.lock()->changed = true; }

Status NoteStore::decode(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + 8 || !bytes.starts_with(kMagic)) return data_loss("no notes");
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  if (base::crc32c(body) != load_fixed<std::uint32_t>(bytes.data() + body.size())) {
    return data_loss("checksum mismatch");
  }
  ByteReader in(body.substr(kMagic.size()));
  const auto version = in.fixed<std::uint32_t>();
  if (version > kVersion) return failed_precondition("notes of version {} are newer", version);
  std::vector<Note> notes;
  for (std::uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    Note& note = notes.emplace_back();
    note.id = SeriesId(in.varint());
    read_note(&in, &note);
  }
  if (!in.ok() || !in.at_end()) return data_loss("damaged notes");
  for (const Note& note : notes) apply(note);
  state_.lock()->changed = false;
  return ok();
}

}  // namespace tocsin::tsdb
