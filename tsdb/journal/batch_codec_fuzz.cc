// SPDX-License-Identifier: Apache-2.0
//
// Payloads of journal records: any sequence of them decodes or is refused, and what decoded is encoded
// and decoded to the same samples. Input: payloads, each behind one byte that is its
// length; or, after a b, numbers to build batches from and then to damage.
#include "tsdb/journal/batch_codec.h"

#include <bit>

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::tsdb {
namespace {

void check_batch(const Batch& batch) {
  for (const Batch::Op& op : batch.ops) {
    const std::size_t end = op.first + op.count;
    switch (op.kind) {
      case Batch::OpKind::kDefine:
        CHECK(end <= batch.definitions.size());
        break;
      case Batch::OpKind::kSamples:
        CHECK(end <= batch.samples.size());
        break;
      case Batch::OpKind::kRow:
        CHECK(end <= batch.rows.size());
        break;
      case Batch::OpKind::kSide:
        CHECK(end <= batch.side.size());
        break;
      case Batch::OpKind::kNotes:
        CHECK(end <= batch.notes.size());
        break;
    }
  }
  for (const Batch::Row& row : batch.rows) {
    CHECK(row.set_at + (row.members + 63) / 64 <= batch.set.size());
    if (!row.stale) CHECK(row.values_at + row.members <= batch.values.size());
  }
}

void check_again(Batch batch) {
  BatchCodec writer;
  BatchCodec reader;
  const StatusOr<std::string> payload = writer.encode(&batch, 9, 1);
  if (!payload.ok()) return;  // rows of groups that an earlier payload defined
  const StatusOr<Batch> again = reader.decode(*payload);
  CHECK(again.ok());
  CHECK(again->new_series.size() == batch.new_series.size());
  CHECK(again->samples.size() == batch.samples.size());
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    CHECK(again->samples[i].bits == batch.samples[i].bits);
    CHECK(again->samples[i].time_ms == batch.samples[i].time_ms);
  }
}

void decode_all(std::span<const std::string> payloads) {
  BatchCodec codec;
  for (const std::string& payload : payloads) {
    static_cast<void>(BatchCodec::sequence(payload));
    const StatusOr<Batch> batch = codec.decode(payload);
    if (!batch.ok()) {
      codec.forget_all();
      continue;
    }
    check_batch(*batch);
    check_again(*batch);
  }
}

// A batch of two series, a group of them, a sample and some rows.
Batch make_batch(ByteReader* in, bool first) {
  using storage::SeriesId;
  const storage::GroupId group(1);
  Batch batch;
  if (first) {
    batch.new_series.push_back({SeriesId(1), model::Labels::of({{"a", "b"}})});
    batch.new_series.push_back({SeriesId(2), model::Labels::of({{"a", "c"}})});
    batch.definitions.push_back({group, {SeriesId(1), SeriesId(2)}});
    batch.ops.push_back({Batch::OpKind::kDefine, 0, 1});
  }
  batch.samples.push_back({SeriesId(1), in->fixed<std::int32_t>(), in->fixed<std::uint64_t>()});
  batch.ops.push_back({Batch::OpKind::kSamples, 0, 1});
  const std::size_t rows = in->byte() % 4;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::uint8_t kind = in->byte();
    Batch::Row row{group, in->fixed<std::int16_t>(), kind % 8 == 7,
                   2,     batch.set.size(),          batch.values.size()};
    batch.set.push_back(kind % 4U);
    if (!row.stale) {
      batch.values.push_back(std::bit_cast<std::uint64_t>(in->byte() / 10.0));
      batch.values.push_back(std::bit_cast<std::uint64_t>(std::sqrt(in->byte())));
    }
    batch.rows.push_back(row);
  }
  if (rows > 0) batch.ops.push_back({Batch::OpKind::kRow, 0, rows});
  return batch;
}

// Batches made of what the bytes say, decoded, then damaged and decoded again.
void built(ByteReader* in) {
  BatchCodec writer;
  std::vector<std::string> payloads;
  for (std::uint64_t i = 0; i < 3; ++i) {
    Batch batch = make_batch(in, i == 0);
    StatusOr<std::string> payload = writer.encode(&batch, i + 1, 1 + i / 2);
    if (payload.ok()) payloads.push_back(*std::move(payload));
  }
  CHECK(!payloads.empty());
  decode_all(payloads);
  while (in->remaining() >= 4) {
    std::string& payload = payloads[in->byte() % payloads.size()];
    const auto position = in->fixed<std::uint16_t>();
    payload[position % payload.size()] = static_cast<char>(in->byte());
  }
  decode_all(payloads);
}

void fuzz(std::string_view bytes) {
  if (!bytes.empty() && bytes.front() == 'b') {
    ByteReader in(bytes.substr(1));
    return built(&in);
  }
  std::vector<std::string> payloads;
  while (!bytes.empty()) {
    const auto size = static_cast<std::uint8_t>(bytes.front());
    payloads.emplace_back(bytes.substr(1, size));
    bytes.remove_prefix(1 + payloads.back().size());
  }
  decode_all(payloads);
}

}  // namespace

TOCSIN_FUZZ_TARGET(batch_codec, fuzz)

}  // namespace tocsin::tsdb
