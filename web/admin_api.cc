// SPDX-License-Identifier: Apache-2.0
#include "web/admin_api.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "model/labels.h"
#include "model/value.h"
#include "web/api/envelope.h"
#include "web/api/params.h"

namespace tocsin::web {

namespace {

using Answer = StatusOr<net::HttpResponse>;

net::HttpResponse no_content() {
  net::HttpResponse response;
  response.status = 204;
  return response;
}

// Whatever the store's reason, it is the server's error and not the request's.
Status internal_error(const Status& status, std::string_view what) {
  return what.empty() ? internal("{}", message(status)) : internal("{}: {}", what, message(status));
}

StatusOr<bool> bool_param(const net::QueryParams& params, std::string_view name) {
  const std::string_view text = params.get(name);
  if (text.empty()) return false;
  if (const std::optional<bool> value = model::parse_go_bool(text)) return *value;
  return bad_parameter(name, fmt::format("unable to parse boolean: strconv.ParseBool: parsing {}: "
                                         "invalid syntax",
                                         model::go_quote(text)));
}

Answer delete_series(storage::Admin& store, const net::QueryParams& params) {
  if (!params.has("match[]")) return invalid_argument("no match[] parameter provided");
  ASSIGN_OR_RETURN(const base::Timestamp start, time_param(params, "start", model::kMinTime));
  ASSIGN_OR_RETURN(const base::Timestamp end, time_param(params, "end", model::kMaxTime));
  ASSIGN_OR_RETURN(const std::vector<model::Matchers> matchers, match_params(params));
  if (Status deleted = store.delete_series(matchers, start, end); !deleted.ok()) {
    return internal_error(deleted, "");
  }
  return no_content();
}

Answer clean_tombstones(storage::Admin& store, const net::QueryParams&) {
  if (Status cleaned = store.clean_tombstones(); !cleaned.ok()) return internal_error(cleaned, "");
  return no_content();
}

Answer compact(storage::Admin& store, const net::QueryParams&) {
  if (Status done = store.compact(); !done.ok()) return internal_error(done, "");
  return no_content();
}

Answer snapshot(storage::Admin& store, const net::QueryParams& params) {
  ASSIGN_OR_RETURN(const bool skip_head, bool_param(params, "skip_head"));
  StatusOr<std::string> name = store.snapshot(skip_head);
  if (!name.ok()) return internal_error(name.status(), "create snapshot");
  return success(
      [&](base::JsonWriter& json) { json.begin_object().field("name", *name).end_object(); });
}

net::Handler admin(const AdminApiServices& services,
                   Answer (*handler)(storage::Admin&, const net::QueryParams&)) {
  return [&store = services.store, enabled = services.enabled,
          handler](const net::HttpRequest& request) {
    if (!enabled) return failure(unavailable("admin APIs disabled"));
    StatusOr<net::QueryParams> params = request.form();
    if (!params.ok()) return failure(annotate(params.status(), "error parsing form values"));
    Answer answer = handler(store, *params);
    return answer.ok() ? *std::move(answer) : failure(answer.status());
  };
}

}  // namespace

void add_admin_api(net::Router& router, const AdminApiServices& services) {
  router.add("POST,PUT", "/api/v1/admin/tsdb/delete_series", admin(services, delete_series));
  router.add("POST,PUT", "/api/v1/admin/tsdb/clean_tombstones", admin(services, clean_tombstones));
  router.add("POST,PUT", "/api/v1/admin/tsdb/snapshot", admin(services, snapshot));
  router.add("POST,PUT", "/api/x/admin/tsdb/compact", admin(services, compact));
}

}  // namespace tocsin::web
