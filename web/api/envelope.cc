// SPDX-License-Identifier: Apache-2.0
#include "web/api/envelope.h"

#include <utility>

namespace tocsin::web {

namespace {

constexpr std::size_t kMaxNotices = 10;

void write_notices(std::string_view key, const std::vector<std::string>& notices,
                   base::JsonWriter& json) {
  if (notices.empty()) return;
  json.key(key).begin_array();
  for (std::size_t i = 0; i < notices.size() && i < kMaxNotices; ++i) json.string(notices[i]);
  if (notices.size() > kMaxNotices) {
    json.string(fmt::format("{} more {} omitted", notices.size() - kMaxNotices, key));
  }
  json.end_array();
}

std::pair<std::string_view, int> error_type(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return {"bad_data", 400};
    case StatusCode::kFailedPrecondition:
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnimplemented:
      return {"execution", 422};
    case StatusCode::kDeadlineExceeded:
      return {"timeout", 503};
    case StatusCode::kCancelled:
      return {"canceled", 499};
    case StatusCode::kNotFound:
      return {"not_found", 404};
    case StatusCode::kUnavailable:
      return {"unavailable", 500};
    default:
      return {"internal", 500};
  }
}

}  // namespace

net::HttpResponse success(const std::function<void(base::JsonWriter&)>& write_data,
                          const Notices& notices) {
  std::string body;
  base::JsonWriter json(&body);
  json.begin_object().field("status", "success").key("data");
  write_data(json);
  write_notices("warnings", notices.warnings, json);
  write_notices("infos", notices.infos, json);
  json.end_object();
  return net::HttpResponse::json(200, std::move(body));
}

net::HttpResponse failure(const Status& status, const Notices& notices) {
  const auto [type, http] = error_type(status.code());
  std::string body;
  base::JsonWriter json(&body);
  json.begin_object()
      .field("status", "error")
      .field("errorType", type)
      .field("error", message(status));
  write_notices("warnings", notices.warnings, json);
  write_notices("infos", notices.infos, json);
  json.end_object();
  return net::HttpResponse::json(http, std::move(body));
}

Status bad_parameter(std::string_view name, std::string_view reason) {
  return invalid_argument("invalid parameter \"{}\": {}", name, reason);
}

}  // namespace tocsin::web
