// SPDX-License-Identifier: Apache-2.0
//
// Reading a page that was pushed: the text format 0.0.4, with the labels of its group put in.
//
// A pure function.
// Errors: kInvalidArgument that says why, for what is no page, has timestamps, a series twice, two
// types for a name, or a name that is ours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

// Each family once. Every sample has the labels of `group`, and `instance`, if only as "", so that a
// scraper which honours labels does not put itself there.
StatusOr<std::vector<base::MetricFamily>> read_pushed_page(std::string_view page,
                                                           const LabelPairs& group);

// The names that a family has on a page: its own, and those with suffixes.
std::vector<std::string> names_of_family(const std::string& name, base::MetricType type);

// The labels of the group, with `instance`.
LabelPairs with_instance(LabelPairs group);

}  // namespace tocsin::exporters::app
