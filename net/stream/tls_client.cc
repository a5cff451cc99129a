// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/stream.h"
#include "net/stream/certificate_library.h"

namespace tocsin::net {
namespace {

Status tls_error(std::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return invalid_argument("tls: {}: {}", what, reason != nullptr ? reason : "unknown error");
}

// The number of "TLS12"; 0 for anything else.
int version_number(std::string_view name) {
  static constexpr std::pair<std::string_view, int> kVersions[] = {{"TLS10", TLS1_VERSION},
                                                                   {"TLS11", TLS1_1_VERSION},
                                                                   {"TLS12", TLS1_2_VERSION},
                                                                   {"TLS13", TLS1_3_VERSION}};
  for (const auto& [known, number] : kVersions) {
    if (known == name) return number;
  }
  return 0;
}

void set_versions(SSL_CTX* context, const StreamTlsOptions& options) {
  const int least =
      options.min_version.empty() ? TLS1_2_VERSION : version_number(options.min_version);
  const int most = version_number(options.max_version);  // 0: the newest
  SSL_CTX_set_min_proto_version(context, least);
  SSL_CTX_set_max_proto_version(context, most);
  // Who asks for TLS 1.0 wants to know whether it is still spoken; its signatures are below level 1.
  if (least < TLS1_2_VERSION) SSL_CTX_set_security_level(context, 0);
}

StatusOr<std::shared_ptr<ssl_ctx_st>> make_context(const StreamTlsOptions& options) {
  ERR_clear_error();
  const bool has_own = !options.cert_file.empty();
  OSSL_LIB_CTX* const library = has_own ? nullptr : certificate_library();
  std::shared_ptr<ssl_ctx_st> context(SSL_CTX_new_ex(library, nullptr, TLS_client_method()),
                                      SSL_CTX_free);
  if (context == nullptr) return tls_error("context");
  set_versions(context.get(), options);
  // Writes give the rest another time, from another place of the same buffer.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
  // Those of Go's clients. OpenSSL's own list has others that hardly a server takes, and prepares them
  // all for each connection.
  SSL_CTX_set1_groups_list(context.get(), "X25519:P-256:P-384:P-521");
  // Takes all that has come with one call of the kernel, not two for each record.
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  const bool has_trust =
      options.ca_file.empty()
          ? !options.verify || SSL_CTX_set_default_verify_paths(context.get()) == 1
          : SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) == 1;
  if (!has_trust) return tls_error(fmt::format("reading certificates of {}", options.ca_file));
  if (!has_own) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), options.cert_file.c_str()) != 1) {
    return tls_error(fmt::format("reading the certificate {}", options.cert_file));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return tls_error(fmt::format("reading the key {}", options.key_file));
  }
  return context;
}

}  // namespace

bool is_tls_version(std::string_view name) { return version_number(name) != 0; }

TlsClient::TlsClient(base::FileSystem& files, StreamTlsOptions options)
    : files_(files), options_(std::move(options)) {}

std::string TlsClient::fingerprint() const {
  std::string out = "1";
  for (const std::string& path : {options_.ca_file, options_.cert_file, options_.key_file}) {
    if (path.empty()) continue;
    const StatusOr<base::FileInfo> info = files_.info(path);
    if (info.ok()) {
      out.append(fmt::format(" {}/{}", info->size, base::to_ms(info->modified)));
    } else {
      out.append(" missing");
    }
  }
  return out;
}

StatusOr<std::shared_ptr<ssl_ctx_st>> TlsClient::context() {
  std::string now = fingerprint();
  {
    base::MutexLock lock(mutex_);
    if (context_ != nullptr && fingerprint_ == now) return context_;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<ssl_ctx_st> made, make_context(options_));
  base::MutexLock lock(mutex_);
  context_ = made;
  fingerprint_ = std::move(now);
  return made;
}

}  // namespace tocsin::net
