// SPDX-License-Identifier: Apache-2.0
#include "net/testing/tls_socket.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace tocsin::net::testing {
namespace {

std::FILE* open_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  CHECK(file != nullptr);
  return file;
}

EVP_PKEY* make_key(std::string_view kind) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, kind.data(), nullptr);
  CHECK(context != nullptr && EVP_PKEY_keygen_init(context) == 1);
  if (kind == "EC") CHECK(EVP_PKEY_CTX_set_group_name(context, "P-256") == 1);
  EVP_PKEY* key = nullptr;
  CHECK(EVP_PKEY_generate(context, &key) == 1);
  EVP_PKEY_CTX_free(context);
  return key;
}

// Edwards curves bring their own.
const EVP_MD* digest_for(std::string_view kind) {
  return kind.starts_with("ED") ? nullptr : EVP_sha256();
}

}  // namespace

TestCertificate::TestCertificate(const std::string& folder, Options options) {
  static std::atomic<long> count = 0;
  const long number = ++count;
  EVP_PKEY* key = make_key(options.key);
  X509* certificate = X509_new();
  CHECK(certificate != nullptr);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), number);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60L * 60 * 24 * 365);
  X509_gmtime_adj(X509_getm_notAfter(certificate), options.days * 60 * 60 * 24);
  std::tm end{};
  CHECK(ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1);
  not_after_ = ::timegm(&end);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("Tocsin"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.common_name.c_str()),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name,
                                              options.alternative_names.c_str());
  CHECK(names != nullptr);
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  CHECK(X509_sign(certificate, key, digest_for(options.key)) != 0);

  const std::string stem = fmt::format("{}/tls{}-{}", folder, ::clock(), number);
  cert_file_ = stem + ".pem";
  key_file_ = stem + ".key";
  std::FILE* file = open_file(cert_file_);
  CHECK(PEM_write_X509(file, certificate) == 1);
  std::fclose(file);
  file = open_file(key_file_);
  CHECK(PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

struct TlsSocket::Session {
  SSL_CTX* context = nullptr;
  SSL* tls = nullptr;
  bool is_open = false;
};

TlsSocket::TlsSocket(RawSocket socket, const TestCertificate& certificate,
                     const std::string& client_ca_file)
    : socket_(std::move(socket)), session_(std::make_unique<Session>()) {
  session_->context = SSL_CTX_new(TLS_server_method());
  CHECK(session_->context != nullptr);
  CHECK(SSL_CTX_use_certificate_chain_file(session_->context, certificate.cert_file().c_str()) ==
        1);
  CHECK(SSL_CTX_use_PrivateKey_file(session_->context, certificate.key_file().c_str(),
                                    SSL_FILETYPE_PEM) == 1);
  if (!client_ca_file.empty()) {
    CHECK(SSL_CTX_load_verify_locations(session_->context, client_ca_file.c_str(), nullptr) == 1);
    SSL_CTX_set_verify(session_->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       nullptr);
  }
  session_->tls = SSL_new(session_->context);
  CHECK(session_->tls != nullptr && SSL_set_fd(session_->tls, socket_.descriptor()) == 1);
  session_->is_open = SSL_accept(session_->tls) == 1;
}

TlsSocket::~TlsSocket() {
  SSL_free(session_->tls);
  SSL_CTX_free(session_->context);
}

bool TlsSocket::is_open() const { return session_->is_open; }

std::string TlsSocket::client_name() const {
  const X509* certificate = SSL_get0_peer_certificate(session_->tls);
  if (certificate == nullptr) return "";
  std::array<char, 64> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

bool TlsSocket::write(std::string_view data) {
  return SSL_write(session_->tls, data.data(), static_cast<int>(data.size())) > 0;
}

std::string TlsSocket::read_until(std::string_view mark) {
  std::string data;
  std::array<char, 4096> piece;
  while (data.find(mark) == std::string::npos) {
    const int got = SSL_read(session_->tls, piece.data(), static_cast<int>(piece.size()));
    if (got <= 0) break;
    data.append(piece.data(), static_cast<std::size_t>(got));
  }
  return data;
}

}  // namespace tocsin::net::testing
