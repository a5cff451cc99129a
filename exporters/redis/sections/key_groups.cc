// SPDX-License-Identifier: Apache-2.0
//
// Keys grouped by Lua patterns: a script on the server looks at some keys at a time and answers
// with a line for each group, so that the keys themselves do not travel.
#include <algorithm>

#include "base/log.h"
#include "base/string_map.h"
#include "exporters/redis/sections/sections.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxGroups = 10'000;  // known by name at once
constexpr std::string_view kOverflow = "overflow";

// ARGV: cursor, keys to look at, patterns. The first pattern that matches names the group: what its
// parentheses match.
constexpr std::string_view kScript = R"(
local page = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2])
local totals, names = {}, {}
for _, key in ipairs(page[2]) do
  local name = 'unclassified'
  for i = 3, #ARGV do
    local found = {key:find(ARGV[i])}
    if found[1] then
      name = table.concat(found, '', 3)
      break
    end
  end
  local bytes = redis.pcall('MEMORY', 'USAGE', key)
  if type(bytes) ~= 'number' then bytes = 0 end
  local total = totals[name]
  if not total then
    total = {0, 0}
    totals[name] = total
    names[#names + 1] = name
  end
  total[1] = total[1] + 1
  total[2] = total[2] + bytes
end
local answer = {page[1]}
for _, name in ipairs(names) do
  answer[#answer + 1] = {name, totals[name][1], totals[name][2]}
end
return answer
)";

struct Group {
  double count = 0, bytes = 0;
};

// The parts between commas; a part in double quotes may hold commas. Blanks around are dropped.
std::vector<std::string> split_patterns(std::string_view text) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back().push_back(c);
    }
  }
  for (std::string& one : out) {
    one.erase(0, std::min(one.find_first_not_of(' '), one.size()));
    one.erase(one.find_last_not_of(' ') + 1);
  }
  std::erase(out, "");
  return out;
}

Status gather(const Section& section, const std::vector<std::string>& patterns,
              StringMap<Group>* groups) {
  const std::string batch = fmt::format("{}", section.options.scan_batch);
  std::string cursor = "0";
  do {
    KeyConnection::Command words = {"EVAL", kScript, "0", cursor, batch};
    words.insert(words.end(), patterns.begin(), patterns.end());
    ASSIGN_OR_RETURN(const RespValue reply, section.keys.call(words));
    if (reply.items.empty()) return data_loss("invalid response from the script");
    for (std::size_t i = 1; i < reply.items.size(); ++i) {
      const std::vector<RespValue>& line = reply.items[i].items;
      if (line.size() != 3) return data_loss("invalid response from the script");
      const std::string_view name = line[0].as_text();
      const bool has_room = groups->size() < kMaxGroups || groups->contains(std::string(name));
      Group& group = (*groups)[std::string(has_room ? name : kOverflow)];
      group.count += line[1].as_number().value_or(0);
      group.bytes += line[2].as_number().value_or(0);
    }
    cursor = reply.items[0].as_text();
  } while (cursor != "0" && !cursor.empty());
  return ok();
}

void show(const StringMap<Group>& groups, std::size_t limit, std::string_view database,
          RedisMetrics* out) {
  std::vector<std::pair<std::string, Group>> sorted(groups.begin(), groups.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.bytes != b.second.bytes ? a.second.bytes > b.second.bytes : a.first < b.first;
  });
  const auto show_one = [&](std::string_view name, const Group& group) {
    const Labels labels = {{"db", database}, {"key_group", name}};
    out->gauge("key_group_count", group.count, labels);
    out->gauge("key_group_memory_usage_bytes", group.bytes, labels);
  };
  Group rest;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i < limit) {
      show_one(sorted[i].first, sorted[i].second);
    } else {
      rest.count += sorted[i].second.count;
      rest.bytes += sorted[i].second.bytes;
    }
  }
  if (sorted.size() > limit) show_one(kOverflow, rest);
  out->gauge("number_of_distinct_key_groups", static_cast<double>(sorted.size()),
             {{"db", database}});
}

}  // namespace

Status show_key_groups(const Section& section, std::size_t databases) {
  const std::vector<std::string> patterns = split_patterns(section.options.key_groups);
  const base::SteadyTime start = section.clock.steady_now();
  for (std::size_t i = 0; !patterns.empty() && i < databases; ++i) {
    const std::string number = fmt::format("{}", i);
    StringMap<Group> groups;
    Status status = section.keys.select(number);
    if (status.ok()) status = gather(section, patterns, &groups);
    RETURN_IF_ERROR(section.keys.breakage());
    if (!status.ok()) {
      base::log::warn("cannot group keys", {{"database", number}, {"error", message(status)}});
      continue;
    }
    show(groups, section.options.max_key_groups, "db" + number, &section.out);
  }
  const auto took = std::chrono::duration_cast<base::Duration>(section.clock.steady_now() - start);
  section.out.gauge("last_key_groups_scrape_duration_milliseconds",
                    static_cast<double>(took.count()));
  return ok();
}

}  // namespace tocsin::exporters
