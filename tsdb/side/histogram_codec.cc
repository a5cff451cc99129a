// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/histogram_codec.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "model/value.h"

namespace tocsin::tsdb {

using model::CounterResetHint;
using model::FloatHistogram;
using model::Histogram;
using model::HistogramSpan;

namespace {

constexpr unsigned kLayout = 1;
constexpr unsigned kHintShift = 1;
constexpr unsigned kHintMask = 6;
constexpr unsigned kStale = 8;
constexpr unsigned kAllFlags = 15;

std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

std::vector<std::uint64_t> bits_of(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  bits.reserve(values.size());
  for (const double value : values) bits.push_back(bits_of(value));
  return bits;
}

void put_spans(const std::vector<HistogramSpan>& spans, std::string* out) {
  put_varint(out, spans.size());
  for (const HistogramSpan& span : spans) {
    put_signed(out, span.offset);
    put_varint(out, span.length);
  }
}

std::vector<HistogramSpan> read_spans(ByteReader* in) {
  std::vector<HistogramSpan> spans;
  std::uint64_t count = in->varint();
  if (count > model::kMaxHistogramBuckets || count * 2 > in->remaining()) in->fail();
  for (std::uint64_t buckets = 0; count > 0 && in->ok(); --count) {
    HistogramSpan span;
    const std::int64_t offset = in->signed_varint();
    span.offset = static_cast<std::int32_t>(offset);
    span.length = in->varint32(model::kMaxHistogramBuckets);
    buckets += span.length;
    if (span.offset != offset || buckets > model::kMaxHistogramBuckets) in->fail();
    spans.push_back(span);
  }
  return spans;
}

std::size_t buckets_of(const std::vector<HistogramSpan>& spans) {
  std::size_t count = 0;
  for (const HistogramSpan& span : spans) count += span.length;
  return count;
}

// Walks over the buckets of one side with their indices.
class Buckets {
 public:
  Buckets(const std::vector<HistogramSpan>& spans, std::span<const std::uint64_t> counts)
      : spans_(spans), counts_(counts) {
    enter();
  }
  bool at_end() const { return span_ == spans_.size(); }
  std::int64_t index() const { return index_; }
  std::uint64_t count() const { return counts_[at_]; }
  void next() {
    ++at_;
    ++index_;
    ++in_span_;
    if (in_span_ < spans_[span_].length) return;
    ++span_;
    enter();
  }

 private:
  // Goes to the first bucket of the next span that has one.
  void enter() {
    for (in_span_ = 0; span_ < spans_.size(); ++span_) {
      index_ += spans_[span_].offset;
      if (spans_[span_].length != 0) return;
    }
  }

