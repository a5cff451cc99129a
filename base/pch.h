// SPDX-License-Identifier: Apache-2.0
//
// The one precompiled header of the tree: the standard headers nearly every file needs, and status.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/core.h>

#include "base/status.h"
#include "base/string_map.h"
