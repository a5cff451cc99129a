// SPDX-License-Identifier: Apache-2.0
//
// BatchCodec: batches <-> the payloads of journal records.
//
// A row of a group is coded against the last row of the same group in the journal: one bit for a
// repeated value, else the change log's token. A group's definition is written before its first row
// in each segment and starts the coding anew, so a damaged segment does not spoil the next.
// docs/formats/tsdb_journal.md has every byte.
// Hides: what rows are coded against; it knows groups
// only through the journal, never through the head, so sealing and regrouping cannot make writer
// and reader disagree.
// Threads: confined to the commit leader. Errors: kFailedPrecondition for a
// row that does not fit its group; kDataLoss for bytes that are no batch.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "tsdb/head/batch.h"
#include "tsdb/head/change_log.h"
#include "tsdb/side/side_codec.h"

namespace tocsin::tsdb {

inline constexpr std::uint8_t kBatchRecord = 1;  // type of a journal record

class BatchCodec {
 public:
  // Payload of `batch` as number `sequence`, to be written to `segment`; fills batch->written. Nothing
  // changed on error.
  StatusOr<std::string> encode(Batch* batch, std::uint64_t sequence, std::uint64_t segment);
  // Says that payloads encoded since the last successful write did not reach the journal: all
  // groups start anew.
  void restart();
  void forget_group(storage::GroupId group) { groups_.erase(group); }
  // Gives the series of a shared group by slot, or nothing when there is no such group. Without it
  // samples of shared groups are written one by one.
  using SharedMembers = std::function<std::vector<storage::SeriesId>(storage::GroupId)>;
  void set_shared_members(SharedMembers source) { shared_members_ = std::move(source); }

  // The number of the batch in `payload`.
  static StatusOr<std::uint64_t> sequence(std::string_view payload);
  // Rows of groups whose definition was lost are left out and counted in `lost_rows`.
  StatusOr<Batch> decode(std::string_view payload);
  std::uint64_t lost_rows() const { return lost_rows_; }
  // Says that records are missing before the next payload to decode.
  void forget_all() { groups_.clear(); }

  // Buckets of histograms in one batch; a batch with more is refused.
  static constexpr std::uint64_t kMaxBatchBuckets = 1U << 25U;

 private:
  static constexpr std::uint8_t kNoValue = 0xff;
  // What rows of a group are coded against.
  struct GroupState {
    std::uint64_t segment = 0;  // where the definition was written last; 0: nowhere that counts
    std::int64_t time_ms = 0;
    bool shared = false;
    std::size_t unset = 0;               // members without a value
    std::vector<storage::SeriesId> ids;  // not in a writer's state of a shared group
    // By member: the last changed value and the exponent of the base after it (base_of() says the
    // rest), kNoValue before the first.
    std::vector<std::uint64_t> bits;
    std::vector<std::uint8_t> exponents;

    void reset(std::size_t members);
    Decimal base(std::uint32_t member) const {
      if (exponents[member] == kNoValue) return {};
      return base_of(bits[member], exponents[member]);
    }
    void set(std::uint32_t member, std::uint64_t value, std::uint8_t exponent) {
      if (exponents[member] == kNoValue) --unset;
      bits[member] = value;
      exponents[member] = exponent;
    }
    std::uint32_t members() const { return static_cast<std::uint32_t>(bits.size()); }
    std::uint64_t changes(std::uint32_t first, const std::uint64_t* values) const;
  };
  // Of a row: a bitmap of the members that are set, and values by member.
  struct Cells {
    std::span<const std::uint64_t> set;
    const std::uint64_t* values;
  };

  Status check(const Batch& batch) const;
  void put_definition(storage::GroupId id, GroupState* group, std::uint64_t segment,
                      std::string* out);
  using Samples = std::span<const Batch::Sample>;
  void put_samples(Samples samples, std::uint64_t segment, std::string* out);
  static void put_singles(Samples samples, std::string* out);
  // The state of a shared group that can take the row; null when there is none.
  GroupState* shared_state(Samples row, std::uint64_t segment, std::string* out);
  // Tokens of changed cells go to `written` too, unless it is null.
  void put_cells(storage::GroupId id, std::int64_t time_ms, GroupState* group, const Cells& cells,
                 std::vector<Batch::Written>* written, std::string* out);
  void forget_gone();
  static void read_cells(const Batch::Row& row, std::uint8_t flags, GroupState* group,
                         ByteReader* reader, Batch* batch);
  void put_row(Batch* batch, Batch::Row* row, std::uint64_t segment, std::string* out);
  void put_side(const Batch& batch, const Batch::Op& op, std::uint64_t segment, std::string* out);
  bool is_news(const SideSample& sample, std::uint64_t segment);
  static void read_side(ByteReader* reader, Batch* batch);
  static void put_notes(const Batch& batch, const Batch::Op& op, std::string* out);
  static void read_notes(ByteReader* reader, Batch* batch);
  void read_definition(ByteReader* reader, bool shared, Batch* batch);
  static void read_samples(ByteReader* reader, Batch* batch);
  void read_row(ByteReader* reader, bool stale, Batch* batch);

  SharedMembers shared_members_;
  std::uint64_t segment_ = 0;  // written to last
  // Of the row being written.
  std::vector<std::uint64_t> set_;
  std::vector<std::uint64_t> values_;
  std::vector<std::uint64_t> changed_;
  std::unordered_map<storage::GroupId, GroupState> groups_;
  // Start changes that are in the segment already: they are written when they change.
  std::unordered_map<storage::SeriesId, std::int64_t> starts_;
  std::uint64_t starts_segment_ = 0;
  std::uint64_t lost_rows_ = 0;
};

}  // namespace tocsin::tsdb
