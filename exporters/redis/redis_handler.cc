// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/redis_handler.h"

#include <algorithm>

#include "base/escape.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "exporters/common/metrics_handler.h"
#include "exporters/common/page.h"
#include "exporters/common/version.h"
#include "exporters/common/web_config.h"
#include "exporters/redis/names.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds";
constexpr base::Duration kDefaultBudget{10'000};
constexpr std::uint64_t kMaxPasswordFile = 4 << 20;

base::Duration budget_of(const net::HttpRequest& request) {
  return scrape_budget(request.headers.get(kTimeoutHeader), kDefaultBudget);
}

// Takes as long for a wrong text as for the right one.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i] ^ other));
  }
  return difference == 0;
}

}  // namespace

StatusOr<std::unique_ptr<RedisHandler>> RedisHandler::make(const RedisOptions& options,
                                                           std::string telemetry_path,
                                                           const RedisScraper& scraper,
                                                           base::FileSystem& files) {
  std::unique_ptr<RedisHandler> handler(
      new RedisHandler(options, std::move(telemetry_path), scraper, files));
  for (const std::string& target : options.allowed_targets) {
    ASSIGN_OR_RETURN(model::Regex regex, model::Regex::anchored(target));
    handler->allowed_.push_back(std::move(regex));
  }
  RETURN_IF_ERROR(handler->load_passwords());
  return handler;
}

Status RedisHandler::load_passwords() {
  // As upstream, the file counts only without a password in the flags.
  auto passwords = std::make_shared<Passwords>();
  if (!options_.password_file.empty() && options_.password.empty()) {
    ASSIGN_OR_RETURN(const std::string text,
                     files_.read_file(options_.password_file, kMaxPasswordFile));
    StatusOr<Passwords> parsed = Passwords::parse(text);
    RETURN_IF_ERROR(annotate(parsed.status(), "{}", options_.password_file));
    *passwords = *std::move(parsed);
    base::log::info("loaded passwords", {{"entries", passwords->size()}});
  }
  *passwords_.lock() = std::move(passwords);
  return ok();
}

RedisScraper::Request RedisHandler::request_for(const RedisTarget& target, Secrets secrets) const {
  RedisScraper::Request request{.target = target,
                                .login = {.user = target.user,
                                          .password = target.password,
                                          .tls_server_name = options_.tls_server_name},
                                .keys = options_.chosen};
  RedisConnection::Login& login = request.login;
  if (login.user.empty()) login.user = options_.user;
  RedisTarget named = target;
  named.user = login.user;
  const std::shared_ptr<const Passwords> passwords = *passwords_.lock();
  if (login.password.empty()) login.password = passwords->find(named);
  if (login.password.empty() && secrets == Secrets::kSend) login.password = options_.password;
  // redis://secret@host: what is alone before the @ is a password, as redis-cli has it.
  if (login.password.empty() && !target.user.empty()) std::swap(login.password, login.user);
  return request;
}

bool RedisHandler::is_allowed(const RedisTarget& target) const {
  const std::string address = target.address();
  return std::any_of(allowed_.begin(), allowed_.end(),
                     [&](const model::Regex& regex) { return regex.matches(address); });
}

