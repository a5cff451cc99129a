// SPDX-License-Identifier: Apache-2.0
//
// The file of exemplars and metadata: what decodes keeps to the bounds and encodes to what decodes to the
// same. Input: the file behind its magic, without its checksum.
#include "tsdb/notes/note_store.h"

#include <bit>

#include "base/check.h"
#include "base/record_log.h"
#include "base/testing/fuzz.h"
#include "base/time.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kMaxExemplars = 8;
constexpr std::size_t kMaxMetadataBytes = 256;

void bound(NoteStore* notes) {
  notes->set_max_exemplars(kMaxExemplars);
  notes->set_max_metadata_bytes(kMaxMetadataBytes);
}

// Ids that the file may name.
std::vector<storage::SeriesId> some_ids() {
  std::vector<storage::SeriesId> ids;
  for (std::uint64_t id = 0; id < 130; ++id) ids.emplace_back(id);
  return ids;
}

void check_equal(const NoteStore& a, const NoteStore& b) {
  for (const storage::SeriesId id : some_ids()) {
    CHECK(a.metadata(id) == b.metadata(id));
    const std::vector<model::Exemplar> ours = a.exemplars(id, INT64_MIN, INT64_MAX);
    const std::vector<model::Exemplar> theirs = b.exemplars(id, INT64_MIN, INT64_MAX);
    CHECK(ours.size() == theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      CHECK(ours[i].time == theirs[i].time && ours[i].labels == theirs[i].labels);
      CHECK(std::bit_cast<std::uint64_t>(ours[i].value) ==
            std::bit_cast<std::uint64_t>(theirs[i].value));
      CHECK(i == 0 || *ours[i - 1].time <= *ours[i].time);
    }
  }
}

void fuzz(std::string_view bytes) {
  std::string file = "TCSNNOT1" + std::string(bytes);
  put_fixed(&file, base::crc32c(file));
  NoteStore notes;
  bound(&notes);
  if (!notes.decode(file).ok()) return;
  CHECK(notes.stats().exemplars <= kMaxExemplars);
  CHECK(notes.stats().metadata_bytes <= kMaxMetadataBytes);
  notes.keep_changed();
  const std::optional<std::string> encoded = notes.encode_if_changed();
  CHECK(encoded.has_value());
  NoteStore again;
  bound(&again);
  CHECK(again.decode(*encoded).ok());
  CHECK(again.stats().exemplars == notes.stats().exemplars);
  CHECK(again.stats().metadata_bytes == notes.stats().metadata_bytes);
  check_equal(notes, again);
}

}  // namespace

TOCSIN_FUZZ_TARGET(note_store, fuzz)

}  // namespace tocsin::tsdb
