// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/route.h"

#include <algorithm>
#include <utility>

#include "notifier/matchers.h"

namespace tocsin::notifier {
namespace {

Route build(const RouteOptions& options, std::string key, std::size_t* next_index) {
  Route route;
  route.index = (*next_index)++;
  route.key = std::move(key);
  route.receiver = options.receiver;
  route.group_by = options.group_by;
  std::sort(route.group_by.begin(), route.group_by.end());
  route.group_by_all = options.group_by_all;
  route.matchers = options.matchers;
  route.continue_matching = options.continue_matching;
  route.group_wait = options.group_wait;
  route.group_interval = options.group_interval;
  route.repeat_interval = options.repeat_interval;
  for (const RouteOptions& child : options.routes) {
    route.children.push_back(
        build(child, route.key + "/" + print_matchers(child.matchers), next_index));
  }
  return route;
}

// Appends the routes of the sub-tree that take the alert; false when its top does not match.
bool collect(const Route& route, const model::Labels& labels, std::vector<const Route*>* out) {
  if (!model::matches_all(route.matchers, labels)) return false;
  const std::size_t before = out->size();
  for (const Route& child : route.children) {
    if (collect(child, labels, out) && !child.continue_matching) break;
  }
  if (out->size() == before) out->push_back(&route);
  return true;
}

void collect_receivers(const Route& route, std::vector<std::string>* out) {
  out->push_back(route.receiver);
  for (const Route& child : route.children) collect_receivers(child, out);
}

}  // namespace

model::Labels Route::group_labels(const model::Labels& labels) const {
  return group_by_all ? labels : labels.keep(group_by);
}

RouteTree::RouteTree(const RouteOptions& root) {
  std::size_t next_index = 0;
  root_ = build(root, print_matchers(root.matchers), &next_index);
}

std::vector<const Route*> RouteTree::match(const model::Labels& labels) const {
  std::vector<const Route*> routes;
  collect(root_, labels, &routes);
  return routes;
}

std::vector<std::string> RouteTree::receivers() const {
  std::vector<std::string> names;
  collect_receivers(root_, &names);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string group_key(const Route& route, const model::Labels& group_labels) {
  std::string key = route.key + ":{";
  bool first = true;
  for (const model::LabelView& label : group_labels) {
    if (!std::exchange(first, false)) key += ", ";
    key.append(label.name).append("=").append(model::go_quote(label.value));
  }
  return key + "}";
}

bool label_set_before(const model::Labels& a, const model::Labels& b) {
  const std::size_t a_size = a.size();
  const std::size_t b_size = b.size();
  if (a_size != b_size) return a_size < b_size;
  auto left = a.begin();
  auto right = b.begin();
  for (; left != a.end(); ++left, ++right) {
    // The set that lacks the smaller name comes first.
    if (left->name != right->name) return right->name < left->name;
    if (left->value != right->value) return left->value < right->value;
  }
  return false;
}

}  // namespace tocsin::notifier
