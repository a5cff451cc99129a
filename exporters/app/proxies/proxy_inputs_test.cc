// SPDX-License-Identifier: Apache-2.0
//
// nginx and haproxy as inputs: how they ask, what they do with bad answers, what their sections refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/proxies/haproxy_input.h"
#include "exporters/app/proxies/nginx_input.h"
#include "exporters/app/testing/canned_server.h"
#include "exporters/app/testing/fake_input.h"
#include "exporters/app/testing/page_text.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app {
namespace {

using testing::CannedServer;
using ::testing::HasSubstr;
using testing::value_in;

constexpr std::string_view kStubStatus =
    "Active connections: 2 \nserver accepts handled requests\n 17 16 15 \n"
    "Reading: 0 Writing: 1 Waiting: 3 \n";

// Services with the time of the system: there are sockets.
class ProxyInputsTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<Input>> make(InputKind::Make factory, std::string_view section,
                                        std::string_view text) {
    const StatusOr<base::YamlNode> root = base::parse_yaml(text, "app.yml");
    EXPECT_TRUE(root.ok()) << root.status();
    const InputServices services{clock_, fakes_.clock, *fakes_.files, fakes_.lookup,
                                 fakes_.executor};
    return factory(root->find(section)->items().back(), {services, *root, "/", 100, nullptr});
  }
  std::string page(Input& input) {
    std::vector<base::MetricFamily> families;
    status_ = input.collect(&families);
    return testing::page_text(std::move(families));
  }
  std::string error(InputKind::Make factory, std::string_view section, std::string_view text) {
    const Status status = make(factory, section, text).status();
    EXPECT_FALSE(status.ok()) << text;
    return std::string(message(status));
  }

  base::SystemClock clock_;
  testing::FakeServices fakes_;
  Status status_;
};

