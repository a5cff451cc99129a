// SPDX-License-Identifier: Apache-2.0
#include "net/tls/openssl.h"

#include <dlfcn.h>

namespace tocsin::net {
namespace {

std::string last_error() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps the text for each thread
  const char* text = ::dlerror();
  return text != nullptr ? text : "unknown error";
}

StatusOr<OpenSsl> load_library() {
  // The version whose headers this was built with. It brings libcrypto, in which dlsym() looks, too.
  void* library = ::dlopen("libssl.so." OPENSSL_MSTR(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return unavailable("TLS needs OpenSSL: {}", last_error());
  OpenSsl out;
#define TOCSIN_OPENSSL_FIND(name)                                          \
  out.name = reinterpret_cast<decltype(&::name)>(::dlsym(library, #name)); \
  if (out.name == nullptr) return unavailable("TLS needs OpenSSL: {}", last_error());
  TOCSIN_OPENSSL_FUNCTIONS(TOCSIN_OPENSSL_FIND)
#undef TOCSIN_OPENSSL_FIND
  return out;
}

}  // namespace

StatusOr<const OpenSsl*> OpenSsl::load() {
  static const StatusOr<OpenSsl> library = load_library();
  RETURN_IF_ERROR(library.status());
  return &*library;
}

std::string OpenSsl::reason() const {
  const unsigned long code = ERR_peek_last_error();
  const char* text = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return text != nullptr ? text : "unknown error";
}

}  // namespace tocsin::net
