// SPDX-License-Identifier: Apache-2.0
#include "net/curl.h"
#include "net/curl/http_transfer.h"
#include "net/curl/transfers.h"

namespace tocsin::net {
namespace {

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(IoLoop& loop, base::Executor& blocking, CurlOptions options)
      : user_agent_(std::move(options.user_agent)),
        transfers_(std::make_shared<Transfers>(
            loop, blocking,
            Transfers::Options{options.max_in_flight, options.max_idle_connections,
                               options.direct})) {}
  ~CurlHttpClient() override { transfers_->shutdown(); }

  void send(ClientRequest request, Callback callback) override {
    const base::Duration timeout = request.timeout;
    transfers_->submit(std::make_shared<HttpTransfer>(std::move(request), user_agent_, bodies_,
                                                      std::move(callback)),
                       timeout);
  }

  void recycle(std::string body) override { bodies_.give_back(std::move(body)); }

 private:
  const std::string user_agent_;
  BodyPool bodies_;
  const std::shared_ptr<Transfers> transfers_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(IoLoop& loop, base::Executor& blocking,
                                             CurlOptions options) {
  return std::make_unique<CurlHttpClient>(loop, blocking, std::move(options));
}

}  // namespace tocsin::net
