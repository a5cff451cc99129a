// SPDX-License-Identifier: Apache-2.0
//
// RemoteWrite: POST /api/v1/write, the receiver of remote write 1.0 and 2.0.
//
// Hides: negotiation, decoding, the references of known series, which error costs what.
// See docs/decisions/0016-remote-write.md.
// Borrows: its services; they must outlive it.
// Threads: shared; handle() blocks until the samples are stored.
// Errors: upstream's statuses and texts, as plain text.
#pragma once

#include <memory>

#include "base/hash.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/time.h"
#include "net/http.h"
#include "net/router.h"
#include "storage/appender.h"

namespace tocsin::web {

struct RemoteWriteOptions {
  bool enabled = false;
  bool accepts_v1 = true;                     // prometheus.WriteRequest
  bool accepts_v2 = false;                    // io.prometheus.write.v2.Request
  bool store_starts = false;                  // keep the start timestamps of 2.0
  bool zero_starts = false;                   // a sample 0 at each start timestamp
  bool type_and_unit = false;                 // labels __type__ and __unit__ of 2.0's metadata
  std::size_t max_decoded_bytes = 32U << 20;  // of one request
  std::size_t max_cached_series = 50'000'000;
};

class SeriesCache;

class RemoteWrite {
 public:
  struct Services {
    const base::Clock& clock;
    base::Registry& metrics;
    storage::Appendable& store;
  };

  RemoteWrite(RemoteWriteOptions options, const Services& services);
  ~RemoteWrite();
  RemoteWrite(const RemoteWrite&) = delete;
  RemoteWrite& operator=(const RemoteWrite&) = delete;

  net::HttpResponse handle(const net::HttpRequest& request);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// Serves it; a null `receiver` answers 404 with the flag that turns it on.
void add_remote_write(net::Router& router, std::shared_ptr<RemoteWrite> receiver);

}  // namespace tocsin::web
