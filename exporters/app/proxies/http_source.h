// SPDX-License-Identifier: Apache-2.0
//
// HttpSource: where an input gets a document from: one GET with a deadline, of a bounded body.
//
//   url: 'http://127.0.0.1:8088/stub_status' | 'unix:/run/nginx.sock:/stub_status'
//   timeout: 5s
//   basic_auth, authorization, bearer_token, tls_config: as in prometheus.yml
//
// Redirects are not followed: they are answers.
// A value.
// Threads: shared; fetch() blocks.
// Errors: kInvalidArgument with file, line and key; those of Stream; kResourceExhausted for a body
// that is too large.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/yaml.h"
#include "exporters/app/input.h"
#include "exporters/app/probe/http_text.h"
#include "exporters/app/probe/module.h"
#include "net/http.h"
#include "net/stream.h"

namespace tocsin::exporters::app {

struct HttpSource {
  net::Url url;
  std::string unix_path;  // connect there instead of to the URL's host
  HttpLogin login;
  TlsChoice tls;
  base::Duration timeout{5'000};
  std::uint64_t max_body = 1 << 20;
};

struct HttpDocument {
  int status = 0;
  std::string body;
};

// Reads the URL at `key`, and the keys that say how to ask.
void read_http_source(base::YamlMapping& mapping, std::string_view key, const InputContext& context,
                      HttpSource* out);
// Only the URL, from its text.
Status parse_http_url(std::string_view text, HttpSource* out);

// Connects to a host, or to the unix socket when there is one.
StatusOr<std::unique_ptr<net::Stream>> connect_to(const std::string& host, std::uint16_t port,
                                                  const std::string& unix_path,
                                                  const InputServices& services,
                                                  base::SteadyTime deadline);

StatusOr<HttpDocument> fetch(const HttpSource& source, const InputServices& services);

}  // namespace tocsin::exporters::app
