// SPDX-License-Identifier: Apache-2.0
//
// Sets of ids as the store keeps them: bytes are refused or are a set, ascending, that works and encodes to the
// same set. Input: two encoded sets, the first behind two bytes that are its length, the low one first.
#include "tsdb/index/postings.h"

#include <algorithm>

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::tsdb {
namespace {

std::vector<std::uint32_t> checked_ids(const Postings& set) {
  const std::vector<std::uint32_t> ids = set.ids();
  CHECK(ids.size() == set.count());
  for (std::size_t i = 1; i < ids.size(); ++i) CHECK(ids[i - 1] < ids[i]);
  if (!ids.empty()) CHECK(set.contains(ids.front()) && set.contains(ids.back()));
  return ids;
}

StatusOr<Postings> checked(std::string_view bytes) {
  // A copy of its own length, so that a read behind the end is seen.
  const std::vector<char> copy(bytes.begin(), bytes.end());
  ASSIGN_OR_RETURN(Postings set, Postings::decode({copy.data(), copy.size()}));
  const StatusOr<Postings> again = Postings::decode(set.encode());
  CHECK(again.ok() && checked_ids(*again) == checked_ids(set));
  CHECK(checked_ids(Postings::of(checked_ids(set))) == checked_ids(set));
  return set;
}

void check_together(const Postings& a, const Postings& b) {
  const std::vector<std::uint32_t> of_a = checked_ids(a);
  const std::vector<std::uint32_t> of_b = checked_ids(b);
  std::vector<std::uint32_t> expected;
  std::ranges::set_union(of_a, of_b, std::back_inserter(expected));
  Postings united = a.clone();
  united.unite(b);
  CHECK(checked_ids(united) == expected);
  expected.clear();
  std::ranges::set_intersection(of_a, of_b, std::back_inserter(expected));
  CHECK(checked_ids(Postings::intersection_of(a, b)) == expected);
  CHECK(a.intersects(b) == !expected.empty());
  expected.clear();
  std::ranges::set_difference(of_a, of_b, std::back_inserter(expected));
  Postings rest = a.clone();
  rest.subtract(b);
  CHECK(checked_ids(rest) == expected);
}

void fuzz(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const std::size_t size =
      static_cast<std::uint8_t>(bytes[0]) + std::size_t{256} * static_cast<std::uint8_t>(bytes[1]);
  bytes.remove_prefix(2);
  const StatusOr<Postings> first = checked(bytes.substr(0, size));
  const StatusOr<Postings> second = checked(bytes.substr(std::min(size, bytes.size())));
  if (first.ok() && second.ok()) check_together(*first, *second);
}

}  // namespace

TOCSIN_FUZZ_TARGET(postings, fuzz)

}  // namespace tocsin::tsdb
