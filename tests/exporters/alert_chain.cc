// SPDX-License-Identifier: Apache-2.0
#include "tests/exporters/alert_chain.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace tocsin::tests {
namespace {

constexpr std::string_view kFor = " for: ";

std::string example_file(const AlertChain::Options& options, std::string_view name) {
  return source_path(fmt::format("examples/{}/{}", options.example, name));
}

// `text` with one second in each "for:".
std::string impatient(std::string text) {
  EXPECT_NE(text.find(kFor), std::string::npos) << "no rule waits";
  for (std::size_t at = text.find(kFor); at != std::string::npos; at = text.find(kFor, at)) {
    at += kFor.size();
    text.replace(at, text.find('\n', at) - at, "1s");
  }
  return text;
}

// "firing CeleryWorkerDown", one for each alert of a message.
std::vector<std::string> told(const net::HttpRequest& message) {
  std::vector<std::string> alerts;
  const base::JsonValue body = parsed(message.body);
  for (const base::JsonValue& alert : at(body, "alerts").items()) {
    alerts.push_back(text_at(alert, "status") + " " + text_at(alert, "labels.alertname"));
  }
  return alerts;
}

}  // namespace

AlertChain::AlertChain(const Options& options) {
  write_rules(options);
  tocsin_ = std::make_unique<Tocsin>(Tocsin::Options{.config = write_config(options),
                                                     .alertmanager = write_receivers(options),
                                                     .data = files_.file("data")});
  EXPECT_TRUE(tocsin_->wait_ready());
  const std::string up = fmt::format("up{{instance=\"{}\"}}", options.exporter);
  EXPECT_TRUE(eventually([&] { return tocsin_->value(up) == "1"; }));
}

std::string AlertChain::write_config(const Options& options) const {
  std::string config = read_file(example_file(options, "prometheus.yml"));
  config = replaced_once(config, "scrape_interval: 15s", "scrape_interval: 1s");
  config = replaced_once(config, "evaluation_interval: 15s", "evaluation_interval: 1s");
  config = replaced_once(config, fmt::format("targets: ['{}']", options.target),
                         fmt::format("targets: ['{}']", options.exporter));
  return files_.write("prometheus.yml", config);
}

void AlertChain::write_rules(const Options& options) const {
  std::vector<std::string> names = list_directory(example_file(options, "rules"));
  ASSERT_EQ(names.size(), 1U);
  std::string rules = impatient(read_file(example_file(options, "rules/" + names[0])));
  for (const auto& [from, to] : options.changes) rules = replaced(rules, from, to);
  files_.write("rules/" + names[0], rules);
}

std::string AlertChain::write_receivers(const Options& options) const {
  std::string config = read_file(example_file(options, "alertmanager.yml"));
  config = replaced_once(config, "127.0.0.1:9025", sink_.address());
  config =
      replaced_once(config, "  group_by:", "  group_wait: 1s\n  group_interval: 1s\n  group_by:");
  return files_.write("alertmanager.yml", config);
}

bool AlertChain::hears(std::string_view status, std::string_view name,
                       const std::function<void()>& meanwhile) {
  const std::string wanted = fmt::format("{} {}", status, name);
  std::size_t& next = heard_[std::string(name)];
  const bool heard = eventually([&] {
    meanwhile();
    const std::vector<net::HttpRequest> messages = sink_.requests();
    for (std::size_t i = next; i < messages.size(); ++i) {
      const std::vector<std::string> alerts = told(messages[i]);
      if (std::find(alerts.begin(), alerts.end(), wanted) == alerts.end()) continue;
      next = i + 1;
      return true;
    }
    return false;
  });
  if (heard) return true;
  fmt::print("not heard: {}; but\n", wanted);
  for (const net::HttpRequest& message : sink_.requests()) {
    for (const std::string& alert : told(message)) fmt::print("  {}\n", alert);
  }
  return false;
}

}  // namespace tocsin::tests
