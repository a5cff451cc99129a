// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/label_pairs.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace tocsin::tsdb {
namespace {

// Reads trusted bytes: model::Labels wrote them.
const char* read_field(const char* p, std::string_view* field) {
  std::size_t length = 0;
  for (unsigned shift = 0;; shift += 7) {
    const std::size_t byte = static_cast<unsigned char>(*p++);
    length |= (byte & 0x7fU) << shift;
    if (byte < 0x80) break;
  }
  *field = {p, length};
  return p + length;
}

void append_field(std::string_view field, std::string* out) {
  std::size_t length = field.size();
  for (; length >= 0x80; length >>= 7U) out->push_back(static_cast<char>(length | 0x80U));
  out->push_back(static_cast<char>(length));
  out->append(field);
}

}  // namespace

void unpack(std::string_view encoded, std::vector<PackedLabel>* out) {
  out->clear();
  const char* p = encoded.data();
  const char* const end = p + encoded.size();
  while (p != end) {
    PackedLabel label;
    const char* const next = read_field(read_field(p, &label.name), &label.value);
    label.bytes = {p, static_cast<std::size_t>(next - p)};
    out->push_back(label);
    p = next;
  }
}

std::string pack(std::string_view name, std::string_view value) {
  std::string out;
  append_field(name, &out);
  append_field(value, &out);
  return out;
}

std::string_view LabelPairs::value(PairId pair) const {
  std::string_view name;
  std::string_view value;
  read_field(read_field(pairs_[pair].text, &name), &value);
  return value;
}

PairId LabelPairs::find(const PackedLabel& label) const {
  return table_.find(base::xxhash64(label.bytes),
                     [&](PairId pair) { return bytes(pair) == label.bytes; });
}

PairId LabelPairs::find(std::string_view name, std::string_view value) const {
  const std::string bytes = pack(name, value);
  return find(PackedLabel{bytes, name, value});
}

NameId LabelPairs::find_name(std::string_view name) const {
  const auto it = names_by_text_.find(name);
  return it == names_by_text_.end() ? kNone : it->second;
}

NameId LabelPairs::intern_name(std::string_view text) {
  if (const auto it = names_by_text_.find(text); it != names_by_text_.end()) return it->second;
  NameId id = 0;
  if (free_names_.empty()) {
    id = static_cast<NameId>(names_.size());
    CHECK(id != kNone);
    names_.emplace_back();
  } else {
    id = free_names_.back();
    free_names_.pop_back();
  }
  names_[id] = std::make_unique<Name>();
  names_[id]->text = text;
  names_[id]->epoch = ++epoch_;
  names_by_text_.emplace(text, id);
  return id;
}

PairId LabelPairs::intern(const PackedLabel& label) {
  const std::uint64_t hash = base::xxhash64(label.bytes);
  const PairId known = table_.find(hash, [&](PairId pair) { return bytes(pair) == label.bytes; });
  if (known != kNone) return known;
  PairId id = 0;
  if (free_pairs_.empty()) {
    id = static_cast<PairId>(pairs_.size());
    CHECK(id != kNone);
    // By a quarter, not twofold: most of the memory of a store with few series for each pair.
    if (id == pairs_.capacity()) pairs_.reserve(pairs_.size() + pairs_.size() / 4 + 64);
    pairs_.emplace_back();
  } else {
    id = free_pairs_.back();
    free_pairs_.pop_back();
  }
  Pair& pair = pairs_[id];
  pair.text = texts_.put(label.bytes, id);
  pair.size = static_cast<std::uint32_t>(label.bytes.size());
  pair.name = intern_name(label.name);
  names_[pair.name]->values.push_back(id);
  table_.insert(hash, id);
  return id;
}

namespace {

// `ids` ascend.
void add_ascending(std::span<const std::uint32_t> ids, Postings* series) {
  const bool contiguous = ids.size() > 16 && ids.back() - ids.front() == ids.size() - 1;
  contiguous ? series->add_range(ids.front(), ids.back()) : series->add_many(ids);
}

}  // namespace

