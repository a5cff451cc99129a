// SPDX-License-Identifier: Apache-2.0
//
//   batch      = sequence u64 | op*
//   op         = 1 series | 2 definition | 3 samples | 4 row | 5 stale row      (the number is one
//   byte) series     = varint id, varint labels, (varint length, bytes)* for each name and value
//   definition = varint group, varint members, zigzag id - id before, for each
//   samples    = varint count, (zigzag id - id before, zigzag ms - ms before, value)*
//   row        = varint group, zigzag ms - ms of the group's row before, varint members, flags u8,
//                [bitmap of members set, unless all], [bitmap of members changed, unless none],
//                value of each changed
//   shared     = as definition: a group that the head made by itself; its rows are samples
//   stale row  = varint group, zigzag ms, varint members, flags u8, [bitmap of members marked,
//   unless all] value      = varint code, extra: as in the change log (head/change_log.h). A
//   sample's is against 0, a row's
//                against the member's last changed value in this journal.
//   side (8)   = varint count, (zigzag id - id before, entry of side/side_codec.h)*
//   notes (9)  = varint count, (zigzag id - id before, note of notes/note.h)*
#include "tsdb/journal/batch_codec.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "model/value.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

using storage::GroupId;
using storage::SeriesId;

enum : std::uint8_t {
  kSeries = 1,
  kDefinition = 2,
  kSamples = 3,
  kRow = 4,
  kStaleRow = 5,
  kShared = 6,
  kSide = 8,
  kNotes = 9
};
enum : std::uint8_t { kAllSet = 1, kNoneChanged = 2 };

// Far above any real group: what a damaged count may not exceed.
constexpr std::uint32_t kMaxMembers = 1U << 24;
// Start changes that are remembered; above it all are written again.
constexpr std::size_t kMaxStarts = 1U << 20;

void put_string(std::string* out, std::string_view text) {
  put_varint(out, text.size());
  out->append(text);
}

std::string_view read_string(ByteReader* reader) { return reader->bytes(reader->varint()); }

void put_token(const Token& token, std::string* out) {
  put_varint(out, token.code);
  out->append(token.extra, token.extra_size);
}

std::uint64_t read_value(ByteReader* reader, Decimal* base) {
  const std::uint64_t code = reader->varint();
  const std::optional<std::uint64_t> bits = read_token(code, reader, base);
  return bits ? *bits : reader->fail();
}

// Bitmaps in memory are words of 64 bits, lowest bit first; in the journal as many bytes as needed.
std::size_t words_of(std::uint32_t members) { return (members + 63) / 64; }
std::size_t count_bits(std::span<const std::uint64_t> bitmap) {
  std::size_t count = 0;
  for (const std::uint64_t word : bitmap) count += static_cast<std::size_t>(std::popcount(word));
  return count;
}
void put_bitmap(std::span<const std::uint64_t> bitmap, std::uint32_t members, std::string* out) {
  out->append(reinterpret_cast<const char*>(bitmap.data()), (members + 7) / 8);
}

class Bitmap {
 public:
  explicit Bitmap(std::uint32_t size) : bytes_((size + 7) / 8, '\0') {}
  Bitmap(std::uint32_t size, ByteReader* reader) : bytes_(reader->bytes((size + 7) / 8)) {
    bytes_.resize((size + 7) / 8);
  }
  bool has(std::uint32_t i) const {
    return ((static_cast<std::uint8_t>(bytes_[i / 8]) >> (i % 8)) & 1U) != 0;
  }

 private:
  std::string bytes_;
};

void put_series(const Batch::NewSeries& series, std::string* out) {
  out->push_back(kSeries);
  put_varint(out, series.id.value());
  put_varint(out, series.labels.size());
  for (const model::LabelView& label : series.labels) {
    put_string(out, label.name);
    put_string(out, label.value);
  }
}

