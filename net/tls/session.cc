// SPDX-License-Identifier: Apache-2.0
#include "net/tls/session.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

#include "base/check.h"
#include "net/tls/openssl.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kMostAtOnce = 256 << 10;

int limited(std::size_t size) { return static_cast<int>(std::min(size, kMostAtOnce)); }

std::string bytes_of(const OpenSsl& api, const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(api.ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(api.ASN1_STRING_length(text))};
}

// The alternative name in words, as Go has it; "" for kinds that are not compared.
std::string text_of(const OpenSsl& api, const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
      return bytes_of(api, name->d.ia5);
    case GEN_IPADD: {
      const std::string address = bytes_of(api, name->d.iPAddress);
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = address.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
      if (family == AF_INET6 && address.size() != sizeof(in6_addr)) return "";
      return ::inet_ntop(family, address.data(), text.data(), text.size()) != nullptr ? text.data()
                                                                                      : "";
    }
    default:
      return "";
  }
}

}  // namespace

std::unique_ptr<TlsSession> TlsSession::make(std::shared_ptr<const TlsContext> context) {
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(context)));
  const OpenSsl& api = session->context_->api;
  session->tls_ = api.SSL_new(session->context_->ssl.get());
  if (session->tls_ == nullptr) return nullptr;
  BIO* in = api.BIO_new(api.BIO_s_mem());
  BIO* out = api.BIO_new(api.BIO_s_mem());
  if (in == nullptr || out == nullptr) {
    api.BIO_free(in);
    api.BIO_free(out);
    return nullptr;
  }
  session->in_ = in;
  session->out_ = out;
  // An empty buffer means "later", not "the end".
  api.BIO_ctrl(in, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nullptr);
  api.SSL_set_bio(session->tls_, in, out);
  api.SSL_set_accept_state(session->tls_);
  return session;
}

TlsSession::~TlsSession() {
  if (tls_ != nullptr) context_->api.SSL_free(tls_);
}

void TlsSession::feed(std::string_view bytes) {
  CHECK(context_->api.BIO_write(in_, bytes.data(), limited(bytes.size())) ==
        static_cast<int>(bytes.size()));
}

std::string TlsSession::output() {
  const OpenSsl& api = context_->api;
  std::string out(static_cast<std::size_t>(api.BIO_ctrl(out_, BIO_CTRL_PENDING, 0, nullptr)), '\0');
  if (out.empty()) return out;
  CHECK(api.BIO_read(out_, out.data(), static_cast<int>(out.size())) ==
        static_cast<int>(out.size()));
  return out;
}

TlsSession::Step TlsSession::step_of(int result) {
  const OpenSsl& api = context_->api;
  switch (api.SSL_get_error(tls_, result)) {
    case SSL_ERROR_NONE:
      return Step::kDone;
    case SSL_ERROR_WANT_READ:
      return Step::kWantInput;
    case SSL_ERROR_ZERO_RETURN:
      return Step::kEnd;
    default:
      break;
  }
  const long verdict = api.SSL_get_verify_result(tls_);
  error_ = !is_open_ && verdict != X509_V_OK
               ? fmt::format("failed to verify certificate: {}",
                             api.X509_verify_cert_error_string(verdict))
               : api.reason();
  is_open_ = false;
  return Step::kFailed;
}

TlsSession::Step TlsSession::handshake() {
  const OpenSsl& api = context_->api;
  api.ERR_clear_error();
  const Step step = step_of(api.SSL_do_handshake(tls_));
  if (step != Step::kDone) return step;
  if (const Status status = check_names(); !status.ok()) {
    error_ = message(status);
    return Step::kFailed;
  }
  is_open_ = true;
  return step;
}

Status TlsSession::check_names() const {
  const std::vector<std::string>& allowed = context_->client_allowed_sans;
  if (allowed.empty()) return ok();
  const OpenSsl& api = context_->api;
  const X509* certificate = api.SSL_get0_peer_certificate(tls_);
  if (certificate == nullptr) return ok();  // whether one must be shown is the policy's business
  auto* names = static_cast<GENERAL_NAMES*>(
      api.X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const auto* list = reinterpret_cast<const OPENSSL_STACK*>(names);
  bool found = false;
  for (int i = 0; names != nullptr && !found && i < api.OPENSSL_sk_num(list); ++i) {
    const std::string name =
        text_of(api, static_cast<const GENERAL_NAME*>(api.OPENSSL_sk_value(list, i)));
    found = !name.empty() && std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  }
  if (names != nullptr) api.GENERAL_NAMES_free(names);
  return found ? ok() : unavailable("could not find allowed SANs in client cert");
}

TlsSession::Step TlsSession::read(char* buffer, std::size_t size, std::size_t* got) {
  context_->api.ERR_clear_error();
  const int result = context_->api.SSL_read(tls_, buffer, limited(size));
  *got = static_cast<std::size_t>(std::max(result, 0));
  return step_of(result);
}

TlsSession::Step TlsSession::write(const char* data, std::size_t size, std::size_t* written) {
  context_->api.ERR_clear_error();
  const int result = context_->api.SSL_write(tls_, data, limited(size));
  *written = static_cast<std::size_t>(std::max(result, 0));
  return step_of(result);
}

TlsSession::Step TlsSession::peek() {
  char byte = 0;
  context_->api.ERR_clear_error();
  return step_of(context_->api.SSL_peek(tls_, &byte, 1));
}

void TlsSession::close() {
  if (!is_open_) return;
  is_open_ = false;
  context_->api.ERR_clear_error();
  context_->api.SSL_shutdown(tls_);
}

}  // namespace tocsin::net
