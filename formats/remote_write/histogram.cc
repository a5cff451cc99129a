// SPDX-License-Identifier: Apache-2.0
//
// Native histograms of remote write; the message is the same in 1.0 and 2.0:
//   1 count_int  2 count_float  3 sum  4 schema (sint32)  5 zero_threshold
//   6 zero_count_int  7 zero_count_float
//   8 negative_spans  9 negative_deltas (sint64)  10 negative_counts
//   11 positive_spans  12 positive_deltas  13 positive_counts
//   14 reset_hint (0 unknown 1 yes 2 no 3 gauge)  15 timestamp  16 custom_values
//   17 start_timestamp (2.0)
// Which of 1 and 2 is there decides between an integer and a float histogram.
#include <optional>

#include "formats/remote_write.h"
#include "formats/remote_write/wire.h"

namespace tocsin::formats {
namespace {

// All fields of the message, before it is known which kind of histogram they make.
struct Fields {
  std::optional<std::uint64_t> count_int;
  std::optional<double> count_float;
  std::uint64_t zero_count_int = 0;
  double zero_count_float = 0;
  double sum = 0;
  double zero_threshold = 0;
  std::int64_t schema = 0;
  std::uint64_t reset_hint = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t start_ms = 0;
  std::vector<model::HistogramSpan> negative_spans, positive_spans;
  std::vector<std::int64_t> negative_deltas, positive_deltas;
  std::vector<double> negative_counts, positive_counts, custom_values;
};

class HistogramReader {
 public:
  HistogramReader(std::string_view message, std::size_t limit) : reader_(message), limit_(limit) {}

  bool read(Fields* fields) {
    while (reader_.next()) {
      if (reader_.field() <= 7) {
        read_number(fields);
      } else {
        read_list(fields);
      }
    }
    return reader_.ok();
  }
  bool over_limit() const { return over_limit_; }

 private:
  void read_number(Fields* f) {
    std::uint64_t count = 0;
    double value = 0;
    switch (reader_.field()) {
      case 1:
        if (reader_.varint(&count)) f->count_int = count;
        return;
      case 2:
        if (reader_.fixed64(&value)) f->count_float = value;
        return;
      case 3:
        reader_.fixed64(&f->sum);
        return;
      case 4:
        reader_.sint(&f->schema);
        return;
      case 5:
        reader_.fixed64(&f->zero_threshold);
        return;
      case 6:
        reader_.varint(&f->zero_count_int);
        return;
      default:
        reader_.fixed64(&f->zero_count_float);
    }
  }

  void read_list(Fields* f) {
    switch (reader_.field()) {
      case 8:
        return read_span(&f->negative_spans);
      case 9:
        return read_deltas(&f->negative_deltas);
      case 10:
        return read_doubles(&f->negative_counts);
      case 11:
        return read_span(&f->positive_spans);
      case 12:
        return read_deltas(&f->positive_deltas);
      case 13:
        return read_doubles(&f->positive_counts);
      case 14:
        reader_.varint(&f->reset_hint);
        return;
      case 15:
        reader_.number(&f->timestamp_ms);
        return;
      case 16:
        return read_doubles(&f->custom_values);
      case 17:
        reader_.number(&f->start_ms);
        return;
      default:
        reader_.skip();
    }
  }

  template <typename T>
  bool add(std::vector<T>* list, T value) {
    if (list->size() == limit_) {
      over_limit_ = true;
      return reader_.fail();
    }
    list->push_back(value);
    return true;
  }

  void read_span(std::vector<model::HistogramSpan>* spans) {
    std::string_view message;
    if (!reader_.bytes(&message)) return;
    model::HistogramSpan span;
    WireReader reader(message);
    while (reader.next()) {
      std::int64_t offset = 0;
      std::uint64_t length = 0;
      if (reader.field() == 1) {
        if (reader.sint(&offset)) span.offset = static_cast<std::int32_t>(offset);
      } else if (reader.field() == 2) {
        if (reader.varint(&length)) span.length = static_cast<std::uint32_t>(length);
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) {
      reader_.fail();
      return;
    }
    add(spans, span);
  }

  // Lists of numbers are packed, or one field each.
  void read_deltas(std::vector<std::int64_t>* list) {
    std::int64_t delta = 0;
    std::string_view packed;
    if (reader_.type() == WireReader::kVarint) {
      if (reader_.sint(&delta)) add(list, delta);
      return;
    }
    if (!reader_.bytes(&packed)) return;
    WireReader deltas(packed);
    while (!deltas.at_end()) {
      std::uint64_t raw = 0;
      if (!deltas.raw_varint(&raw)) {
        reader_.fail();
        return;
      }
      if (!add(list, static_cast<std::int64_t>((raw >> 1U) ^ (0 - (raw & 1U))))) return;
    }
  }

  void read_doubles(std::vector<double>* list) {
    double value = 0;
    std::string_view packed;
    if (reader_.type() == WireReader::kFixed64) {
      if (reader_.fixed64(&value)) add(list, value);
      return;
    }
    if (!reader_.bytes(&packed)) return;
    if (packed.size() % 8 != 0) {
      reader_.fail();
      return;
    }
    for (; !packed.empty(); packed.remove_prefix(8)) {
      std::memcpy(&value, packed.data(), 8);
      if (!add(list, value)) return;
    }
  }

  WireReader reader_;
  const std::size_t limit_;
  bool over_limit_ = false;
};

template <typename H>
void copy_common(Fields& fields, H* h) {
  h->reset_hint = fields.reset_hint <= 3 ? static_cast<model::CounterResetHint>(fields.reset_hint)
                                         : model::CounterResetHint::kUnknown;
  h->schema = static_cast<std::int32_t>(fields.schema);
  h->zero_threshold = fields.zero_threshold;
  h->sum = fields.sum;
  h->positive_spans = std::move(fields.positive_spans);
  h->negative_spans = std::move(fields.negative_spans);
  h->custom_values = std::move(fields.custom_values);
}

}  // namespace

Status WriteRequestReader::read_histogram(std::string_view encoded, WriteHistogram* out) const {
  Fields fields;
  HistogramReader reader(encoded, limits_.histogram_buckets);
  if (!reader.read(&fields)) {
    if (reader.over_limit()) {
      return invalid_argument("a histogram has more than {} buckets", limits_.histogram_buckets);
    }
    return data_loss("proto: damaged remote write request: histogram");
  }
  out->timestamp_ms = fields.timestamp_ms;
  out->start_ms = fields.start_ms != 0 ? fields.start_ms : start_ms_;
  if (fields.count_float) {
    auto& h = out->histogram.emplace<model::FloatHistogram>();
    copy_common(fields, &h);
    h.count = *fields.count_float;
    h.zero_count = fields.zero_count_float;
    h.positive_buckets = std::move(fields.positive_counts);
    h.negative_buckets = std::move(fields.negative_counts);
    return ok();
  }
  auto& h = out->histogram.emplace<model::Histogram>();
  copy_common(fields, &h);
  h.count = fields.count_int.value_or(0);
  h.zero_count = fields.zero_count_int;
  h.positive_deltas = std::move(fields.positive_deltas);
  h.negative_deltas = std::move(fields.negative_deltas);
  return ok();
}

}  // namespace tocsin::formats
