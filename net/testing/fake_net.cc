// SPDX-License-Identifier: Apache-2.0
#include "net/testing/fake_net.h"

#include "base/check.h"

namespace tocsin::net::testing {

void FakeHttpClient::set_responder(Responder responder) {
  base::MutexLock lock(mutex_);
  responder_ = std::move(responder);
}

void FakeHttpClient::send(ClientRequest request, Callback callback) {
  Responder responder;
  {
    base::MutexLock lock(mutex_);
    sent_.push_back(request);
    if (!responder_) {
      waiting_.emplace_back(std::move(request), std::move(callback));
      return;
    }
    responder = responder_;
  }
  callback(responder(request));
}

std::size_t FakeHttpClient::pending() const {
  base::MutexLock lock(mutex_);
  return waiting_.size();
}

ClientRequest FakeHttpClient::front() const {
  base::MutexLock lock(mutex_);
  CHECK(!waiting_.empty());
  return waiting_.front().first;
}

void FakeHttpClient::respond(StatusOr<ClientResponse> response) {
  Callback callback;
  {
    base::MutexLock lock(mutex_);
    CHECK(!waiting_.empty());
    callback = std::move(waiting_.front().second);
    waiting_.pop_front();
  }
  callback(std::move(response));
}

std::vector<ClientRequest> FakeHttpClient::sent() const {
  base::MutexLock lock(mutex_);
  return sent_;
}

void FakeMailSender::set_result(Status result) {
  base::MutexLock lock(mutex_);
  result_ = std::move(result);
}

void FakeMailSender::send(Mail mail, Callback callback) {
  Status result;
  {
    base::MutexLock lock(mutex_);
    sent_.push_back(std::move(mail));
    result = result_;
  }
  callback(result);
}

std::vector<Mail> FakeMailSender::sent() const {
  base::MutexLock lock(mutex_);
  return sent_;
}

}  // namespace tocsin::net::testing
