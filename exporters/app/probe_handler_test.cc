// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/config.h"
#include "exporters/app/testing/probe_fixture.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawSocket;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptServer;

TEST(ProbeTimeout, IsTheSmallerOfModuleAndScraper) {
  const auto check = [](std::string_view header, std::int64_t module_ms, std::int64_t want_ms) {
    const auto timeout = probe_timeout(header, base::Duration(module_ms), base::Duration(500));
    ASSERT_TRUE(timeout.ok()) << header;
    EXPECT_EQ(timeout->count(), want_ms) << header << " " << module_ms;
  };
  check("", 0, 119'500);
  check("", 5000, 5000);
  check("10", 0, 9500);
  check("10", 5000, 5000);
  check("10", 20'000, 9500);
  check("0.4", 5000, 5000);
  check("0.4", 0, 1);
  for (const std::string_view bad : {"x", "1s", "nan", "inf", "-1"}) {
    EXPECT_FALSE(probe_timeout(bad, base::Duration(1), base::Duration(500)).ok()) << bad;
  }
}

class ProbeHandlerTest : public ::testing::Test {
 protected:
  net::HttpResponse ask(std::string_view yaml, std::string_view query,
                        std::string_view timeout = "") {
    const auto root = base::parse_yaml(yaml, "b.yml");
    if (!root.ok()) return net::HttpResponse::text(0, message(root.status()));
    base::YamlMapping mapping(*root);
    const auto config = read_probe_config(*root, mapping, "", base::real_file_system());
    if (!config.ok() || !mapping.finish().ok()) {
      return net::HttpResponse::text(0, message(mapping.finish()));
    }
    net::HttpRequest request;
    EXPECT_TRUE(request.set_target(fmt::format("/probe?{}", query)).ok());
    if (!timeout.empty()) request.headers.set("X-Prometheus-Scrape-Timeout-Seconds", timeout);
    ProbeAnswer answer = serve_probe(request, **config, {clock_, base::real_file_system(), lookup_},
                                     base::Duration(500));
    is_unknown_ = answer.is_unknown_module;
    return answer.response;
  }

  const base::SystemClock clock_;
  net::HostLookup lookup_{testing::resolve_to_loopback};
  bool is_unknown_ = false;
};

constexpr std::string_view kBlackbox = "modules: {http_2xx: {prober: http}, tcp: {prober: tcp}}";

TEST_F(ProbeHandlerTest, ErrorsAreThoseOfBlackboxExporter) {
  const auto check = [this](std::string_view query, int status, std::string_view body) {
    const net::HttpResponse response = ask(kBlackbox, query);
    EXPECT_EQ(response.status, status) << query;
    EXPECT_EQ(response.body, body) << query;
  };
  check("", 400, "Target parameter is missing\n");
  check("module=nope&target=x", 400, "Unknown module \"nope\"\n");
  EXPECT_TRUE(is_unknown_);
  const net::HttpResponse response = ask(kBlackbox, "target=x", "soon");
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("Failed to parse timeout from Prometheus header"));
  const net::HttpResponse host =
      ask("modules: {http_2xx: {prober: http, http: {headers: {host: a}}}}", "target=x&hostname=b");
  EXPECT_EQ(host.status, 400);
  EXPECT_EQ(host.body,
            "host header defined both in module configuration (a) and with URL-parameter "
            "'hostname' (b)\n");
}

TEST_F(ProbeHandlerTest, AnswersWithThePageOrItsStory) {
  ScriptServer server([](RawSocket& peer) {
    peer.read_until("\r\n\r\n");
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const std::string query = "target=" + server.address();
  const net::HttpResponse page = ask(kBlackbox, query);
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("# TYPE probe_success gauge\nprobe_success 1\n"));
  EXPECT_THAT(std::string(page.headers.get("Content-Type")), HasSubstr("version=0.0.4"));
  const net::HttpResponse story = ask(
      "modules: {http_2xx: {prober: http, http: {basic_auth: {username: u, password: hunter2}}}}",
      query + "&debug=true");
  EXPECT_THAT(story.body,
              AllOf(HasSubstr("Logs for the probe:\n"), HasSubstr("probe succeeded"),
                    HasSubstr("Metrics that would have been returned:\n# HELP"),
                    HasSubstr("Module configuration:\nprober: http\n"), Not(HasSubstr("hunter2"))));
}

TEST_F(ProbeHandlerTest, AsksOnlyWhatIsAllowed) {
  ScriptServer server([](RawSocket& peer) { peer.read_all(); });
  const std::string query = "module=tcp&target=" + server.address();
  const auto status = [&](std::string_view more) {
    return ask(fmt::format("{}\n{}", kBlackbox, more), query).status;
  };
  EXPECT_EQ(status(""), 200) << "a blackbox.yml allows all";
  EXPECT_EQ(status("probe_targets_allow: []"), 403);
  EXPECT_EQ(status("probe_targets_allow: ['10.0.0.0/8', 'localhost']"), 403);
  EXPECT_EQ(status("probe_targets_allow: ['127.0.0.0/8']"), 200);
  EXPECT_EQ(status(fmt::format("probe_targets_allow: ['127.0.0.1:{}']", server.port())), 200);
  EXPECT_EQ(status("probe_targets_allow: ['127.0.0.1:1']"), 403);
  const std::string both = fmt::format("{}\nprobe_targets_allow: ['127.0.0.0/8']", kBlackbox);
  EXPECT_EQ(ask(both, "target=http://169.254.169.254/").status, 403);
  EXPECT_EQ(ask(both, "target=http://allowed@169.254.169.254/").status, 403);
  EXPECT_EQ(ask(both, "target=http://2130706433/").status, 403);
  EXPECT_EQ(ask(both, "module=tcp&target=nothing").status, 400);
}

}  // namespace
}  // namespace tocsin::exporters::app
