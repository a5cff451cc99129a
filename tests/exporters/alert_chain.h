// SPDX-License-Identifier: Apache-2.0
//
// AlertChain: the whole way of the rules of an example behind its exporter: tocsin with the example's
// prometheus.yml, rules and alertmanager.yml, and somebody who hears its messages.
//
// The times are shortened: it scrapes and evaluates each second, a condition must hold for a second, a
// message leaves after a second. What else a test changes it says.
//
// Owns: tocsin, its files and the receiver. Threads: confined. Errors: what does not start, or is not
// in the text to be changed, fails the running test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/http.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {

class AlertChain {
 public:
  struct Options {
    std::string example = {};   // a folder of examples/
    std::string target = {};    // of its prometheus.yml, as "127.0.0.1:9187"
    std::string exporter = {};  // the address to scrape in its place
    // Texts in its rules, and what is there instead.
    std::vector<std::pair<std::string, std::string>> changes = {};
  };

  // Starts tocsin and waits until it is ready and has scraped the exporter.
  explicit AlertChain(const Options& options);

  // Waits until the receiver hears that an alert of this name is "firing" or "resolved", in a message
  // after the one that answered the call before for this name; does `meanwhile` until then.
  bool hears(
      std::string_view status, std::string_view name,
      const std::function<void()>& meanwhile = [] {});

  Tocsin& tocsin() { return *tocsin_; }

 private:
  std::string write_config(const Options& options) const;
  void write_rules(const Options& options) const;
  std::string write_receivers(const Options& options) const;

  const TempDir files_;
  HttpSink sink_{[](const net::HttpRequest&) { return net::HttpResponse::text(200, "ok"); }};
  std::map<std::string, std::size_t, std::less<>> heard_;  // messages that answered, by alert
  std::unique_ptr<Tocsin> tocsin_;
};

}  // namespace tocsin::tests