TEST_F(ProxyInputsTest, NginxHasTheFamiliesOfNginxPrometheusExporter) {
  const CannedServer server(
      [](const std::string&) { return CannedServer::http(200, kStubStatus); });
  const auto input =
      make(make_nginx, "nginx",
           fmt::format("nginx: [{{name: edge, stub_status: 'http://u:p%40@{}/s?x=1', "
                       "labels: {{env: prod}}}}]",
                       server.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(page(**input), R"(# TYPE nginx_connections_accepted counter
nginx_connections_accepted{env="prod"} 17
# TYPE nginx_connections_active gauge
nginx_connections_active{env="prod"} 2
# TYPE nginx_connections_handled counter
nginx_connections_handled{env="prod"} 16
# TYPE nginx_connections_reading gauge
nginx_connections_reading{env="prod"} 0
# TYPE nginx_connections_waiting gauge
nginx_connections_waiting{env="prod"} 3
# TYPE nginx_connections_writing gauge
nginx_connections_writing{env="prod"} 1
# TYPE nginx_http_requests_total counter
nginx_http_requests_total{env="prod"} 15
# TYPE nginx_up gauge
nginx_up{env="prod"} 1
)");
  EXPECT_TRUE(status_.ok()) << status_;
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_THAT(server.requests()[0], HasSubstr("GET /s?x=1 HTTP/1.1\r\nHost: 127.0.0.1"));
  EXPECT_THAT(server.requests()[0], HasSubstr("Authorization: Basic dTpwQA==\r\n"));
}

TEST_F(ProxyInputsTest, AnswersThatAreNotStubStatusAreDown) {
  base::Guarded<std::string> answer;
  const CannedServer server([&answer](const std::string&) { return *answer.lock(); });
  const auto input =
      make(make_nginx, "nginx",
           fmt::format("nginx: [{{name: a, stub_status: 'http://{}/'}}]", server.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  for (const std::string& bad :
       {CannedServer::http(404, "no"), CannedServer::http(200, "Welcome to nginx!"),
        CannedServer::http(200, std::string(2 << 20, 'x')), std::string("nonsense\n"),
        std::string()}) {
    *answer.lock() = bad;
    EXPECT_EQ(page(**input), "# TYPE nginx_up gauge\nnginx_up 0\n") << bad.substr(0, 60);
    EXPECT_FALSE(status_.ok()) << bad.substr(0, 60);
  }
}

TEST_F(ProxyInputsTest, AServerThatDoesNotAnswerTakesNoLongerThanTheTimeout) {
  const net::testing::RawListener silent;
  const auto input =
      make(make_nginx, "nginx",
           fmt::format("nginx: [{{name: a, stub_status: 'http://{}/', timeout: 50ms}}]",
                       silent.address()));
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(page(**input), "# TYPE nginx_up gauge\nnginx_up 0\n");
  EXPECT_EQ(status_.code(), StatusCode::kDeadlineExceeded) << status_;
}

TEST_F(ProxyInputsTest, ServersThatAreLateAreDown) {
  const auto late = [](const Input& input) {
    std::vector<base::MetricFamily> families;
    input.append_late(&families);
    for (base::MetricFamily& family : families) family.help.clear();
    std::string text;
    formats::write_text(families, &text);
    return text;
  };
  const auto nginx =
      make(make_nginx, "nginx",
           "nginx: [{name: a, stub_status: 'http://127.0.0.1:1/', labels: {zone: z}}]");
  ASSERT_TRUE(nginx.ok()) << nginx.status();
  EXPECT_EQ(late(**nginx), "# TYPE nginx_up gauge\nnginx_up{zone=\"z\"} 0\n");
  const auto haproxy =
      make(make_haproxy, "haproxy", "haproxy: [{name: a, stats: 'http://127.0.0.1:1/;csv'}]");
  ASSERT_TRUE(haproxy.ok()) << haproxy.status();
  EXPECT_EQ(late(**haproxy), "# TYPE haproxy_up gauge\nhaproxy_up 0\n");
}

TEST_F(ProxyInputsTest, HaproxyIsAskedOverHttpAndItsSocket) {
  constexpr std::string_view kCsv = "# pxname,svname,stot,status,type,\nfe,FRONTEND,5,OPEN,0,\n\n";
  const CannedServer server([&](const std::string& request) {
    if (request == "show stat\n") return std::string(kCsv);
    return CannedServer::http(200, kCsv);
  });
  for (const std::string_view stats : {"http://{}/stats;csv", "tcp://{}"}) {
    const auto input = make(make_haproxy, "haproxy",
                            fmt::format("haproxy: [{{name: lb, stats: '{}'}}]",
                                        fmt::format(fmt::runtime(stats), server.address())));
    ASSERT_TRUE(input.ok()) << input.status();
    EXPECT_EQ((*input)->name(), "haproxy/lb");
    EXPECT_EQ(page(**input), R"(# TYPE haproxy_exporter_csv_parse_failures_total counter
haproxy_exporter_csv_parse_failures_total 0
# TYPE haproxy_exporter_scrapes_total counter
haproxy_exporter_scrapes_total 1
# TYPE haproxy_frontend_sessions_total counter
haproxy_frontend_sessions_total{frontend="fe"} 5
# TYPE haproxy_up gauge
haproxy_up 1
)");
    EXPECT_TRUE(status_.ok()) << status_;
  }
  EXPECT_THAT(server.requests()[0], HasSubstr("GET /stats;csv HTTP/1.1"));
}

TEST_F(ProxyInputsTest, ASocketThatIsNotThereIsDown) {
  const auto input =
      make(make_haproxy, "haproxy", "haproxy: [{name: lb, stats: 'unix:/nonexistent/admin.sock'}]");
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(value_in(page(**input), "haproxy_up"), "0");
  EXPECT_FALSE(status_.ok());
}

TEST_F(ProxyInputsTest, SectionsRefuseWhatCannotWork) {
  const auto nginx = [&](std::string_view text) { return error(make_nginx, "nginx", text); };
  EXPECT_THAT(nginx("nginx: [{name: a}]"), HasSubstr("app.yml:1:9: nginx[0]: missing field"));
  EXPECT_THAT(nginx("nginx: [{name: a, stub_status: 'ftp://a/'}]"), HasSubstr("http or https"));
  EXPECT_THAT(nginx("nginx: [{name: a, stub_status: 'unix:a'}]"), HasSubstr("unix:/SOCKET:/PATH"));
  EXPECT_THAT(nginx("nginx: [{name: a, stub_status: 'http://a/', what: 1}]"),
              HasSubstr("field what not found"));
  EXPECT_THAT(nginx("nginx: [{name: a, stub_status: 'http://u@a/', "
                    "basic_auth: {username: u, password: p}}]"),
              HasSubstr("a login in the URL and another one"));
  EXPECT_THAT(nginx("nginx: [{name: a, stub_status: 'http://a/'}, "
                    "{name: b, stub_status: 'http://b/'}]"),
              HasSubstr("cannot be told from those of the item in line 1"));
  const auto haproxy = [&](std::string_view text) { return error(make_haproxy, "haproxy", text); };
  EXPECT_THAT(haproxy("haproxy: [{name: a}]"), HasSubstr("missing field stats"));
  EXPECT_THAT(haproxy("haproxy: [{name: a, stats: 'unix:x'}]"), HasSubstr("unix:/PATH"));
  EXPECT_THAT(haproxy("haproxy: [{name: a, stats: 'tcp://x'}]"), HasSubstr("tcp://HOST:PORT"));
  EXPECT_THAT(haproxy("haproxy: [{name: a, stats: 'unix:/x', basic_auth: {username: a}}]"),
              HasSubstr("field basic_auth not found"));
}

}  // namespace
}  // namespace tocsin::exporters::app
