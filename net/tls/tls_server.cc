// SPDX-License-Identifier: Apache-2.0
#include "net/tls_server.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "net/tls/openssl.h"
#include "net/tls/session.h"

namespace tocsin::net {
namespace {

constexpr std::uint64_t kMaxPem = 1 << 20;

using Pair = std::pair<std::string_view, std::string_view>;

// IANA's names that Go's servers take, and OpenSSL's. Those of TLS 1.3 cannot be chosen, as in Go.
constexpr std::array<Pair, 3> kNewCiphers = {{{"TLS_AES_128_GCM_SHA256", ""},
                                              {"TLS_AES_256_GCM_SHA384", ""},
                                              {"TLS_CHACHA20_POLY1305_SHA256", ""}}};
constexpr std::array<Pair, 10> kCiphers = {{
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
}};
constexpr std::array<std::pair<std::string_view, int>, 4> kVersions = {{{"TLS10", TLS1_VERSION},
                                                                        {"TLS11", TLS1_1_VERSION},
                                                                        {"TLS12", TLS1_2_VERSION},
                                                                        {"TLS13", TLS1_3_VERSION}}};

int version_number(std::string_view name, int fallback) {
  for (const auto& [known, number] : kVersions) {
    if (known == name) return number;
  }
  return fallback;
}

const Pair* find_cipher(std::string_view name) {
  for (const Pair& one : kCiphers) {
    if (one.first == name) return &one;
  }
  for (const Pair& one : kNewCiphers) {
    if (one.first == name) return &one;
  }
  return nullptr;
}

// Reads the files into the texts beside them.
Status read_files(base::FileSystem& files, TlsServerOptions* options) {
  const auto read = [&files](const std::string& path, std::string* text) -> Status {
    if (path.empty() || !text->empty()) return ok();
    ASSIGN_OR_RETURN(*text, files.read_file(path, kMaxPem));
    return ok();
  };
  RETURN_IF_ERROR(read(options->cert_file, &options->cert));
  RETURN_IF_ERROR(read(options->key_file, &options->key));
  return read(options->client_ca_file, &options->client_ca);
}

// Makes one SSL_CTX.
class ContextMaker {
 public:
  ContextMaker(const OpenSsl& api, const TlsServerOptions& options)
      : api_(api),
        options_(options),
        context_(api.SSL_CTX_new(api.TLS_server_method()), api.SSL_CTX_free) {}

  StatusOr<std::shared_ptr<const TlsContext>> make() {
    api_.ERR_clear_error();
    if (context_ == nullptr) return error("context");
    RETURN_IF_ERROR(set_versions());
    RETURN_IF_ERROR(set_algorithms());
    RETURN_IF_ERROR(use_certificates());
    RETURN_IF_ERROR(use_key());
    RETURN_IF_ERROR(set_client_auth());
    set_modes();
    return std::make_shared<const TlsContext>(api_, context_, options_.client_allowed_sans);
  }

 private:
  using Bio = std::unique_ptr<BIO, decltype(&::BIO_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&::X509_free)>;

  Status error(std::string_view what) const {
    return invalid_argument("tls: {}: {}", what, api_.reason());
  }
  Bio open(const std::string& pem) const {
    return {api_.BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), api_.BIO_free};
  }
  long control(int command, long number, void* pointer) const {
    return api_.SSL_CTX_ctrl(context_.get(), command, number, pointer);
  }
  static std::string place_of(const std::string& file) { return file.empty() ? "text" : file; }
  // The next certificate of a PEM; none at its end. Never asks for a password.
  Certificate next_certificate(BIO* bio) const {
    return {api_.PEM_read_bio_X509(bio, nullptr, no_password, nullptr), api_.X509_free};
  }
  static int no_password(char*, int, int, void*) { return -1; }
  static int take_any(int, X509_STORE_CTX*) { return 1; }
  static int choose_protocol(SSL*, const unsigned char** out, unsigned char* size,
                             const unsigned char* offered, unsigned offered_size, void* api);

  Status set_versions();
  Status set_algorithms();
  Status use_certificates();
  Status use_key();
  Status set_client_auth();
  Status trust();
  void set_modes();

