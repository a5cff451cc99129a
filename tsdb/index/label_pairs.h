// SPDX-License-Identifier: Apache-2.0
//
// LabelPairs: every name=value of the index once, as a dense 32-bit number, with its postings.
//
// The text of a pair is stored as in model::Labels (varint length, name, varint length, value), so
// that comparing with a label set is a memcmp and building one is a memcpy. A pair exists as long
// as it has a series; numbers of pairs and names that left are used again. Each name has the
// postings of all its series: each series has one value per name, so they are the disjoint union of
// those of its pairs.
// Owns: the texts; a view stays valid as long as a pin() from before is held.
// Threads: confined; const methods may run together.
// Errors: none; misuse is a programmer error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/string_map.h"
#include "model/labels.h"
#include "tsdb/index/id_table.h"
#include "tsdb/index/postings.h"
#include "tsdb/index/text_arena.h"

namespace tocsin::tsdb {

using PairId = std::uint32_t;
using NameId = std::uint32_t;
inline constexpr std::uint32_t kNone = IdTable::kNone;

// A label as bytes of model::Labels::encoded(); views into it.
struct PackedLabel {
  std::string_view bytes;
  std::string_view name;
  std::string_view value;
};
// Takes the labels of an encoding apart. REQUIRES: `encoded` is one of model::Labels.
void unpack(std::string_view encoded, std::vector<PackedLabel>* out);
std::string pack(std::string_view name, std::string_view value);

class LabelPairs {
 public:
  struct Name {
    std::string text;
    Postings series;
    std::vector<PairId> values;  // only appended to while `epoch` stays
    std::uint64_t epoch = 0;     // unique in the index; changes when values are removed or moved
    std::uint64_t removed = 0;   // values without series that sweep() has to remove
    bool target = false;  // most series have it: an attribute of what is watched, not of a metric
  };

  // Finds or adds the pair, without series yet: the caller adds one.
  PairId intern(const PackedLabel& label);
  PairId find(const PackedLabel& label) const;  // kNone when absent
  PairId find(std::string_view name, std::string_view value) const;
  NameId find_name(std::string_view name) const;

  // REQUIRES for all: the pair or name exists.
  std::string_view bytes(PairId pair) const { return {pairs_[pair].text, pairs_[pair].size}; }
  std::string_view value(PairId pair) const;
  NameId name_of(PairId pair) const { return pairs_[pair].name; }
  const Postings& series(PairId pair) const { return pairs_[pair].series; }
  const Name& name(NameId name) const { return *names_[name]; }
  // Names by number; null where there is none.
  const std::vector<std::unique_ptr<Name>>& names() const { return names_; }
  // Whether the number stands for a pair; used with numbers from before a change.
  bool exists(PairId pair) const { return pair < pairs_.size() && pairs_[pair].text != nullptr; }

  void add(PairId pair, std::uint32_t id) {
    pairs_[pair].series.add(id);
    names_[pairs_[pair].name]->series.add(id);
  }
  void add_many(PairId pair, std::span<const std::uint32_t> ids);
  void add_range(PairId pair, std::uint32_t first, std::uint32_t last);
  // The two halves of add_many(): `ids` ascending. REQUIRES: both get the same series in the end.
  void add_to_pair(PairId pair, std::span<const std::uint32_t> ids);
  void add_to_name(NameId name, std::span<const std::uint32_t> ids);
  // The two halves of taking series away: `ids` ascending. REQUIRES: both lose the same series.
  void remove_from_pair(PairId pair, std::span<const std::uint32_t> ids);
  void remove_from_name(NameId name, std::span<const std::uint32_t> ids);
  // Ends a number of removals: forgets pairs and names without series, gives memory back.
  void sweep();
  // Says again of each name whether it is a target's.
  void classify_names(std::uint64_t all_series);

  std::size_t count() const { return table_.size(); }
  std::shared_ptr<const void> pin() const { return texts_.pin(); }
  std::size_t memory_bytes() const;

 private:
  struct Pair {
    const char* text = nullptr;  // null: unused number
    std::uint32_t size = 0;
    NameId name = 0;
    Postings series;
  };

  NameId intern_name(std::string_view text);
  void drop_pair(PairId pair);
  void drop_name(NameId name);

  TextArena texts_;
  std::vector<Pair> pairs_;
  std::vector<PairId> free_pairs_;
  IdTable table_;  // by the text of a pair
  std::vector<std::unique_ptr<Name>> names_;
  std::vector<NameId> free_names_;
  StringMap<NameId> names_by_text_;
  std::vector<PairId> emptied_;  // without series since the last sweep; some may have some again
  std::uint64_t epoch_ = 0;
};

}  // namespace tocsin::tsdb
