// SPDX-License-Identifier: Apache-2.0
//
// Options of every kind of source, filled in by app/config, and make_source. Values.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "discovery/source.h"

namespace tocsin::discovery {

// static_configs: groups that never change.
struct StaticOptions {
  std::vector<TargetGroup> groups;
  friend bool operator==(const StaticOptions&, const StaticOptions&) = default;
};

// file_sd_configs: JSON or YAML files; the last part of a path may hold one "*".
struct FileOptions {
  std::vector<std::string> patterns;  // absolute
  base::Duration refresh_interval{300'000};
  friend bool operator==(const FileOptions&, const FileOptions&) = default;
};

using SourceOptions = std::variant<StaticOptions, FileOptions>;

std::unique_ptr<Source> make_source(const SourceOptions& options, const SourceServices& services);

}  // namespace tocsin::discovery