  const OpenSsl& api_;
  const TlsServerOptions& options_;
  const std::shared_ptr<SSL_CTX> context_;
};

Status ContextMaker::set_versions() {
  const int least = version_number(options_.min_version, TLS1_2_VERSION);
  const int most = version_number(options_.max_version, TLS1_3_VERSION);
  if (least > most) return invalid_argument("tls: min_version is above max_version");
  if (control(SSL_CTRL_SET_MIN_PROTO_VERSION, least, nullptr) != 1 ||
      control(SSL_CTRL_SET_MAX_PROTO_VERSION, most, nullptr) != 1) {
    return error("versions");
  }
  // The signatures of what is older are below level 1, and who asks for it wants it to work.
  if (least < TLS1_2_VERSION) api_.SSL_CTX_set_security_level(context_.get(), 0);
  return ok();
}

Status ContextMaker::set_algorithms() {
  std::string ciphers;
  for (const std::string& name : options_.cipher_suites) {
    const Pair* known = find_cipher(name);
    if (known == nullptr) return invalid_argument("tls: unknown cipher: {}", name);
    if (!known->second.empty()) ciphers.append(ciphers.empty() ? "" : ":").append(known->second);
  }
  if (!ciphers.empty()) {
    if (api_.SSL_CTX_set_cipher_list(context_.get(), ciphers.c_str()) != 1) return error("ciphers");
  } else if (!options_.cipher_suites.empty()) {
    // Only those of TLS 1.3 are named: nothing older may be spoken.
    if (version_number(options_.max_version, TLS1_3_VERSION) < TLS1_3_VERSION) {
      return invalid_argument("tls: no cipher is left below TLS13");
    }
    control(SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, nullptr);
  }
  std::string curves;
  for (const std::string& name : options_.curves) {
    curves.append(curves.empty() ? "" : ":").append(name);
  }
  if (!curves.empty() && control(SSL_CTRL_SET_GROUPS_LIST, 0, curves.data()) != 1) {
    return error("curves");
  }
  return ok();
}

Status ContextMaker::use_certificates() {
  const Bio bio = open(options_.cert);
  const std::string what = "reading the certificate " + place_of(options_.cert_file);
  const Certificate own = next_certificate(bio.get());
  if (own == nullptr) return error(what);
  if (api_.SSL_CTX_use_certificate(context_.get(), own.get()) != 1) return error(what);
  while (Certificate other = next_certificate(bio.get())) {
    if (control(SSL_CTRL_CHAIN_CERT, 0, other.get()) != 1) return error(what);
    static_cast<void>(other.release());  // the context owns it now
  }
  api_.ERR_clear_error();
  return ok();
}

Status ContextMaker::use_key() {
  const Bio bio = open(options_.key);
  const std::string what = "reading the key " + place_of(options_.key_file);
  const std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> key(
      api_.PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), api_.EVP_PKEY_free);
  if (key == nullptr) return error(what);
  if (api_.SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1) return error(what);
  return api_.SSL_CTX_check_private_key(context_.get()) == 1 ? ok() : error(what);
}

Status ContextMaker::set_client_auth() {
  switch (options_.client_auth) {
    case ClientAuth::kNone:
      api_.SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
      return ok();
    case ClientAuth::kRequest:
      api_.SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, take_any);
      return trust();
    case ClientAuth::kRequireAny:
      api_.SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              take_any);
      return trust();
    case ClientAuth::kVerifyIfGiven:
      api_.SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
      return trust();
    case ClientAuth::kRequireAndVerify:
      api_.SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              nullptr);
      return trust();
  }
  return ok();
}

Status ContextMaker::trust() {
  if (options_.client_ca.empty()) {
    return api_.SSL_CTX_set_default_verify_paths(context_.get()) == 1 ? ok() : error("system CAs");
  }
  const std::string what = "reading certificates of " + place_of(options_.client_ca_file);
  const Bio bio = open(options_.client_ca);
  bool any = false;
  while (const Certificate one = next_certificate(bio.get())) {
    if (api_.X509_STORE_add_cert(api_.SSL_CTX_get_cert_store(context_.get()), one.get()) != 1 ||
        api_.SSL_CTX_add_client_CA(context_.get(), one.get()) != 1) {
      return error(what);
    }
    any = true;
  }
  if (!any) return error(what);
  api_.ERR_clear_error();
  return ok();
}

// HTTP/1.1 where the client asks; what else it offers is not refused: it may speak 1.1 all the same.
int ContextMaker::choose_protocol(SSL*, const unsigned char** out, unsigned char* size,
                                  const unsigned char* offered, unsigned offered_size, void* api) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int result = static_cast<const OpenSsl*>(api)->SSL_select_next_proto(
      &chosen, size, kHttp, sizeof(kHttp) - 1, offered, offered_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void ContextMaker::set_modes() {
  // No session is taken up again: who connects is looked at every time, and scrapers stay
  // connected.
  std::uint64_t options = SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
  if (options_.prefer_server_ciphers) options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
  api_.SSL_CTX_set_options(context_.get(), options);
  api_.SSL_CTX_set_num_tickets(context_.get(), 0);
  control(SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
  control(SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, nullptr);
  api_.SSL_CTX_set_alpn_select_cb(context_.get(), choose_protocol, const_cast<OpenSsl*>(&api_));
}

}  // namespace

bool is_cipher_suite(std::string_view name) { return find_cipher(name) != nullptr; }

StatusOr<std::shared_ptr<TlsServer>> TlsServer::open(base::FileSystem& files, Read read) {
  std::shared_ptr<TlsServer> server(new TlsServer(files, std::move(read)));
  RETURN_IF_ERROR(server->renewed().status());
  return server;
}

StatusOr<std::shared_ptr<const TlsContext>> TlsServer::renewed() {
  ASSIGN_OR_RETURN(const OpenSsl* api, OpenSsl::load());
  ASSIGN_OR_RETURN(TlsServerOptions options, read_());
  RETURN_IF_ERROR(read_files(files_, &options));
  {
    base::MutexLock lock(mutex_);
    if (context_ != nullptr && used_ == options) return context_;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const TlsContext> made, ContextMaker(*api, options).make());
  base::MutexLock lock(mutex_);
  used_ = std::move(options);
  context_ = made;
  return made;
}

StatusOr<std::shared_ptr<const TlsContext>> TlsServer::context() {
  StatusOr<std::shared_ptr<const TlsContext>> out = renewed();
  bool is_new = false;
  {
    base::MutexLock lock(mutex_);
    is_new = !std::exchange(failing_, !out.ok()) && !out.ok();
  }
  if (is_new) {
    base::log::error("no TLS connection can be served", {{"error", message(out.status())}});
  }
  return out;
}

}  // namespace tocsin::net
