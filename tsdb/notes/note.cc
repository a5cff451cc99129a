// SPDX-License-Identifier: Apache-2.0
#include "tsdb/notes/note.h"

#include <bit>

#include "base/time.h"

namespace tocsin::tsdb {

namespace {

constexpr std::uint8_t kExemplar = 0;
constexpr std::uint8_t kMetadata = 1;

void put_text(std::string_view text, std::string* out) {
  put_varint(out, text.size());
  out->append(text);
}

std::string read_text(ByteReader* in) { return std::string(in->bytes(in->varint())); }

void read_exemplar(ByteReader* in, model::Exemplar* exemplar) {
  exemplar->time = base::from_ms(in->signed_varint());
  exemplar->value = std::bit_cast<double>(in->fixed<std::uint64_t>());
  std::vector<std::pair<std::string, std::string>> labels;
  const std::uint64_t count = in->varint();
  if (count > in->remaining() / 2) in->fail();
  for (std::uint64_t i = 0; i < count && in->ok(); ++i) {
    std::string name = read_text(in);
    labels.emplace_back(std::move(name), read_text(in));
  }
  exemplar->labels = model::Labels::from(std::move(labels));
}

}  // namespace

void put_note(const Note& note, std::string* out) {
  if (const auto* exemplar = std::get_if<model::Exemplar>(&note.value)) {
    out->push_back(static_cast<char>(kExemplar));
    put_signed(out, base::to_ms(*exemplar->time));
    put_fixed(out, std::bit_cast<std::uint64_t>(exemplar->value));
    put_varint(out, exemplar->labels.size());
    for (const model::LabelView& label : exemplar->labels) {
      put_text(label.name, out);
      put_text(label.value, out);
    }
    return;
  }
  const auto& metadata = std::get<model::Metadata>(note.value);
  out->push_back(static_cast<char>(kMetadata));
  out->push_back(static_cast<char>(metadata.kind));
  put_text(metadata.unit, out);
  put_text(metadata.help, out);
}

void read_note(ByteReader* in, Note* note) {
  switch (in->byte()) {
    case kExemplar:
      read_exemplar(in, &note->value.emplace<model::Exemplar>());
      // Not written: after a restart one whose time was only assumed must be known again.
      std::get<model::Exemplar>(note->value).assumed_time = true;
      return;
    case kMetadata: {
      auto& metadata = note->value.emplace<model::Metadata>();
      const std::uint8_t kind = in->byte();
      if (kind > static_cast<std::uint8_t>(model::MetricKind::kStateset)) in->fail();
      metadata.kind = static_cast<model::MetricKind>(kind);
      metadata.unit = read_text(in);
      metadata.help = read_text(in);
      return;
    }
    default:
      in->fail();
  }
}

std::size_t note_bytes(const Note& note) {
  if (const auto* exemplar = std::get_if<model::Exemplar>(&note.value)) {
    return exemplar->labels.bytes() + 20 * exemplar->labels.size() + 48;
  }
  const auto& metadata = std::get<model::Metadata>(note.value);
  return metadata.unit.size() + metadata.help.size() + 32;
}

}  // namespace tocsin::tsdb
