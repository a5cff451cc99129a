// SPDX-License-Identifier: Apache-2.0
//
// SeriesRows: the label sets of some series with what they share said once, as the index hands them
// to the store and takes them back. A value.
//
// Errors: none; who fills one keeps every number within its table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/labels.h"
#include "storage/types.h"

namespace tocsin::tsdb {

struct NamedSeries {
  storage::SeriesId id;
  model::Labels labels;
};

struct SeriesRows {
  struct Row {
    std::uint32_t id = 0;
    std::uint32_t tag = 0;     // hash of the labels, see series_tag()
    std::uint32_t target = 0;  // the series' labels are those of these two sets
    std::uint32_t metric = 0;
  };

  std::string text;                      // of all pairs, each as in model::Labels
  std::vector<std::uint32_t> pair_ends;  // in text
  std::vector<std::uint32_t> members;    // of all sets: pairs, each set in order of name
  std::vector<std::uint32_t> set_ends;   // in members
  std::vector<Row> rows;                 // ascending by id

  std::string_view pair(std::size_t i) const {
    const std::uint32_t begin = i == 0 ? 0 : pair_ends[i - 1];
    return std::string_view(text).substr(begin, pair_ends[i] - begin);
  }
  std::span<const std::uint32_t> set(std::size_t i) const {
    const std::uint32_t begin = i == 0 ? 0 : set_ends[i - 1];
    return std::span(members).subspan(begin, set_ends[i] - begin);
  }
  std::size_t memory_bytes() const {
    return sizeof(*this) + text.capacity() + rows.capacity() * sizeof(Row) +
           (pair_ends.capacity() + members.capacity() + set_ends.capacity()) *
               sizeof(std::uint32_t);
  }
};

// 32 bits of the hash of encoded labels (model::Labels::encoded). Stored: it never changes.
std::uint32_t series_tag(std::string_view encoded);
// Appends the encoding of the labels that are in two sets of encoded pairs, for
// model::Labels::from_encoded().
void merge_labels(const SeriesRows& rows, const SeriesRows::Row& row, std::string* out);

}  // namespace tocsin::tsdb
