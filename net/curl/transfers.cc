// SPDX-License-Identifier: Apache-2.0
#include "net/curl/transfers.h"

#include "base/check.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kMaxIdleEasy = 64;
constexpr std::size_t kMaxPools = 256;
constexpr base::Duration kPoolIdle = std::chrono::minutes(5);

}  // namespace

Transfers::Transfers(IoLoop& loop, base::Executor& blocking, Options options)
    : loop_(loop),
      blocking_(blocking),
      options_(options),
      direct_(loop, options.max_idle_connections) {
  CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

Transfers::~Transfers() {
  CHECK(active_.empty() && pools_.empty());
  for (CURL* easy : idle_easy_) curl_easy_cleanup(easy);
  curl_global_cleanup();
}

void Transfers::submit(std::shared_ptr<Transfer> transfer, base::Duration timeout) {
  const base::SteadyTime deadline = loop_.clock().steady_now() + timeout;
  const bool posted = loop_.post(
      [self = shared_from_this(), transfer, deadline] { self->admit(transfer, deadline); });
  if (!posted) transfer->finish(cancelled("the client is stopped"));
}

void Transfers::admit(const Handle& transfer, base::SteadyTime deadline) {
  if (stopping_) return complete(transfer, cancelled("the client is stopped"));
  if (active_.size() >= options_.max_in_flight && waiting_.size() >= options_.max_in_flight) {
    return complete(transfer,
                    resource_exhausted("more than {} requests are waiting", waiting_.size()));
  }
  transfer->deadline_ = loop_.schedule(deadline, [weak = weak_from_this(), transfer] {
    if (const auto self = weak.lock()) {
      self->complete(transfer, deadline_exceeded("context deadline exceeded"));
    }
  });
  waiting_.push_back(transfer);
  begin_waiting();
}

void Transfers::begin_waiting() {
  // begin() may complete a transfer at once, which comes back here.
  if (std::exchange(beginning_, true)) return;
  while (!waiting_.empty() && active_.size() < options_.max_in_flight) {
    const Handle transfer = std::move(waiting_.front());
    waiting_.pop_front();
    active_.insert(transfer);
    if (transfer->needs_files()) {
      read_files(transfer);
    } else {
      start(transfer, ok());
    }
  }
  beginning_ = false;
}

void Transfers::read_files(const Handle& transfer) {
  transfer->state_ = Transfer::State::kReading;
  const auto pass = std::make_shared<base::Gate::Pass>(file_reads_.enter());
  const bool posted = blocking_.post([self = shared_from_this(), transfer, pass] {
    const auto status = std::make_shared<Status>(transfer->read_files());
    // Refused only when the loop has stopped; shutdown() then finishes the transfer.
    static_cast<void>(self->loop_.post([self, transfer, status] {
      const Status ready = std::move(*status);  // a copy would share an object of absl's
      self->start(transfer, ready);
    }));
  });
  if (!posted) complete(transfer, unavailable("the queue for reading credential files is full"));
}

void Transfers::start(const Handle& transfer, const Status& ready) {
  if (transfer->state_ == Transfer::State::kFinished) return;
  if (!ready.ok()) return complete(transfer, ready);
  transfer->state_ = Transfer::State::kRunning;
  if (start_directly(transfer)) return;
  if (transfer->easy_ == nullptr) {
    transfer->easy_ = take_easy();
  } else {
    curl_easy_reset(transfer->easy_);  // it ran before
  }
  if (const Status status = transfer->configure(transfer->easy_); !status.ok()) {
    return complete(transfer, status);
  }
  transfer->multi_ = &pool_for(transfer->connection_key());
  transfer->multi_->add(transfer->easy_,
                        [this, transfer](CURLcode code) { ended(transfer, code); });
}

bool Transfers::start_directly(const Handle& transfer) {
  if (!options_.direct) return false;
  std::optional<Transfer::Direct> direct = transfer->direct();
  if (!direct || direct_.avoids(direct->request)) return false;
  transfer->exchange_ = std::make_shared<DirectExchange>(
      direct_, std::move(direct->request), direct->receiver,
      [this, transfer](const Status& status) { ended_directly(transfer, status); });
  transfer->exchange_->start();
  return true;
}

void Transfers::ended_directly(const Handle& transfer, const Status& status) {
  const std::shared_ptr<DirectExchange> exchange = std::move(transfer->exchange_);
  if (transfer->ended_directly(status) == Transfer::Next::kFinish) return complete(transfer, ok());
  direct_.avoid(exchange->request());
  start(transfer, ok());
}

void Transfers::ended(const Handle& transfer, CURLcode code) {
  transfer->multi_ = nullptr;
  if (transfer->ended(transfer->easy_, code) == Transfer::Next::kAgain)
    return start(transfer, ok());
  complete(transfer, ok());
}

void Transfers::complete(const Handle& handle, const Status& failure) {
  const Handle transfer = handle;        // the caller's may be an element of what changes here
  const auto self = shared_from_this();  // the callback may destroy the client
  if (transfer->state_ == Transfer::State::kFinished) return;
  if (transfer->state_ == Transfer::State::kWaiting) std::erase(waiting_, transfer);
  transfer->state_ = Transfer::State::kFinished;
  loop_.cancel(transfer->deadline_);
  active_.erase(transfer);
  if (transfer->multi_ != nullptr)
    std::exchange(transfer->multi_, nullptr)->remove(transfer->easy_);
  if (transfer->exchange_ != nullptr) std::exchange(transfer->exchange_, nullptr)->cancel();
  transfer->finish(failure);
  if (transfer->easy_ != nullptr) give_back(std::exchange(transfer->easy_, nullptr));
  begin_waiting();
}

void Transfers::cancel_all() {
  stopping_ = true;
  const Status stopped = cancelled("the client is stopped");
  while (!waiting_.empty()) complete(waiting_.front(), stopped);
  while (!active_.empty()) complete(*active_.begin(), stopped);
  pools_.clear();
  direct_.close_all();
}

void Transfers::shutdown() {
  struct Finished {
    base::Mutex mutex;
    base::CondVar changed;
    bool done ABSL_GUARDED_BY(mutex) = false;
  };
  const auto finished = std::make_shared<Finished>();
  const bool posted = !loop_.on_io_thread() && loop_.post([this, finished] {
    cancel_all();
    base::MutexLock lock(finished->mutex);
    finished->done = true;
    finished->changed.notify_all();
  });
  if (posted) {
    base::MutexLock lock(finished->mutex);
    while (!finished->done) finished->changed.wait(finished->mutex);
  } else {
    cancel_all();  // on the io thread, or there is none any more
  }
  file_reads_.close();
}

// Pools number about as many as scrape jobs and receivers, so a list does.
CurlMulti& Transfers::pool_for(const HttpClientOptions& key) {
  const base::SteadyTime now = loop_.clock().steady_now();
  const auto found =
      std::find_if(pools_.begin(), pools_.end(), [&](const Pool& pool) { return pool.key == key; });
  if (found != pools_.end()) {
    found->last_used = now;
    pools_.splice(pools_.begin(), pools_, found);
    return *pools_.front().multi;
  }
  // The list is in order of use; connections of options that are gone end here.
  for (auto pool = pools_.rbegin(); pool != pools_.rend();) {
    const bool idle = pool->multi->running() == 0;
    const bool old = now - pool->last_used > kPoolIdle || pools_.size() >= kMaxPools;
    if (!old) break;
    ++pool;
    if (idle) pool = std::make_reverse_iterator(pools_.erase(pool.base()));
  }
  pools_.push_front({key, std::make_unique<CurlMulti>(loop_, options_.max_idle_connections), now});
  return *pools_.front().multi;
}

CURL* Transfers::take_easy() {
  if (idle_easy_.empty()) {
    CURL* easy = curl_easy_init();
    CHECK(easy != nullptr);
    return easy;
  }
  CURL* easy = idle_easy_.back();
  idle_easy_.pop_back();
  return easy;
}

void Transfers::give_back(CURL* easy) {
  if (idle_easy_.size() >= kMaxIdleEasy) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_reset(easy);  // forgets credentials and pointers into the transfer
  idle_easy_.push_back(easy);
}

}  // namespace tocsin::net
