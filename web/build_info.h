// SPDX-License-Identifier: Apache-2.0
//
// What the program says of its version: /api/v1/status/buildinfo, /api/v2/status, *_build_info. A
// value.
//
// `version` is the Prometheus version whose behaviour is followed: clients switch features by it.
#pragma once

#include <string>

namespace tocsin::web {

struct BuildInfo {
  std::string version = "3.14.0";
  std::string revision = "unknown";
  std::string branch = "main";
  std::string build_user = "tocsin";
  std::string build_date = "unknown";
  std::string language = "c++20";  // where upstream says its Go version
  std::string tocsin_version = "0.1.0";
};

}  // namespace tocsin::web
