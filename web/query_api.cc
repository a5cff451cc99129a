// SPDX-License-Identifier: Apache-2.0
#include "web/query_api.h"

#include <charconv>
#include <memory>
#include <utility>

#include "model/labels.h"
#include "promql/parser.h"
#include "web/api/envelope.h"
#include "web/api/params.h"
#include "web/api/query_json.h"

namespace tocsin::web {

namespace {

constexpr std::int64_t kMaxPointsPerSeries = 11'000;
constexpr std::string_view kTruncated = "results truncated due to limit";

using Answer = StatusOr<net::HttpResponse>;

// The handlers; one object shared by all routes.
class QueryApi {
 public:
  explicit QueryApi(const QueryApiServices& services) : services_(services) {}

  Answer query(const net::HttpRequest& request, const net::QueryParams& params) const;
  Answer query_range(const net::HttpRequest& request, const net::QueryParams& params) const;
  Answer format_query(const net::HttpRequest& request, const net::QueryParams& params) const;
  Answer explain(const net::HttpRequest& request, const net::QueryParams& params) const;
  Answer analyze(const net::HttpRequest& request, const net::QueryParams& params) const;
  Answer running(const net::HttpRequest& request, const net::QueryParams& params) const;
  Answer kill(const net::HttpRequest& request, const net::QueryParams& params) const;

 private:
  struct Span {
    base::Timestamp start, end;
    base::Duration step{0};  // 0: an instant query
  };
  static StatusOr<Span> range_params(const net::QueryParams& params);
  StatusOr<Span> span_params(const net::QueryParams& params) const;
  StatusOr<promql::QueryOptions> query_options(const net::QueryParams& params) const;
  Answer respond(promql::QueryResult result, std::size_t limit, std::string_view stats) const;

