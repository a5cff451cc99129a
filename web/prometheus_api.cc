// SPDX-License-Identifier: Apache-2.0
#include "web/prometheus_api.h"

#include <memory>
#include <set>
#include <utility>

#include "formats/api_json.h"
#include "model/timestamp.h"
#include "web/api/envelope.h"
#include "web/api/params.h"
#include "web/api/rules_json.h"
#include "web/api/targets_json.h"

namespace tocsin::web {

namespace {

constexpr std::string_view kTruncated = "results truncated due to limit";

// The handlers of /api/v1; one object shared by all routes.
class PrometheusApi {
 public:
  explicit PrometheusApi(PrometheusApiServices services) : services_(std::move(services)) {}

  StatusOr<net::HttpResponse> labels(const net::QueryParams& params) const;
  StatusOr<net::HttpResponse> label_values(const net::QueryParams& params,
                                           const std::string& name) const;
  StatusOr<net::HttpResponse> series(const net::QueryParams& params) const;
  StatusOr<net::HttpResponse> targets(const net::QueryParams& params) const;
  StatusOr<net::HttpResponse> rules(const net::QueryParams& params) const;
  net::HttpResponse alerts() const;
  net::HttpResponse build_info() const;
  net::HttpResponse flags() const;
  net::HttpResponse config() const;

 private:
  const PrometheusApiServices services_;
};

// The union over several selectors.
void merge(storage::LabelResult result, std::set<std::string>* values, bool* truncated) {
  *truncated = *truncated || result.truncated;
  for (std::string& value : result.values) values->insert(std::move(value));
}

net::HttpResponse respond_values(const std::set<std::string>& values, bool truncated,
                                 std::size_t limit) {
  Notices notices;
  if (truncated || (limit != 0 && values.size() > limit)) notices.warnings.emplace_back(kTruncated);
  return success(
      [&](base::JsonWriter& json) {
        json.begin_array();
        std::size_t written = 0;
        for (const std::string& value : values) {
          if (limit != 0 && written++ == limit) break;
          json.string(value);
        }
        json.end_array();
      },
      notices);
}

StatusOr<net::HttpResponse> PrometheusApi::labels(const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(LabelRequest request, label_request(params));
  if (request.matchers.empty()) request.matchers.emplace_back();
  std::set<std::string> names;
  bool truncated = false;
  for (const model::Matchers& matchers : request.matchers) {
    ASSIGN_OR_RETURN(storage::LabelResult result,
                     services_.queryable.label_names(matchers, request.hints, {}));
    merge(std::move(result), &names, &truncated);
  }
  return respond_values(names, truncated, request.hints.limit);
}

// "U__my_2e_name" is how a name that is not a legacy name travels in a path.
StatusOr<std::string> unescape_name(const std::string& name) {
  if (!name.starts_with("U__")) return name;
  std::string out;
  for (std::size_t i = 3; i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    if (i + 1 < name.size() && name[i + 1] == '_') {
      out += '_';
      ++i;
      continue;
    }
    const std::size_t end = name.find('_', i + 1);
    if (end == std::string::npos || end == i + 1 || end - i > 7) return name;
    std::uint32_t rune = 0;
    for (std::size_t k = i + 1; k < end; ++k) {
      const char c = name[k];
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) return name;
      rune = rune * 16 + static_cast<std::uint32_t>(digit ? c - '0' : c - 'a' + 10);
    }
    StatusOr<std::string> text = model::go_unquote(fmt::format("\"\\U{:08x}\"", rune));
    if (!text.ok()) return name;
    out += *text;
    i = end;
  }
  return out;
}

StatusOr<net::HttpResponse> PrometheusApi::label_values(const net::QueryParams& params,
                                                        const std::string& name) const {
  ASSIGN_OR_RETURN(std::string label, unescape_name(name));
  if (!model::is_label_name(label))
    return invalid_argument("invalid label name: {}", model::go_quote(label));
  ASSIGN_OR_RETURN(LabelRequest request, label_request(params));
  if (request.matchers.empty()) request.matchers.emplace_back();
  std::set<std::string> values;
  bool truncated = false;
  for (const model::Matchers& matchers : request.matchers) {
    ASSIGN_OR_RETURN(storage::LabelResult result,
                     services_.queryable.label_values(label, matchers, request.hints, {}));
    merge(std::move(result), &values, &truncated);
  }
  return respond_values(values, truncated, request.hints.limit);
}

StatusOr<net::HttpResponse> PrometheusApi::series(const net::QueryParams& params) const {
  if (!params.has("match[]")) return invalid_argument("no match[] parameter provided");
  ASSIGN_OR_RETURN(LabelRequest request, label_request(params));
  const std::size_t limit = std::exchange(request.hints.limit, 0);
  ASSIGN_OR_RETURN(std::vector<model::Labels> found,
                   services_.queryable.series(request.matchers, request.hints, {}));
  Notices notices;
  if (limit != 0 && found.size() > limit) {
    found.resize(limit);
    notices.warnings.emplace_back(kTruncated);
  }
  return success(
      [&found](base::JsonWriter& json) {
        json.begin_array();
        for (const model::Labels& labels : found) formats::write_labels(labels, &json);
        json.end_array();
      },
      notices);
}

StatusOr<net::HttpResponse> PrometheusApi::targets(const net::QueryParams& params) const {
  std::string state(params.get("state"));
  for (char& c : state) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const collector::TargetsSnapshot snapshot = services_.collector.targets();
  return success([&](base::JsonWriter& json) {
    write_targets(snapshot, state, params.get("scrapePool"), services_.external_url, json);
  });
}

StatusOr<net::HttpResponse> PrometheusApi::rules(const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(RuleFilter filter, RuleFilter::parse(params));
  Status status;
  net::HttpResponse response = success([&](base::JsonWriter& json) {
    status = write_rules(services_.rules.groups(), filter, json);
  });
  if (!status.ok()) return status;
  return response;
}

net::HttpResponse PrometheusApi::alerts() const {
  return success([this](base::JsonWriter& json) { write_alerts(services_.rules.groups(), json); });
}

net::HttpResponse PrometheusApi::build_info() const {
  const BuildInfo& build = services_.build;
  return success([&build](base::JsonWriter& json) {
    json.begin_object()
        .field("version", build.version)
        .field("revision", build.revision)
        .field("branch", build.branch)
        .field("buildUser", build.build_user)
        .field("buildDate", build.build_date)
        .field("goVersion", build.language)
        .end_object();
  });
}

net::HttpResponse PrometheusApi::flags() const {
  return success([this](base::JsonWriter& json) {
    json.begin_object();
    for (const auto& [name, value] : services_.flags) json.field(name, value);
    json.end_object();
  });
}

net::HttpResponse PrometheusApi::config() const {
  return success([this](base::JsonWriter& json) {
    json.begin_object().field("yaml", services_.config()).end_object();
  });
}

using Shared = std::shared_ptr<const PrometheusApi>;
using ParamHandler = StatusOr<net::HttpResponse> (PrometheusApi::*)(const net::QueryParams&) const;

net::Handler with_params(const Shared& api, ParamHandler handler) {
  return [api, handler](const net::HttpRequest& request) {
    StatusOr<net::QueryParams> params = request.form();
    if (!params.ok()) return failure(annotate(params.status(), "error parsing form values"));
    StatusOr<net::HttpResponse> response = ((*api).*handler)(*params);
    return response.ok() ? std::move(*response) : failure(response.status());
  };
}

}  // namespace

