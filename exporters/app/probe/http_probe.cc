// SPDX-License-Identifier: Apache-2.0
//
// The HTTP prober: one connection for each hop of a chain of redirects.
#include <algorithm>

#include "base/hash.h"
#include "exporters/app/probe/http_exchange.h"
#include "exporters/app/probe/probes.h"
#include "exporters/common/version.h"
#include "net/gunzip.h"

namespace tocsin::exporters::app {
namespace {

constexpr int kMaxRedirects = 10;
// Of a body that has to be kept, for expressions or because it is packed.
constexpr std::uint64_t kMaxKeptBody = 8 << 20;
constexpr std::uint64_t kMaxRequestBody = 8 << 20;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

class HttpProbe {
 public:
  HttpProbe(ProbeRun& run, const HttpModule& module, const ProbeTarget& target)
      : run_(run),
        module_(module),
        target_(target),
        phases_(run,
                {"probe_http_duration_seconds",
                 "Duration of http request by phase, summed over all redirects"},
                {"resolve", "connect", "tls", "processing", "transfer"}),
        method_(module.method) {}

  bool probe() {
    run_.set("probe_failed_due_to_regex", "Indicates if probe failed due to regex", 0);
    show();
    const bool success = follow();
    show();
    return success;
  }

 private:
  void show() {
    run_.set("probe_http_content_length", "Length of http content response",
             static_cast<double>(reply_.status == 0 ? 0 : reply_.content_length));
    run_.set("probe_http_uncompressed_body_length", "Length of uncompressed response body",
             static_cast<double>(body_bytes_));
    run_.set("probe_http_redirects", "The number of redirects", redirects_);
    run_.set("probe_http_ssl", "Indicates if SSL was used for the final redirect",
             is_tls_ && reply_.status != 0 ? 1 : 0);
    run_.set("probe_http_status_code", "Response HTTP status code", reply_.status);
    run_.set("probe_http_version", "Returns the version of HTTP of the probe response",
             reply_.status == 0              ? 0
             : reply_.protocol == "HTTP/1.0" ? 1.0
                                             : 1.1);
  }

  const std::string* host_header() const {
    if (!target_.hostname.empty()) return &target_.hostname;
    for (const auto& [name, value] : module_.headers) {
      if (same_word(name, "Host")) return &value;
    }
    return nullptr;
  }

  bool follow() {
    StatusOr<net::Url> url = parse_http_target(target_.target);
    if (!url.ok()) return run_.fail(fmt::format("bad target: {}", message(url.status())));
    first_host_ = url->host;
    if (!prepare()) return false;
    for (;;) {
      const Status asked = ask(*url);
      if (!asked.ok()) {
        reply_ = {};
        return run_.fail(fmt::format("HTTP request failed: {}", message(asked)));
      }
      run_.debug(fmt::format("response {} {}", reply_.protocol, reply_.status));
      if (!is_redirect(reply_.status)) return judge();
      const std::string location(reply_.headers.get("Location"));
      if (location.empty()) return judge();
      ++redirects_;
      run_.debug(fmt::format("redirect to {}", location));
      if (redirects_ > kMaxRedirects || !module_.follow_redirects) {
        run_.debug("the redirect is not followed");
        return judge_without_body();
      }
      url = resolve_reference(*url, location);
      if (!url.ok()) return run_.fail(fmt::format("bad Location: {}", message(url.status())));
      if ((url->scheme != "http" && url->scheme != "https") || url->host.empty()) {
        return run_.fail(fmt::format("unsupported protocol scheme {:?}", url->scheme));
      }
      if (!run_.may_visit(url->host, port_of(*url))) {
        return run_.fail("the redirect leads to a host that is not in probe_targets_allow");
      }
      change_method();
    }
  }

  // Reads what the request needs from files.
  bool prepare() {
    StatusOr<std::string> authorization = authorization_of(module_.login, run_.services().files);
    if (!authorization.ok()) {
      return run_.fail(fmt::format("cannot read credentials: {}", message(authorization.status())));
    }
    authorization_ = *std::move(authorization);
    body_ = module_.body;
    if (!module_.body_file.empty()) {
      StatusOr<std::string> text =
          run_.services().files.read_file(module_.body_file, kMaxRequestBody);
      if (!text.ok()) {
        return run_.fail(fmt::format("cannot read the body: {}", message(text.status())));
      }
      body_ = *std::move(text);
    }
    return true;
  }

  // As browsers and Go do it: only 307 and 308 ask the same thing again.
  void change_method() {
    if (reply_.status == 307 || reply_.status == 308) return;
    if (method_ != "HEAD") method_ = "GET";
    body_.clear();
  }

