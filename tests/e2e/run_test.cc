// SPDX-License-Identifier: Apache-2.0
//
// ./run, the quickstart, with the programs of this build: which servers it finds, and what it says when
// there are none or they do not let it in. It runs in namespaces of its own, where all ports are free,
// nobody else's servers are in sight, and nothing is left behind.
#include <algorithm>
#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/exporters/postgres_server.h"
#include "tests/exporters/web_servers.h"
#include "tests/support/http.h"
#include "tests/support/namespaces.h"
#include "tests/support/redis.h"

namespace tocsin::tests {
namespace {

// The interface of loopback is down in a new namespace; SIOCSIFFLAGS with IFF_UP brings it up.
constexpr std::string_view kPrepare = R"(set -e
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))'
mount -t tmpfs none /run
)";

constexpr std::string_view kNginx = R"(daemon off;
user root;
master_process off;
pid FOLDER/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  server { listen 127.0.0.1:8088; location = /stub_status { stub_status; } }
}
)";

constexpr std::string_view kHaproxy = R"(defaults
  mode http
  timeout connect 1s
  timeout client 20s
  timeout server 20s
frontend stats
  bind 127.0.0.1:8404
  stats enable
  stats uri /stats
)";

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::vector<std::string>> ways =
        namespace_commands({"--mount", "--net", "--pid", "--fork", "--kill-child"});
    if (ways.empty()) GTEST_SKIP() << "no namespaces can be made here, not even those of a user";
    if (!PostgresServer::is_available() || !RedisServer::is_installed() ||
        !web_servers_are_installed()) {
      GTEST_SKIP() << "a server is missing: run tools/fetch_test_parts";
    }
    way_ = ways.front();
  }

  static std::string part(std::string_view name) {
    return fmt::format("env 'LD_LIBRARY_PATH={}' '{}'", source_path("build/parts/lib"),
                       source_path(fmt::format("build/parts/bin/{}", name)));
  }
  // A line that waits until something listens on the port.
  static std::string listening(int port) {
    return fmt::format(
        "until grep -q ':{:04X} 00000000:0000 0A' /proc/net/tcp; do sleep 0.1; done\n", port);
  }
  // Lines that start a redis-server.
  std::string redis(int port, std::string_view flags = "") const {
    return fmt::format("{} --port {} --bind 127.0.0.1 --save '' --dir '{}' {} >/dev/null &\n",
                       part("redis-server"), port, files_.path(), flags) +
           listening(port);
  }
  std::string nginx() const {
    const std::string text = replaced(std::string(kNginx), "FOLDER", files_.path());
    return fmt::format("{} -p '{}' -e stderr -c '{}' &\n", part("nginx"), files_.path(),
                       files_.write("nginx.conf", text)) +
           listening(8088);
  }
  std::string haproxy() const {
    return fmt::format("{} -db -f '{}' &\n", part("haproxy"),
                       files_.write("haproxy.cfg", kHaproxy)) +
           listening(8404);
  }
  // Puts the socket of a server where Debian has it.
  static std::string postgres(const PostgresServer& server) {
    return fmt::format("mkdir /run/postgresql\nmount --bind '{}' /run/postgresql\n",
                       server.folder());
  }

  // Runs ./run with these flags after `before`, and waits until it says that it is ready.
  void start(const std::string& before, const std::string& flags = "") {
    const std::string command =
        fmt::format("exec '{}' --bin '{}' --data '{}' {}\n", source_path("run"), built_program(""),
                    files_.file("data"), flags);
    run_ = std::make_unique<Process>(
        joined(way_, {"/bin/sh", "-c", std::string(kPrepare) + before + command}));
    ASSERT_TRUE(eventually([this] { return run_->has_ended() || says("\nTocsin is ready.\n"); }));
    ASSERT_FALSE(run_->has_ended());
    inner_ = read_file(fmt::format("/proc/{0}/task/{0}/children", run_->pid()));
    inner_.resize(inner_.find(' '));
  }
  bool says(std::string_view text) const {
    return run_->standard_output().find(text) != std::string::npos;
  }
  // GET of tocsin, from inside.
  std::string get(const std::string& target) const {
    std::vector<std::string> command = {"nsenter", "--target", inner_, "--net"};
    if (std::find(way_.begin(), way_.end(), "--user") != way_.end()) {
      command.insert(command.end(), {"--user", "--preserve-credentials"});
    }
    const Finished finished = run(joined(
        command, {"curl", "-fsS", "-g", "--noproxy", "*", "http://127.0.0.1:9090" + target}));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return finished.out;
  }
  // The jobs that are scraped, sorted.
  std::vector<std::string> jobs() const {
    std::vector<std::string> jobs;
    const base::JsonValue targets = parsed(get("/api/v1/targets?state=active"));
    for (const base::JsonValue& target : at(targets, "data.activeTargets").items()) {
      jobs.push_back(text_at(target, "labels.job"));
    }
    std::sort(jobs.begin(), jobs.end());
    return jobs;
  }
  // Ends it as Ctrl-C and systemd do.
  void stop() {
    ASSERT_EQ(::kill(std::stoi(inner_), SIGTERM), 0);
    EXPECT_EQ(run_->wait(), 0);
    EXPECT_TRUE(says("Stopping. What was collected is kept in " + files_.file("data")));
    EXPECT_EQ(run_->standard_error(), "");
  }

  const TempDir files_;
  std::vector<std::string> way_;
  std::unique_ptr<Process> run_;
  std::string inner_;  // the process id of ./run
};

