// SPDX-License-Identifier: Apache-2.0
//
// Field numbers, from the published protocol definitions:
//   1.0  WriteRequest   1 timeseries  3 metadata (of families; left out)
//        TimeSeries     1 labels  2 samples  3 exemplars  4 histograms
//        Label 1 name 2 value;  Sample 1 value 2 timestamp;  Exemplar 1 labels 2 value 3 timestamp
//   2.0  Request        4 symbols  5 timeseries
//        TimeSeries     1 labels_refs  2 samples  3 histograms  4 exemplars  5 metadata
//                       6 created_timestamp (early senders)
//        Sample 1 value 2 timestamp 3 start_timestamp;  Exemplar 1 labels_refs 2 value 3 timestamp
//        Metadata 1 type 3 help_ref 4 unit_ref
#include <snappy.h>

#include "formats/remote_write.h"
#include "formats/remote_write/wire.h"

namespace tocsin::formats {
namespace {

constexpr unsigned char kV1LabelsTag = (1U << 3U) | WireReader::kBytes;

Status damaged(std::string_view what) {
  return data_loss("proto: damaged remote write request: {}", what);
}

bool read_label(std::string_view message, model::LabelView* label) {
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        reader.bytes(&label->name);
        break;
      case 2:
        reader.bytes(&label->value);
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok();
}

// The kinds of both protocols have the same numbers.
model::MetricKind kind_of(std::uint64_t number) {
  using model::MetricKind;
  constexpr std::array<MetricKind, 8> kKinds = {
      MetricKind::kUnknown,        MetricKind::kCounter, MetricKind::kGauge, MetricKind::kHistogram,
      MetricKind::kGaugeHistogram, MetricKind::kSummary, MetricKind::kInfo,  MetricKind::kStateset};
  return number < kKinds.size() ? kKinds[number] : MetricKind::kUnknown;
}

}  // namespace

Status WriteRequestReader::open(WriteProtocol protocol, std::string_view message,
                                base::Hash128 seed) {
  protocol_ = protocol;
  rest_ = message;
  // Labels that were sent in the two ways do not share keys.
  seed_ = base::combine(seed, {static_cast<std::uint64_t>(protocol), 0});
  symbols_.clear();
  symbol_keys_.clear();
  return protocol == WriteProtocol::kV2 ? read_symbols(message) : ok();
}

// Fields come in any order, so the table is complete only at the end of the message.
Status WriteRequestReader::read_symbols(std::string_view message) {
  WireReader reader(message);
  while (reader.next()) {
    std::string_view text;
    if (reader.field() != 4) {
      reader.skip();
    } else if (reader.bytes(&text)) {
      if (symbols_.size() == limits_.symbols) {
        return invalid_argument("the request has more than {} symbols", limits_.symbols);
      }
      symbols_.push_back(text);
      symbol_keys_.push_back(base::hash128(text, seed_));
    }
  }
  return reader.ok() ? ok() : damaged("request");
}

StatusOr<bool> WriteRequestReader::next() {
  const std::uint32_t series_field = protocol_ == WriteProtocol::kV1 ? 1 : 5;
  WireReader reader(rest_);
  while (reader.next()) {
    if (reader.field() != series_field) {
      reader.skip();
      continue;
    }
    if (!reader.bytes(&series_)) break;
    rest_ = reader.rest();
    RETURN_IF_ERROR(read_series());
    return true;
  }
  rest_ = {};
  if (!reader.ok()) return damaged("request");
  return false;
}

Status WriteRequestReader::revisit(std::string_view series) {
  series_ = series;
  return read_series();
}

Status WriteRequestReader::read_series() {
  samples_.clear();
  histograms_.clear();
  exemplars_.clear();
  metadata_ = {};
  start_ms_ = 0;
  key_ = seed_;
  WireReader reader(series_);
  const bool v1 = protocol_ == WriteProtocol::kV1;
  while (!reader.at_end()) {
    if (v1) {
      // Labels are hashed as they stand there, one run of fields at a time: mostly there is one.
      const char* const begin = reader.position();
      reader.skip_short(kV1LabelsTag);
      if (reader.position() != begin) {
        const auto size = static_cast<std::size_t>(reader.position() - begin);
        key_ = base::hash128({begin, size}, key_);
        continue;
      }
    }
    if (!reader.next() || !read_field(reader)) break;
    const std::size_t entries = samples_.size() + histograms_.size() + exemplars_.size();
    if (entries > limits_.entries) {
      return invalid_argument("a series has more than {} samples", limits_.entries);
    }
  }
  if (!reader.ok()) return damaged("time series");
  if (!metadata_.empty()) mix_metadata();
  if (start_ms_ == 0) return ok();
  for (WriteSample& sample : samples_) {
    if (sample.start_ms == 0) sample.start_ms = start_ms_;
  }
  return ok();
}

bool WriteRequestReader::read_field(WireReader& reader) {
  const bool v1 = protocol_ == WriteProtocol::kV1;
  std::string_view bytes;
  switch (reader.field()) {
    case 1:
      if (!v1) return mix_references(reader);
      if (!reader.bytes(&bytes)) return false;
      key_ = base::hash128(bytes, key_);
      return true;
    case 2:
      if (!reader.bytes(&bytes)) return false;
      return read_sample(bytes) || reader.fail();
    case 3:
    case 4:
      if (!reader.bytes(&bytes)) return false;
      ((reader.field() == 3) == v1 ? exemplars_ : histograms_).push_back(bytes);
      return true;
    case 5:
      return v1 ? reader.skip() : reader.bytes(&metadata_);
    case 6:
      return v1 ? reader.skip() : reader.number(&start_ms_);
    default:
      return reader.skip();
  }
}

bool WriteRequestReader::read_sample(std::string_view message) {
  WriteSample& sample = samples_.emplace_back();
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        reader.fixed64(&sample.value);
        break;
      case 2:
        reader.number(&sample.timestamp_ms);
        break;
      case 3:
        reader.number(&sample.start_ms);
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok();
}

// A reference outside the table changes the key too; labels() refuses it.
bool WriteRequestReader::mix_references(WireReader& reader) {
  const auto mix = [this](std::uint64_t reference) {
    key_ = base::combine(key_, reference < symbol_keys_.size() ? symbol_keys_[reference]
                                                               : base::Hash128{reference, 1});
  };
  std::uint64_t reference = 0;
  if (reader.type() == WireReader::kVarint) {
    if (!reader.varint(&reference)) return false;
    mix(reference);
    return true;
  }
  std::string_view packed;
  if (!reader.bytes(&packed)) return false;
  WireReader references(packed);
  while (!references.at_end()) {
    if (!references.raw_varint(&reference)) return reader.fail();
    mix(reference);
  }
  return true;
}

// Metadata that changed makes another key, so that a receiver sees it.
void WriteRequestReader::mix_metadata() {
  WireReader reader(metadata_);
  while (reader.next()) {
    std::uint64_t value = 0;
    if (reader.type() != WireReader::kVarint) {
      reader.skip();
    } else if (reader.varint(&value)) {
      const bool is_text = reader.field() != 1 && value < symbol_keys_.size();
      key_ = base::combine(key_, {reader.field(), is_text ? 0 : value});
      if (is_text) key_ = base::combine(key_, symbol_keys_[value]);
    }
  }
}

Status WriteRequestReader::labels(std::vector<model::LabelView>* out) const {
  return protocol_ == WriteProtocol::kV1 ? label_pairs(series_, out) : symbol_pairs(series_, out);
}

// Of a time series or an exemplar: labels are field 1 of both.
Status WriteRequestReader::label_pairs(std::string_view message,
                                       std::vector<model::LabelView>* out) const {
  out->clear();
  WireReader reader(message);
  while (reader.next()) {
    std::string_view label;
    if (reader.field() != 1) {
      reader.skip();
    } else if (reader.bytes(&label)) {
      if (out->size() == limits_.labels) {
        return resource_exhausted("more than {} labels", limits_.labels);
      }
      if (!read_label(label, &out->emplace_back())) return damaged("label");
    }
  }
  return reader.ok() ? ok() : damaged("labels");
}

Status WriteRequestReader::symbol_pairs(std::string_view message,
                                        std::vector<model::LabelView>* out) const {
  out->clear();
  std::size_t count = 0;
  std::uint64_t name = 0;
  Status status;
  const auto add = [&](std::uint64_t reference) {
    if (count++ % 2 == 0) {
      name = reference;
    } else if (name >= symbols_.size() || reference >= symbols_.size()) {
      status =
          invalid_argument("labelRefs {} (name) = {} (value) outside of symbols table (size {})",
                           name, reference, symbols_.size());
    } else if (out->size() == limits_.labels) {
      status = resource_exhausted("more than {} labels", limits_.labels);
    } else {
      out->push_back({symbols_[name], symbols_[reference]});
    }
    return status.ok();
  };
  WireReader reader(message);
  while (reader.next()) {
    std::uint64_t reference = 0;
    std::string_view packed;
    if (reader.field() != 1) {
      reader.skip();
    } else if (reader.type() == WireReader::kVarint) {
      if (reader.varint(&reference) && !add(reference)) return status;
    } else if (reader.bytes(&packed)) {
      WireReader references(packed);
      while (!references.at_end()) {
        if (!references.raw_varint(&reference)) return damaged("label references");
        if (!add(reference)) return status;
      }
    }
  }
  if (!reader.ok()) return damaged("labels");
  return count % 2 == 0 ? ok() : invalid_argument("invalid labelRefs length {}", count);
}

StatusOr<bool> WriteRequestReader::metadata(model::Metadata* out) const {
  *out = {};
  if (metadata_.data() == nullptr) return false;
  WireReader reader(metadata_);
  const auto text = [&](std::string* to) {
    std::uint64_t reference = 0;
    if (!reader.varint(&reference)) return;
    if (reference >= symbols_.size()) {
      reader.fail();
    } else {
      to->assign(symbols_[reference]);
    }
  };
  while (reader.next()) {
    std::uint64_t kind = 0;
    switch (reader.field()) {
      case 1:
        if (reader.varint(&kind)) out->kind = kind_of(kind);
        break;
      case 3:
        text(&out->help);
        break;
      case 4:
        text(&out->unit);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return damaged("metadata");
  return true;
}

Status WriteRequestReader::read_exemplar(std::string_view encoded,
                                         std::vector<model::LabelView>* labels,
                                         model::Exemplar* out) const {
  *out = {};
  WireReader reader(encoded);
  while (reader.next()) {
    std::int64_t timestamp_ms = 0;
    switch (reader.field()) {
      case 2:
        reader.fixed64(&out->value);
        break;
      case 3:
        if (reader.number(&timestamp_ms)) out->time = model::from_ms(timestamp_ms);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return damaged("exemplar");
  if (!out->time) out->time = model::from_ms(0);  // a zero is not on the wire
  return protocol_ == WriteProtocol::kV1 ? label_pairs(encoded, labels)
                                         : symbol_pairs(encoded, labels);
}

void WriteRequestReader::shrink(std::size_t bytes) {
  const auto release = [bytes](auto* vector) {
    vector->clear();
    if (vector->capacity() * sizeof((*vector)[0]) > bytes) vector->shrink_to_fit();
  };
  release(&symbols_);
  release(&symbol_keys_);
  release(&samples_);
  release(&histograms_);
  release(&exemplars_);
}

StatusOr<std::string_view> decompress_snappy(std::string_view block, std::size_t limit,
                                             std::string* buffer) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &size)) {
    return invalid_argument("snappy: corrupt input");
  }
  if (size > limit) {
    return invalid_argument("snappy: decoded block of {} bytes is larger than {} bytes", size,
                            limit);
  }
  if (buffer->size() < size) buffer->resize(size);
  if (!snappy::RawUncompress(block.data(), block.size(), buffer->data())) {
    return invalid_argument("snappy: corrupt input");
  }
  return std::string_view(*buffer).substr(0, size);
}

}  // namespace tocsin::formats