  Status ask(const net::Url& url) {
    exchange_.reset();
    stream_.reset();
    is_tls_ = url.scheme == "https";
    RETURN_IF_ERROR(connect(url));
    ASSIGN_OR_RETURN(const std::string request, request_for(url));
    const base::SteadyTime connected = run_.now();
    exchange_ = std::make_unique<HttpExchange>(*stream_, run_.clock(), run_.deadline());
    RETURN_IF_ERROR(exchange_->send(request));
    ASSIGN_OR_RETURN(reply_, exchange_->read_head(method_));
    phases_.add("processing", seconds_between(connected, exchange_->first_byte_at()));
    jar_.take(url.host, reply_.headers);
    return ok();
  }

  Status connect(const net::Url& url) {
    StatusOr<net::SocketAddress> address = internal("");
    if (redirects_ == 0) {
      ChosenAddress chosen = choose_address(run_, module_.ip, url.host, port_of(url));
      phases_.add("resolve", chosen.lookup_seconds);
      address = std::move(chosen.address);
    } else {
      const base::SteadyTime start = run_.now();
      address = find_address(run_, module_.ip, url.host, port_of(url));
      phases_.add("resolve", seconds_between(start, run_.now()));
    }
    RETURN_IF_ERROR(address.status());
    const base::SteadyTime start = run_.now();
    ASSIGN_OR_RETURN(stream_, connect_to(run_, module_.ip, *address));
    const base::SteadyTime connected = run_.now();
    phases_.add("connect", seconds_between(start, connected));
    if (!is_tls_) return ok();
    const Status status =
        stream_->start_tls(*module_.tls.client, server_name(url), run_.deadline());
    phases_.add("tls", seconds_between(connected, run_.now()));
    return status;
  }

  // A name from the module is for the host of the target only.
  std::string server_name(const net::Url& url) const {
    if (url.host != first_host_) return url.host;
    if (!module_.tls.server_name.empty()) return module_.tls.server_name;
    if (const std::string* host = host_header()) {
      const StatusOr<HostPort> place = split_host_port(*host, 443);
      if (place.ok()) return place->host;
    }
    return url.host;
  }

  StatusOr<std::string> request_for(const net::Url& url) const {
    const bool is_first_host = url.host == first_host_;
    const std::string* chosen_host = redirects_ == 0 ? host_header() : nullptr;
    const std::string host = chosen_host != nullptr ? *chosen_host : url.authority();
    if (!is_header_value(host) || host.find(' ') != std::string::npos) {
      return invalid_argument("bad host {:?}", host);
    }
    std::string out =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", method_, request_target(url), host);
    const auto add = [&out](std::string_view name, std::string_view value) {
      out.append(name).append(": ").append(value).append("\r\n");
    };
    bool has_agent = false, has_login = false;
    for (const auto& [name, value] : module_.headers) {
      const bool is_login = same_word(name, "Authorization");
      const bool is_private = is_login || same_word(name, "Cookie");
      if (same_word(name, "Host") || (is_private && !is_first_host)) continue;
      has_agent = has_agent || same_word(name, "User-Agent");
      has_login = has_login || is_login;
      add(name, value);
    }
    ASSIGN_OR_RETURN(const auto more,
                     header_values(module_.client_headers, is_first_host, run_.services().files));
    for (const auto& [name, value] : more) add(name, value);
    if (!has_agent) add("User-Agent", fmt::format("Tocsin-App-Exporter/{}", version()));
    if (is_first_host && !has_login) {
      if (!authorization_.empty()) {
        if (!is_header_value(authorization_)) return invalid_argument("bad bytes in credentials");
        add("Authorization", authorization_);
      } else if (!url.user.empty()) {
        const bool has_password = url.user.find(':') != std::string::npos;
        add("Authorization",
            "Basic " + base::base64_encode(has_password ? url.user : url.user + ":"));
      }
    }
    const std::string cookies = jar_.cookies_for(url.host, is_tls_);
    if (!cookies.empty()) add("Cookie", cookies);
    const bool has_length =
        !body_.empty() || method_ == "POST" || method_ == "PUT" || method_ == "PATCH";
    if (has_length) add("Content-Length", fmt::format("{}", body_.size()));
    add("Connection", "close");
    return out.append("\r\n").append(body_);
  }

  bool judge_status() {
    const std::vector<int>& valid = module_.valid_status_codes;
    const bool is_valid = valid.empty()
                              ? reply_.status >= 200 && reply_.status < 300
                              : std::find(valid.begin(), valid.end(), reply_.status) != valid.end();
    if (is_valid) return true;
    return run_.fail(fmt::format("invalid HTTP response status code {}{}", reply_.status,
                                 valid.empty() ? ", wanted 2xx" : ""));
  }

  bool fail_regex(std::string_view why) {
    run_.set("probe_failed_due_to_regex", "Indicates if probe failed due to regex", 1);
    return run_.fail(why);
  }

