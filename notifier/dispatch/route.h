// SPDX-License-Identifier: Apache-2.0
//
// RouteTree: which routes take an alert, what a group of it is called.
//
// Depth first, from left to right: a node must match; its children are tried in order and the first
// that takes the alert ends the search unless it says `continue`; a node none of whose children
// takes the alert takes it itself. An immutable value after build().
// Threads: shared.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/labels.h"
#include "notifier/options.h"

namespace tocsin::notifier {

struct Route {
  std::size_t index = 0;  // position in depth-first order; unique in the tree
  std::string key;        // {}/{a="b"}: as upstream prints it
  std::string receiver;
  std::vector<std::string> group_by;  // sorted
  bool group_by_all = false;
  model::Matchers matchers;
  bool continue_matching = false;
  base::Duration group_wait{}, group_interval{}, repeat_interval{};
  std::vector<Route> children;

  // The labels of `labels` that name the group.
  model::Labels group_labels(const model::Labels& labels) const;
};

class RouteTree {
 public:
  explicit RouteTree(const RouteOptions& root);

  // Never empty: the root matches everything. Valid as long as the tree.
  std::vector<const Route*> match(const model::Labels& labels) const;
  const Route& root() const { return root_; }
  // Names of the receivers that some route uses, sorted, once each.
  std::vector<std::string> receivers() const;

 private:
  Route root_;
};

// <route key>:{a="1", b="2"}. Byte-equal to upstream's: the notification log and incident keys of
// receivers depend on it.
std::string group_key(const Route& route, const model::Labels& group_labels);

// Upstream's order of label sets: fewer labels first, then by names and values.
bool label_set_before(const model::Labels& a, const model::Labels& b);

}  // namespace tocsin::notifier
