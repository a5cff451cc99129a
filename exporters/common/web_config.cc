// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/web_config.h"

#include <crypt.h>

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/yaml.h"
#include "exporters/common/web_tls.h"
#include "model/timestamp.h"

namespace tocsin::exporters {
namespace {

constexpr std::uint64_t kMaxFile = 1 << 20;
constexpr std::size_t kBcryptLength = 60;

// Compared with the password of a user who is not there, so that the time does not tell.
constexpr const char* kNobody = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

Status check_header(const base::YamlNode& node, std::string_view name, std::string_view value) {
  const auto one_of = [&](std::initializer_list<std::string_view> allowed) -> Status {
    for (const std::string_view one : allowed) {
      if (one.size() == value.size() &&
          std::equal(one.begin(), one.end(), value.begin(),
                     [](char a, char b) { return a == std::tolower(b); })) {
        return ok();
      }
    }
    return node.error(fmt::format("invalid value for {}", name));
  };
  if (name == "X-Content-Type-Options") return one_of({"", "nosniff"});
  if (name == "X-Frame-Options") return one_of({"", "deny", "sameorigin"});
  if (name == "Strict-Transport-Security" || name == "X-XSS-Protection" ||
      name == "Content-Security-Policy") {
    const bool is_clean = value.find_first_of("\r\n") == std::string_view::npos;
    return is_clean ? ok() : node.error(fmt::format("invalid value for {}", name));
  }
  return node.error(fmt::format("HTTP header {:?} can not be configured", name));
}

Status read_http(const base::YamlNode& node, WebConfig* config) {
  base::YamlMapping mapping(node);
  // An offer to clients, which all speak HTTP/1.1 as well.
  mapping.boolean("http2", &config->http2);
  mapping.with("headers", [config](const base::YamlNode& headers) -> Status {
    for (const auto& [name, value] : headers.entries()) {
      ASSIGN_OR_RETURN(std::string text, value.as_string());
      RETURN_IF_ERROR(check_header(value, name, text));
      if (!text.empty()) config->headers.emplace_back(name, std::move(text));
    }
    return ok();
  });
  return mapping.finish();
}

Status read_users(const base::YamlNode& node, WebConfig* config) {
  for (const auto& [name, value] : node.entries()) {
    ASSIGN_OR_RETURN(std::string hash, value.as_string());
    const bool is_bcrypt = hash.size() == kBcryptLength && hash.starts_with("$2");
    if (!is_bcrypt) return value.error("not a bcrypt hash");
    config->users.emplace(name, std::move(hash));
  }
  return ok();
}

Status read_rate(const base::YamlNode& node, WebConfig* config) {
  base::YamlMapping mapping(node);
  std::string interval;
  mapping.string("interval", &interval);
  mapping.integer("burst", &config->rate_burst);
  if (!interval.empty() && interval != "0") {
    const StatusOr<base::Duration> parsed = model::parse_duration(interval);
    if (parsed.ok()) {
      config->rate_interval = *parsed;
    } else {
      mapping.fail("interval", message(parsed.status()));
    }
  }
  // Upstream's takes it and then answers nobody.
  if (config->rate_interval.count() > 0 && config->rate_burst < 1) {
    mapping.fail("burst", "expected at least 1");
  }
  return mapping.finish();
}

}  // namespace

StatusOr<WebConfig> WebConfig::parse(std::string_view text, std::string_view file) {
  ASSIGN_OR_RETURN(const base::YamlNode node, base::parse_yaml(text, file));
  WebConfig config;
  base::YamlMapping mapping(node);
  mapping.with("tls_server_config", [&](const base::YamlNode& tls) -> Status {
    ASSIGN_OR_RETURN(config.tls, read_tls(tls, file.substr(0, file.rfind('/') + 1)));
    return ok();
  });
  mapping.with("rate_limit",
               [&config](const base::YamlNode& rate) { return read_rate(rate, &config); });
  mapping.with("http_server_config",
               [&config](const base::YamlNode& http) { return read_http(http, &config); });
  mapping.with("basic_auth_users",
               [&config](const base::YamlNode& users) { return read_users(users, &config); });
  RETURN_IF_ERROR(mapping.finish());
  return config;
}

bool check_bcrypt(const std::string& password, const std::string& hash) {
  // crypt() stops at a zero byte, and bcrypt at 72 bytes.
  if (password.find('\0') != std::string::npos) return false;
  const auto data = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  return made != nullptr && made[0] != '*' && hash == made;
}

StatusOr<std::unique_ptr<WebGuard>> WebGuard::open(base::FileSystem& files, std::string path,
                                                   const base::Clock& clock) {
  std::unique_ptr<WebGuard> guard(new WebGuard(files, std::move(path), clock));
  ASSIGN_OR_RETURN(const auto config, guard->config());
  if (config->tls && config->http2) {
    base::log::warn("HTTP/2 is not offered: clients are served HTTP/1.1");
  }
  return guard;
}

StatusOr<net::TlsServerOptions> WebGuard::tls() {
  ASSIGN_OR_RETURN(const auto now, config());
  if (!now->tls) return failed_precondition("{}: tls_server_config is gone", path_);
  return *now->tls;
}

StatusOr<std::shared_ptr<const WebConfig>> WebGuard::config() {
  ASSIGN_OR_RETURN(std::string text, files_.read_file(path_, kMaxFile));
  {
    base::MutexLock lock(mutex_);
    if (config_ && text == text_) return config_;
  }
  ASSIGN_OR_RETURN(WebConfig parsed, WebConfig::parse(text, path_));
  auto shared = std::make_shared<const WebConfig>(std::move(parsed));
  base::MutexLock lock(mutex_);
  if (config_ && config_->tls.has_value() != shared->tls.has_value()) {
    base::log::warn("to turn TLS on or off takes a restart", {{"file", path_}});
  }
  text_ = std::move(text);
  config_ = shared;
  tokens_ = static_cast<double>(shared->rate_burst);
  tokens_at_ = clock_.steady_now();
  return shared;
}

bool WebGuard::take_token(const WebConfig& config) {
  if (config.rate_interval.count() <= 0) return true;
  const base::SteadyTime now = clock_.steady_now();
  base::MutexLock lock(mutex_);
  const double earned = std::chrono::duration<double>(now - tokens_at_) /
                        std::chrono::duration<double>(config.rate_interval);
  // Another thread may have read the clock later and come first.
  if (earned > 0) {
    tokens_ = std::min(tokens_ + earned, static_cast<double>(config.rate_burst));
    tokens_at_ = now;
  }
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

bool WebGuard::check_password(const std::string& password, const std::string& hash) {
  // With a secret seed, so that nobody can look for another password of the same digest.
  const base::Hash128 digest = base::hash128(hash + '\0' + password, seed_);
  const std::pair key(digest.high, digest.low);
  {
    base::MutexLock lock(mutex_);
    const auto it = checked_.find(key);
    if (it != checked_.end()) return it->second;
  }
  const bool matches = check_bcrypt(password, hash);
  base::MutexLock lock(mutex_);
  if (checked_.size() >= kMaxChecked) checked_.clear();
  checked_.emplace(key, matches);
  return matches;
}

bool WebGuard::is_allowed(const WebConfig& config, std::string_view authorization) {
  if (config.users.empty()) return true;
  constexpr std::string_view kBasic = "basic ";
  std::string scheme(authorization.substr(0, kBasic.size()));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (scheme != kBasic) return false;
  const StatusOr<std::string> pair = base::base64_decode(authorization.substr(kBasic.size()));
  const std::size_t colon = pair.ok() ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return false;
  const auto user = config.users.find(std::string_view(*pair).substr(0, colon));
  const std::string password = pair->substr(colon + 1);
  if (user == config.users.end()) {
    static_cast<void>(check_password(password, kNobody));
    return false;
  }
  return check_password(password, user->second);
}

net::HttpResponse WebGuard::serve(const net::Handler& inner, const net::HttpRequest& request) {
  const StatusOr<std::shared_ptr<const WebConfig>> config = this->config();
  if (!config.ok()) {
    if (!failing_.exchange(true)) {
      base::log::error("cannot read the web configuration",
                       {{"file", path_}, {"error", message(config.status())}});
    }
    return net::HttpResponse::text(500, "Internal Server Error\n");
  }
  failing_ = false;
  net::HttpResponse response;
  if (!take_token(**config)) {
    response = net::HttpResponse::text(429, "Too Many Requests\n");
  } else if (is_allowed(**config, request.headers.get("Authorization"))) {
    response = inner(request);
  } else {
    response = net::HttpResponse::text(401, "Unauthorized\n");
    response.headers.set("WWW-Authenticate", "Basic");
  }
  for (const auto& [name, value] : (*config)->headers) response.headers.set(name, value);
  return response;
}

}  // namespace tocsin::exporters
