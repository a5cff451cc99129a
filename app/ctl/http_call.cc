// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/http_call.h"

#include <memory>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/time.h"
#include "net/curl.h"

namespace tocsin::app {

StatusOr<net::ClientResponse> call(net::ClientRequest request) {
  struct Wait {
    base::Mutex mutex;
    base::CondVar wake;
    std::optional<StatusOr<net::ClientResponse>> answer;
  };
  const auto wait = std::make_shared<Wait>();
  base::SystemClock clock;
  net::IoLoop loop(clock);
  base::ThreadPool blocking({"blocking", 1, 10, 0});
  auto client = net::make_http_client(loop, blocking, {.user_agent = "tocsinctl"});
  client->send(std::move(request), [wait](StatusOr<net::ClientResponse> answer) {
    base::MutexLock lock(wait->mutex);
    wait->answer = std::move(answer);
    wait->wake.notify_one();
  });
  {
    base::MutexLock lock(wait->mutex);
    while (!wait->answer) wait->wake.wait(wait->mutex);
  }
  client.reset();
  loop.stop();
  blocking.stop();
  base::MutexLock lock(wait->mutex);
  return *std::move(wait->answer);
}

}  // namespace tocsin::app