void read_series(ByteReader* reader, Batch* batch) {
  const SeriesId id(reader->varint());
  const std::uint64_t count = reader->varint();
  std::vector<model::LabelView> labels;
  labels.reserve(std::min<std::uint64_t>(count, reader->remaining() / 2));
  bool sorted = true;  // as the writer wrote them
  for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
    const std::string_view name = read_string(reader);
    const std::string_view value = read_string(reader);
    sorted = sorted && !value.empty() && (labels.empty() || labels.back().name < name);
    labels.push_back({name, value});
  }
  Batch::NewSeries& series = batch->new_series.emplace_back();
  series.id = id;
  if (sorted) {
    series.labels.assign_sorted(labels);
    return;
  }
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const model::LabelView& label : labels) pairs.emplace_back(label.name, label.value);
  series.labels = model::Labels::from(std::move(pairs));
}

void add_op(Batch::OpKind kind, std::size_t first, std::size_t count, Batch* batch) {
  batch->ops.push_back({kind, first, count});
}

}  // namespace

Status BatchCodec::check(const Batch& batch) const {
  std::unordered_map<GroupId, std::size_t> defined;
  for (const Batch::Op& op : batch.ops) {
    for (std::size_t i = op.first; i < op.first + op.count; ++i) {
      if (op.kind == Batch::OpKind::kDefine) {
        defined[batch.definitions[i].group] = batch.definitions[i].members.size();
      } else if (op.kind == Batch::OpKind::kRow) {
        const Batch::Row& row = batch.rows[i];
        const auto here = defined.find(row.group);
        const auto before = groups_.find(row.group);
        const bool fits = here != defined.end()
                              ? here->second == row.members
                              : before != groups_.end() && before->second.members() == row.members;
        if (!fits) return failed_precondition("group was redefined while the batch was open");
      }
    }
  }
  return ok();
}

StatusOr<std::string> BatchCodec::encode(Batch* to_write, std::uint64_t sequence,
                                         std::uint64_t segment) {
  const Batch& batch = *to_write;
  RETURN_IF_ERROR(check(batch));
  to_write->written.clear();
  if (std::exchange(segment_, segment) != segment) forget_gone();
  std::string out;
  out.reserve(batch.samples.size() * 6 + batch.values.size() + 64);
  put_fixed(&out, sequence);
  for (const Batch::NewSeries& series : batch.new_series) put_series(series, &out);
  for (const Batch::Op& op : batch.ops) {
    switch (op.kind) {
      case Batch::OpKind::kDefine:
        for (std::size_t i = op.first; i < op.first + op.count; ++i) {
          GroupState& group = groups_[batch.definitions[i].group];
          group.ids = batch.definitions[i].members;
          put_definition(batch.definitions[i].group, &group, segment, &out);
        }
        break;
      case Batch::OpKind::kSamples:
        put_samples(Samples(batch.samples).subspan(op.first, op.count), segment, &out);
        break;
      case Batch::OpKind::kRow:
        for (std::size_t i = op.first; i < op.first + op.count; ++i) {
          put_row(to_write, &to_write->rows[i], segment, &out);
        }
        break;
      case Batch::OpKind::kSide:
        put_side(batch, op, segment, &out);
        break;
      case Batch::OpKind::kNotes:
        put_notes(batch, op, &out);
        break;
    }
  }
  return out;
}

void BatchCodec::restart() {
  for (auto& [id, group] : groups_) group.segment = 0;
  starts_.clear();
}

// Forgets shared groups that the head has no more.
void BatchCodec::forget_gone() {
  std::erase_if(groups_, [&](const auto& entry) {
    return entry.second.shared && (!shared_members_ || shared_members_(entry.first).empty());
  });
}

void BatchCodec::GroupState::reset(std::size_t members) {
  time_ms = 0;
  unset = members;
  bits.assign(members, 0);
  bits.shrink_to_fit();
  exponents.assign(members, kNoValue);
  exponents.shrink_to_fit();
}

