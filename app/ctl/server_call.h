// SPDX-License-Identifier: Apache-2.0
//
// Questions to the API of a server, for the commands that ask one.
//
// Blocks the caller.
// Errors: kInvalidArgument for a question that cannot be sent and for what the server refuses,
// "TYPE: TEXT" as promtool says it; of the connection.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace tocsin::app {

struct ServerAddress {
  std::string url;                   // http:// is added
  std::vector<std::string> headers;  // KEY=VALUE
  std::string http_config_file;      // of an <http_config>; "": none
};
using Parameters = std::vector<std::pair<std::string, std::string>>;

// The "data" of an answer, null for one without content. `path` is below the server's URL:
// "/api/v1/query". POST sends the parameters as a form, other methods in the URL.
StatusOr<base::JsonValue> ask(const ServerAddress& server, std::string_view method,
                              std::string_view path, const Parameters& parameters);

// As text, escaped as Go does.
std::string json_text(const base::JsonValue& value);

}  // namespace tocsin::app
