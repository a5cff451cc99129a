// SPDX-License-Identifier: Apache-2.0
#include "web/series_api.h"

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "formats/api_json.h"
#include "web/api/envelope.h"
#include "web/api/params.h"

namespace tocsin::web {

namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

// A limit of the metadata pages, which have a text of their own; none when it is absent or negative.
StatusOr<std::size_t> metadata_limit(const net::QueryParams& params, std::string_view name) {
  if (params.get(name).empty()) return kUnlimited;
  const StatusOr<std::int64_t> value = integer_param(params, name);
  if (!value.ok()) return invalid_argument("{} must be a number", name);
  return *value < 0 ? kUnlimited : static_cast<std::size_t>(*value);
}

// What TYPE lines call the metric of a series: that of x_bucket, x_sum and x_count is x.
std::string_view family_name(std::string_view series, model::MetricKind kind) {
  using enum model::MetricKind;
  if (kind != kHistogram && kind != kGaugeHistogram && kind != kSummary) return series;
  for (const std::string_view suffix : {"_bucket", "_sum", "_count", "_gsum", "_gcount"}) {
    if (series.ends_with(suffix)) return series.substr(0, series.size() - suffix.size());
  }
  return series;
}

struct Less {
  bool operator()(const model::Metadata& a, const model::Metadata& b) const {
    return std::tie(a.kind, a.help, a.unit) < std::tie(b.kind, b.help, b.unit);
  }
};
using ByMetric = std::map<std::string, std::set<model::Metadata, Less>>;

void write_kind(const model::Metadata& metadata, base::JsonWriter& json) {
  json.field("type", model::kind_text(metadata.kind));
}

void find_selectors(const promql::Expr& expr, std::vector<model::Matchers>* out) {
  if (const auto* selector = expr.as<promql::VectorSelector>()) out->push_back(selector->matchers);
  for (const promql::Expr* child : expr.children()) find_selectors(*child, out);
}

// The handlers; one object shared by all routes.
class SeriesApi {
 public:
  explicit SeriesApi(const SeriesApiServices& services) : services_(services) {}

  StatusOr<net::HttpResponse> exemplars(const net::QueryParams& params) const;
  StatusOr<net::HttpResponse> metadata(const net::QueryParams& params) const;
  StatusOr<net::HttpResponse> target_metadata(const net::QueryParams& params) const;

 private:
  Status add_stored(std::string_view metric, ByMetric* found) const;