  bool judge_header(const HeaderMatch& rule, bool must_match) {
    bool is_there = false, matched = false;
    for (const auto& [name, value] : reply_.headers.all()) {
      if (!same_word(name, rule.header)) continue;
      is_there = true;
      matched = matched || rule.regex.matches(value);
    }
    if (!is_there) {
      return rule.allow_missing || fail_regex(fmt::format("missing header {}", rule.header));
    }
    if (matched == must_match) return true;
    return fail_regex(fmt::format("header {} {} {:?}", rule.header,
                                  must_match ? "did not match" : "matched", rule.regex.pattern()));
  }

  bool judge_headers() {
    for (const HeaderMatch& rule : module_.header_must_not_match) {
      if (!judge_header(rule, false)) return false;
    }
    for (const HeaderMatch& rule : module_.header_must_match) {
      if (!judge_header(rule, true)) return false;
    }
    return true;
  }

  bool judge_body(const std::string& body) {
    for (const model::Regex& regex : module_.body_must_not_match) {
      if (regex.matches(body)) return fail_regex(fmt::format("body matched {:?}", regex.pattern()));
    }
    for (const model::Regex& regex : module_.body_must_match) {
      if (!regex.matches(body)) {
        return fail_regex(fmt::format("body did not match {:?}", regex.pattern()));
      }
    }
    return true;
  }

  bool has_body_rules() const {
    return !module_.body_must_match.empty() || !module_.body_must_not_match.empty();
  }

  // Reads the body to its end; keeps it only when somebody looks at it.
  Status read_body(bool keep, std::string* body) {
    const std::uint64_t limit = module_.body_size_limit;
    const std::uint64_t most_kept = std::max(limit, kMaxKeptBody);
    const bool is_packed = module_.is_gzip;
    const auto take = [&](std::string_view piece) -> Status {
      body_bytes_ += piece.size();
      if (!is_packed && limit != 0 && body_bytes_ > limit) {
        return resource_exhausted("http: request body too large");
      }
      if (!keep && !is_packed) return ok();
      if (body->size() + piece.size() > most_kept) {
        return resource_exhausted("a body of more than {} bytes is not kept", most_kept);
      }
      body->append(piece);
      return ok();
    };
    const Status status = exchange_->read_body(take);
    if (!is_packed) return status;
    body_bytes_ = 0;
    RETURN_IF_ERROR(status);
    std::string unpacked;
    RETURN_IF_ERROR(net::gunzip(*body, most_kept, &unpacked));
    body_bytes_ = unpacked.size();
    if (limit != 0 && body_bytes_ > limit) return resource_exhausted("body size limit exceeded");
    *body = std::move(unpacked);
    return ok();
  }

  bool judge_without_body() {
    bool success = judge_status();
    success = success && judge_headers();
    if (success && has_body_rules()) {
      success = fail_regex("the body of a redirect that is not followed is not read");
    }
    return finish(success);
  }

  bool judge() {
    bool success = judge_status();
    success = success && judge_headers();
    std::string body;
    const Status read = read_body(success && has_body_rules(), &body);
    if (!read.ok()) {
      success = run_.fail(fmt::format("cannot read the HTTP response body: {}", message(read)));
    } else if (success && has_body_rules()) {
      success = judge_body(body);
    }
    phases_.add("transfer", seconds_between(exchange_->first_byte_at(), run_.now()));
    return finish(success);
  }

  bool finish(bool success) {
    const std::string_view modified = reply_.headers.get("Last-Modified");
    if (const std::optional<std::int64_t> seconds = parse_http_date(modified)) {
      run_.set("probe_http_last_modified_timestamp_seconds",
               "Returns the Last-Modified HTTP response header in unixtime",
               static_cast<double>(*seconds));
    }
    const std::vector<std::string>& versions = module_.valid_http_versions;
    if (!versions.empty() &&
        std::find(versions.begin(), versions.end(), reply_.protocol) == versions.end()) {
      success = run_.fail(fmt::format("invalid HTTP version {}", reply_.protocol));
    }
    if (is_tls_) {
      const StatusOr<net::TlsPeer> peer = stream_->tls_peer();
      if (peer.ok()) add_tls_metrics(run_, *peer, TlsDetail::kWithCipher);
      if (module_.fail_if_ssl) success = run_.fail("the final request was over TLS");
    } else if (module_.fail_if_not_ssl) {
      success = run_.fail("the final request was not over TLS");
    }
    return success;
  }

  ProbeRun& run_;
  const HttpModule& module_;
  const ProbeTarget& target_;
  PhaseDurations phases_;
  std::string method_, body_, authorization_;
  std::string first_host_;
  CookieJar jar_;
  int redirects_ = 0;
  bool is_tls_ = false;  // of the hop at hand
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<HttpExchange> exchange_;
  HttpReply reply_;  // status 0: none
  std::uint64_t body_bytes_ = 0;
};

}  // namespace

bool probe_http(ProbeRun& run, const HttpModule& module, const ProbeTarget& target) {
  return HttpProbe(run, module, target).probe();
}

}  // namespace tocsin::exporters::app
