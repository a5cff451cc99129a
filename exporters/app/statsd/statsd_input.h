// SPDX-License-Identifier: Apache-2.0
//
// StatsdInput: the section `statsd` as a source of metrics: a thread of its own takes datagrams from
// UDP and unix sockets and counts what they say.
//
// Hides: sockets, batches of datagrams, the thread.
// Owns: sockets and thread. Borrows: InputServices (must outlive it).
// Threads: as Input; addresses() after start().
// Errors: start() kUnavailable for a socket that cannot be bound.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "exporters/app/input.h"
#include "exporters/app/statsd/datagram_socket.h"
#include "exporters/app/statsd/statsd_store.h"

namespace tocsin::exporters::app {

struct StatsdOptions {
  std::vector<std::string> listen_udp;
  std::string listen_unixgram;  // path; "": none
  mode_t unixgram_mode = 0755;
  StatsdStore::Options store;
};

StatusOr<StatsdOptions> read_statsd(const base::YamlNode& node, std::string_view directory,
                                    std::size_t max_series);

class StatsdInput final : public Input {
 public:
  StatsdInput(StatsdOptions options, const InputServices& services);
  ~StatsdInput() override;

  Status start() override;
  Status collect(std::vector<base::MetricFamily>* out) override;
  void stop() override;
  std::uint64_t dropped_series() const override;

  std::vector<std::string> addresses() const;

 private:
  class Batch;

  void run();
  // Takes what waits at a socket, a few batches at most; false when it is empty.
  bool take(int descriptor, Batch* batch);

  const StatsdOptions options_;
  const base::Clock& clock_;
  std::vector<std::unique_ptr<DatagramSocket>> sockets_;  // between start() and stop()
  int wake_ = -1;                                         // an eventfd: the thread shall end
  std::unique_ptr<base::ThreadPool> thread_;

  mutable base::Mutex mutex_;
  StatsdStore store_ ABSL_GUARDED_BY(mutex_);
  double packets_ ABSL_GUARDED_BY(mutex_) = 0;
  double cut_packets_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A factory of the section `statsd`.
StatusOr<std::unique_ptr<Input>> make_statsd(const base::YamlNode& section,
                                             const InputContext& context);

}  // namespace tocsin::exporters::app
