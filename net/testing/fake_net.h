// SPDX-License-Identifier: Apache-2.0
//
// FakeHttpClient and FakeMailSender: record what is sent and answer as a test says, at once or when
// told.
//
// Threads: shared; answers run on the thread that calls respond() (or send(), with a responder).
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "base/mutex.h"
#include "net/http_client.h"
#include "net/mail_sender.h"

namespace tocsin::net::testing {

class FakeHttpClient final : public HttpClient {
 public:
  using Responder = std::function<StatusOr<ClientResponse>(const ClientRequest&)>;

  // With a responder every request is answered inside send(); without, requests wait in pending().
  void set_responder(Responder responder);
  void send(ClientRequest request, Callback callback) override;

  std::size_t pending() const;
  // The oldest waiting request. REQUIRES: pending() > 0.
  ClientRequest front() const;
  // Answers the oldest waiting request.
  void respond(StatusOr<ClientResponse> response);
  // All requests so far, in order.
  std::vector<ClientRequest> sent() const;

 private:
  mutable base::Mutex mutex_;
  Responder responder_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<ClientRequest, Callback>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<ClientRequest> sent_ ABSL_GUARDED_BY(mutex_);
};

class FakeMailSender final : public MailSender {
 public:
  void set_result(Status result);
  void send(Mail mail, Callback callback) override;
  std::vector<Mail> sent() const;

 private:
  mutable base::Mutex mutex_;
  Status result_ ABSL_GUARDED_BY(mutex_);
  std::vector<Mail> sent_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::net::testing
