// SPDX-License-Identifier: Apache-2.0
#include "promql/active_queries.h"

#include <algorithm>

#include "base/check.h"
#include "base/file_system.h"
#include "base/json.h"

namespace tocsin::promql {

namespace {

constexpr std::size_t kSlotBytes = 1000;
constexpr std::uint64_t kMaxFileBytes = 64 << 20;

std::string entry(std::string_view query, base::Timestamp started) {
  std::string text;
  base::JsonWriter json(&text);
  json.begin_object().field("query", query).key("timestamp_sec");
  json.integer(base::to_ms(started) / 1000).end_object();
  return text;
}

// The start of `text` of at most `size` bytes, without a part of a character at its end.
std::string_view cut(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
  return text.substr(0, size);
}

}  // namespace

std::string ActiveQueries::unfinished(const std::string& path) {
  StatusOr<std::string> text = base::real_file_system().read_file(path, kMaxFileBytes);
  if (!text.ok()) return {};
  std::erase(*text, '\0');
  if (text->size() <= 1) return {};
  text->back() = ']';
  return *std::move(text);
}

StatusOr<std::unique_ptr<ActiveQueries>> ActiveQueries::open(const std::string& path,
                                                             std::size_t slots) {
  CHECK(slots > 0);
  ASSIGN_OR_RETURN(auto file, base::MappedFile::create(path, 1 + slots * kSlotBytes));
  return std::unique_ptr<ActiveQueries>(new ActiveQueries(std::move(file), slots));
}

ActiveQueries::ActiveQueries(std::unique_ptr<base::MappedFile> file, std::size_t slots)
    : file_(std::move(file)) {
  file_->bytes()[0] = '[';
  for (std::size_t slot = slots; slot > 0; --slot) free_.push_back(slot - 1);
}

std::size_t ActiveQueries::add(std::string_view query, base::Timestamp started) {
  std::string_view part = cut(query, kSlotBytes);
  std::string text = entry(part, started);
  while (text.size() >= kSlotBytes) {  // escapes make some of it longer
    constexpr std::size_t kLongestEscape = 6;
    part = cut(part, part.size() - (text.size() - kSlotBytes + kLongestEscape) / kLongestEscape);
    text = entry(part, started);
  }
  base::MutexLock lock(mutex_);
  CHECK(!free_.empty());
  const std::size_t slot = free_.back();
  free_.pop_back();
  const std::span<char> place = file_->bytes().subspan(1 + slot * kSlotBytes, kSlotBytes);
  std::copy(text.begin(), text.end(), place.begin());
  place.back() = ',';
  return slot;
}

void ActiveQueries::remove(std::size_t slot) {
  base::MutexLock lock(mutex_);
  const std::span<char> place = file_->bytes().subspan(1 + slot * kSlotBytes, kSlotBytes);
  std::fill(place.begin(), place.end(), '\0');
  free_.push_back(slot);
}

}  // namespace tocsin::promql
