// SPDX-License-Identifier: Apache-2.0
//
// Note: an exemplar or the metadata of a series, and its bytes in journal and note file.
//
//   note     = kind u8 | payload
//   exemplar (0) = ms zigzag | value u64 bits | count varint | (name, value)*      texts: varint
//   metadata (1) = metric kind u8 | unit | help                                    length, bytes
// Values.
// Errors: a damaged note fails the reader.
#pragma once

#include <string>
#include <variant>

#include "model/metadata.h"
#include "storage/types.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

struct Note {
  storage::SeriesId id;
  std::variant<model::Exemplar, model::Metadata> value;  // an exemplar has a time
};

// The id is not written.
void put_note(const Note& note, std::string* out);
void read_note(ByteReader* in, Note* note);
// An upper bound of its bytes.
std::size_t note_bytes(const Note& note);

}  // namespace tocsin::tsdb