namespace {

void put_members(std::span<const SeriesId> ids, std::string* out) {
  put_varint(out, ids.size());
  std::uint64_t before = 0;
  for (const SeriesId series : ids) {
    put_varint(out, zigzag(series.value() - before));
    before = series.value();
  }
}

// A row costs two bits per member of its group, a single sample about ten bytes.
bool is_worth_a_row(std::size_t samples, std::size_t members) { return samples * 32 >= members; }

}  // namespace

void BatchCodec::put_definition(GroupId id, GroupState* group, std::uint64_t segment,
                                std::string* out) {
  group->segment = segment;
  group->reset(group->ids.size());
  out->push_back(kDefinition);
  put_varint(out, id.value());
  put_members(group->ids, out);
}

BatchCodec::GroupState* BatchCodec::shared_state(Samples row, std::uint64_t segment,
                                                 std::string* out) {
  if (row.front().home != Batch::Home::kShared || !shared_members_) return nullptr;
  const GroupId id = row.front().group;
  GroupState& group = groups_[id];
  group.shared = true;
  if (group.segment != segment) {
    const std::vector<SeriesId> ids = shared_members_(id);
    if (!ids.empty()) {
      group.segment = segment;
      group.reset(ids.size());
      out->push_back(kShared);
      put_varint(out, id.value());
      put_members(ids, out);
    }
  }
  const bool fits = group.segment == segment && row.back().slot < group.members() &&
                    is_worth_a_row(row.size(), group.members());
  return fits ? &group : nullptr;
}

void BatchCodec::put_samples(Samples samples, std::uint64_t segment, std::string* out) {
  std::size_t singles = 0;  // at the front of `samples`, to be written one by one
  while (singles < samples.size()) {
    const Batch::Sample& first = samples[singles];
    std::size_t end = singles + 1;
    while (end < samples.size() && samples[end].group == first.group &&
           samples[end].time_ms == first.time_ms && samples[end].slot > samples[end - 1].slot) {
      ++end;
    }
    const Samples row = samples.subspan(singles, end - singles);
    GroupState* group = shared_state(row, segment, out);
    if (group == nullptr) {
      singles = end;
      continue;
    }
    put_singles(samples.first(singles), out);
    samples = samples.subspan(end);
    singles = 0;
    set_.assign(words_of(group->members()), 0);
    values_.resize(group->members());
    for (const Batch::Sample& sample : row) {
      set_[sample.slot / 64] |= 1ULL << (sample.slot % 64);
      values_[sample.slot] = sample.bits;
    }
    out->push_back(kRow);
    put_cells(row.front().group, row.front().time_ms, group, {set_, values_.data()}, nullptr, out);
  }
  put_singles(samples, out);
}

void BatchCodec::put_singles(Samples samples, std::string* out) {
  if (samples.empty()) return;
  out->push_back(kSamples);
  put_varint(out, samples.size());
  std::uint64_t id = 0;
  std::uint64_t time_ms = 0;
  for (const Batch::Sample& sample : samples) {
    put_varint(out, zigzag(sample.id.value() - id));
    put_varint(out, zigzag(static_cast<std::uint64_t>(sample.time_ms) - time_ms));
    Decimal base;
    put_token(make_token(sample.bits, &base), out);
    id = sample.id.value();
    time_ms = static_cast<std::uint64_t>(sample.time_ms);
  }
}

