// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/side_codec.h"

#include <optional>

namespace tocsin::tsdb {

namespace {

constexpr unsigned kKindMask = 3;
constexpr unsigned kOutOfOrder = 4;
constexpr unsigned kNewStart = 8;
constexpr unsigned kAllFlags = 15;
enum : unsigned { kFloat = 0, kHistogram = 1, kFloatHistogram = 2 };

std::uint64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}
std::int64_t sum(std::int64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
}

}  // namespace

void SideCodec::put(const SideSample& sample, std::string* out) {
  const auto kind = static_cast<std::uint8_t>(sample.value.index());
  const bool new_start = sample.start_ms != start_ms_;
  const unsigned flags = (sample.out_of_order ? kOutOfOrder : 0U) | (new_start ? kNewStart : 0U);
  out->push_back(static_cast<char>(kind | flags));
  put_varint(out, zigzag(difference(sample.time_ms, time_ms_)));
  if (new_start) put_varint(out, zigzag(difference(sample.start_ms, start_ms_)));
  time_ms_ = sample.time_ms;
  start_ms_ = sample.start_ms;
  if (sample.out_of_order) histograms_.interrupt();
  if (const auto* bits = std::get_if<std::uint64_t>(&sample.value)) {
    const Token token = make_token(*bits, &base_);
    put_varint(out, token.code);
    out->append(token.extra, token.extra_size);
  } else if (const auto* h = std::get_if<model::Histogram>(&sample.value)) {
    histograms_.put(*h, out);
  } else if (const auto* f = std::get_if<model::FloatHistogram>(&sample.value)) {
    histograms_.put(*f, out);
  }
  if (sample.out_of_order) histograms_.interrupt();
}

void SideCodec::read(ByteReader* in, SideSample* sample) {
  const std::uint8_t head = in->byte();
  if (head > kAllFlags) in->fail();
  sample->time_ms = time_ms_ = sum(time_ms_, unzigzag(in->varint()));
  if ((head & kNewStart) != 0) start_ms_ = sum(start_ms_, unzigzag(in->varint()));
  sample->start_ms = start_ms_;
  sample->out_of_order = (head & kOutOfOrder) != 0;
  if (!in->ok()) return;
  switch (head & kKindMask) {
    case kFloat: {
      const std::optional<std::uint64_t> bits = read_token(in->varint(), in, &base_);
      sample->value = bits ? *bits : in->fail();
      break;
    }
    case kHistogram:
      histograms_.read(in, &sample->value.emplace<model::Histogram>());
      break;
    case kFloatHistogram:
      histograms_.read(in, &sample->value.emplace<model::FloatHistogram>());
      break;
    default:
      sample->value = StartChange();
  }
  if (sample->out_of_order) histograms_.interrupt();
}

model::CounterResetHint SideCodec::hint_of(const SideSample& sample) const {
  if (sample.out_of_order) {
    const HistogramCodec alone;
    return alone.hint_of(sample.value);
  }
  return histograms_.hint_of(sample.value);
}

std::uint64_t buckets_of(const SideValue& value) {
  if (const auto* h = std::get_if<model::Histogram>(&value)) {
    return h->positive_deltas.size() + h->negative_deltas.size();
  }
  if (const auto* h = std::get_if<model::FloatHistogram>(&value)) {
    return h->positive_buckets.size() + h->negative_buckets.size();
  }
  return 0;
}

Status decode_side(std::string_view bytes, storage::SeriesId id, std::vector<SideSample>* out) {
  const std::size_t before = out->size();
  ByteReader in(bytes);
  SideCodec codec;
  std::uint64_t buckets = 0;
  while (in.ok() && !in.at_end()) {
    SideSample& sample = out->emplace_back();
    sample.id = id;
    codec.read(&in, &sample);
    buckets += buckets_of(sample.value);
    if (buckets > kMaxSideBuckets || out->size() - before > kMaxSideEntries) in.fail();
  }
  if (in.ok()) return ok();
  out->resize(before);
  return data_loss("side samples of series {} are damaged", id.value());
}

}  // namespace tocsin::tsdb
