// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/push/push_store.h"

#include "exporters/app/push/pushed_page.h"

namespace tocsin::exporters::app {
namespace {

std::size_t size_of(const std::vector<base::MetricFamily>& families) {
  std::size_t samples = 0;
  for (const base::MetricFamily& family : families) samples += family.samples.size();
  return samples;
}

}  // namespace

PushStore::Group* PushStore::find_or_add(const LabelPairs& labels) {
  const auto found = groups_.find(labels);
  if (found != groups_.end()) return &found->second;
  if (groups_.size() >= limits_.max_groups) return nullptr;
  return &groups_[labels];
}

void PushStore::add(Group* group, base::MetricFamily family) {
  for (const std::string& name : names_of_family(family.name, family.type)) {
    Claim& claim = claims_.try_emplace(name, Claim{family.name, family.type}).first->second;
    ++claim.groups;
  }
  series_ += family.samples.size();
  std::string name = family.name;
  group->families.emplace(std::move(name), std::move(family));
}

base::MetricFamily PushStore::take(Group* group, const std::string& name) {
  auto node = group->families.extract(name);
  base::MetricFamily family = std::move(node.mapped());
  series_ -= family.samples.size();
  for (const std::string& each : names_of_family(family.name, family.type)) {
    const auto claim = claims_.find(each);
    if (--claim->second.groups == 0) claims_.erase(claim);
  }
  return family;
}

Status PushStore::check_claims(const std::vector<base::MetricFamily>& families) const {
  for (const base::MetricFamily& family : families) {
    for (const std::string& name : names_of_family(family.name, family.type)) {
      const auto claim = claims_.find(name);
      if (claim == claims_.end()) continue;
      if (claim->second.family == family.name && claim->second.type == family.type) continue;
      return invalid_argument(
          "{} clashes with the family {} that was pushed before: it would have two types", name,
          claim->second.family);
    }
  }
  return ok();
}

Status PushStore::push(const LabelPairs& labels, Scope scope,
                       std::vector<base::MetricFamily> families, Now now) {
  expire(now.steady);
  const std::size_t samples = size_of(families);
  Group* group = find_or_add(labels);
  if (group == nullptr) {
    refused_ += static_cast<double>(samples);
    return resource_exhausted("there are {} groups already", limits_.max_groups);
  }
  std::vector<std::string> replaced;
  for (const auto& [name, family] : group->families) {
    if (scope == Scope::kGroup) replaced.push_back(name);
  }
  for (const base::MetricFamily& family : families) {
    if (scope == Scope::kFamilies && group->families.contains(family.name)) {
      replaced.push_back(family.name);
    }
  }
  std::vector<base::MetricFamily> before;
  for (const std::string& name : replaced) before.push_back(take(group, name));
  Status status = check_claims(families);
  if (status.ok() && series_ + samples > limits_.max_series) {
    refused_ += static_cast<double>(samples);
    status = resource_exhausted("there would be more than {} series", limits_.max_series);
  }
  for (base::MetricFamily& family : status.ok() ? families : before) {
    add(group, std::move(family));
  }
  if (!status.ok()) {
    fail(labels, now);
    return status;
  }
  group->pushed_at = base::to_seconds(now.wall);
  group->seen = now.steady;
  return ok();
}

void PushStore::fail(const LabelPairs& labels, Now now) {
  Group* group = find_or_add(labels);
  if (group == nullptr) return;
  group->failed_at = base::to_seconds(now.wall);
  // A group that has nothing but failures ends too.
  if (group->pushed_at == 0) group->seen = now.steady;
}

PushStore::Groups::iterator PushStore::erase(Groups::iterator it) {
  while (!it->second.families.empty()) {
    take(&it->second, std::string(it->second.families.begin()->first));
  }
  return groups_.erase(it);
}

void PushStore::remove(const LabelPairs& labels) {
  const auto found = groups_.find(labels);
  if (found != groups_.end()) erase(found);
}

void PushStore::expire(base::SteadyTime now) {
  if (limits_.ttl.count() == 0) return;
  for (auto it = groups_.begin(); it != groups_.end();) {
    it = now - it->second.seen > limits_.ttl ? erase(it) : std::next(it);
  }
}

void PushStore::append_to(Now now, std::vector<base::MetricFamily>* out) {
  expire(now.steady);
  for (const auto& [labels, group] : groups_) {
    for (const auto& [name, family] : group.families) out->push_back(family);
  }
  Families families(out);
  for (const auto& [labels, group] : groups_) {
    const LabelPairs shown = with_instance(labels);
    families.add({"push_time_seconds", "Last Unix time when the group was pushed with success."},
                 shown, group.pushed_at);
    families.add({"push_failure_time_seconds", "Last Unix time when a push to the group failed."},
                 shown, group.failed_at);
  }
}

}  // namespace tocsin::exporters::app
