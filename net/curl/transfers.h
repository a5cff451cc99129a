// SPDX-License-Identifier: Apache-2.0
//
// Transfers runs exchanges of curl's multi interface, and the simplest ones without it, from
// submission to completion: admission, credential files on the blocking executor, connections per
// options, retries, deadlines, shutdown.
//
// Owns: easy handles and connections.
// Borrows: loop, blocking.
// Threads: submit() from any thread; all else on the io thread, except Transfer::read_files().
// Errors: each Transfer is finished exactly once.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>

#include <curl/curl.h>

#include "base/executor.h"
#include "base/gate.h"
#include "base/status.h"
#include "base/time.h"
#include "net/curl/multi.h"
#include "net/direct/exchange.h"
#include "net/http_client.h"
#include "net/io_loop.h"

namespace tocsin::net {

// One exchange. Confined to the io thread, but for read_files().
class Transfer {
 public:
  enum class Next { kFinish, kAgain };

  virtual ~Transfer() = default;
  // Connections are shared only between transfers with equal keys.
  virtual const HttpClientOptions& connection_key() const = 0;
  virtual bool needs_files() const = 0;
  // Reads credential files; on the blocking executor, at most once and before configure().
  virtual Status read_files() = 0;
  // What can be done without curl, and who takes the response; nothing when curl has to do it.
  struct Direct {
    DirectRequest request;
    DirectReceiver& receiver;
  };
  virtual std::optional<Direct> direct() { return std::nullopt; }
  // The result of a direct exchange; kAgain leaves the rest to curl.
  virtual Next ended_directly(const Status& /*status*/) { return Next::kAgain; }
  // Sets the options of `easy`, which is fresh.
  virtual Status configure(CURL* easy) = 0;
  // The result of one run; kAgain starts another with configure().
  virtual Next ended(CURL* easy, CURLcode code) = 0;
  // The end: `failure` is OK after ended() said kFinish, else why it did not get there.
  virtual void finish(const Status& failure) = 0;

 private:
  friend class Transfers;
  enum class State { kWaiting, kReading, kRunning, kFinished };
  State state_ = State::kWaiting;
  base::Timers::Id deadline_ = 0;
  CURL* easy_ = nullptr;
  CurlMulti* multi_ = nullptr;
  std::shared_ptr<DirectExchange> exchange_;
};

class Transfers : public std::enable_shared_from_this<Transfers> {
 public:
  struct Options {
    std::size_t max_in_flight = 2000;        // as many more wait
    std::size_t max_idle_connections = 512;  // of curl, and as many direct ones
    bool direct = true;
  };

  Transfers(IoLoop& loop, base::Executor& blocking, Options options);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void submit(std::shared_ptr<Transfer> transfer, base::Duration timeout);
  // Finishes all with kCancelled and waits for file reads. From any thread, once.
  void shutdown();

 private:
  using Handle = std::shared_ptr<Transfer>;
  struct Pool {
    HttpClientOptions key;
    std::unique_ptr<CurlMulti> multi;
    base::SteadyTime last_used;
  };

  void admit(const Handle& transfer, base::SteadyTime deadline);
  void begin(const Handle& transfer);
  void read_files(const Handle& transfer);
  void start(const Handle& transfer, const Status& ready);
  bool start_directly(const Handle& transfer);
  void ended(const Handle& transfer, CURLcode code);
  void ended_directly(const Handle& transfer, const Status& status);
  void complete(const Handle& transfer, const Status& failure);
  void begin_waiting();
  void cancel_all();
  CurlMulti& pool_for(const HttpClientOptions& key);
  CURL* take_easy();
  void give_back(CURL* easy);

  IoLoop& loop_;
  base::Executor& blocking_;
  const Options options_;
  base::Gate file_reads_;

  bool stopping_ = false;
  bool beginning_ = false;
  std::set<Handle> active_;
  std::deque<Handle> waiting_;
  std::list<Pool> pools_;
  std::vector<CURL*> idle_easy_;
  DirectConnections direct_;
};

}  // namespace tocsin::net