void add_prometheus_api(net::Router& router, const PrometheusApiServices& services) {
  const auto api = std::make_shared<const PrometheusApi>(services);
  router.add("GET,POST", "/api/v1/labels", with_params(api, &PrometheusApi::labels));
  router.add("GET,POST", "/api/v1/series", with_params(api, &PrometheusApi::series));
  // POST is more than upstream takes; Grafana tries it.
  router.add("GET,POST", "/api/v1/label/{name}/values", [api](const net::HttpRequest& request) {
    StatusOr<net::QueryParams> params = request.form();
    if (!params.ok()) return failure(params.status());
    StatusOr<net::HttpResponse> response = api->label_values(*params, request.path_values.at(0));
    return response.ok() ? std::move(*response) : failure(response.status());
  });
  router.add("GET", "/api/v1/targets", with_params(api, &PrometheusApi::targets));
  router.add("GET", "/api/v1/rules", with_params(api, &PrometheusApi::rules));
  router.add("GET", "/api/v1/alerts", [api](const net::HttpRequest&) { return api->alerts(); });
  router.add("GET", "/api/v1/status/buildinfo",
             [api](const net::HttpRequest&) { return api->build_info(); });
  router.add("GET", "/api/v1/status/flags",
             [api](const net::HttpRequest&) { return api->flags(); });
  router.add("GET", "/api/v1/status/config",
             [api](const net::HttpRequest&) { return api->config(); });
}

}  // namespace tocsin::web
