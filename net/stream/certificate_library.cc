// SPDX-License-Identifier: Apache-2.0
//
// A provider of our own stands before OpenSSL's and passes everything on but the list of decoders:
// provider(7), "Writing a provider".
#include "net/stream/certificate_library.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

namespace tocsin::net {
namespace {

constexpr const char* kName = "tocsin-certificates";

bool is_for_certificates(const OSSL_ALGORITHM& decoder) {
  static constexpr std::array<std::string_view, 5> kKeys = {"RSA", "RSA-PSS", "EC", "ED25519",
                                                            "ED448"};
  const std::string_view name = decoder.algorithm_names;
  const std::string_view properties = decoder.property_definition;
  return std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end() &&
         properties.find("input=der") != std::string_view::npos &&
         properties.find("structure=SubjectPublicKeyInfo") != std::string_view::npos;
}

// What the provider's functions work with; they have no argument that could carry it.
struct Passage {
  OSSL_PROVIDER* whole = nullptr;
  std::vector<OSSL_ALGORITHM> decoders;  // the last has no name
};

Passage& passage() {
  static Passage* const shared = new Passage;  // OpenSSL may ask until the process ends
  return *shared;
}

const OSSL_ALGORITHM* query(void* /*context*/, int operation, int* no_cache) {
  if (operation != OSSL_OP_DECODER) {
    return OSSL_PROVIDER_query_operation(passage().whole, operation, no_cache);
  }
  *no_cache = 0;
  return passage().decoders.data();
}

const OSSL_PARAM* parameters(void* /*context*/) {
  return OSSL_PROVIDER_gettable_params(passage().whole);
}

int get_parameters(void* /*context*/, OSSL_PARAM* wanted) {
  return OSSL_PROVIDER_get_params(passage().whole, wanted);
}

int capabilities(void* /*context*/, const char* name, OSSL_CALLBACK* take, void* argument) {
  return OSSL_PROVIDER_get_capabilities(passage().whole, name, take, argument);
}

template <typename Function>
OSSL_DISPATCH entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int start(const OSSL_CORE_HANDLE* /*handle*/, const OSSL_DISPATCH* /*core*/,
          const OSSL_DISPATCH** functions, void** context) {
  static const OSSL_DISPATCH kFunctions[] = {
      entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
      entry(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, parameters),
      entry(OSSL_FUNC_PROVIDER_GET_PARAMS, get_parameters),
      entry(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, capabilities),
      {0, nullptr}};
  *functions = kFunctions;
  // The algorithms are the default provider's and get its context, not one of ours.
  *context = OSSL_PROVIDER_get0_provider_ctx(passage().whole);
  return 1;
}

// Whether the process uses the default provider and nothing else.
bool is_plain() {
  struct Seen {
    int providers = 0;
    bool has_default = false;
  } seen;
  OSSL_PROVIDER_do_all(
      nullptr,
      [](OSSL_PROVIDER* provider, void* out) {
        auto* const found = static_cast<Seen*>(out);
        ++found->providers;
        found->has_default |= std::string_view(OSSL_PROVIDER_get0_name(provider)) == "default";
        return 1;
      },
      &seen);
  return seen.providers == 1 && seen.has_default &&
         EVP_default_properties_is_fips_enabled(nullptr) == 0;
}

OSSL_LIB_CTX* make_library() {
  OPENSSL_init_ssl(0, nullptr);
  // Asking has brought it to life, so this is one more owner and not a second one of its kind.
  passage().whole = is_plain() ? OSSL_PROVIDER_load(nullptr, "default") : nullptr;
  if (passage().whole == nullptr) return nullptr;
  int no_cache = 0;
  const OSSL_ALGORITHM* decoder =
      OSSL_PROVIDER_query_operation(passage().whole, OSSL_OP_DECODER, &no_cache);
  for (; decoder != nullptr && decoder->algorithm_names != nullptr; ++decoder) {
    if (is_for_certificates(*decoder)) passage().decoders.push_back(*decoder);
  }
  passage().decoders.push_back({});
  std::unique_ptr<OSSL_LIB_CTX, decltype(&OSSL_LIB_CTX_free)> library(OSSL_LIB_CTX_new(),
                                                                      OSSL_LIB_CTX_free);
  if (library == nullptr || OSSL_PROVIDER_add_builtin(library.get(), kName, start) != 1 ||
      OSSL_PROVIDER_load(library.get(), kName) == nullptr) {
    return nullptr;
  }
  return library.release();
}

}  // namespace

OSSL_LIB_CTX* certificate_library() {
  static OSSL_LIB_CTX* const library = make_library();
  return library;
}

}  // namespace tocsin::net