  const std::vector<HistogramSpan>& spans_;
  const std::span<const std::uint64_t> counts_;
  std::size_t span_ = 0;
  std::uint32_t in_span_ = 0;
  std::size_t at_ = 0;
  std::int64_t index_ = 0;
};

bool at_least(std::uint64_t count, std::uint64_t before, bool floats) {
  if (!floats) return count >= before;
  return std::bit_cast<double>(count) >= std::bit_cast<double>(before);
}

bool is_zero(std::uint64_t count, bool floats) {
  return floats ? std::bit_cast<double>(count) == 0 : count == 0;
}

// Whether no bucket that was filled has become smaller or is gone.
bool side_grew(Buckets before, Buckets now, bool floats) {
  for (; !before.at_end(); before.next()) {
    while (!now.at_end() && now.index() < before.index()) now.next();
    const bool here = !now.at_end() && now.index() == before.index();
    if (here ? !at_least(now.count(), before.count(), floats) : !is_zero(before.count(), floats)) {
      return false;
    }
  }
  return true;
}

void put_run(std::uint64_t* same, std::string* out) {
  if (*same == 0) return;
  out->push_back('\0');
  put_varint(out, *same - 1);
  *same = 0;
}

// Reads the length of a run of unchanged counts; 0 when it is longer than `most`.
std::uint64_t read_run(ByteReader* in, std::uint64_t most) {
  const std::uint64_t run = in->varint();
  if (run >= most) return in->fail();
  return run + 1;
}

void fill(std::span<const std::uint64_t> counts, std::size_t positive, Histogram* h) {
  h->count = counts[0];
  h->zero_count = counts[1];
  const auto deltas = [](std::span<const std::uint64_t> absolute, std::vector<std::int64_t>* out) {
    std::uint64_t before = 0;
    for (const std::uint64_t count : absolute) {
      out->push_back(static_cast<std::int64_t>(count - std::exchange(before, count)));
    }
  };
  deltas(counts.subspan(2, positive), &h->positive_deltas);
  deltas(counts.subspan(2 + positive), &h->negative_deltas);
}

void fill(std::span<const std::uint64_t> counts, std::size_t positive, FloatHistogram* h) {
  h->count = std::bit_cast<double>(counts[0]);
  h->zero_count = std::bit_cast<double>(counts[1]);
  const auto floats = [](std::span<const std::uint64_t> bits, std::vector<double>* out) {
    for (const std::uint64_t one : bits) out->push_back(std::bit_cast<double>(one));
  };
  floats(counts.subspan(2, positive), &h->positive_buckets);
  floats(counts.subspan(2 + positive), &h->negative_buckets);
}

}  // namespace

template <typename H>
HistogramCodec::Layout HistogramCodec::layout_of(const H& h, bool floats) {
  return {h.schema,         bits_of(h.zero_threshold), h.positive_spans,
          h.negative_spans, bits_of(h.custom_values),  floats};
}

HistogramCodec::Counts HistogramCodec::counts_of(const Histogram& h) {
  Counts counts{h.count, h.zero_count};
  for (const auto* deltas : {&h.positive_deltas, &h.negative_deltas}) {
    std::uint64_t count = 0;
    for (const std::int64_t delta : *deltas) {
      count += static_cast<std::uint64_t>(delta);
      counts.push_back(count);
    }
  }
  return counts;
}

HistogramCodec::Counts HistogramCodec::counts_of(const FloatHistogram& h) {
  Counts counts{bits_of(h.count), bits_of(h.zero_count)};
  for (const auto* buckets : {&h.positive_buckets, &h.negative_buckets}) {
    for (const double count : *buckets) counts.push_back(bits_of(count));
  }
  return counts;
}

// Writing ---------------------------------------------------------------------------------------

void HistogramCodec::put(const Histogram& h, std::string* out) { put_any(h, false, out); }
void HistogramCodec::put(const FloatHistogram& h, std::string* out) { put_any(h, true, out); }

template <typename H>
void HistogramCodec::put_any(const H& h, bool floats, std::string* out) {
  const unsigned hint = static_cast<unsigned>(h.reset_hint) << kHintShift;
  if (model::is_stale(h.sum)) {
    out->push_back(static_cast<char>(hint | kStale));
    comparable_ = false;
    return;
  }
  Layout layout = layout_of(h, floats);
  const bool new_layout = !known_ || layout != layout_;
  out->push_back(static_cast<char>(hint | (new_layout ? kLayout : 0U)));
  Counts counts = counts_of(h);
  if (new_layout) {
    put_layout(layout, out);
    counts_.assign(counts.size(), 0);
    number_ = {};
  }
  const Token sum = make_token(bits_of(h.sum), &sum_);
  put_varint(out, sum.code);
  out->append(sum.extra, sum.extra_size);
  if (floats) {
    put_floats(counts, out);
  } else {
    put_integers(counts, out);
  }
  layout_ = std::move(layout);
  counts_ = std::move(counts);
  known_ = true;
  comparable_ = true;
  gauge_ = h.reset_hint == CounterResetHint::kGauge;
}

void HistogramCodec::put_layout(const Layout& layout, std::string* out) {
  put_signed(out, layout.schema);
  put_fixed(out, layout.zero_threshold);
  put_spans(layout.positive, out);
  put_spans(layout.negative, out);
  put_varint(out, layout.bounds.size());
  for (const std::uint64_t bound : layout.bounds) put_fixed(out, bound);
}

void HistogramCodec::put_integers(const Counts& counts, std::string* out) const {
  std::uint64_t in_buckets = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) in_buckets += counts[i] - counts_[i];
  std::uint64_t same = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::uint64_t delta = counts[i] - counts_[i] - (i == 0 ? in_buckets : 0);
    if (delta == 0) {
      ++same;
      continue;
    }
    put_run(&same, out);
    put_varint(out, zigzag(delta));
  }
  put_run(&same, out);
}

void HistogramCodec::put_floats(const Counts& counts, std::string* out) {
  std::uint64_t same = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == counts_[i]) {
      ++same;
      continue;
    }
    put_run(&same, out);
    const Token token = make_token(counts[i], &number_);
    put_varint(out, token.code + 1);
    out->append(token.extra, token.extra_size);
  }
  put_run(&same, out);
}

// Reading ---------------------------------------------------------------------------------------

void HistogramCodec::read(ByteReader* in, Histogram* h) {
  if (!read_any(in, false, h)) in->fail();
}
void HistogramCodec::read(ByteReader* in, FloatHistogram* h) {
  if (!read_any(in, true, h)) in->fail();
}