void BatchCodec::put_row(Batch* to_write, Batch::Row* row_to_write, std::uint64_t segment,
                         std::string* out) {
  const Batch& batch = *to_write;
  const Batch::Row& row = *row_to_write;
  GroupState& group = groups_[row.group];
  if (group.segment != segment) put_definition(row.group, &group, segment, out);
  const std::span<const std::uint64_t> set =
      std::span(batch.set).subspan(row.set_at, words_of(row.members));
  if (!row.stale) {
    out->push_back(kRow);
    row_to_write->written_at = batch.written.size();
    put_cells(row.group, row.time_ms, &group, {set, &batch.values[row.values_at]},
              &to_write->written, out);
    row_to_write->written_count = batch.written.size() - row.written_at;
    return;
  }
  out->push_back(kStaleRow);
  put_varint(out, row.group.value());
  put_varint(out, zigzag(static_cast<std::uint64_t>(row.time_ms) -
                         static_cast<std::uint64_t>(group.time_ms)));
  group.time_ms = row.time_ms;
  put_varint(out, row.members);
  const bool all_set = count_bits(set) == row.members;
  out->push_back(static_cast<char>((all_set ? kAllSet : 0) | kNoneChanged));
  if (!all_set) put_bitmap(set, row.members, out);
}

// Which of the 64 members from `first` have another value than the row before, as bits.
std::uint64_t BatchCodec::GroupState::changes(std::uint32_t first,
                                              const std::uint64_t* values) const {
  const std::uint32_t count = std::min(64U, members() - first);
  std::uint64_t changed = 0;
  // Without a branch: which values change is not predictable.
  for (std::uint32_t i = 0; i < count; ++i) {
    changed |= std::uint64_t{values[first + i] != bits[first + i]} << i;
  }
  for (std::uint32_t i = 0; i < count && unset != 0; ++i) {
    changed |= std::uint64_t{exponents[first + i] == kNoValue} << i;
  }
  return changed;
}

// Writes what follows the number of a row.
void BatchCodec::put_cells(GroupId id, std::int64_t time_ms, GroupState* group, const Cells& cells,
                           std::vector<Batch::Written>* written, std::string* out) {
  const std::uint32_t members = group->members();
  put_varint(out, id.value());
  put_varint(out, zigzag(static_cast<std::uint64_t>(time_ms) -
                         static_cast<std::uint64_t>(group->time_ms)));
  put_varint(out, members);
  group->time_ms = time_ms;
  changed_.resize(words_of(members));
  for (std::uint32_t word = 0; word < changed_.size(); ++word) {
    const std::uint64_t set = cells.set[word];
    changed_[word] = set == 0 ? 0 : set & group->changes(word * 64, cells.values);
  }
  const std::size_t changes = count_bits(changed_);
  const bool all_set = count_bits(cells.set) == members;
  out->push_back(static_cast<char>((all_set ? kAllSet : 0) | (changes != 0 ? 0 : kNoneChanged)));
  if (!all_set) put_bitmap(cells.set, members, out);
  if (changes == 0) return;
  put_bitmap(changed_, members, out);
  if (written != nullptr && written->capacity() - written->size() < changes) {
    written->reserve(std::max(written->size() + changes, 2 * written->capacity()));
  }
  for (std::uint32_t word = 0; word < changed_.size(); ++word) {
    for (std::uint64_t left = changed_[word]; left != 0; left &= left - 1) {
      const std::uint32_t member = word * 64 + static_cast<std::uint32_t>(std::countr_zero(left));
      const bool first = group->exponents[member] == kNoValue;
      const std::uint64_t before = group->bits[member];
      Decimal base = group->base(member);
      const std::uint8_t base_exponent = base.exponent;
      const Token token = make_token(cells.values[member], &base);
      put_token(token, out);
      group->set(member, cells.values[member], base.exponent);
      if (first || written == nullptr) continue;
      written->push_back({member, base_exponent, base.exponent, before, token});
    }
  }
}

// Whether a sample must be written: a start change that is in the segment already is not.
bool BatchCodec::is_news(const SideSample& sample, std::uint64_t segment) {
  if (!std::holds_alternative<StartChange>(sample.value)) return true;
  if (starts_segment_ != segment || starts_.size() > kMaxStarts) starts_.clear();
  starts_segment_ = segment;
  const auto [at, inserted] = starts_.try_emplace(sample.id, sample.start_ms);
  return inserted || std::exchange(at->second, sample.start_ms) != sample.start_ms;
}

