// SPDX-License-Identifier: Apache-2.0
//
// The envelope of /api/v1: {"status", "data", "errorType", "error", "warnings", "infos"}.
//
// Pure functions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "net/http.h"

namespace tocsin::web {

struct Notices {
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};

// `write_data` writes one complete JSON value.
net::HttpResponse success(const std::function<void(base::JsonWriter&)>& write_data,
                          const Notices& notices = {});
// The code of `status` decides errorType and HTTP status.
net::HttpResponse failure(const Status& status, const Notices& notices = {});
// 400 bad_data: invalid parameter "NAME": REASON
Status bad_parameter(std::string_view name, std::string_view reason);

}  // namespace tocsin::web
