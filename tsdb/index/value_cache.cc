// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/value_cache.h"

#include <algorithm>
#include <utility>

namespace tocsin::tsdb {

std::string ValueCache::key(std::string_view name, std::string_view pattern) {
  std::string key = std::to_string(name.size());
  return key.append(":").append(name).append(pattern);
}

std::shared_ptr<const ValueMatches> ValueCache::find(const std::string& key) {
  const auto state = state_.lock();
  const auto it = state->entries.find(key);
  if (it == state->entries.end()) {
    ++state->stats.misses;
    return nullptr;
  }
  ++state->stats.hits;
  it->second.last_use = ++state->uses;
  return it->second.matches;
}

void ValueCache::put(const std::string& key, std::shared_ptr<const ValueMatches> matches) {
  const std::size_t bytes = bytes_of(key, *matches);
  if (bytes > kMaxBytes / 4) return;
  const auto state = state_.lock();
  Entry& entry = state->entries[key];
  if (entry.matches != nullptr) state->stats.bytes -= bytes_of(key, *entry.matches);
  entry = {std::move(matches), ++state->uses};
  state->stats.bytes += bytes;
  while (state->stats.bytes > kMaxBytes) {
    const auto oldest = std::min_element(
        state->entries.begin(), state->entries.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    state->stats.bytes -= bytes_of(oldest->first, *oldest->second.matches);
    state->entries.erase(oldest);
  }
}

ValueCache::Stats ValueCache::stats() const { return state_.lock()->stats; }

}  // namespace tocsin::tsdb
