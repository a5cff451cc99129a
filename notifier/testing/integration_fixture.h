// SPDX-License-Identifier: Apache-2.0
//
// IntegrationFixture: a notification of two firing alerts and one resolved, and what an integration
// needs to send it.
#pragma once

#include <optional>

#include "base/check.h"
#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "net/testing/fake_net.h"
#include "notifier/integrations/context.h"

namespace tocsin::notifier::testing {

struct IntegrationFixture {
  IntegrationFixture() {
    auto loaded = MessageTemplates::load({}, clock);
    CHECK(loaded.ok());
    context.templates = *std::move(loaded);
    const auto alert = [](std::string_view instance, base::Timestamp start, base::Timestamp end) {
      model::Alert a;
      a.labels =
          model::Labels::of({{"alertname", "HighCPU"}, {"instance", instance}, {"job", "node"}});
      a.annotations = model::Labels::of({{"summary", "CPU <90% & rising"}});
      a.starts_at = start;
      a.ends_at = end;
      a.generator_url = "http://prom:9090/graph?g0.expr=up&g0.tab=1";
      return a;
    };
    notification.group_key = R"({}/{job="node"}:{alertname="HighCPU"})";
    notification.receiver = "team-x";
    notification.group_labels = model::Labels::of({{"alertname", "HighCPU"}});
    notification.now = clock.now();
    notification.deadline = clock.steady_now() + base::Duration(60'000);
    notification.reason = "first notification";
    const base::Timestamp start = clock.now() - base::Duration(90'500);
    notification.alerts = {alert("a:9100", start, model::kNoTime),
                           alert("b:9100", start, model::kNoTime),
                           alert("c:9100", start, clock.now() - base::Duration(500))};
  }

  // Keeps what an integration reports at once; nothing when it has not.
  std::optional<NotifyResult> notify(Integration& integration) {
    std::optional<NotifyResult> result;
    integration.notify(notification, [&result](const NotifyResult& r) { result = r; });
    return result;
  }
  void resolve_all() {
    for (model::Alert& alert : notification.alerts) alert.ends_at = notification.now;
  }

  base::testing::FakeClock clock;
  net::testing::FakeHttpClient http;
  net::testing::FakeMailSender mail;
  std::unique_ptr<base::FileSystem> files = base::testing::make_mem_fs();
  IntegrationContext context{.http = http,
                             .mail = mail,
                             .files = *files,
                             .clock = clock,
                             .templates = nullptr,
                             .external_url = "http://am.example:9093",
                             .random = [] { return std::uint64_t{7}; }};
  Notification notification;
};

// A reply with this status, body and content type.
inline net::ClientResponse reply(int status, std::string body,
                                 std::string_view type = "text/plain") {
  net::ClientResponse response;
  response.status = status;
  response.body = std::move(body);
  response.headers.set("Content-Type", type);
  return response;
}

}  // namespace tocsin::notifier::testing