void BatchCodec::put_side(const Batch& batch, const Batch::Op& op, std::uint64_t segment,
                          std::string* out) {
  std::vector<const SideSample*> samples;
  for (std::size_t i = op.first; i < op.first + op.count; ++i) {
    if (is_news(batch.side[i], segment)) samples.push_back(&batch.side[i]);
  }
  if (samples.empty()) return;
  out->push_back(kSide);
  put_varint(out, samples.size());
  SideCodec codec;
  std::uint64_t id = 0;
  for (const SideSample* sample : samples) {
    put_varint(out, zigzag(sample->id.value() - id));
    codec.put(*sample, out);
    id = sample->id.value();
  }
}

void BatchCodec::put_notes(const Batch& batch, const Batch::Op& op, std::string* out) {
  out->push_back(kNotes);
  put_varint(out, op.count);
  std::uint64_t id = 0;
  for (std::size_t i = op.first; i < op.first + op.count; ++i) {
    put_varint(out, zigzag(batch.notes[i].id.value() - id));
    put_note(batch.notes[i], out);
    id = batch.notes[i].id.value();
  }
}

// Decoding --------------------------------------------------------------------------------------

StatusOr<std::uint64_t> BatchCodec::sequence(std::string_view payload) {
  ByteReader reader(payload);
  const auto sequence = reader.fixed<std::uint64_t>();
  if (!reader.ok()) return data_loss("journal record without a sequence number");
  return sequence;
}

StatusOr<Batch> BatchCodec::decode(std::string_view payload) {
  ByteReader reader(payload);
  static_cast<void>(reader.fixed<std::uint64_t>());
  Batch batch;
  while (reader.ok() && !reader.at_end()) {
    switch (reader.byte()) {
      case kSeries:
        read_series(&reader, &batch);
        break;
      case kDefinition:
        read_definition(&reader, false, &batch);
        break;
      case kShared:
        read_definition(&reader, true, &batch);
        break;
      case kSamples:
        read_samples(&reader, &batch);
        break;
      case kRow:
        read_row(&reader, false, &batch);
        break;
      case kStaleRow:
        read_row(&reader, true, &batch);
        break;
      case kSide:
        read_side(&reader, &batch);
        break;
      case kNotes:
        read_notes(&reader, &batch);
        break;
      default:
        reader.fail();
    }
  }
  if (!reader.ok()) return data_loss("journal record is no batch");
  return batch;
}

void BatchCodec::read_definition(ByteReader* reader, bool shared, Batch* batch) {
  const GroupId id(reader->varint32());
  const std::uint32_t count = reader->varint32(kMaxMembers);
  if (count > reader->remaining()) {
    reader->fail();
    return;
  }
  GroupState group;
  std::uint64_t before = 0;
  for (std::uint32_t i = 0; i < count && reader->ok(); ++i) {
    before += unzigzag(reader->varint());
    group.ids.push_back(SeriesId(before));
  }
  group.reset(group.ids.size());
  group.shared = shared;
  add_op(Batch::OpKind::kDefine, batch->definitions.size(), 1, batch);
  batch->definitions.push_back({id, group.ids, shared});
  groups_[id] = std::move(group);
}

void BatchCodec::read_samples(ByteReader* reader, Batch* batch) {
  const std::uint64_t count = reader->varint();
  std::uint64_t id = 0;
  std::uint64_t time_ms = 0;
  const std::size_t first = batch->samples.size();
  for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
    id += unzigzag(reader->varint());
    time_ms += unzigzag(reader->varint());
    Decimal base;
    const std::uint64_t bits = read_value(reader, &base);
    batch->samples.push_back({SeriesId(id), static_cast<std::int64_t>(time_ms), bits, {}});
  }
  add_op(Batch::OpKind::kSamples, first, batch->samples.size() - first, batch);
}

