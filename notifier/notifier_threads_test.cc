// SPDX-License-Identifier: Apache-2.0
//
// The Notifier on real threads: what several callers do at once, and what stop() waits for.
#include <thread>

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/executor.h"
#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "net/testing/fake_net.h"
#include "notifier/matchers.h"
#include "notifier/notifier.h"
#include "notifier/testing/scenario.h"

namespace tocsin::notifier {
namespace {

// How far the clock gets depends on the machine, so nothing may end or repeat by itself.
constexpr int kYears = 300'000'000;

struct Threaded {
  std::unique_ptr<Notifier> open() {
    NotifierOptions options;
    options.directory = "state";
    auto opened = Notifier::open(options, {clock, clock, workers, *files, metrics, http, mail});
    CHECK(opened.ok());
    CHECK((*opened)->apply(testing::webhook_config(1, 5, kYears, 2)).ok());
    return *std::move(opened);
  }
  // Advances the clock until `done`; the workers need real time between two steps.
  void advance_until(const std::function<bool()>& done) {
    while (!done()) {
      clock.advance(base::Duration(100));
      std::this_thread::yield();
    }
  }

  base::testing::FakeClock clock;
  std::unique_ptr<base::FileSystem> files = base::testing::make_mem_fs();
  base::Registry metrics;
  net::testing::FakeHttpClient http;
  net::testing::FakeMailSender mail;
  base::ThreadPool workers{{.name = "workers", .threads = 3}};
};

model::Alert alert(int number) {
  model::Alert a;
  a.labels = model::Labels::of(
      {{"alertname", fmt::format("a{}", number % 7)}, {"n", fmt::format("{}", number)}});
  a.ends_at = base::from_ms(1'700'000'000'000) + std::chrono::seconds(kYears);
  return a;
}

TEST(NotifierThreads, CallersMayDoEverythingAtOnce) {
  Threaded t;
  t.http.set_responder([](const net::ClientRequest&) {
    return net::ClientResponse{.status = 200, .headers = {}, .body = "", .wire_body_bytes = 0};
  });
  auto notifier = t.open();
  constexpr int kRounds = 100;
  base::ThreadPool callers({.name = "callers", .threads = 4});
  ASSERT_TRUE(callers.post([&] {
    for (int i = 0; i < kRounds; ++i) EXPECT_TRUE(notifier->post({alert(i), alert(i + 1)}).ok());
  }));
  ASSERT_TRUE(callers.post([&] {
    for (int i = 0; i < kRounds; ++i) {
      Silence silence;
      silence.matchers = {model::Matcher::equal("n", fmt::format("{}", i))};
      silence.ends_at = t.clock.now() + base::Duration(3'600'000);
      const auto id = notifier->set_silence(silence);
      EXPECT_TRUE(id.ok());
      if (i % 2 == 0) {
        EXPECT_TRUE(notifier->expire_silence(*id).ok());
      }
    }
  }));
  ASSERT_TRUE(callers.post([&] {
    for (int i = 0; i < kRounds; ++i) {
      static_cast<void>(notifier->alerts({}));
      static_cast<void>(notifier->groups({}));
      static_cast<void>(notifier->silences());
      static_cast<void>(t.metrics.gather());
    }
  }));
  ASSERT_TRUE(callers.post([&] {
    for (int i = 0; i < kRounds / 10; ++i) {
      EXPECT_TRUE(notifier->apply(testing::webhook_config(1, 5, kYears, 2)).ok());
      t.clock.advance(base::Duration(500));
    }
  }));
  callers.stop();
  t.advance_until([&] { return t.http.sent().size() >= 2; });
  EXPECT_EQ(notifier->alerts({}).size(), kRounds + 1U);
  EXPECT_EQ(notifier->silences().size(), static_cast<std::size_t>(kRounds));
  notifier->stop();
}

TEST(NotifierThreads, StopWaitsForAttemptsInFlightAndRemembersThem) {
  Threaded t;
  auto notifier = t.open();
  ASSERT_TRUE(notifier->post({alert(1)}).ok());
  t.advance_until([&] { return t.http.pending() == 2; });
  base::ThreadPool stopping({.name = "stopping", .threads = 1});
  ASSERT_TRUE(stopping.post([&] { notifier->stop(); }));
  for (int i = 0; i < 2; ++i) {
    t.http.respond(
        net::ClientResponse{.status = 200, .headers = {}, .body = "", .wire_body_bytes = 0});
  }
  stopping.stop();
  notifier = t.open();
  ASSERT_TRUE(notifier->post({alert(1)}).ok());
  t.advance_until(
      [&] { return testing::metric_value(t.metrics, "alertmanager_nflog_queries_total") >= 4; });
  notifier->stop();
  EXPECT_EQ(t.http.sent().size(), 2U) << "told again after the restart";
}

}  // namespace
}  // namespace tocsin::notifier
