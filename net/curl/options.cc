// SPDX-License-Identifier: Apache-2.0
#include "net/curl/options.h"

#include "base/check.h"
#include "base/file_system.h"

namespace tocsin::net {
namespace {

constexpr std::uint64_t kMaxSecretBytes = 1 << 20;

void set_blob(CURL* easy, CURLoption option, const std::string& data) {
  curl_blob blob{const_cast<char*>(data.data()), data.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

// Sets `blob_option` from an inline value, else `file_option` from a path, else neither.
void set_pem(CURL* easy, CURLoption blob_option, const std::string& value, CURLoption file_option,
             const std::string& path) {
  if (!value.empty()) {
    set_blob(easy, blob_option, value);
  } else if (!path.empty()) {
    curl_easy_setopt(easy, file_option, path.c_str());
  }
}

// Index of a Go version name: 1 = TLS10 .. 4 = TLS13; 0 = default.
StatusOr<int> version_number(const std::string& name) {
  constexpr std::array<std::string_view, 5> kNames = {"", "TLS10", "TLS11", "TLS12", "TLS13"};
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return invalid_argument("unknown TLS version: {}", name);
  return static_cast<int>(found - kNames.begin());
}

std::string remote_address(CURL* easy, const Url& url) {
  const char* ip = nullptr;
  long port = 0;
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip);
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
  Url address;
  address.host = ip != nullptr && *ip != '\0' ? ip : url.host;
  address.port = static_cast<std::uint16_t>(port != 0 ? port : url.port);
  if (address.port == 0) address.port = url.scheme == "https" ? 443 : 80;
  return address.authority();
}

std::string system_error_text(int number) {
  std::string text(message(errno_status(number, "")));
  // Lower case and alone, as Go writes it.
  const std::size_t colon = text.rfind(": ");
  if (colon != std::string::npos) text.erase(0, colon + 2);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::string connect_failure(CURL* easy, const Url& url, const Failure& failure) {
  long number = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
  const std::string reason =
      number != 0 ? "connect: " + system_error_text(static_cast<int>(number)) : "connection failed";
  if (failure.hide_host) return "dial tcp: " + reason;
  if (!failure.unix_socket.empty())
    return fmt::format("dial unix {}: {}", failure.unix_socket, reason);
  return "dial tcp " + remote_address(easy, url) + ": " + reason;
}

}  // namespace

void CurlList::append(const std::string& line) {
  curl_slist* longer = curl_slist_append(list_, line.c_str());
  CHECK(longer != nullptr);
  list_ = longer;
}

void CurlList::clear() {
  curl_slist_free_all(list_);
  list_ = nullptr;
}

Status apply_tls(CURL* easy, const TlsOptions& tls) {
  set_pem(easy, CURLOPT_CAINFO_BLOB, tls.ca, CURLOPT_CAINFO, tls.ca_file);
  set_pem(easy, CURLOPT_SSLCERT_BLOB, tls.cert, CURLOPT_SSLCERT, tls.cert_file);
  set_pem(easy, CURLOPT_SSLKEY_BLOB, tls.key.value, CURLOPT_SSLKEY,
          tls.key_file.empty() ? tls.key.file : tls.key_file);
  // curl otherwise keeps a parsed CA file for a day.
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 60L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure_skip_verify ? 0L : 2L);

  constexpr std::array<long, 5> kMin = {CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_0,
                                        CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_TLSv1_2,
                                        CURL_SSLVERSION_TLSv1_3};
  constexpr std::array<long, 5> kMax = {CURL_SSLVERSION_MAX_DEFAULT, CURL_SSLVERSION_MAX_TLSv1_0,
                                        CURL_SSLVERSION_MAX_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_2,
                                        CURL_SSLVERSION_MAX_TLSv1_3};
  ASSIGN_OR_RETURN(const int min, version_number(tls.min_version));
  ASSIGN_OR_RETURN(const int max, version_number(tls.max_version));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                   kMin[static_cast<std::size_t>(min)] | kMax[static_cast<std::size_t>(max)]);
  return ok();
}

std::string apply_server_name(CURL* easy, const TlsOptions& tls, const Url& url,
                              CurlList* connect_to) {
  connect_to->clear();
  if (tls.server_name.empty() || tls.server_name == url.host) return url.host;
  Url target;
  target.host = url.host;
  target.port = url.port;
  // An empty host and port on the left match whatever the URL has.
  connect_to->append("::" + target.authority() + (url.port == 0 ? ":" : ""));
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to->get());
  return tls.server_name;
}

StatusOr<std::string> read_secret(const Secret& secret, std::string_view what) {
  if (secret.file.empty()) return secret.value;
  auto text = base::real_file_system().read_file(secret.file, kMaxSecretBytes);
  if (!text.ok()) return annotate(text.status(), "unable to read {}", what);
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t end = text->find_last_not_of(kSpace);
  if (end == std::string::npos) return std::string();
  const std::size_t begin = text->find_first_not_of(kSpace);
  return text->substr(begin, end - begin + 1);
}

Status to_status(CURL* easy, const Url& url, const Failure& failure) {
  const std::string_view detail = failure.hide_host || failure.detail.empty()
                                      ? curl_easy_strerror(failure.code)
                                      : failure.detail;
  switch (failure.code) {
    case CURLE_COULDNT_CONNECT:
      return unavailable("{}", connect_failure(easy, url, failure));
    case CURLE_COULDNT_RESOLVE_HOST:
      if (failure.hide_host) return unavailable("dial tcp: lookup: no such host");
      return unavailable("dial tcp: lookup {}: no such host", url.host);
    case CURLE_OPERATION_TIMEDOUT:
      return deadline_exceeded("context deadline exceeded");
    case CURLE_GOT_NOTHING:
      return unavailable("EOF");
    case CURLE_PARTIAL_FILE:
      return unavailable("unexpected EOF");
    case CURLE_PEER_FAILED_VERIFICATION:
      return unavailable("tls: failed to verify certificate: {}", detail);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
      return unavailable("tls: {}", detail);
    case CURLE_URL_MALFORMAT:
      return invalid_argument("invalid URL");
    default:
      return unavailable("{}", detail);
  }
}

}  // namespace tocsin::net