void LabelPairs::add_to_pair(PairId pair, std::span<const std::uint32_t> ids) {
  add_ascending(ids, &pairs_[pair].series);
}

void LabelPairs::add_to_name(NameId name, std::span<const std::uint32_t> ids) {
  add_ascending(ids, &names_[name]->series);
}

void LabelPairs::add_many(PairId pair, std::span<const std::uint32_t> ids) {
  pairs_[pair].series.add_many(ids);
  names_[pairs_[pair].name]->series.add_many(ids);
}

void LabelPairs::add_range(PairId pair, std::uint32_t first, std::uint32_t last) {
  pairs_[pair].series.add_range(first, last);
  names_[pairs_[pair].name]->series.add_range(first, last);
}

namespace {

void remove_known(std::span<const std::uint32_t> ids, Postings* series) {
  const std::uint64_t before = series->count();
  series->remove_many(ids);
  CHECK(series->count() + ids.size() == before);
}

}  // namespace

void LabelPairs::remove_from_pair(PairId pair, std::span<const std::uint32_t> ids) {
  remove_known(ids, &pairs_[pair].series);
  if (pairs_[pair].series.empty()) emptied_.push_back(pair);
}

void LabelPairs::remove_from_name(NameId name, std::span<const std::uint32_t> ids) {
  remove_known(ids, &names_[name]->series);
}

void LabelPairs::drop_pair(PairId id) {
  Pair& pair = pairs_[id];
  ++names_[pair.name]->removed;
  table_.erase(base::xxhash64(bytes(id)), [&](PairId other) { return other == id; });
  texts_.release(pair.text, pair.size);
  pair = Pair();
  free_pairs_.push_back(id);
}

void LabelPairs::drop_name(NameId id) {
  names_by_text_.erase(names_by_text_.find(names_[id]->text));
  names_[id].reset();
  free_names_.push_back(id);
}

void LabelPairs::sweep() {
  for (const PairId pair : emptied_) {
    if (exists(pair) && pairs_[pair].series.empty()) drop_pair(pair);
  }
  emptied_.clear();
  for (NameId id = 0; id < names_.size(); ++id) {
    if (names_[id] == nullptr || names_[id]->removed == 0) continue;
    Name& name = *names_[id];
    std::erase_if(name.values, [&](PairId pair) { return !exists(pair); });
    name.removed = 0;
    name.epoch = ++epoch_;
    if (name.values.empty()) drop_name(id);
  }
  texts_.sweep([&](PairId pair) { return exists(pair) ? bytes(pair) : std::string_view(); },
               [&](PairId pair, const char* text) {
                 pairs_[pair].text = text;
                 names_[pairs_[pair].name]->epoch = ++epoch_;
               });
}

// A name moves between the kinds at different shares, so that it does not change with every series.
void LabelPairs::classify_names(std::uint64_t all_series) {
  for (const std::unique_ptr<Name>& name : names_) {
    if (name == nullptr || name->text == model::kMetricName) continue;
    const std::uint64_t needed = name->target ? all_series / 3 : all_series / 2;
    name->target = name->series.count() > needed;
  }
}

std::size_t LabelPairs::memory_bytes() const {
  std::size_t total = texts_.memory_bytes() + pairs_.capacity() * sizeof(Pair) +
                      table_.memory_bytes() + names_.capacity() * sizeof(names_[0]);
  for (const Pair& pair : pairs_) total += pair.series.memory_bytes();
  for (const std::unique_ptr<Name>& name : names_) {
    if (name == nullptr) continue;
    total += sizeof(Name) + 2 * name->text.size() + name->series.memory_bytes() +
             name->values.capacity() * sizeof(PairId);
  }
  return total;
}

}  // namespace tocsin::tsdb
