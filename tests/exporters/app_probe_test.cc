// SPDX-License-Identifier: Apache-2.0
//
// tocsin-app-exporter as a program in the place of blackbox_exporter: with its file, by its requests,
// and against servers that hang.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/executor.h"
#include "net/testing/raw_socket.h"
#include "net/testing/tls_socket.h"
#include "tests/exporters/lint.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

using net::testing::RawHttp;
using net::testing::RawListener;
using net::testing::RawSocket;
using net::testing::TestCertificate;
using net::testing::TlsSocket;
using ::testing::HasSubstr;

constexpr std::string_view kBlackbox =
    "modules:\n"
    "  http_2xx: {prober: http}\n"
    "  tcp_connect: {prober: tcp}\n"
    "  hang: {prober: http, timeout: 100s}\n"
    "  icmp: {prober: icmp}\n";

class AppProbe : public ::testing::Test {
 protected:
  void start(std::string_view config) {
    config_ = files_.write("blackbox.yml", config);
    exporter_ = std::make_unique<Process>(
        std::vector<std::string>{built_program("tocsin-app-exporter"), "--config.file=" + config_,
                                 "--web.listen-address=127.0.0.1:0"});
    address_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
  }
  RawHttp::Reply get(std::string_view target) { return RawHttp(address_).get(target); }
  std::string page(std::string_view target) {
    const RawHttp::Reply reply = get(target);
    EXPECT_EQ(reply.status, 200) << target << reply.body;
    return reply.body;
  }
  std::size_t threads() const {
    const std::filesystem::directory_iterator tasks(fmt::format("/proc/{}/task", exporter_->pid()));
    return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
  }

  TempDir files_;
  std::string config_;
  std::unique_ptr<Process> exporter_;
  std::string address_;
};

struct Family {
  std::string type, help;
  friend bool operator==(const Family&, const Family&) = default;
};

std::map<std::string, Family> families_of(const std::string& page) {
  std::map<std::string, Family> families;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark, keyword, name, rest;
    words >> mark >> keyword >> name;
    std::getline(words, rest);
    if (mark != "#" || rest.empty()) continue;
    (keyword == "TYPE" ? families[name].type : families[name].help) = rest.substr(1);
  }
  return families;
}

// Families that blackbox_exporter has shown for `prober`, of a table with the columns family, type,
// labels, seen_in, samples, help.
std::map<std::string, Family> upstream_families(const std::string& folder,
                                                std::string_view prober) {
  std::ifstream table(folder + "/exporter-families/blackbox_families.tsv");
  std::map<std::string, Family> families;
  for (std::string line; std::getline(table, line);) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    if (cells.size() < 6 ||
        (cells[3] + ",").find(fmt::format("{},", prober)) == std::string::npos) {
      continue;
    }
    families[cells[0]] = {cells[1], cells[5]};
  }
  return families;
}

TEST_F(AppProbe, ShowsEveryFamilyOfBlackboxExporter) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  start(kBlackbox);
  const auto check = [&](std::string_view prober, const std::string& query) {
    const std::map<std::string, Family> shown = families_of(page("/probe?" + query));
    const std::map<std::string, Family> wanted = upstream_families(folder, prober);
    EXPECT_GE(wanted.size(), 7U) << prober;
    for (const auto& [name, family] : wanted) {
      const auto found = shown.find(name);
      ASSERT_NE(found, shown.end()) << prober << " " << name;
      EXPECT_EQ(found->second, family) << prober << " " << name << found->second.help;
    }
    // The newest release has this one, too.
    EXPECT_EQ(shown.size(), wanted.size() + (shown.contains("probe_timeout_seconds") ? 1U : 0U));
  };
  check("http", "target=" + address_ + "/-/healthy");
  check("tcp", "module=tcp_connect&target=" + address_);
  if (page("/probe?module=icmp&target=127.0.0.1").find("probe_success 1") != std::string::npos) {
    check("icmp", "module=icmp&target=127.0.0.1");
  }
}