StatusOr<RedisScraper::Request> RedisHandler::chosen_scrape(const net::HttpRequest& request) const {
  const net::QueryParams& query = request.query;
  const std::string_view given = query.get("target");
  if (given.empty()) return invalid_argument("'target' parameter must be specified");
  StatusOr<RedisTarget> target = RedisTarget::parse(given);
  if (!target.ok()) {
    return invalid_argument("Invalid 'target' parameter, parse err: {} ", message(target.status()));
  }
  // A password in a URL is read by many; there are files for it.
  target->password.clear();
  if (!allowed_.empty() && !is_allowed(*target)) {
    return make_status(StatusCode::kPermissionDenied, "the target is not in -scrape.allow-target");
  }
  const StatusOr<RedisTarget> own = RedisTarget::parse(options_.address);
  const bool is_own = !options_.address.empty() && own.ok() && own->address() == target->address();
  RedisScraper::Request out =
      request_for(*target, !allowed_.empty() || is_own ? Secrets::kSend : Secrets::kKeep);
  const auto keys = [&query](std::string_view name, std::vector<KeyPattern>* patterns) -> Status {
    if (query.get(name).empty()) return ok();
    StatusOr<std::vector<KeyPattern>> parsed = parse_keys(query.get(name));
    RETURN_IF_ERROR(annotate(parsed.status(), "NewRedisExporter() error: couldn't parse {}", name));
    *patterns = *std::move(parsed);
    return ok();
  };
  RETURN_IF_ERROR(keys("check-keys", &out.keys.keys));
  RETURN_IF_ERROR(keys("check-single-keys", &out.keys.single_keys));
  RETURN_IF_ERROR(keys("check-streams", &out.keys.streams));
  RETURN_IF_ERROR(keys("check-single-streams", &out.keys.single_streams));
  RETURN_IF_ERROR(keys("count-keys", &out.keys.counted));
  for (const std::string_view name : {"tls-server-name", "tls_server_name"}) {
    if (!query.get(name).empty()) out.login.tls_server_name = query.get(name);
  }
  return out;
}

net::HttpResponse RedisHandler::page(const net::HttpRequest& request, RedisMetrics* metrics,
                                     const Totals& totals, About about) const {
  metrics->own("exporter_scrapes_total", base::MetricType::kCounter, totals.scrapes);
  metrics->own("target_scrape_request_errors_total", base::MetricType::kCounter,
               totals.bad_requests);
  std::vector<base::MetricFamily> families = metrics->take();
  const std::string prefix = options_.prefix + "_exporter_";
  families.push_back({prefix + "scrape_duration_seconds",
                      help_of("exporter_scrape_duration_seconds"),
                      base::MetricType::kSummary,
                      {{"_sum", {}, totals.seconds}, {"_count", {}, totals.scrapes}}});
  if (!options_.only_redis_metrics) {
    families.push_back({prefix + "build_info",
                        help_of("exporter_build_info"),
                        base::MetricType::kGauge,
                        {{"",
                          {{"build_date", "unknown"},
                           {"commit_sha", "unknown"},
                           {"golang_version", "c++20"},
                           {"version", std::string(version())}},
                          1}}});
    if (about == About::kExporter) base::collect_process_metrics(&families);
  }
  tidy_families(&families);
  return page_response(families, choose_format(request.headers.get("Accept")));
}

net::HttpResponse RedisHandler::serve_metrics(const net::HttpRequest& request) {
  RedisMetrics metrics({.prefix = options_.prefix, .with_role = options_.role_label});
  double seconds = 0;
  if (!options_.address.empty()) {
    const StatusOr<RedisTarget> target = RedisTarget::parse(options_.address);
    if (!target.ok()) return net::HttpResponse::text(500, message(target.status()));
    seconds = scraper_.scrape(request_for(*target, Secrets::kSend), budget_of(request), &metrics);
  }
  Totals totals;
  {
    const auto all = totals_.lock();
    all->scrapes += 1;
    all->seconds += seconds;
    totals = *all;
  }
  return page(request, &metrics, totals, About::kExporter);
}

net::HttpResponse RedisHandler::serve_scrape(const net::HttpRequest& request) {
  const StatusOr<RedisScraper::Request> chosen = chosen_scrape(request);
  if (!chosen.ok()) {
    totals_.lock()->bad_requests += 1;
    const bool is_forbidden = chosen.status().code() == StatusCode::kPermissionDenied;
    return net::HttpResponse::text(is_forbidden ? 403 : 400,
                                   fmt::format("{}\n", message(chosen.status())));
  }
  RedisMetrics metrics({.prefix = options_.prefix, .with_role = options_.role_label});
  const double seconds = scraper_.scrape(*chosen, budget_of(request), &metrics);
  return page(request, &metrics, {.scrapes = 1, .seconds = seconds}, About::kTarget);
}

