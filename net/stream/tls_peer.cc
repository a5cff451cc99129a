// SPDX-License-Identifier: Apache-2.0
//
// Certificates in words, as Go has them, because dashboards and alerts know those.
#include <algorithm>
#include <array>
#include <ctime>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/hash.h"
#include "net/stream.h"

namespace tocsin::net {
namespace {

std::string version_of(const SSL* tls) {
  switch (SSL_version(tls)) {
    case TLS1_VERSION:
      return "TLS 1.0";
    case TLS1_1_VERSION:
      return "TLS 1.1";
    case TLS1_2_VERSION:
      return "TLS 1.2";
    case TLS1_3_VERSION:
      return "TLS 1.3";
    default:
      return "unknown";
  }
}

// "CN=localhost,O=Example": RFC 2253, the most specific part first, UTF-8 as it is.
std::string name_of(const X509_NAME* name) {
  BIO* out = BIO_new(BIO_s_mem());
  if (out == nullptr) return "";
  X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned>(ASN1_STRFLGS_ESC_MSB));
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string result(text, static_cast<std::size_t>(std::max(size, 0L)));
  BIO_free(out);
  return result;
}

std::string fingerprint_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  return base::to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

std::string serial_of(X509* certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  if (number == nullptr) return "";
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(number);
  return base::to_hex(bytes);
}

std::string dns_names_of(const X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return "";
  std::string out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    if (!out.empty()) out.push_back(',');
    out.append(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
               static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  return out;
}

// The smallest end of validity, in Unix seconds; nothing for an empty chain.
std::optional<std::int64_t> earliest_expiry_of(const STACK_OF(X509) * chain) {
  std::optional<std::int64_t> earliest;
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &parts) != 1) continue;
    const std::int64_t end = ::timegm(&parts);
    if (!earliest || end < *earliest) earliest = end;
  }
  return earliest;
}

}  // namespace

StatusOr<TlsPeer> Stream::tls_peer() const {
  CHECK(tls_ != nullptr);
  X509* certificate = SSL_get0_peer_certificate(tls_);
  if (certificate == nullptr) return unavailable("tls: the server shows no certificate");
  TlsPeer peer;
  peer.version = version_of(tls_);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(tls_);
  const char* cipher_name = cipher != nullptr ? SSL_CIPHER_standard_name(cipher) : nullptr;
  if (cipher_name != nullptr) peer.cipher = cipher_name;
  peer.fingerprint_sha256 = fingerprint_of(certificate);
  peer.subject = name_of(X509_get_subject_name(certificate));
  peer.issuer = name_of(X509_get_issuer_name(certificate));
  peer.serial_number = serial_of(certificate);
  peer.dns_names = dns_names_of(certificate);
  peer.earliest_expiry = earliest_expiry_of(SSL_get_peer_cert_chain(tls_)).value_or(0);
  if (SSL_get_verify_mode(tls_) != SSL_VERIFY_NONE && SSL_get_verify_result(tls_) == X509_V_OK) {
    peer.chain_expiry = earliest_expiry_of(SSL_get0_verified_chain(tls_));
  }
  return peer;
}

}  // namespace tocsin::net
