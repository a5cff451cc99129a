// SPDX-License-Identifier: Apache-2.0
//
// Tocsin: a running tocsin with its own data directory and free ports, and its API.
//
// Owns: the process. Threads: confined. Errors: whatever does not answer as it should fails the
// running test.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

namespace tocsin::tests {

class Tocsin {
 public:
  struct Options {
    std::string config = {};        // path of prometheus.yml
    std::string alertmanager = {};  // path of alertmanager.yml; "": no notifier
    std::string data = {};          // directory of the store; kept between runs of one test
    std::vector<std::string> more = {};
  };

  // Starts it and waits until it listens; ready() waits for the rest.
  explicit Tocsin(const Options& options);

  // Waits until /-/ready says 200.
  bool wait_ready();
  Process& process() { return process_; }
  const std::string& address() const { return address_; }
  std::string url() const { return "http://" + address_; }
  // Of the Alertmanager API.
  const std::string& alertmanager_address() const { return alertmanager_address_; }
  std::string alertmanager_url() const { return "http://" + alertmanager_address_; }

  // GET of a path of the API, which must succeed; its JSON.
  base::JsonValue get(const std::string& target);
  // The result of an instant query, now or at `time`; as it came.
  std::string query_text(const std::string& expr, const std::string& time = "");
  base::JsonValue query(const std::string& expr, const std::string& time = "");
  // The value of the single series that an instant query returns; "" when there is none.
  std::string value(const std::string& expr);
  // The sum over all series of a family of /metrics, as "prometheus_ready"; nothing when there is
  // none.
  std::optional<double> metric(std::string_view family);
  // SIGTERM; it must end with exit code 0 (a sanitizer's finding makes it another).
  void stop();

 private:
  Process process_;
  std::string address_, alertmanager_address_;
};

}  // namespace tocsin::tests
