// SPDX-License-Identifier: Apache-2.0
#include "tests/clients/client.h"

#include <unistd.h>

#include <algorithm>

namespace tocsin::tests {

namespace {

constexpr std::string_view kPage = R"(# HELP fixed A value that stays.
# TYPE fixed gauge
fixed{color="red"} 42
fixed{color="blue"} 7.5
)";

constexpr std::string_view kConfig = R"(
scrape_configs:
  - job_name: sink
    scrape_interval: 1s
    static_configs:
      - targets: ['ADDRESS']
        labels: {instance: one}
)";

constexpr std::string_view kAlertmanagerConfig = R"(route:
  receiver: nobody
  group_by: [alertname]
receivers:
- name: nobody
- name: unused
  slack_configs:
  - api_url: http://127.0.0.1:1/do-not-show
    channel: '#unused'
)";

std::vector<std::string> trimmed_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

ClientTest::ClientTest(const std::string& client)
    : client_(client == "tocsinctl" ? built_program(client)
                                    : source_path("build/parts/bin/" + client)) {}

void ClientTest::SetUp() {
  if (::access(client_.c_str(), X_OK) != 0) {
    GTEST_SKIP() << client_ << " is missing: run tools/fetch_test_parts";
  }
}

void ClientTest::start_tocsin() {
  page_ = std::make_unique<HttpSink>([](const net::HttpRequest&) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "text/plain; version=0.0.4");
    response.body = kPage;
    return response;
  });
  const std::string config = replaced(std::string(kConfig), "ADDRESS", page_->address());
  tocsin_ = std::make_unique<Tocsin>(
      Tocsin::Options{.config = files_.write("prometheus.yml", config),
                      .alertmanager = files_.write("alertmanager.yml", kAlertmanagerConfig),
                      .data = files_.file("data")});
  ASSERT_TRUE(tocsin_->wait_ready());
  ASSERT_TRUE(eventually([this] { return tocsin_->value("up") == "1"; }));
}

Finished ClientTest::run_client(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command{client_};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(std::move(command));
}

std::string ClientTest::output(const std::vector<std::string>& arguments) {
  const Finished finished = run_client(arguments);
  EXPECT_EQ(finished.exit_code, 0) << joined(arguments) << finished.out << finished.err;
  return joined(trimmed_lines(finished.out));
}

std::string ClientTest::sorted_output(const std::vector<std::string>& arguments) {
  std::vector<std::string> lines = trimmed_lines(output(arguments));
  std::sort(lines.begin(), lines.end());
  return joined(lines);
}

std::string ClientTest::failure(const std::vector<std::string>& arguments) {
  const Finished finished = run_client(arguments);
  EXPECT_NE(finished.exit_code, 0) << joined(arguments) << finished.out;
  return finished.err;
}

}  // namespace tocsin::tests
