// SPDX-License-Identifier: Apache-2.0
//
// Scenario: runs a Notifier on virtual time from a text script and writes down what its webhooks
// receive.
//
// A script has one action per line, `TIME ACTION`, times in seconds:
//   1   alert NAME=VALUE ... [start=T] [end=T] [note=TEXT]   as posted to the API
//   2.3 silence ID NAME=VALUE ... from=T to=T
//   3   expire ID
//   3   reload              applies the same configuration again
//   3   restart             ends the Notifier and opens another on the same files
//   3   answer HOST CODE    what a webhook answers from now on
//   9   end
// The transcript has one line per delivered request: `TIME HOST {labels} START-[END] [note] | ...`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "net/testing/fake_net.h"
#include "notifier/notifier.h"

namespace tocsin::notifier::testing {

class Scenario {
 public:
  explicit Scenario(NotifierConfig config);

  // Runs the script and returns the transcript of what was delivered with a 2xx.
  std::string run(std::string_view script);

  void open();
  void advance_to(double seconds) { clock_.advance_to(at(seconds)); }
  static base::Timestamp at(double seconds);
  Notifier& notifier() { return *notifier_; }
  net::testing::FakeHttpClient& http() { return http_; }
  net::testing::FakeMailSender& mail() { return mail_; }
  base::Registry& metrics() { return *metrics_; }
  base::FileSystem& files() { return *files_; }
  storage::EventLog* events = nullptr;

 private:
  void act(const std::string& action, std::map<std::string, std::string> arguments);
  StatusOr<net::ClientResponse> answer(const net::ClientRequest& request);

  const NotifierConfig config_;
  base::testing::FakeClock clock_;
  base::testing::InlineExecutor workers_;
  std::unique_ptr<base::FileSystem> files_;
  std::unique_ptr<base::Registry> metrics_;
  net::testing::FakeHttpClient http_;
  net::testing::FakeMailSender mail_;
  std::map<std::string, int> answers_;
  std::map<std::string, std::string> silence_ids_;
  std::string transcript_;
  std::unique_ptr<Notifier> notifier_;
};

// A configuration with one route and one receiver with webhooks w1, w2, ...; times in seconds.
NotifierConfig webhook_config(double group_wait, double group_interval, double repeat_interval,
                              int webhooks = 1);

// The value of a metric with these label values, 0 when there is none.
double metric_value(const base::Registry& registry, std::string_view name,
                    const std::vector<std::string>& labels = {});

}  // namespace tocsin::notifier::testing