template <typename H>
bool HistogramCodec::read_any(ByteReader* in, bool floats, H* h) {
  const std::uint8_t flags = in->byte();
  if (!in->ok() || flags > kAllFlags) return false;
  *h = H();
  h->reset_hint = static_cast<CounterResetHint>((flags & kHintMask) >> kHintShift);
  if ((flags & kStale) != 0) {
    h->sum = model::stale_nan();
    comparable_ = false;
    return true;
  }
  if ((flags & kLayout) != 0) {
    layout_ = read_layout(in, floats);
    if (!in->ok()) return false;
    counts_.assign(kFirstBucket + buckets_of(layout_.positive) + buckets_of(layout_.negative), 0);
    number_ = {};
    known_ = true;
  }
  if (!known_ || layout_.floats != floats) return false;
  const std::optional<std::uint64_t> sum = read_token(in->varint(), in, &sum_);
  if (!sum || !in->ok()) return false;
  if (!(floats ? read_floats(in, &counts_) : read_integers(in, &counts_))) return false;
  h->schema = layout_.schema;
  h->zero_threshold = std::bit_cast<double>(layout_.zero_threshold);
  h->sum = std::bit_cast<double>(*sum);
  h->positive_spans = layout_.positive;
  h->negative_spans = layout_.negative;
  for (const std::uint64_t bound : layout_.bounds) {
    h->custom_values.push_back(std::bit_cast<double>(bound));
  }
  fill(counts_, buckets_of(layout_.positive), h);
  comparable_ = true;
  gauge_ = h->reset_hint == CounterResetHint::kGauge;
  return true;
}

HistogramCodec::Layout HistogramCodec::read_layout(ByteReader* in, bool floats) {
  Layout layout;
  const std::int64_t schema = in->signed_varint();
  layout.schema = static_cast<std::int32_t>(schema);
  if (layout.schema != schema) in->fail();
  layout.zero_threshold = in->fixed<std::uint64_t>();
  layout.positive = read_spans(in);
  layout.negative = read_spans(in);
  const std::uint64_t bounds = in->varint();
  if (bounds > in->remaining() / 8) in->fail();
  for (std::uint64_t i = 0; i < bounds && in->ok(); ++i) {
    layout.bounds.push_back(in->fixed<std::uint64_t>());
  }
  layout.floats = floats;
  return layout;
}

bool HistogramCodec::read_integers(ByteReader* in, Counts* counts) const {
  std::uint64_t in_buckets = 0;
  for (std::size_t i = 0; i < counts->size() && in->ok();) {
    const std::uint64_t coded = in->varint();
    if (coded == 0) {
      i += read_run(in, counts->size() - i);
      continue;
    }
    (*counts)[i] += unzigzag(coded);
    if (i != 0) in_buckets += unzigzag(coded);
    ++i;
  }
  (*counts)[0] += in_buckets;
  return in->ok();
}

bool HistogramCodec::read_floats(ByteReader* in, Counts* counts) {
  for (std::size_t i = 0; i < counts->size() && in->ok();) {
    const std::uint64_t coded = in->varint();
    if (coded == 0) {
      i += read_run(in, counts->size() - i);
      continue;
    }
    const std::optional<std::uint64_t> bits = read_token(coded - 1, in, &number_);
    if (!bits) return false;
    (*counts)[i++] = *bits;
  }
  return in->ok();
}

// Hints -----------------------------------------------------------------------------------------

CounterResetHint HistogramCodec::hint_of(const SideValue& value) const {
  const auto* integers = std::get_if<Histogram>(&value);
  const auto* floats = std::get_if<FloatHistogram>(&value);
  if ((integers == nullptr && floats == nullptr) || is_stale(value)) {
    return CounterResetHint::kUnknown;
  }
  const CounterResetHint given = integers != nullptr ? integers->reset_hint : floats->reset_hint;
  if (given == CounterResetHint::kGauge) return given;
  if (given == CounterResetHint::kReset || !comparable_ || gauge_) {
    return CounterResetHint::kUnknown;
  }
  const bool follows = integers != nullptr ? grew(layout_of(*integers, false), counts_of(*integers))
                                           : grew(layout_of(*floats, true), counts_of(*floats));
  return follows ? CounterResetHint::kNotReset : CounterResetHint::kUnknown;
}

bool HistogramCodec::grew(const Layout& layout, const Counts& counts) const {
  if (layout.floats != layout_.floats || layout.schema != layout_.schema ||
      layout.zero_threshold != layout_.zero_threshold || layout.bounds != layout_.bounds) {
    return false;
  }
  if (!at_least(counts[0], counts_[0], layout.floats) ||
      !at_least(counts[1], counts_[1], layout.floats)) {
    return false;
  }
  const std::span<const std::uint64_t> before(counts_);
  const std::span<const std::uint64_t> now(counts);
  const std::size_t positive_before = buckets_of(layout_.positive);
  const std::size_t positive_now = buckets_of(layout.positive);
  return side_grew(Buckets(layout_.positive, before.subspan(kFirstBucket, positive_before)),
                   Buckets(layout.positive, now.subspan(kFirstBucket, positive_now)),
                   layout.floats) &&
         side_grew(Buckets(layout_.negative, before.subspan(kFirstBucket + positive_before)),
                   Buckets(layout.negative, now.subspan(kFirstBucket + positive_now)),
                   layout.floats);
}

}  // namespace tocsin::tsdb
