// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tocsin.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

namespace tocsin::tests {

namespace {

std::vector<std::string> command_of(const Tocsin::Options& options) {
  std::vector<std::string> command{built_program("tocsin"), "--config.file=" + options.config,
                                   "--storage.tsdb.path=" + options.data,
                                   "--web.listen-address=127.0.0.1:0"};
  if (!options.alertmanager.empty()) {
    command.push_back("--alertmanager.config.file=" + options.alertmanager);
    command.push_back("--alertmanager.web.listen-address=127.0.0.1:0");
    command.push_back("--alertmanager.storage.path=" + options.data + "/alertmanager");
  }
  command.insert(command.end(), options.more.begin(), options.more.end());
  return command;
}

}  // namespace

Tocsin::Tocsin(const Options& options) : process_(command_of(options)) {
  address_ = log_field(process_.wait_for_line({"Listening on", "address="}), "address");
  if (options.alertmanager.empty()) return;
  alertmanager_address_ = log_field(
      process_.wait_for_line({"Listening on", "address=", "component=alertmanager"}), "address");
}

bool Tocsin::wait_ready() {
  if (address_.empty()) return false;
  return eventually([this] {
           return process_.has_ended() || http_get(address_, "/-/ready").status == 200;
         }) &&
         !process_.has_ended();
}

base::JsonValue Tocsin::get(const std::string& target) {
  const Reply reply = http_get(address_, target);
  EXPECT_EQ(reply.status, 200) << target << ": " << reply.body;
  return parsed(reply.body);
}

std::string Tocsin::query_text(const std::string& expr, const std::string& time) {
  Form form{{"query", expr}};
  if (!time.empty()) form.emplace_back("time", time);
  const Reply reply = http_get(address_, "/api/v1/query?" + encode_form(form));
  EXPECT_EQ(reply.status, 200) << expr << ": " << reply.body;
  EXPECT_TRUE(reply.complete) << expr;
  return reply.body;
}

base::JsonValue Tocsin::query(const std::string& expr, const std::string& time) {
  return parsed(query_text(expr, time));
}

std::string Tocsin::value(const std::string& expr) {
  return text_at(query(expr), "data.result.0.value.1");
}

std::optional<double> Tocsin::metric(std::string_view family) {
  const std::string page = http_get(address_, "/metrics").body;
  std::optional<double> sum;
  for (std::size_t begin = 0; begin < page.size();) {
    const std::size_t end = std::min(page.find('\n', begin), page.size());
    const std::string line = page.substr(begin, end - begin);
    begin = end + 1;
    const char after = line.size() > family.size() ? line[family.size()] : '\0';
    if (!line.starts_with(family) || (after != ' ' && after != '{')) continue;
    sum = sum.value_or(0) + std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

void Tocsin::stop() { EXPECT_EQ(process_.terminate(), 0) << process_.standard_error(); }

}  // namespace tocsin::tests
