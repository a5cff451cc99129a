// SPDX-License-Identifier: Apache-2.0
//
// URLs, query strings and listen addresses.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "net/http.h"
#include "net/server/listen_address.h"

namespace tocsin::net {
namespace {

void fuzz(std::string_view bytes) {
  // A URL without a host, or with a zone in it, does not print as it was.
  const StatusOr<Url> url = Url::parse(bytes);
  if (url.ok() && !url->host.empty() && url->host.find('%') == std::string::npos) {
    const StatusOr<Url> again = Url::parse(url->to_string());
    CHECK(again.ok());
    CHECK(again->to_string() == url->to_string());
  }
  static_cast<void>(QueryParams::parse(bytes));
  static_cast<void>(ListenAddress::parse(bytes));
}

}  // namespace

TOCSIN_FUZZ_TARGET(url, fuzz)

}  // namespace tocsin::net
