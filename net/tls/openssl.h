// SPDX-License-Identifier: Apache-2.0
//
// OpenSsl: the functions of OpenSSL that servers use, found at run time.
//
// A value of pointers, found once for the process and then shared read-only.
// Errors: kUnavailable when the library is missing or lacks a function.
#pragma once

#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/status.h"

// Functions only: what OpenSSL has as a macro is written out where it is used.
#define TOCSIN_OPENSSL_FUNCTIONS(X)   \
  X(ASN1_STRING_get0_data)            \
  X(ASN1_STRING_length)               \
  X(BIO_ctrl)                         \
  X(BIO_free)                         \
  X(BIO_new)                          \
  X(BIO_new_mem_buf)                  \
  X(BIO_read)                         \
  X(BIO_s_mem)                        \
  X(BIO_write)                        \
  X(ERR_clear_error)                  \
  X(ERR_peek_last_error)              \
  X(ERR_reason_error_string)          \
  X(EVP_PKEY_free)                    \
  X(GENERAL_NAMES_free)               \
  X(OPENSSL_sk_num)                   \
  X(OPENSSL_sk_value)                 \
  X(PEM_read_bio_PrivateKey)          \
  X(PEM_read_bio_X509)                \
  X(SSL_CTX_add_client_CA)            \
  X(SSL_CTX_check_private_key)        \
  X(SSL_CTX_ctrl)                     \
  X(SSL_CTX_free)                     \
  X(SSL_CTX_get_cert_store)           \
  X(SSL_CTX_new)                      \
  X(SSL_CTX_set_alpn_select_cb)       \
  X(SSL_CTX_set_cipher_list)          \
  X(SSL_CTX_set_default_verify_paths) \
  X(SSL_CTX_set_num_tickets)          \
  X(SSL_CTX_set_options)              \
  X(SSL_CTX_set_security_level)       \
  X(SSL_CTX_set_verify)               \
  X(SSL_CTX_use_PrivateKey)           \
  X(SSL_CTX_use_certificate)          \
  X(SSL_do_handshake)                 \
  X(SSL_free)                         \
  X(SSL_get0_peer_certificate)        \
  X(SSL_get_error)                    \
  X(SSL_get_verify_result)            \
  X(SSL_new)                          \
  X(SSL_peek)                         \
  X(SSL_read)                         \
  X(SSL_select_next_proto)            \
  X(SSL_set_accept_state)             \
  X(SSL_set_bio)                      \
  X(SSL_shutdown)                     \
  X(SSL_write)                        \
  X(TLS_server_method)                \
  X(X509_STORE_add_cert)              \
  X(X509_free)                        \
  X(X509_get_ext_d2i)                 \
  X(X509_verify_cert_error_string)

namespace tocsin::net {

struct OpenSsl {
#define TOCSIN_OPENSSL_POINTER(name) decltype(&::name) name = nullptr;
  TOCSIN_OPENSSL_FUNCTIONS(TOCSIN_OPENSSL_POINTER)
#undef TOCSIN_OPENSSL_POINTER

  // Loads the library on the first call; it then stays. What is returned lives as long as the
  // process.
  static StatusOr<const OpenSsl*> load();

  // Why the last call of this thread failed, in OpenSSL's words; forgets it.
  std::string reason() const;
};

}  // namespace tocsin::net