  const QueryApiServices services_;
};

// A parse error is the parameter's fault, everything else the evaluation's.
Status query_error(const Status& status) {
  if (status.code() != StatusCode::kInvalidArgument) return status;
  return bad_parameter("query", message(status));
}

promql::QueryOrigin origin_of(const net::HttpRequest& request) {
  promql::QueryOrigin origin;
  std::string_view ip = request.remote_address;
  ip = ip.substr(0, ip.rfind(':'));
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  origin.client_ip = ip;
  origin.method = request.method;
  origin.path = request.target.substr(0, request.target.find('?'));
  return origin;
}

StatusOr<promql::QueryOptions> QueryApi::query_options(const net::QueryParams& params) const {
  promql::QueryOptions options;
  ASSIGN_OR_RETURN(options.timeout, duration_param(params, "timeout", base::Duration(0)));
  StatusOr<base::Duration> lookback = duration_param(params, "lookback_delta", base::Duration(0));
  if (!lookback.ok()) {
    constexpr std::string_view kPrefix = "invalid parameter \"lookback_delta\": ";
    return invalid_argument("error parsing lookback delta duration: {}",
                            message(lookback.status()).substr(kPrefix.size()));
  }
  options.lookback = *lookback;
  options.stats_by_step = services_.stats_by_step && params.get("stats") == "all";
  return options;
}

Answer QueryApi::respond(promql::QueryResult result, std::size_t limit,
                         std::string_view stats) const {
  Notices notices{std::move(result.annotations.warnings), std::move(result.annotations.infos)};
  if (truncate(&result.value, limit)) notices.warnings.emplace_back(kTruncated);
  if (!stats.empty() && stats != "true" && stats != "all") {
    notices.warnings.push_back(
        fmt::format("value {} for parameter \"stats\" is deprecated and will be rejected in the "
                    "next major release, use \"true\" or \"all\"",
                    model::go_quote(stats)));
  }
  // The text stands beside the value while it is made, and alone until it has left.
  const std::uint64_t text_bytes = json_size(result.value);
  if (result.memory != nullptr) RETURN_IF_ERROR(result.memory->charge(text_bytes));
  net::HttpResponse response =
      success([&](base::JsonWriter& json) { write_result(result, !stats.empty(), json); }, notices);
  response.held = std::move(result.memory);
  return response;
}

Answer QueryApi::query(const net::HttpRequest& request, const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(std::size_t limit, limit_param(params));
  ASSIGN_OR_RETURN(base::Timestamp at, time_param(params, "time", services_.clock.now()));
  ASSIGN_OR_RETURN(promql::QueryOptions options, query_options(params));
  const promql::QueryOrigin origin = origin_of(request);
  options.origin = &origin;
  options.abandoned = request.client_gone.get();
  StatusOr<promql::QueryResult> result =
      services_.engine.instant(services_.queryable, params.get("query"), at, options);
  if (!result.ok()) return query_error(result.status());
  return respond(std::move(*result), limit, params.get("stats"));
}

StatusOr<QueryApi::Span> QueryApi::range_params(const net::QueryParams& params) {
  Span span;
  ASSIGN_OR_RETURN(span.start, time_param(params, "start", std::nullopt));
  ASSIGN_OR_RETURN(span.end, time_param(params, "end", std::nullopt));
  if (span.end < span.start) {
    return bad_parameter("end", "end timestamp must not be before start time");
  }
  ASSIGN_OR_RETURN(span.step, duration_param(params, "step", std::nullopt));
  if (span.step.count() <= 0) {
    return bad_parameter(
        "step",
        "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  if ((span.end - span.start) / span.step > kMaxPointsPerSeries) {
    return invalid_argument(
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
        "resolution "
        "(?step=XX)");
  }
  return span;
}

StatusOr<QueryApi::Span> QueryApi::span_params(const net::QueryParams& params) const {
  if (params.has("step")) return range_params(params);
  ASSIGN_OR_RETURN(const base::Timestamp at, time_param(params, "time", services_.clock.now()));
  return Span{at, at, base::Duration(0)};
}

Answer QueryApi::query_range(const net::HttpRequest& request,
                             const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(std::size_t limit, limit_param(params));
  ASSIGN_OR_RETURN(const Span span, range_params(params));
  ASSIGN_OR_RETURN(promql::QueryOptions options, query_options(params));
  const promql::QueryOrigin origin = origin_of(request);
  options.origin = &origin;
  options.abandoned = request.client_gone.get();
  StatusOr<promql::QueryResult> result = services_.engine.range(
      services_.queryable, params.get("query"), span.start, span.end, span.step, options);
  if (!result.ok()) return query_error(result.status());
  return respond(std::move(*result), limit, params.get("stats"));
}

Answer QueryApi::format_query(const net::HttpRequest&, const net::QueryParams& params) const {
  StatusOr<promql::ExprPtr> expr =
      promql::parse_expr(params.get("query"), services_.engine.options().parser);
  if (!expr.ok()) return query_error(expr.status());
  const std::string text = promql::pretty_print(**expr);
  return success([&](base::JsonWriter& json) { json.string(text); });
}

Answer QueryApi::explain(const net::HttpRequest&, const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(const Span span, span_params(params));
  StatusOr<std::string> plan =
      services_.engine.explain(params.get("query"), span.start, span.end, span.step);
  if (!plan.ok()) return query_error(plan.status());
  return success([&](base::JsonWriter& json) { json.raw(*plan); });
}

Answer QueryApi::analyze(const net::HttpRequest& request, const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(const Span span, span_params(params));
  ASSIGN_OR_RETURN(promql::QueryOptions options, query_options(params));
  const promql::QueryOrigin origin = origin_of(request);
  options.origin = &origin;
  options.abandoned = request.client_gone.get();
  options.analyze = true;
  const std::string_view text = params.get("query");
  const StatusOr<promql::QueryResult> result =
      span.step.count() == 0
          ? services_.engine.instant(services_.queryable, text, span.start, options)
          : services_.engine.range(services_.queryable, text, span.start, span.end, span.step,
                                   options);
  if (!result.ok()) return query_error(result.status());
  return success([&](base::JsonWriter& json) {
    json.begin_object().key("analysis").raw(result->plan).key("stats");
    write_stats(result->stats, json);
    json.key("peakBytes").integer(static_cast<std::int64_t>(result->stats.peak_bytes));
    json.end_object();
  });
}

Answer QueryApi::running(const net::HttpRequest&, const net::QueryParams&) const {
  const std::vector<promql::Engine::Running> queries = services_.engine.running();
  const base::Timestamp now = services_.clock.now();
  return success([&](base::JsonWriter& json) {
    json.begin_array();
    for (const promql::Engine::Running& query : queries) write_running(query, now, json);
    json.end_array();
  });
}

Answer QueryApi::kill(const net::HttpRequest& request, const net::QueryParams&) const {
  if (!services_.admin) return unavailable("admin APIs disabled");
  const std::string& text = request.path_values.at(0);
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid_argument("invalid query id: {}", model::go_quote(text));
  }
  if (!services_.engine.kill(id)) return not_found("no query with id {} is running", id);
  net::HttpResponse response;
  response.status = 204;
  return response;
}

}  // namespace

void add_query_api(net::Router& router, const QueryApiServices& services) {
  using Handler = Answer (QueryApi::*)(const net::HttpRequest&, const net::QueryParams&) const;
  const auto api = std::make_shared<const QueryApi>(services);
  const auto add = [&](std::string_view methods, const std::string& path, Handler handler) {
    router.add(methods, path, [api, handler](const net::HttpRequest& request) {
      StatusOr<net::QueryParams> params = request.form();
      if (!params.ok()) return failure(annotate(params.status(), "error parsing form values"));
      Answer answer = ((*api).*handler)(request, *params);
      return answer.ok() ? *std::move(answer) : failure(answer.status());
    });
  };
  add("GET,POST", "/api/v1/query", &QueryApi::query);
  add("GET,POST", "/api/v1/query_range", &QueryApi::query_range);
  add("GET,POST", "/api/v1/format_query", &QueryApi::format_query);
  add("GET,POST", "/api/x/query_explain", &QueryApi::explain);
  add("GET,POST", "/api/x/query_analyze", &QueryApi::analyze);
  add("GET", "/api/x/queries", &QueryApi::running);
  add("DELETE", "/api/x/queries/{id}", &QueryApi::kill);
}

}  // namespace tocsin::web
