// SPDX-License-Identifier: Apache-2.0
//
// WebConfig: what --web.config.file holds, and WebGuard, which applies it to every request.
//
// WebConfig is a value.
// Errors: kInvalidArgument and kUnimplemented with file:line:column.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"
#include "net/router.h"
#include "net/tls_server.h"

namespace tocsin::exporters {

struct WebConfig {
  std::map<std::string, std::string, std::less<>> users;     // name -> bcrypt; empty = open
  std::vector<std::pair<std::string, std::string>> headers;  // of every response
  // One request per interval, after `burst` at once; 0: no limit.
  base::Duration rate_interval{0};
  std::int64_t rate_burst = 0;
  std::optional<net::TlsServerOptions> tls;  // none: plain HTTP
  bool http2 = false;                        // asked for; never offered

  // Paths in the file are relative to its folder.
  static StatusOr<WebConfig> parse(std::string_view text, std::string_view file);
};

// Whether `password` has the bcrypt `hash`; takes as long as its cost says.
bool check_bcrypt(const std::string& password, const std::string& hash);

// Guards a handler. The file is read again for every request, so that users and headers change
// without a restart; a file that became bad answers 500, and no request gets through.
//
// Borrows: FileSystem, Clock (must outlive it).
// Threads: shared.
class WebGuard {
 public:
  // Reads the file once, so that the start fails for a bad one.
  static StatusOr<std::unique_ptr<WebGuard>> open(base::FileSystem& files, std::string path,
                                                  const base::Clock& clock);

  net::HttpResponse serve(const net::Handler& inner, const net::HttpRequest& request);
  // What the file holds now.
  StatusOr<std::shared_ptr<const WebConfig>> config();
  // What a new TLS connection uses. kFailedPrecondition when the file no longer asks for TLS.
  StatusOr<net::TlsServerOptions> tls();

 private:
  WebGuard(base::FileSystem& files, std::string path, const base::Clock& clock)
      : files_(files), path_(std::move(path)), clock_(clock) {}

  // Whether the limit of rate lets one more request through; then it is counted.
  bool take_token(const WebConfig& config);
  bool is_allowed(const WebConfig& config, std::string_view authorization);
  bool check_password(const std::string& password, const std::string& hash);

  static constexpr std::size_t kMaxChecked = 100;

  base::FileSystem& files_;
  const std::string path_;
  const base::Clock& clock_;
  const base::Hash128 seed_{base::random_u64(), base::random_u64()};
  std::atomic<bool> failing_ = false;  // logged once until the file is good again
  base::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);  // that config_ was made from
  std::shared_ptr<const WebConfig> config_ ABSL_GUARDED_BY(mutex_);
  double tokens_ ABSL_GUARDED_BY(mutex_) = 0;  // requests that may come now
  base::SteadyTime tokens_at_ ABSL_GUARDED_BY(mutex_);
  // Digests of pairs that were checked before: bcrypt is slow on purpose, and scrapes are many.
  std::map<std::pair<std::uint64_t, std::uint64_t>, bool> checked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::exporters