void BatchCodec::read_side(ByteReader* reader, Batch* batch) {
  const std::uint64_t count = reader->varint();
  const std::size_t first = batch->side.size();
  SideCodec codec;
  std::uint64_t id = 0;
  std::uint64_t buckets = 0;
  for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
    SideSample& sample = batch->side.emplace_back();
    id += unzigzag(reader->varint());
    sample.id = SeriesId(id);
    codec.read(reader, &sample);
    buckets += buckets_of(sample.value);
    if (buckets > kMaxBatchBuckets) reader->fail();
  }
  add_op(Batch::OpKind::kSide, first, batch->side.size() - first, batch);
}

void BatchCodec::read_notes(ByteReader* reader, Batch* batch) {
  const std::uint64_t count = reader->varint();
  const std::size_t first = batch->notes.size();
  std::uint64_t id = 0;
  for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
    id += unzigzag(reader->varint());
    Note& note = batch->notes.emplace_back();
    note.id = SeriesId(id);
    read_note(reader, &note);
  }
  add_op(Batch::OpKind::kNotes, first, batch->notes.size() - first, batch);
}

void BatchCodec::read_row(ByteReader* reader, bool stale, Batch* batch) {
  Batch::Row row;
  row.group = GroupId(reader->varint32());
  const std::uint64_t time_delta = unzigzag(reader->varint());
  row.members = reader->varint32(kMaxMembers);
  row.stale = stale;
  const std::uint8_t flags = reader->byte();
  if (!reader->ok()) return;
  const auto found = groups_.find(row.group);
  const bool known = found != groups_.end() && found->second.members() == row.members;
  if ((flags & kAllSet) == 0 && row.members / 8 > reader->remaining()) reader->fail();
  if (!known && row.members / 8 > reader->remaining()) reader->fail();
  if (!reader->ok()) return;
  GroupState lost;
  if (!known) lost.reset(row.members);
  GroupState& group = known ? found->second : lost;
  group.time_ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(group.time_ms) + time_delta);
  row.time_ms = group.time_ms;
  row.set_at = batch->set.size();
  row.values_at = batch->values.size();
  const std::size_t first_sample = batch->samples.size();
  read_cells(row, flags, &group, reader, batch);
  if (!known || !reader->ok()) {
    lost_rows_ += known ? 0 : 1;
    batch->set.resize(row.set_at);
    batch->values.resize(row.values_at);
    return;
  }
  if (group.shared) {
    add_op(Batch::OpKind::kSamples, first_sample, batch->samples.size() - first_sample, batch);
    return;
  }
  add_op(Batch::OpKind::kRow, batch->rows.size(), 1, batch);
  batch->rows.push_back(row);
}

// Samples of a shared group, and set and values of another.
void BatchCodec::read_cells(const Batch::Row& row, std::uint8_t flags, GroupState* group,
                            ByteReader* reader, Batch* batch) {
  const bool all_set = (flags & kAllSet) != 0;
  const Bitmap set = all_set ? Bitmap(0) : Bitmap(row.members, reader);
  const bool any_changed = !row.stale && (flags & kNoneChanged) == 0;
  const Bitmap changed = any_changed ? Bitmap(row.members, reader) : Bitmap(0);
  if (!group->shared) {
    batch->set.resize(row.set_at + (row.members + 63) / 64);
    if (!row.stale) batch->values.resize(row.values_at + row.members);
  }
  for (std::uint32_t i = 0; i < row.members; ++i) {
    if (!all_set && !set.has(i)) continue;
    if (!row.stale && any_changed && changed.has(i)) {
      Decimal base = group->base(i);
      const std::uint64_t bits = read_value(reader, &base);
      group->set(i, bits, base.exponent);
    }
    if (group->shared) {
      const std::uint64_t bits = row.stale ? model::kStaleNanBits : group->bits[i];
      batch->samples.push_back(
          {group->ids[i], row.time_ms, bits, row.group, i, Batch::Home::kShared});
      continue;
    }
    batch->mark_set(row, i);
    if (!row.stale) batch->values[row.values_at + i] = group->bits[i];
  }
}

}  // namespace tocsin::tsdb