using Jobs = std::vector<std::string>;

TEST_F(Run, WatchesTheServersThatItFinds) {
  // Whoever runs this may look at statistics, and needs no password for it.
  const PostgresServer server;
  std::string user = run(joined(way_, {"id", "-un"})).out;
  user.resize(user.find('\n'));
  server.sql(fmt::format("CREATE ROLE \"{}\" LOGIN IN ROLE pg_monitor", user));
  const std::string access = server.folder() + "/data/pg_hba.conf";
  const std::string rules = read_file(access);
  std::ofstream(access, std::ios::trunc) << "local all " << user << " trust\n" << rules;
  server.sql("SELECT pg_reload_conf()");

  start(postgres(server) + redis(6379) + nginx() + haproxy());
  if (HasFatalFailure()) return;
  EXPECT_TRUE(says("PostgreSQL at /run/postgresql "));
  EXPECT_TRUE(says("Redis at 127.0.0.1:6379 "));
  EXPECT_TRUE(says("nginx at 127.0.0.1:8088/stub_status, HAProxy at 127.0.0.1:8404/stats;csv "));
  EXPECT_FALSE(says("Not watched"));
  EXPECT_EQ(jobs(), (Jobs{"app", "node", "postgres", "redis", "tocsin"}));
  const std::string all_up = "/api/v1/query?query=count(up==1)";
  EXPECT_TRUE(
      eventually([&] { return text_at(parsed(get(all_up)), "data.result.0.value.1") == "5"; }));
  const std::string loaded = get("/api/v1/rules");
  EXPECT_TRUE(eventually(
      [&] { return get("/api/v1/query?query=haproxy_up").find(",\"1\"]") != std::string::npos; }));
  for (const char* alert : {"DatabaseConnectionFailed", "RedisDown", "NginxDown", "HostDiskFull"}) {
    EXPECT_NE(loaded.find(fmt::format("\"name\":\"{}\"", alert)), std::string::npos) << alert;
  }
  stop();
}

TEST_F(Run, SaysWhatItDoesNotFindAndWhoDoesNotLetItIn) {
  // Its rules want a password of everybody but the superuser.
  const PostgresServer server;
  start(postgres(server) + redis(6379, "--requirepass secret"));
  if (HasFatalFailure()) return;
  EXPECT_FALSE(says("watched too"));
  EXPECT_TRUE(
      says("  PostgreSQL at /run/postgresql does not let the exporter in; the reason is in "));
  EXPECT_TRUE(says("  Redis at 127.0.0.1:6379 does not let the exporter in; the reason is in "));
  EXPECT_TRUE(says("  no stub_status of nginx on ports "));
  EXPECT_TRUE(says("  no statistics of HAProxy at "));
  EXPECT_EQ(jobs(), (Jobs{"node", "tocsin"}));
  stop();
}

TEST_F(Run, StartsWhereThereAreNoServers) {
  start("");
  if (HasFatalFailure()) return;
  EXPECT_FALSE(says("watched too"));
  EXPECT_TRUE(says("  no PostgreSQL at /run/postgresql, /tmp or port 5432\n"));
  EXPECT_TRUE(says("  no Redis on port 6379\n"));
  EXPECT_EQ(jobs(), (Jobs{"node", "tocsin"}));
  stop();
}

TEST_F(Run, LeavesAPortToWhoHasIt) {
  start(redis(6379) + redis(9121));
  if (HasFatalFailure()) return;
  EXPECT_TRUE(
      says("  Redis at 127.0.0.1:6379: port 9121, wanted for tocsin-redis-exporter, is taken by "));
  EXPECT_EQ(jobs(), (Jobs{"node", "tocsin"}));
  stop();
}

TEST_F(Run, WatchesWhatItIsPointedTo) {
  const PostgresServer server;
  server.sql("CREATE ROLE exporter LOGIN PASSWORD 'secret' IN ROLE pg_monitor");
  const std::string app = files_.write("app.yml", "push: {ttl: 5m}\n");
  start(redis(6379) + redis(7777, "--requirepass secret") +
            fmt::format("export DATA_SOURCE_NAME='{}'\n", server.source("exporter")) +
            "export REDIS_ADDR=redis://127.0.0.1:7777 REDIS_PASSWORD=secret\n",
        fmt::format("--no-servers --app-config '{}'", app));
  if (HasFatalFailure()) return;
  EXPECT_TRUE(says("PostgreSQL of DATA_SOURCE_... "));
  EXPECT_TRUE(says("Redis of REDIS_ADDR "));
  EXPECT_TRUE(says("what " + app + " names "));
  EXPECT_FALSE(says("Not watched"));
  EXPECT_EQ(jobs(), (Jobs{"app", "node", "postgres", "redis", "tocsin"}));
  // No password is shown.
  EXPECT_FALSE(says("secret"));
  stop();
}

}  // namespace
}  // namespace tocsin::tests
