// SPDX-License-Identifier: Apache-2.0
//
// PushInput: the section `push` as a source of metrics: requests put text pages into it, as they
// would into a Pushgateway.
//
//   POST, PUT, DELETE /push/job/<job>{/<label>/<value>}
//
// Borrows: InputServices (must outlive it). Threads: as Input.
// Errors: serve() answers 400 with the reason for a bad path, page or clash, 413 above a limit, 415
// for another format than text.
#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "exporters/app/input.h"
#include "exporters/app/push/push_store.h"

namespace tocsin::exporters::app {

struct PushOptions {
  bool enabled = true;
  std::uint64_t max_body = 1 << 20;  // after decompression
  PushStore::Limits limits;
};

StatusOr<PushOptions> read_push(const base::YamlNode& node, std::size_t max_series);

class PushInput final : public Input {
 public:
  PushInput(PushOptions options, const InputServices& services);

  Status collect(std::vector<base::MetricFamily>* out) override;
  net::HttpResponse serve(const net::HttpRequest& request) override;
  std::uint64_t dropped_series() const override;

 private:
  net::HttpResponse push(const net::HttpRequest& request, const LabelPairs& group);
  // The page in the body; the answer when there is none.
  StatusOr<std::string> body_of(const net::HttpRequest& request) const;
  PushStore::Now now() const;

  const PushOptions options_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  PushStore store_ ABSL_GUARDED_BY(mutex_);
};

// A factory of the section `push`.
StatusOr<std::unique_ptr<Input>> make_push(const base::YamlNode& section,
                                           const InputContext& context);

}  // namespace tocsin::exporters::app
