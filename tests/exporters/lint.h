// SPDX-License-Identifier: Apache-2.0
//
// own_complaints: what promtool's linter says about a page, without what it says about upstream's
// names (promtool_complaints.txt).
//
// Threads: confined.
#pragma once

#include <string>
#include <vector>

namespace tocsin::tests {

// Lines of `promtool check metrics`; also the one that says why a page cannot be read.
std::vector<std::string> own_complaints(const std::string& page);

// Lines of promtool_complaints.txt whose family is in none of upstream's tables
// (TOCSIN_CONFORMANCE_DIR), but for those with a prefix of the user's; none where there is no such
// data.
std::vector<std::string> complaints_not_upstreams();

}  // namespace tocsin::tests