// Whatever a probe finds: what it could not find is 0, and a page like another.
TEST_F(AppProbe, PagesHaveNothingThatPromtoolComplainsAbout) {
  const TestCertificate certificate(files_.path(), {});
  start(
      fmt::format("modules:\n"
                  "  http: {{prober: http, http: {{tls_config: {{ca_file: {}}}}}}}\n"
                  "  tcp: {{prober: tcp}}\n"
                  "  icmp: {{prober: icmp}}\n"
                  "  dns: {{prober: dns, timeout: 300ms, dns: {{query_name: example.com}}}}\n"
                  "  ws: {{prober: websocket}}\n"
                  "probe_targets_allow: [127.0.0.0/8]\n"
                  "probes:\n"
                  "- {{module: tcp, interval: 60s, targets: ['127.0.0.1:1']}}\n",
                  certificate.cert_file()));
  RawListener secure;
  base::ThreadPool server({.name = "server", .threads = 1});
  ASSERT_TRUE(server.post([&] {
    TlsSocket socket(secure.accept(), certificate);
    socket.read_until("\r\n\r\n");
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }));
  const auto check = [this](const std::string& target, std::string_view family) {
    const std::string text = page(target);
    EXPECT_THAT(text, HasSubstr(family)) << target;
    EXPECT_EQ(own_complaints(text), std::vector<std::string>{}) << target;
  };
  check("/probe?module=http&target=https://" + secure.address(), "probe_ssl_last_chain_info{");
  server.stop();
  check("/probe?module=http&target=" + address_, "probe_success 1");
  check("/probe?module=tcp&target=" + address_, "probe_success 1");
  check("/probe?module=tcp&target=127.0.0.1:1", "probe_success 0");
  check("/probe?module=icmp&target=127.0.0.1", "probe_icmp_duration_seconds{");
  check("/probe?module=dns&target=127.0.0.1:1", "probe_dns_duration_seconds{");
  check("/probe?module=ws&target=ws://" + address_, "probe_websocket_status_code");
  check("/metrics", "app_exporter_build_info");
}

TEST_F(AppProbe, ProbesItself) {
  start(kBlackbox);
  const std::string probe = page("/probe?target=" + address_ + "/-/healthy");
  EXPECT_THAT(probe, HasSubstr("probe_success 1\n"));
  EXPECT_THAT(probe, HasSubstr("probe_http_content_length 7\n"));
  EXPECT_THAT(page("/probe?debug=true&target=" + address_ + "/nothing"),
              HasSubstr("invalid HTTP response status code 404, wanted 2xx"));
  EXPECT_THAT(exporter_->standard_error(), HasSubstr("/probe asks every target"));
  EXPECT_EQ(exporter_->terminate(), 0);
}

TEST_F(AppProbe, ReloadsOnASignalAndKeepsTheOldFileWhenTheNewOneIsBad) {
  start(kBlackbox);
  EXPECT_EQ(get("/probe?module=new&target=x").status, 400);
  files_.write("blackbox.yml", "modules: {new: {prober: tcp}}");
  exporter_->signal(SIGHUP);
  EXPECT_TRUE(eventually([this] { return get("/probe?module=new&target=x:1").status == 200; }));
  files_.write("blackbox.yml", "modules: {new: {prober: nonsense}}");
  exporter_->signal(SIGHUP);
  EXPECT_TRUE(eventually([this] {
    return page("/metrics").find("\napp_exporter_config_last_reload_successful 0\n") !=
           std::string::npos;
  }));
  EXPECT_EQ(get("/probe?module=new&target=x:1").status, 200);
}

TEST_F(AppProbe, ChecksAFileWithoutServing) {
  const auto check = [this](std::string_view text) {
    return run({built_program("tocsin-app-exporter"), "--config.check",
                "--config.file=" + files_.write("check.yml", text)});
  };
  EXPECT_EQ(check(kBlackbox).exit_code, 0);
  const Finished example = run({built_program("tocsin-app-exporter"), "--config.check",
                                "--config.file=" + source_path("examples/app/app.yml")});
  EXPECT_EQ(example.exit_code, 0) << example.err;
  const Finished bad = check("modules:\n  a: {prober: http, htpt: {}}\n");
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("check.yml:2:"));
  const Finished flag = run({built_program("tocsin-app-exporter"), "--history.limit=5"});
  EXPECT_EQ(flag.exit_code, 1);
  EXPECT_THAT(flag.err, HasSubstr("not supported yet: --history.limit"));
}

TEST_F(AppProbe, TargetsThatHangDoNotHoldUpThePage) {
  RawListener silent;  // the system accepts for it, nobody answers
  start(kBlackbox);
  const std::string request = fmt::format(
      "GET /probe?module=hang&target={} HTTP/1.1\r\nHost: test\r\n\r\n", silent.address());
  std::vector<RawSocket> waiting;
  for (int i = 0; i < 60; ++i) {
    waiting.push_back(RawSocket::connect(address_));
    waiting.back().write(request);
  }
  // More than a server with a thread for each request would have; the others wait or hang by then.
  std::vector<RawSocket> asked;
  for (int i = 0; i < 12; ++i) asked.push_back(silent.accept());
  EXPECT_THAT(page("/metrics"), HasSubstr("app_exporter_build_info"));
  EXPECT_LE(threads(), 80U);
  exporter_->kill();  // it would wait some seconds for what runs
}

}  // namespace
}  // namespace tocsin::tests
