// SPDX-License-Identifier: Apache-2.0
//
// The whole program in this process, on free ports and in a directory of its own.
#include "app/daemon/daemon.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "formats/testing/remote_write_writer.h"
#include "net/testing/raw_socket.h"
#include "promql/active_queries.h"

namespace tocsin::app {
namespace {

using net::testing::RawHttp;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() {
    directory_ = ::testing::TempDir() + "tocsin-daemon-XXXXXX";
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    write("prometheus.yml", "global: {external_labels: {from: first}}\nrule_files: [rules.yml]\n");
    write("rules.yml", "groups: [{name: g, rules: [{record: one, expr: '1'}]}]\n");
    write("alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
  }
  ~DaemonTest() override {
    EXPECT_EQ(base::real_file_system().remove_recursively(directory_), ok());
  }

  std::string path(std::string_view name) const { return fmt::format("{}/{}", directory_, name); }
  void write(std::string_view name, std::string_view text) {
    ASSERT_EQ(base::write_file_atomically(base::real_file_system(), path(name), text), ok());
  }
  DaemonOptions options() const {
    DaemonOptions options;
    options.config_file = path("prometheus.yml");
    options.listen_addresses = {"127.0.0.1:0"};
    options.storage_path = path("data");
    options.enable_lifecycle = true;
    return options;
  }
  DaemonOptions with_notifier() const {
    DaemonOptions options = this->options();
    options.alertmanager_config_file = path("alertmanager.yml");
    options.alertmanager_listen_addresses = {"127.0.0.1:0"};
    options.notifier.directory = path("data/alertmanager");
    return options;
  }
  static std::unique_ptr<Daemon> start(DaemonOptions options) {
    StatusOr<std::unique_ptr<Daemon>> daemon = Daemon::start(std::move(options));
    EXPECT_TRUE(daemon.ok()) << daemon.status().ToString();
    return daemon.ok() ? std::move(*daemon) : nullptr;
  }
  static std::string error_of(DaemonOptions options) {
    StatusOr<std::unique_ptr<Daemon>> daemon = Daemon::start(std::move(options));
    return daemon.ok() ? "" : std::string(message(daemon.status()));
  }
  // "STATUS BODY"
  static std::string get(const std::string& address, std::string_view target) {
    const RawHttp::Reply reply = RawHttp(address).get(target);
    return fmt::format("{} {}", reply.status, reply.body);
  }
  static std::string post(const std::string& address, std::string_view target) {
    const RawHttp::Reply reply = RawHttp(address).post(target, "");
    return fmt::format("{} {}", reply.status, reply.body);
  }

  std::string directory_;
};

TEST_F(DaemonTest, TakesRemoteWriteWhenToldTo) {
  const std::string body = formats::testing::snappy_block(
      formats::testing::WireWriter()
          .message(1, formats::testing::v1_series({{"__name__", "pushed"}}, 7, 1000))
          .text());
  DaemonOptions with = options();
  {
    const std::unique_ptr<Daemon> daemon = start(with);
    const RawHttp::Reply reply = RawHttp(daemon->addresses()[0]).post("/api/v1/write", body);
    EXPECT_EQ(reply.status, 404);
    EXPECT_THAT(reply.body, HasSubstr("--web.enable-remote-write-receiver"));
  }
  with.remote_write.enabled = true;
  const std::unique_ptr<Daemon> daemon = start(with);
  const std::string address = daemon->addresses()[0];
  EXPECT_EQ(RawHttp(address).post("/api/v1/write", body).status, 204);
  EXPECT_THAT(get(address, "/api/v1/query?query=pushed&time=1"), HasSubstr(R"("value":[1,"7"])"));
  EXPECT_THAT(get(address, "/metrics"), HasSubstr("tocsin_remote_write_stored_total 1\n"));
}

TEST_F(DaemonTest, IsReadyWhenStartReturns) {
  const std::unique_ptr<Daemon> daemon = start(options());
  ASSERT_NE(daemon, nullptr);
  ASSERT_EQ(daemon->addresses().size(), 1U);
  EXPECT_TRUE(daemon->alertmanager_addresses().empty());
  const std::string address = daemon->addresses()[0];
  EXPECT_EQ(get(address, "/-/ready"), "200 Prometheus Server is Ready.\n");
  EXPECT_EQ(get(address, "/-/healthy"), "200 Prometheus Server is Healthy.\n");
  EXPECT_THAT(get(address, "/api/v1/query?query=1%2B1&time=4"),
              HasSubstr(R"({"status":"success","data":{"resultType":"scalar","result":[4,"2"]}})"));
  EXPECT_THAT(get(address, "/api/v1/rules"), HasSubstr(R"("name":"one","query":"1")"));
  EXPECT_THAT(get(address, "/api/v1/status/config"), HasSubstr("from: first"));
  EXPECT_THAT(get(address, "/metrics"), HasSubstr("prometheus_config_last_reload_successful 1\n"));
  EXPECT_THAT(get(address, "/metrics"), HasSubstr("\nprometheus_ready 1\n"));
  EXPECT_THAT(get(address, "/"), HasSubstr("Tocsin"));
  EXPECT_THAT(get(address, "/api/v2/status"), StartsWith("404 ")) << "no notifier";
}

TEST_F(DaemonTest, TheAlertmanagerApiIsOnBothPorts) {
  const std::unique_ptr<Daemon> daemon = start(with_notifier());
  ASSERT_NE(daemon, nullptr);
  ASSERT_EQ(daemon->alertmanager_addresses().size(), 1U);
  const std::string own = daemon->alertmanager_addresses()[0];
  EXPECT_EQ(get(own, "/-/ready"), "200 OK");
  EXPECT_EQ(get(own, "/api/v2/receivers"), "200 [{\"name\":\"nobody\"}]\n");
  EXPECT_EQ(get(daemon->addresses()[0], "/api/v2/receivers"), "200 [{\"name\":\"nobody\"}]\n");
  EXPECT_THAT(get(own, "/api/v2/status"), HasSubstr(R"("version":"0.34.0")"));
  EXPECT_THAT(get(own, "/metrics"), HasSubstr("alertmanager_config_last_reload_successful 1\n"));
  EXPECT_THAT(get(own, "/api/v1/query?query=1"), StartsWith("404 "));
  EXPECT_THAT(get(own, "/alertmanager/api/v2/status"), StartsWith("404 "));
}

TEST_F(DaemonTest, AGoodReloadTakesEffect) {
  const std::unique_ptr<Daemon> daemon = start(with_notifier());
  ASSERT_NE(daemon, nullptr);
  const std::string address = daemon->addresses()[0];
  write("prometheus.yml", "global: {external_labels: {from: second}}\n");
  write("alertmanager.yml", "route: {receiver: somebody}\nreceivers: [{name: somebody}]\n");
  EXPECT_EQ(daemon->reload(), ok());
  EXPECT_THAT(get(address, "/api/v1/status/config"), HasSubstr("from: second"));
  EXPECT_THAT(get(address, "/api/v1/rules"), HasSubstr(R"("groups":[])"));
  EXPECT_THAT(get(address, "/api/v2/receivers"), HasSubstr("somebody"));
  write("prometheus.yml", "global: {external_labels: {from: third}}\n");
  EXPECT_EQ(post(address, "/-/reload"), "200 ");
  EXPECT_THAT(get(address, "/api/v1/status/config"), HasSubstr("from: third"));
  write("prometheus.yml", "global: {external_labels: {from: fourth}}\n");
  EXPECT_EQ(post(daemon->alertmanager_addresses()[0], "/-/reload"), "200 ");
  EXPECT_THAT(get(address, "/api/v1/status/config"), HasSubstr("from: fourth"));
}

TEST_F(DaemonTest, ABadReloadKeepsTheOldConfiguration) {
  const std::unique_ptr<Daemon> daemon = start(with_notifier());
  ASSERT_NE(daemon, nullptr);
  const std::string address = daemon->addresses()[0];
  const std::pair<std::string, std::string> cases[] = {
      {"prometheus.yml", "global: {typo: 1}\n"},
      {"rules.yml", "groups: [{name: g, rules: [{record: one, expr: '1 +'}]}]\n"},
      {"alertmanager.yml", "route: {receiver: unknown}\nreceivers: []\n"},
  };
  for (const auto& [name, text] : cases) {
    const std::string before = *base::real_file_system().read_file(path(name), 1U << 20);
    write(name, text);
    const std::string reason = std::string(message(daemon->reload()));
    EXPECT_THAT(reason, StartsWith(path(name) + ":1:")) << name;
    EXPECT_EQ(post(address, "/-/reload"), fmt::format("500 failed to reload config: {}\n", reason));
    EXPECT_THAT(get(address, "/api/v1/status/config"), HasSubstr("from: first"));
    EXPECT_THAT(get(address, "/api/v1/rules"), HasSubstr(R"("name":"one","query":"1")"));
    EXPECT_THAT(get(address, "/api/v2/receivers"), HasSubstr("nobody"));
    EXPECT_THAT(get(address, "/metrics"),
                HasSubstr("prometheus_config_last_reload_successful 0\n"));
    write(name, before);
    EXPECT_EQ(daemon->reload(), ok());
    EXPECT_THAT(get(address, "/metrics"),
                HasSubstr("prometheus_config_last_reload_successful 1\n"));
  }
}

TEST_F(DaemonTest, TheQueryLogIsReloadable) {
  const std::unique_ptr<Daemon> daemon = start(options());
  ASSERT_NE(daemon, nullptr);
  const std::string address = daemon->addresses()[0];
  const auto log = [&] {
    const auto text = base::real_file_system().read_file(path("queries.log"), 1U << 20);
    return text.ok() ? *text : "";
  };
  EXPECT_THAT(get(address, "/api/v1/query?query=11"), StartsWith("200"));
  EXPECT_EQ(log(), "");
  write("prometheus.yml", "global: {query_log_file: queries.log}\nrule_files: [rules.yml]\n");
  EXPECT_EQ(daemon->reload(), ok());
  EXPECT_THAT(get(address, "/api/v1/query?query=12"), StartsWith("200"));
  EXPECT_THAT(get(address, "/metrics"), HasSubstr("prometheus_engine_query_log_enabled 1\n"));
  EXPECT_THAT(log(), HasSubstr(R"("query":"12")"));
  EXPECT_THAT(log(), HasSubstr(R"("path":"/api/v1/query")"));
  write("prometheus.yml", "global: {query_log_file: absent/queries.log}\n");
  EXPECT_NE(daemon->reload(), ok());
  EXPECT_THAT(get(address, "/api/v1/query?query=13"), StartsWith("200"));
  EXPECT_THAT(log(), HasSubstr(R"("query":"13")")) << "a reload that failed changes nothing";
  write("prometheus.yml", "global: {}\n");
  EXPECT_EQ(daemon->reload(), ok());
  EXPECT_THAT(get(address, "/api/v1/query?query=14"), StartsWith("200"));
  EXPECT_THAT(log(), Not(HasSubstr(R"("query":"14")")));
  EXPECT_THAT(get(address, "/metrics"), HasSubstr("prometheus_engine_query_log_enabled 0\n"));
}

TEST_F(DaemonTest, TheFileOfActiveQueriesIsEmptyAfterwards) {
  for (int round = 0; round < 2; ++round) {
    const std::unique_ptr<Daemon> daemon = start(options());
    ASSERT_NE(daemon, nullptr);
    EXPECT_THAT(get(daemon->addresses()[0], "/api/v1/query?query=1"), StartsWith("200"));
    daemon->stop();
    const std::string active = path("data/queries.active");
    EXPECT_EQ(base::real_file_system().info(active)->size, 1U + 20 * 1000U);
    EXPECT_EQ(promql::ActiveQueries::unfinished(active), "");
  }
}

TEST_F(DaemonTest, StopsOnceAndStartsAgainOnTheSameData) {
  for (int round = 0; round < 2; ++round) {
    const std::unique_ptr<Daemon> daemon = start(with_notifier());
    ASSERT_NE(daemon, nullptr);
    daemon->stop();
    daemon->stop();
  }
}

TEST_F(DaemonTest, StartSaysWhatToMend) {
  DaemonOptions absent = options();
  absent.config_file = path("absent.yml");
  EXPECT_THAT(error_of(absent), HasSubstr("absent.yml"));
  EXPECT_EQ(Daemon::start(absent).status().code(), StatusCode::kNotFound);

  const net::testing::RawListener taken;
  DaemonOptions first = options();
  first.listen_addresses = {taken.address()};
  EXPECT_THAT(error_of(first), StartsWith("listen on " + taken.address() + ": "));
  EXPECT_THAT(error_of(first), HasSubstr("in use"));
  DaemonOptions second = with_notifier();
  second.alertmanager_listen_addresses = {taken.address()};
  EXPECT_THAT(error_of(second), StartsWith("listen on " + taken.address() + ": "));

  write("rules.yml", "groups: [{name: ''}]\n");
  EXPECT_THAT(error_of(options()),
              StartsWith(path("rules.yml") + ":1:17: groups[0].name: Groupname must not be empty"));
  write("rules.yml", "");
  write("alertmanager.yml", "route: {}\n");
  EXPECT_THAT(error_of(with_notifier()), StartsWith(path("alertmanager.yml") + ":"));
  write("alertmanager.yml", "route: {receiver: a}\nreceivers: [{name: a}]\n");

  const std::unique_ptr<Daemon> holder = start(options());
  ASSERT_NE(holder, nullptr);
  EXPECT_THAT(error_of(options()),
              StartsWith(fmt::format("opening the store in {}: ", path("data"))));
  EXPECT_THAT(error_of(options()), HasSubstr("lock"));
  EXPECT_EQ(get(holder->addresses()[0], "/-/ready"), "200 Prometheus Server is Ready.\n")
      << "undisturbed";
}

}  // namespace
}  // namespace tocsin::app
