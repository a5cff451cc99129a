// SPDX-License-Identifier: Apache-2.0
//
// Shows two lists of alerts as one JSON document, with what is only in one of them, or differs, in
// colours of the terminal: red for what is missing, green for what is too much.
//
// Pure.
#pragma once

#include <string>
#include <vector>

#include "app/ctl/rules/unit_test_file.h"

namespace tocsin::app {

// "" when nothing differs. An empty list counts as one alert without labels, as with promtool.
std::string diff_alerts(std::vector<ExpectedAlert> expected, std::vector<ExpectedAlert> got);

}  // namespace tocsin::app