  const SeriesApiServices services_;
};

StatusOr<net::HttpResponse> SeriesApi::exemplars(const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(const base::Timestamp start, time_param(params, "start", model::kMinTime));
  ASSIGN_OR_RETURN(const base::Timestamp end, time_param(params, "end", model::kMaxTime));
  if (end < start) return invalid_argument("end timestamp must not be before start timestamp");
  ASSIGN_OR_RETURN(const promql::ExprPtr expr,
                   promql::parse_expr(params.get("query"), services_.parser));
  std::vector<model::Matchers> selectors;
  find_selectors(*expr, &selectors);
  if (selectors.empty()) {
    net::HttpResponse nothing;
    nothing.status = 204;
    return nothing;
  }
  ASSIGN_OR_RETURN(const std::vector<storage::ExemplarSeries> found,
                   services_.exemplars.exemplars(selectors, start, end));
  return success([&found](base::JsonWriter& json) {
    json.begin_array();
    for (const storage::ExemplarSeries& series : found) {
      json.begin_object().key("seriesLabels");
      formats::write_labels(series.labels, &json);
      json.key("exemplars").begin_array();
      for (const model::Exemplar& exemplar : series.exemplars) {
        json.begin_object().key("labels");
        formats::write_labels(exemplar.labels, &json);
        json.key("value");
        formats::write_value(exemplar.value, &json);
        json.key("timestamp");
        formats::write_time(*exemplar.time, &json);
        json.end_object();
      }
      json.end_array().end_object();
    }
    json.end_array();
  });
}

// Adds what came with pushed series, which no target tells about.
Status SeriesApi::add_stored(std::string_view metric, ByMetric* found) const {
  if (metric.empty()) {
    ASSIGN_OR_RETURN(std::vector<model::MetricMetadata> stored,
                     services_.metadata.metric_metadata({}));
    for (model::MetricMetadata& m : stored) {
      const std::string name(family_name(m.metric, m.metadata.kind));
      (*found)[name].insert(std::move(m.metadata));
    }
    return ok();
  }
  constexpr std::array<std::string_view, 6> kSuffixes = {"",       "_bucket", "_sum",
                                                         "_count", "_gsum",   "_gcount"};
  for (const std::string_view suffix : kSuffixes) {
    const std::string series = fmt::format("{}{}", metric, suffix);
    ASSIGN_OR_RETURN(std::vector<model::MetricMetadata> stored,
                     services_.metadata.metric_metadata(series));
    for (model::MetricMetadata& m : stored) {
      if (family_name(series, m.metadata.kind) != metric) continue;
      (*found)[std::string(metric)].insert(std::move(m.metadata));
    }
  }
  return ok();
}

StatusOr<net::HttpResponse> SeriesApi::metadata(const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(const std::size_t limit, metadata_limit(params, "limit"));
  ASSIGN_OR_RETURN(std::size_t per_metric, metadata_limit(params, "limit_per_metric"));
  if (per_metric == 0) per_metric = kUnlimited;
  const std::string_view metric = params.get("metric");
  ByMetric found;
  for (collector::TargetMetadata& target : services_.collector.metadata({}, metric, kUnlimited)) {
    for (model::MetricMetadata& m : target.metrics) found[m.metric].insert(std::move(m.metadata));
  }
  RETURN_IF_ERROR(add_stored(metric, &found));
  return success([&](base::JsonWriter& json) {
    json.begin_object();
    std::size_t metrics = 0;
    for (const auto& [name, all] : found) {
      if (metrics++ == limit) break;
      json.key(name).begin_array();
      std::size_t written = 0;
      for (const model::Metadata& one : all) {
        if (written++ == per_metric) break;
        json.begin_object();
        write_kind(one, json);
        json.field("unit", one.unit).field("help", one.help).end_object();
      }
      json.end_array();
    }
    json.end_object();
  });
}

StatusOr<net::HttpResponse> SeriesApi::target_metadata(const net::QueryParams& params) const {
  ASSIGN_OR_RETURN(const std::size_t limit, metadata_limit(params, "limit"));
  model::Matchers matchers;
  if (const std::string_view text = params.get("match_target"); !text.empty()) {
    ASSIGN_OR_RETURN(matchers, promql::parse_metric_selector(text));
  }
  const std::string_view metric = params.get("metric");
  const std::vector<collector::TargetMetadata> found =
      services_.collector.metadata(matchers, metric, limit);
  return success([&](base::JsonWriter& json) {
    json.begin_array();
    for (const collector::TargetMetadata& target : found) {
      for (const model::MetricMetadata& m : target.metrics) {
        json.begin_object().key("target");
        formats::write_labels(target.labels, &json);
        if (metric.empty()) json.field("metric", m.metric);  // else the client knows it
        write_kind(m.metadata, json);
        json.field("help", m.metadata.help).field("unit", m.metadata.unit).end_object();
      }
    }
    json.end_array();
  });
}

using Handler = StatusOr<net::HttpResponse> (SeriesApi::*)(const net::QueryParams&) const;

}  // namespace

void add_series_api(net::Router& router, const SeriesApiServices& services) {
  const auto api = std::make_shared<const SeriesApi>(services);
  const auto add = [&](std::string_view methods, const std::string& path, Handler handler) {
    router.add(methods, path, [api, handler](const net::HttpRequest& request) {
      StatusOr<net::QueryParams> params = request.form();
      if (!params.ok()) return failure(annotate(params.status(), "error parsing form values"));
      StatusOr<net::HttpResponse> response = ((*api).*handler)(*params);
      return response.ok() ? std::move(*response) : failure(response.status());
    });
  };
  add("GET,POST", "/api/v1/query_exemplars", &SeriesApi::exemplars);
  add("GET", "/api/v1/metadata", &SeriesApi::metadata);
  add("GET", "/api/v1/targets/metadata", &SeriesApi::target_metadata);
}

}  // namespace tocsin::web