net::HttpResponse RedisHandler::serve_nodes(const net::HttpRequest& request) {
  if (!options_.is_cluster) {
    return net::HttpResponse::text(400,
                                   "The discovery endpoint is only available on a redis cluster\n");
  }
  const StatusOr<RedisTarget> target = RedisTarget::parse(options_.address);
  if (!target.ok()) return net::HttpResponse::text(500, message(target.status()));
  const StatusOr<std::vector<std::string>> nodes =
      scraper_.cluster_nodes(request_for(*target, Secrets::kSend), budget_of(request));
  if (!nodes.ok()) {
    return net::HttpResponse::text(
        500, fmt::format("Failed to fetch cluster nodes: {}\n", message(nodes.status())));
  }
  std::string json;
  base::JsonWriter writer(&json);
  writer.begin_array().begin_object().key("targets").begin_array();
  for (const std::string& node : *nodes) {
    writer.string(fmt::format("{}://{}", target->tls ? "rediss" : "redis", node));
  }
  writer.end_array().key("labels").begin_object().end_object().end_object().end_array();
  return net::HttpResponse::json(200, std::move(json));
}

net::HttpResponse RedisHandler::reload() {
  if (options_.password_file.empty()) {
    return net::HttpResponse::text(400, "There is no pwd file specified\n");
  }
  const Status status = load_passwords();
  if (status.ok()) return net::HttpResponse::text(200, "ok");
  base::log::error("cannot reload passwords", {{"error", message(status)}});
  return net::HttpResponse::text(
      500, fmt::format("failed to reload passwords file: {}\n", message(status)));
}

net::HttpResponse RedisHandler::serve_landing_page() const {
  net::HttpResponse response;
  response.headers.set("Content-Type", "text/html; charset=UTF-8");
  response.body = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n"
      "<title>Redis Exporter</title>\n</head>\n<body>\n<h1>Redis Exporter</h1>\n"
      "<p>Tocsin's Redis Exporter, version {}</p>\n<ul>\n<li><a href=\"{}\">Metrics</a></li>\n"
      "</ul>\n</body>\n</html>\n",
      version(), base::markup_escaped(telemetry_path_));
  return response;
}

bool RedisHandler::is_authorized(const net::HttpRequest& request) const {
  const bool is_open = options_.basic_auth_user.empty() ||
                       (options_.basic_auth_password.empty() && options_.basic_auth_hash.empty());
  if (is_open) return true;
  const std::string_view header = request.headers.get("Authorization");
  constexpr std::string_view kBasic = "Basic ";
  if (!header.starts_with(kBasic)) return false;
  const StatusOr<std::string> pair = base::base64_decode(header.substr(kBasic.size()));
  const std::size_t colon = pair.ok() ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return false;
  const std::string password = pair->substr(colon + 1);
  const bool is_user =
      equal_in_constant_time(std::string_view(*pair).substr(0, colon), options_.basic_auth_user);
  const bool is_password = options_.basic_auth_hash.empty()
                               ? equal_in_constant_time(password, options_.basic_auth_password)
                               : check_bcrypt(password, options_.basic_auth_hash);
  return is_user && is_password;
}

net::Handler RedisHandler::routes() {
  auto router = std::make_shared<net::Router>();
  const auto add = [&](std::string_view methods, std::string_view path, net::Handler handler) {
    if (path == telemetry_path_) return;
    router->add(methods, path, std::move(handler));
  };
  router->add("GET,POST", telemetry_path_,
              [this](const net::HttpRequest& request) { return serve_metrics(request); });
  add("GET", "/", [this](const net::HttpRequest&) { return serve_landing_page(); });
  if (!options_.disable_scrape_endpoint) {
    add("GET,POST", "/scrape",
        [this](const net::HttpRequest& request) { return serve_scrape(request); });
  }
  add("GET", "/discover-cluster-nodes",
      [this](const net::HttpRequest& request) { return serve_nodes(request); });
  add("GET", "/health", [](const net::HttpRequest&) { return net::HttpResponse::text(200, "ok"); });
  add("GET,POST", "/-/reload", [this](const net::HttpRequest&) { return reload(); });
  return [this, router](const net::HttpRequest& request) {
    if (is_authorized(request)) return router->route(request);
    net::HttpResponse response = net::HttpResponse::text(401, "Unauthorized\n");
    response.headers.set("WWW-Authenticate", "Basic realm=\"redis-exporter, charset=UTF-8\"");
    return response;
  };
}

}  // namespace tocsin::exporters
