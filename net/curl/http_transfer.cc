// SPDX-License-Identifier: Apache-2.0
#include "net/curl/http_transfer.h"

#include <charconv>

#include "base/hash.h"

namespace tocsin::net {
namespace {

constexpr int kMaxRedirects = 10;
// Pages of metrics are larger than curl's 16 KiB; each piece costs a poll() and a recv().
constexpr long kReceiveBuffer = 128L << 10;
constexpr std::size_t kMaxHeaderBytes = 1 << 20;
constexpr std::uint64_t kMaxReserve = 16U << 20;  // what a header alone may make us allocate

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

bool is_token(std::string_view name) {
  constexpr std::string_view kBad = " \t\r\n\"(),/:;<=>?@[\\]{}";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return c > 0x20 && c < 0x7f && kBad.find(c) == std::string_view::npos;
  });
}

bool is_field_value(std::string_view value) {
  return value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// Whether curl would not encode any of it.
bool is_sent_as_written(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// "Get" for "GET", as Go names the operation in its errors.
std::string operation(std::string_view method) {
  std::string name(method);
  for (std::size_t i = 1; i < name.size(); ++i) {
    if (name[i] >= 'A' && name[i] <= 'Z') name[i] = static_cast<char>(name[i] - 'A' + 'a');
  }
  return name;
}

std::uint16_t port_of(const Url& url) {
  if (url.port != 0) return url.port;
  return url.scheme == "https" ? 443 : 80;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Whether credentials for `from` may be sent to `to`: the same origin, or its upgrade to https.
bool same_party(const Url& from, const Url& to) {
  if (lower(from.host) != lower(to.host)) return false;
  if (from.scheme == to.scheme) return port_of(from) == port_of(to);
  return from.scheme == "http" && port_of(from) == 80 && port_of(to) == 443;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_credential(std::string_view header) {
  const std::string name = lower(std::string(header));
  return name == "authorization" || name == "cookie" || name == "cookie2" ||
         name == "www-authenticate" || name == "proxy-authorization";
}

// A status that shares nothing with `status`, for another thread: copies share an object of absl's,
// whose counting ThreadSanitizer cannot see.
Status own_copy(const Status& status) { return make_status(status.code(), message(status)); }

std::string basic(std::string_view user_and_password) {
  return "Basic " + base::base64_encode(user_and_password);
}

const std::shared_ptr<const HttpClientOptions>& or_default(
    std::shared_ptr<const HttpClientOptions>& options) {
  if (options == nullptr) options = std::make_shared<const HttpClientOptions>();
  return options;
}

// The Authorization header that the options ask for, "" for none; reads files.
StatusOr<std::string> authorization_of(const HttpClientOptions& options) {
  if (options.basic_auth) {
    const BasicAuth& auth = *options.basic_auth;
    ASSIGN_OR_RETURN(const std::string user,
                     read_secret({auth.username, auth.username_file}, "basic auth username file"));
    ASSIGN_OR_RETURN(const std::string password,
                     read_secret(auth.password, "basic auth password file"));
    return basic(user + ":" + password);
  }
  if (options.authorization) {
    ASSIGN_OR_RETURN(const std::string credentials, read_secret(options.authorization->credentials,
                                                                "authorization credentials file"));
    return options.authorization->type + " " + credentials;
  }
  return std::string();
}

}  // namespace

HttpTransfer::HttpTransfer(ClientRequest request, const std::string& user_agent, BodyPool& bodies,
                           HttpClient::Callback callback)
    : request_(std::move(request)),
      user_agent_(user_agent),
      bodies_(bodies),
      callback_(std::move(callback)) {
  or_default(request_.options);
}

bool HttpTransfer::needs_files() const {
  const HttpClientOptions& options = *request_.options;
  if (options.basic_auth) {
    return !options.basic_auth->username_file.empty() || !options.basic_auth->password.file.empty();
  }
  return options.authorization && !options.authorization->credentials.file.empty();
}

Status HttpTransfer::read_files() {
  ASSIGN_OR_RETURN(authorization_, authorization_of(*request_.options));
  return ok();
}

Status HttpTransfer::check_request() const {
  if (url_.scheme != "http" && url_.scheme != "https") {
    return invalid_argument("unsupported protocol scheme \"{}\"", url_.scheme);
  }
  if (url_.host.empty()) return invalid_argument("http: no Host in request URL");
  if (!is_token(request_.method)) return invalid_argument("invalid method {:?}", request_.method);
  const auto check = [](const auto& fields) {
    for (const auto& [name, value] : fields) {
      if (!is_token(name)) return invalid_argument("invalid header field name {:?}", name);
      if (!is_field_value(value))
        return invalid_argument("invalid header field value for {:?}", name);
    }
    return ok();
  };
  RETURN_IF_ERROR(check(request_.headers.all()));
  return check(request_.options->headers);
}

Status HttpTransfer::prepare() {
  if (!parsed_) {
    auto url = Url::parse(request_.url);
    if (!url.ok()) {
      // What does not parse may hold a password anywhere.
      const bool secret = request_.hide_url || request_.url.find('@') != std::string::npos;
      return secret ? invalid_argument("invalid URL") : url.status();
    }
    url_ = *std::move(url);
    parsed_ = true;
  }
  RETURN_IF_ERROR(check_request());
  if (!authorization_) {
    ASSIGN_OR_RETURN(authorization_, authorization_of(*request_.options));
  }
  if (!is_field_value(*authorization_)) {
    return invalid_argument("invalid header field value for \"Authorization\"");
  }
  reset_response();
  return ok();
}

std::optional<Transfer::Direct> HttpTransfer::direct() {
  const HttpClientOptions& options = *request_.options;
  const bool proxy = !options.proxy_url.empty() || options.proxy_from_environment;
  // Errors of a direct exchange name the address.
  const bool plain =
      request_.method == "GET" && request_.body.empty() && request_.unix_socket.empty() && !proxy;
  if (!plain || request_.hide_url || redirects_ != 0 || exchanged_) {
    return std::nullopt;
  }
  if (!prepare().ok() || url_.scheme != "http") return std::nullopt;
  if (!is_sent_as_written(url_.path) || !is_sent_as_written(url_.query)) return std::nullopt;
  boost::system::error_code is_name;
  const auto address = boost::asio::ip::make_address(url_.host, is_name);
  if (is_name) return std::nullopt;
  exchanged_ = true;
  DirectRequest request{{address, port_of(url_)}, {}};
  const HttpHeaders headers = request_headers();
  request.bytes.reserve(512);
  fmt::format_to(std::back_inserter(request.bytes), "GET {}{}{} HTTP/1.1\r\n",
                 url_.path.empty() ? "/" : url_.path, url_.query.empty() ? "" : "?", url_.query);
  if (!headers.has("Host")) {
    fmt::format_to(std::back_inserter(request.bytes), "Host: {}\r\n", url_.authority());
  }
  for (const auto& [name, value] : headers.all()) {
    fmt::format_to(std::back_inserter(request.bytes), "{}: {}\r\n", name, value);
  }
  request.bytes += "\r\n";
  return Direct{std::move(request), *this};
}

Status HttpTransfer::configure(CURL* easy) {
  RETURN_IF_ERROR(prepare());
  RETURN_IF_ERROR(apply_tls(easy, request_.options->tls));
  set_connection(easy);
  set_method(easy);
  set_headers(easy);

  Url target = url_;
  target.user.clear();  // sent as a header, so that it can be dropped
  target.fragment.clear();
  if (url_.scheme == "https") {
    target.host = apply_server_name(easy, request_.options->tls, url_, &connect_to_);
  }
  curl_easy_setopt(easy, CURLOPT_URL, target.to_string().c_str());
  return ok();
}

void HttpTransfer::set_connection(CURL* easy) {
  const HttpClientOptions& options = *request_.options;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A resolver that hangs must not hold the io thread when its transfer is given up.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(
      easy, CURLOPT_HTTP_VERSION,
      static_cast<long>(options.enable_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  if (!options.proxy_from_environment) {
    curl_easy_setopt(easy, CURLOPT_PROXY,
                     options.proxy_url.c_str());  // "": none, whatever the environment
    curl_easy_setopt(easy, CURLOPT_NOPROXY, options.no_proxy.c_str());
  }
  if (!request_.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
}

void HttpTransfer::set_method(CURL* easy) const {
  const std::string& method = request_.method;
  if (method == "GET" && request_.body.empty()) return;
  if (method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (!request_.body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.data());
  }
  if (method != "POST") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
}

// What the request, its options and its credentials say together. Checked by check_request().
HttpHeaders HttpTransfer::request_headers() const {
  HttpHeaders headers = request_.headers;
  for (const auto& [name, value] : request_.options->headers) headers.set(name, value);
  if (!headers.has("Authorization")) {
    if (!authorization_->empty()) {
      headers.add("Authorization", *authorization_);
    } else if (!url_.user.empty()) {
      const bool has_password = url_.user.find(':') != std::string::npos;
      headers.add("Authorization", basic(has_password ? url_.user : url_.user + ":"));
    }
  }
  if (!headers.has("User-Agent")) headers.add("User-Agent", user_agent_);
  if (request_.accept_gzip) headers.set("Accept-Encoding", "gzip");
  const HttpClientOptions& options = *request_.options;
  if (url_.scheme == "https" && !options.tls.server_name.empty() && !headers.has("Host")) {
    headers.add("Host", url_.authority());
  }
  if (send_credentials_) return headers;
  HttpHeaders without;
  for (const auto& [name, value] : headers.all()) {
    if (!is_credential(name)) without.add(name, value);
  }
  return without;
}

void HttpTransfer::set_headers(CURL* easy) {
  const HttpHeaders headers = request_headers();
  header_list_.clear();
  // curl would add these on its own; a name with nothing after the colon takes them away.
  for (const char* name : {"Accept", "Content-Type", "Expect"}) {
    if (!headers.has(name)) header_list_.append(std::string(name) + ":");
  }
  for (const auto& [name, value] : headers.all()) {
    header_list_.append(value.empty() ? name + ";" : name + ": " + value);
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list_.get());
}

void HttpTransfer::reset_response() {
  response_ = ClientResponse();
  header_bytes_ = 0;
  body_started_ = false;
  inflater_.reset();
  error_text_[0] = '\0';
}

std::size_t HttpTransfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  transfer->error_ = transfer->take_header({data, size * count});
  return transfer->error_.ok() ? size * count : 0;
}

Status HttpTransfer::take_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) return resource_exhausted("response headers are too large");
  if (line.starts_with("HTTP/")) {
    // The last head counts: 100 Continue and the like come before it.
    response_.headers = HttpHeaders();
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return ok();
    std::from_chars(line.data() + space + 1, line.data() + line.size(), response_.status);
    return ok();
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos && !body_started_) {
    response_.headers.add(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  return ok();
}

std::size_t HttpTransfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  transfer->error_ = transfer->take_body({data, size * count});
  return transfer->error_.ok() ? size * count : 0;
}

// Leaves bytes of an earlier response in the body.
void HttpTransfer::begin_body() {
  response_.body = bodies_.take();
  const std::string_view length = response_.headers.get("Content-Length");
  std::uint64_t bytes = 0;
  std::from_chars(length.data(), length.data() + length.size(), bytes);
  if (bytes <= kMaxReserve) response_.body.reserve(bytes);
  if (!request_.accept_gzip) return;
  const std::string encoding = lower(std::string(response_.headers.get("Content-Encoding")));
  if (encoding != "gzip" && encoding != "x-gzip") return;
  response_.gzip = request_.keep_gzip;
  if (!response_.gzip) inflater_.emplace(request_.max_body_bytes);
}

bool HttpTransfer::is_within_limit(std::uint64_t bytes) const {
  std::uint64_t limit = request_.max_body_bytes;
  // Incompressible data grows a little; gunzip() sees to the limit itself.
  if (limit != 0 && response_.gzip) limit += limit / 64 + 1024;
  return limit == 0 || bytes <= limit;
}

Status HttpTransfer::take_body(std::string_view data) {
  if (!std::exchange(body_started_, true)) {
    begin_body();
    response_.body.clear();
  }
  response_.wire_body_bytes += data.size();
  if (inflater_) return inflater_->append(data, &response_.body);
  if (!is_within_limit(response_.body.size() + data.size())) return body_too_large();
  response_.body.append(data);
  return ok();
}

// Of a direct exchange --------------------------------------------------------------------------

Status HttpTransfer::take_head(int status, HttpHeaders headers) {
  response_.status = status;
  response_.headers = std::move(headers);
  const bool redirect = is_redirect(status) && response_.headers.has("Location");
  if (redirect && request_.options->follow_redirects)
    return unimplemented("curl follows redirects");
  return ok();
}

StatusOr<char*> HttpTransfer::body_memory(std::uint64_t size) {
  begin_body();
  body_started_ = true;
  if (inflater_ || size > kMaxReserve) {
    response_.body.clear();
    return nullptr;
  }
  if (!is_within_limit(size)) return body_too_large();
  response_.wire_body_bytes = size;
  response_.body.resize(size);  // what the last response left there will be overwritten
  return response_.body.data();
}

Transfer::Next HttpTransfer::ended_directly(const Status& status) {
  if (status.code() == StatusCode::kUnimplemented) return Next::kAgain;
  error_ = status;
  if (error_.ok() && inflater_) error_ = inflater_->finish();
  return Next::kFinish;
}

Transfer::Next HttpTransfer::ended(CURL* easy, CURLcode code) {
  if (!error_.ok()) return Next::kFinish;
  if (code != CURLE_OK) {
    error_ =
        to_status(easy, url_, {code, error_text_.data(), request_.hide_url, request_.unix_socket});
    return Next::kFinish;
  }
  const char* target = nullptr;
  curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &target);
  if (!request_.options->follow_redirects || !is_redirect(response_.status) || target == nullptr) {
    if (inflater_) error_ = inflater_->finish();
    return Next::kFinish;
  }
  auto url = Url::parse(target);
  if (!url.ok()) {
    error_ = invalid_argument("failed to parse Location header");
    return Next::kFinish;
  }
  // curl resolves a relative Location against the URL it was given, which has the server name as
  // host.
  const std::string_view location = response_.headers.get("Location");
  const auto relative = Url::parse(location);
  if (relative.ok() && relative->scheme.empty() && !location.starts_with("//")) {
    url->host = url_.host;
    url->port = url_.port;
  }
  redirect_to(*url);
  if (++redirects_ <= kMaxRedirects) return Next::kAgain;
  error_ = unavailable("stopped after {} redirects", kMaxRedirects);
  return Next::kFinish;
}

void HttpTransfer::redirect_to(const Url& target) {
  if (!same_party(url_, target)) {
    send_credentials_ = false;
    // What the configuration adds may be a key as well.
    auto options = std::make_shared<HttpClientOptions>(*request_.options);
    options->headers.clear();
    options->basic_auth.reset();
    options->authorization.reset();
    request_.options = std::move(options);
  }
  url_ = target;
  const bool keeps_method = response_.status == 307 || response_.status == 308 ||
                            request_.method == "GET" || request_.method == "HEAD";
  if (keeps_method) return;
  request_.method = "GET";
  request_.body.clear();
  HttpHeaders headers;
  for (const auto& [name, value] : request_.headers.all()) {
    const std::string key = lower(name);
    if (key != "content-type" && key != "content-length" && key != "content-encoding") {
      headers.add(name, value);
    }
  }
  request_.headers = std::move(headers);
}

// Puts `Get "URL": ` before a failure, without a password and, on request, without the URL.
Status HttpTransfer::in_context(const Status& status) const {
  if (status.code() == StatusCode::kResourceExhausted || status.code() == StatusCode::kCancelled) {
    return own_copy(status);
  }
  if (!parsed_) return own_copy(status);
  std::string shown = "<redacted>";
  if (!request_.hide_url) {
    Url url = url_;
    if (const std::size_t colon = url.user.find(':'); colon != std::string::npos) {
      url.user.replace(colon, std::string::npos, ":***");
    }
    shown = url.to_string();
  }
  return annotate(status, "{} \"{}\"", operation(request_.method), shown);
}

void HttpTransfer::finish(const Status& failure) {
  const Status& status = failure.ok() ? error_ : failure;
  if (!status.ok()) {
    callback_(in_context(status));
    return;
  }
  if (inflater_ || response_.gzip) {
    // The body is decoded, or will be, so what described its encoding goes.
    HttpHeaders headers;
    for (const auto& [name, value] : response_.headers.all()) {
      const std::string key = lower(name);
      if (key != "content-encoding" && key != "content-length") headers.add(name, value);
    }
    response_.headers = std::move(headers);
  }
  callback_(std::move(response_));
}

}  // namespace tocsin::net
