// SPDX-License-Identifier: Apache-2.0
//
// tocsin-redis-exporter against real servers: what it shows of each kind, and that no server, down,
// closed, stuck or hostile, keeps it from answering.
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "net/testing/raw_socket.h"
#include "tests/exporters/lint.h"
#include "tests/exporters/pages.h"
#include "tests/support/http.h"
#include "tests/support/redis.h"

namespace tocsin::tests {
namespace {

using net::testing::RawHttp;
using net::testing::RawListener;
using net::testing::RawSocket;

// Short where a server hangs; the page then comes after half of it.
constexpr std::string_view kShortTimeout = "X-Prometheus-Scrape-Timeout-Seconds: 0.6\r\n";
constexpr std::string_view kLongTimeout = "X-Prometheus-Scrape-Timeout-Seconds: 60\r\n";

class RedisExporter : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << RedisServer::missing();
  }

  void start(std::vector<std::string> flags) {
    std::vector<std::string> command = {built_program("tocsin-redis-exporter"),
                                        "-web.listen-address=127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    exporter_ = std::make_unique<Process>(std::move(command));
    address_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
  }
  RawHttp::Reply get(std::string_view target, std::string_view headers = kLongTimeout) {
    return RawHttp(address_).get(target, headers);
  }
  std::string page(std::string_view headers = kLongTimeout) {
    const RawHttp::Reply reply = get("/metrics", headers);
    EXPECT_EQ(reply.status, 200);
    return reply.body;
  }
  std::string scrape(const std::string& query, std::string_view headers = kLongTimeout) {
    const RawHttp::Reply reply = get("/scrape?" + query, headers);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.body;
  }
  std::size_t threads() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", exporter_->pid()))) {
      ++count;
    }
    return count;
  }

  TempDir files_;
  std::unique_ptr<Process> exporter_;
  std::string address_;
};

// Gives a server something to tell.
void load(RedisServer& server) {
  for (int i = 0; i < 3; ++i) server.call({"SET", fmt::format("key:{}", i), std::to_string(i)});
  server.call({"SETEX", "short", "1000", "lived"});
  server.call({"SET", "word", "hello, \"world\"\xff"});
  server.call({"PFADD", "visitors", "a", "b", "c"});
  server.call({"RPUSH", "mylist", "a", "b"});
  server.call({"XADD", "stream1", "1-1", "a", "b"});
  server.call({"XGROUP", "CREATE", "stream1", "g1", "0"});
  server.call({"XREADGROUP", "GROUP", "g1", "c1", "STREAMS", "stream1", ">"});
  server.call({"LPUSH", "word", "x"});  // fails
  server.call({"EVAL", "return 1", "0"});
  server.call({"DEBUG", "SLEEP", "0.01"});
}

// Upstream's families seen live in `role`, without those of Go and of the process.
std::map<std::string, PageFamily> upstream_families(const std::string& folder,
                                                    std::string_view role) {
  std::map<std::string, PageFamily> families;
  std::istringstream table(read_file(folder + "/exporter-families/redis_families.tsv"));
  for (std::string line; std::getline(table, line);) {
    std::istringstream row(line);
    std::string name, labels, seen, label;
    PageFamily family;
    std::getline(row, name, '\t');
    std::getline(row, family.type, '\t');
    std::getline(row, labels, '\t');
    std::getline(row, seen, '\t');
    std::istringstream list(labels);
    while (std::getline(list, label, ',')) family.labels.insert(label);
    const bool is_role = ("," + seen + ",").find(fmt::format(",{},", role)) != std::string::npos;
    if (is_role && name.starts_with("redis_")) families.emplace(name, family);
  }
  return families;
}

// Compares a page with what upstream's newest shows in that role, and reads it as promtool does.
void expect_upstreams_families(const std::string& page, std::string_view role) {
  EXPECT_EQ(own_complaints(page), std::vector<std::string>{});
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (folder == nullptr) {
    fmt::print("TOCSIN_CONFORMANCE_DIR is not set: not compared with upstream's families\n");
    return;
  }
  const bool has_roles = role.ends_with("_all");
  const std::map<std::string, PageFamily> ours = page_families(page);
  std::size_t found = 0;
  for (auto& [name, theirs] : upstream_families(folder, role)) {
    const auto it = ours.find(name);
    EXPECT_TRUE(it != ours.end()) << "missing: " << name;
    if (it == ours.end()) continue;
    ++found;
    EXPECT_EQ(it->second.type, theirs.type) << name;
    std::set<std::string> labels = theirs.labels;
    if (!has_roles) labels.erase("instance_role");
    EXPECT_EQ(it->second.labels, labels) << name;
  }
  fmt::print("{}: {} of upstream's families\n", role, found);
  EXPECT_GT(found, 60U);
}

const std::vector<std::string> kMasterOptions = {
    "--latency-monitor-threshold", "1", "--slowlog-log-slower-than", "1000", "--appendonly", "yes"};

bool replica_is_online(const RedisServer& master) {
  return master.call({"INFO", "replication"}).find("state=online") != std::string::npos;
}

TEST_F(RedisExporter, ShowsAMaster) {
  RedisServer master(kMasterOptions);
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(master.port())});
  load(master);
  ASSERT_TRUE(eventually([&] { return replica_is_online(master); }));
  start({"-redis.addr=" + master.address()});
  const std::string text = page();
  EXPECT_EQ(page_value(text, "redis_up"), "1");
  EXPECT_EQ(page_value(text, "redis_exporter_last_scrape_error{err=\"\"}"), "0");
  EXPECT_EQ(page_value(text, "redis_db_keys{db=\"db0\"}"), "8");
  EXPECT_EQ(page_value(text, "redis_db_keys{db=\"db15\"}"), "0");
  EXPECT_EQ(page_value(text, "redis_connected_slaves"), "1");
  EXPECT_EQ(page_value(text, "redis_commands_total{cmd=\"xreadgroup\"}"), "1");
  EXPECT_EQ(page_value(text, "redis_commands_failed_calls_total{cmd=\"lpush\"}"), "1");
  EXPECT_EQ(page_value(text, "redis_errors_total{err=\"WRONGTYPE\"}"), "1");
  EXPECT_EQ(page_value(text, "redis_commands_latencies_usec_bucket{cmd=\"setex\",le=\"+Inf\"}"),
            "1");
  EXPECT_NE(page_value(text, "redis_slowlog_length"), "0");
  EXPECT_NE(page_value(text, "redis_total_system_memory_bytes"), "");
  EXPECT_NE(page_value(text, "redis_memory_fragmentation_ratio"), "");
  EXPECT_NE(page_value(text, "process_resident_memory_bytes"), "");
  expect_upstreams_families(text, "1.86.0_master_default");
}

TEST_F(RedisExporter, ShowsAllOfAMaster) {
  RedisServer master(kMasterOptions);
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(master.port())});
  load(master);
  ASSERT_TRUE(eventually([&] { return replica_is_online(master); }));
  const std::string script =
      files_.write("collect.lua", "return {'orders', '7', 'load', '0.5', 'mail', '1'}");
  start({"-redis.addr=redis://" + master.address() + "/0", "-check-keys=key:*,v*",
         "-check-single-keys=mylist,db0=word", "-count-keys=my*,db1=*", "-check-streams=str*",
         "-check-key-groups=^(key):", "-export-client-list", "-include-config-metrics",
         "-include-modules-metrics", "-include-rdb-file-size-metric", "-ping-on-connect",
         "-append-instance-role-label", "-script=" + script});
  const std::string text = page();
  const auto value = [&text](std::string_view name, std::string_view labels) {
    return page_value(text, fmt::format("{}{{{}}}", name, labels));
  };
  EXPECT_EQ(value("redis_up", "instance_role=\"master\""), "1");
  EXPECT_EQ(value("redis_key_size", R"(db="db0",instance_role="master",key="visitors")"), "3");
  EXPECT_EQ(value("redis_key_size", R"(db="db0",instance_role="master",key="mylist")"), "2");
  EXPECT_EQ(value("redis_key_value", R"(db="db0",instance_role="master",key="key:2")"), "2");
  EXPECT_EQ(value("redis_key_value_as_string",
                  "db=\"db0\",instance_role=\"master\",key=\"word\",val=\"hello, "
                  "\\\"world\\\"\xef\xbf\xbd\""),
            "1");
  EXPECT_EQ(value("redis_keys_count", R"(db="db0",instance_role="master",key="my*")"), "1");
  EXPECT_EQ(value("redis_keys_count", R"(db="db1",instance_role="master",key="*")"), "0");
  EXPECT_EQ(value("redis_key_group_count", R"(db="db0",instance_role="master",key_group="key")"),
            "3");
  EXPECT_EQ(value("redis_stream_group_messages_pending",
                  R"(db="db0",group="g1",instance_role="master",stream="stream1")"),
            "1");
  EXPECT_EQ(value("redis_script_values",
                  fmt::format(R"(filename="{}",instance_role="master",key="orders")", script)),
            "7");
  EXPECT_EQ(
      value("redis_script_result", fmt::format(R"(filename="{}",instance_role="master")", script)),
      "1");
  EXPECT_EQ(text.find("key=\"requirepass\""), std::string::npos);
  expect_upstreams_families(text, "1.86.0_master_all");
}

TEST_F(RedisExporter, ShowsAReplica) {
  RedisServer master;
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(master.port()),
                       "--latency-monitor-threshold", "1", "--appendonly", "yes"});
  load(master);
  replica.call({"DEBUG", "SLEEP", "0.01"});
  replica.call({"LPUSH", "word", "x"});  // fails
  ASSERT_TRUE(eventually([&] { return replica_is_online(master); }));
  start({"-redis.addr=" + replica.address()});
  // The link is up before what came over it is in the database.
  const std::string link = fmt::format(
      "redis_master_link_up{{master_host=\"127.0.0.1\",master_port=\"{}\"}}", master.port());
  ASSERT_TRUE(eventually([&] {
    const std::string text = page();
    return page_value(text, link) == "1" && page_value(text, "redis_db_keys{db=\"db0\"}") == "8";
  }));
  expect_upstreams_families(page(), "1.86.0_replica");
}

TEST_F(RedisExporter, ShowsASentinel) {
  RedisServer master;
  RedisServer sentinel({fmt::format("sentinel monitor mymaster 127.0.0.1 {} 1", master.port())},
                       RedisServer::Kind::kSentinel);
  start({"-redis.addr=" + sentinel.address()});
  const std::string text = page();
  EXPECT_EQ(page_value(text, "redis_up"), "1");
  EXPECT_EQ(page_value(text, "redis_sentinel_masters"), "1");
  EXPECT_EQ(page_value(text, fmt::format("redis_sentinel_master_status{{master_address=\"{}\","
                                         "master_name=\"mymaster\",master_status=\"ok\"}}",
                                         master.address())),
            "1");
  expect_upstreams_families(text, "1.86.0_sentinel");
}

TEST_F(RedisExporter, ShowsANodeOfACluster) {
  RedisServer node(kMasterOptions, RedisServer::Kind::kCluster);
  node.call({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  ASSERT_TRUE(eventually([&] {
    return node.call({"CLUSTER", "INFO"}).find("cluster_state:ok") != std::string::npos;
  }));
  load(node);
  start({"-redis.addr=redis://" + node.address(), "-is-cluster", "-check-keys=key:*"});
  const std::string text = page();
  EXPECT_EQ(page_value(text, "redis_cluster_state"), "1");
  EXPECT_EQ(page_value(text, "redis_cluster_slots_ok"), "16384");
  EXPECT_EQ(page_value(text, "redis_db_keys{db=\"db1\"}"), "") << "a cluster has one database";
  EXPECT_EQ(page_value(text, "redis_key_value{db=\"db0\",key=\"key:1\"}"), "1");
  const RawHttp::Reply nodes = get("/discover-cluster-nodes");
  EXPECT_EQ(nodes.status, 200);
  EXPECT_EQ(nodes.headers.get("Content-Type").substr(0, 16), "application/json");
  EXPECT_NE(nodes.body.find(fmt::format(":{}\"", node.port())), std::string::npos) << nodes.body;
  expect_upstreams_families(text, "1.86.0_cluster");
}

TEST_F(RedisExporter, ServesAPageAboutAServerThatIsDown) {
  std::string nobody;
  {
    const RawListener listener;
    nobody = listener.address();
  }
  start({"-redis.addr=" + nobody});
  const std::string text = page();
  EXPECT_EQ(page_value(text, "redis_up"), "0");
  EXPECT_EQ(page_value(text, fmt::format("redis_exporter_last_scrape_error{{err=\"dial tcp {}: "
                                         "connect: Connection refused\"}}",
                                         nobody)),
            "1");
  EXPECT_EQ(page_value(text, "redis_exporter_scrapes_total"), "1");
  EXPECT_NE(page_value(text, "redis_exporter_last_scrape_duration_seconds"), "");
}

TEST_F(RedisExporter, NeedsTheRightPassword) {
  RedisServer server({"--requirepass", "right"});
  const auto up = [&](std::vector<std::string> flags) {
    flags.push_back("-redis.addr=" + server.address());
    start(std::move(flags));
    const std::string text = page();
    EXPECT_EQ(exporter_->standard_error().find("wrong!"), std::string::npos);
    EXPECT_EQ(text.find("wrong!"), std::string::npos);
    return page_value(text, "redis_up");
  };
  EXPECT_EQ(up({}), "0");
  EXPECT_EQ(up({"-redis.password=wrong!"}), "0");
  EXPECT_EQ(up({"-redis.user=nobody", "-redis.password=wrong!"}), "0");
  EXPECT_EQ(up({"-redis.password=right"}), "1");
  EXPECT_EQ(up({"-redis.user=default", "-redis.password", "right"}), "1");
  const std::string passwords = files_.write(
      "passwords.json", fmt::format("{{\"redis://{}\": \"wrong!\"}}", server.address()));
  EXPECT_EQ(up({"-redis.password-file=" + passwords}), "0");
  files_.write("passwords.json", fmt::format("{{\"{}\": \"right\"}}", server.address()));
  EXPECT_EQ(http_post(address_, "/-/reload").body, "ok");
  EXPECT_EQ(page_value(page(), "redis_up"), "1");
}

TEST_F(RedisExporter, AUserWithTheRightsOfTheExampleSeesEverything) {
  RedisServer server(kMasterOptions);
  load(server);
  // The line "ACL SETUSER ..." of the example, with its password.
  std::istringstream lines(read_file(source_path("examples/redis/exporter.acl")));
  std::vector<std::string> words;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("user ")) continue;
    std::istringstream parts(line);
    for (std::string word; parts >> word;) words.push_back(word);
  }
  ASSERT_GT(words.size(), 3U);
  words[0] = "SETUSER";
  words.insert(words.begin(), "ACL");
  const auto password = std::find_if(words.begin(), words.end(),
                                     [](const std::string& word) { return word[0] == '>'; });
  ASSERT_NE(password, words.end());
  ASSERT_EQ(server.call(words).substr(0, 3), "+OK");
  start({"-redis.addr=" + server.address(), "-redis.user=" + words[2],
         "-redis.password=" + password->substr(1), "-check-keys=key:*,v*,w*,my*",
         "-check-streams=str*", "-count-keys=*", "-export-client-list",
         "-check-key-groups=^(key):"});
  const std::string text = page();
  EXPECT_EQ(page_value(text, "redis_exporter_last_scrape_error{err=\"\"}"), "0");
  for (const std::string_view name :
       {"redis_key_size", "redis_key_value", "redis_key_value_as_string", "redis_stream_length",
        "redis_key_memory_usage_bytes", "redis_keys_count", "redis_connected_client_info",
        "redis_key_group_count", "redis_slowlog_length", "redis_latency_spike_last",
        "redis_commands_latencies_usec", "redis_config_maxmemory"}) {
    EXPECT_NE(text.find(fmt::format("# TYPE {} ", name)), std::string::npos) << name;
  }
  EXPECT_EQ(server.call({"ACL", "LOG"}), "*0\r\n") << "a command was refused";
}

TEST_F(RedisExporter, AServerThatHangsKeepsNoPageAndNoThread) {
  RedisServer server;
  start({"-redis.addr=" + server.address()});
  EXPECT_EQ(page_value(page(), "redis_up"), "1");
  server.send({"DEBUG", "SLEEP", "600"});
  std::size_t most = 0;
  for (int i = 0; i < 8; ++i) {
    const std::string text = page(kShortTimeout);
    EXPECT_EQ(page_value(text, "redis_up"), "0");
    EXPECT_NE(text.find("i/o timeout\"} 1\n"), std::string::npos) << text;
    if (i == 0) most = threads();
  }
  EXPECT_LE(threads(), most + 3) << "threads pile up";
  EXPECT_EQ(get("/health").body, "ok");
  // It ends although the server has never answered.
  exporter_->signal(SIGTERM);
  EXPECT_EQ(exporter_->wait(), 0);
}

TEST_F(RedisExporter, AServerThatStopsAndGoesOnIsUpAgain) {
  RedisServer server;
  start({"-redis.addr=" + server.address()});
  server.process().signal(SIGSTOP);
  EXPECT_EQ(page_value(page(kShortTimeout), "redis_up"), "0");
  server.process().signal(SIGCONT);
  EXPECT_EQ(page_value(page(), "redis_up"), "1");
}

// Servers of the test's own making.
TEST_F(RedisExporter, AConnectionThatIsNeverServedIsDown) {
  const RawListener half_open;  // the system accepts, nobody reads
  start({"-redis.addr=" + half_open.address()});
  EXPECT_EQ(page_value(page(kShortTimeout), "redis_up"), "0");
}

// Plays a server that answers the first commands with `replies` and then hangs, or closes, for one
// page.
class FakeServer {
 public:
  enum class Then { kHangs, kCloses };

  explicit FakeServer(std::string replies, Then then = Then::kHangs) {
    EXPECT_TRUE(thread_.post([this, then, replies = std::move(replies)] {
      RawSocket socket = listener_.accept();
      received_.set(socket.read_some());
      socket.write(replies);
      if (then == Then::kHangs) stop_.wait();
    }));
  }
  ~FakeServer() {
    stop_.set(true);
    thread_.stop();
  }
  std::string address() const { return listener_.address(); }
  // What the exporter sent first.
  std::string received() { return received_.wait().value_or(""); }

 private:
  RawListener listener_;
  net::testing::Waiter<std::string> received_;
  net::testing::Waiter<bool> stop_;
  base::ThreadPool thread_{{.name = "fake", .threads = 1}};
};

std::string bulk(std::string_view text) { return fmt::format("${}\r\n{}\r\n", text.size(), text); }

TEST_F(RedisExporter, WhatCameBeforeAServerHungIsShown) {
  const std::string replies =
      "+OK\r\n" + bulk("# Server\r\nuptime_in_seconds:5\r\n\r\n# Replication\r\nrole:master\r\n");
  // A busy machine may take longer than the first budgets.
  std::string text;
  for (const double timeout : {0.6, 3.0, 12.0}) {
    FakeServer server(replies);
    start({"-redis.addr=" + server.address()});
    text = page(fmt::format("X-Prometheus-Scrape-Timeout-Seconds: {}\r\n", timeout));
    if (page_value(text, "redis_up") == "1") break;
  }
  EXPECT_EQ(page_value(text, "redis_up"), "1");
  EXPECT_EQ(page_value(text, "redis_uptime_in_seconds"), "5");
  EXPECT_EQ(page_value(text, "redis_exporter_last_scrape_error{err=\"i/o timeout\"}"), "1");
}

TEST_F(RedisExporter, WhatIsNoRedisIsDown) {
  for (const std::string& answer :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("*99999999999\r\n"),
        std::string("+OK\r\n$999999999\r\n"), std::string(40, '*') + "1\r\n"}) {
    FakeServer server(answer, FakeServer::Then::kCloses);
    start({"-redis.addr=" + server.address()});
    EXPECT_EQ(page_value(page(), "redis_up"), "0") << answer;
  }
}

TEST_F(RedisExporter, ScrapesOtherTargets) {
  RedisServer server;
  load(server);
  start({"-redis.addr="});
  const std::string own = page();
  EXPECT_EQ(own.find("redis_up"), std::string::npos);
  EXPECT_NE(page_value(own, "redis_exporter_scrapes_total"), "");
  const std::string target = "target=" + server.address();
  EXPECT_EQ(page_value(scrape(target), "redis_up"), "1");
  EXPECT_EQ(page_value(scrape("target=redis://" + server.address()), "redis_up"), "1");
  const std::string keys = scrape(target +
                                  "&check-keys=key:*&check-single-keys=mylist&count-keys=k*"
                                  "&check-streams=s*");
  EXPECT_EQ(page_value(keys, "redis_key_size{db=\"db0\",key=\"key:0\"}"), "1");
  EXPECT_EQ(page_value(keys, "redis_key_size{db=\"db0\",key=\"mylist\"}"), "2");
  EXPECT_EQ(page_value(keys, "redis_keys_count{db=\"db0\",key=\"k*\"}"), "3");
  EXPECT_EQ(page_value(keys, "redis_stream_length{db=\"db0\",stream=\"stream1\"}"), "1");
  EXPECT_EQ(keys.find("\nprocess_"), std::string::npos);
  const auto refused = [this](const std::string& query) {
    const RawHttp::Reply reply = get("/scrape" + query);
    return fmt::format("{} {}", reply.status, reply.body);
  };
  EXPECT_EQ(refused(""), "400 'target' parameter must be specified\n");
  EXPECT_EQ(refused("?target=http://x"),
            "400 Invalid 'target' parameter, parse err: unknown scheme \"http\" in the address of "
            "a server \n");
  EXPECT_EQ(refused("?" + target + "&check-keys=a=b=c"),
            "400 NewRedisExporter() error: couldn't parse check-keys: invalid key list argument: "
            "a=b=c\n");
  EXPECT_EQ(page_value(page(), "redis_target_scrape_request_errors_total"), "3");
}

TEST_F(RedisExporter, KeepsItsPasswordFromTargetsThatNobodyAllowed) {
  const auto sent = [this](const std::vector<std::string>& more) {
    FakeServer server("-ERR no\r\n", FakeServer::Then::kCloses);
    std::vector<std::string> flags = {"-redis.password=secret"};
    flags.insert(flags.end(), more.begin(), more.end());
    start(flags);
    get("/scrape?target=" + server.address());
    return server.received();
  };
  EXPECT_EQ(sent({}).find("secret"), std::string::npos);
  EXPECT_NE(sent({"-scrape.allow-target=127.0.0.1:.*"}).find("secret"), std::string::npos);
  start({"-scrape.allow-target=127.0.0.1:1"});
  EXPECT_EQ(get("/scrape?target=127.0.0.1:2").status, 403);
  start({"-disable-scrape-endpoint"});
  EXPECT_EQ(get("/scrape?target=127.0.0.1:2").status, 404);
}

TEST_F(RedisExporter, AsksForAPasswordWhenTold) {
  start({"-redis.addr=", "-basic-auth-username=u", "-basic-auth-password=p"});
  const RawHttp::Reply reply = get("/metrics", "");
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.body, "Unauthorized\n");
  EXPECT_EQ(get("/metrics", "Authorization: Basic dTpw\r\n").status, 200);
  EXPECT_EQ(get("/metrics", "Authorization: Basic dTpx\r\n").status, 401);
  EXPECT_EQ(get("/health", "").status, 401);
}

TEST_F(RedisExporter, TakesItsFlagsFromTheEnvironment) {
  RedisServer server;
  exporter_ = std::make_unique<Process>(std::vector<std::string>{
      "/usr/bin/env", "REDIS_ADDR=" + server.address(), "REDIS_EXPORTER_NAMESPACE=cache",
      "REDIS_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:0", built_program("tocsin-redis-exporter")});
  address_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
  EXPECT_EQ(page_value(page(), "cache_up"), "1");
}

class RedisTls : public RedisExporter {
 protected:
  // A certificate for 127.0.0.1, signed by itself.
  void make_certificate() {
    certificate_ = files_.file("server.crt");
    key_ = files_.file("server.key");
    const Finished made =
        run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
             "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1,DNS:redis.test", "-keyout", key_,
             "-out", certificate_});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }

  std::string certificate_, key_;
};

TEST_F(RedisTls, ChecksTheCertificate) {
  ASSERT_NO_FATAL_FAILURE(make_certificate());
  const std::string port = std::to_string(RawListener().port());
  const RedisServer server({"--tls-port", port, "--tls-cert-file", certificate_, "--tls-key-file",
                            key_, "--tls-ca-cert-file", certificate_, "--tls-auth-clients",
                            "optional"});
  const auto result = [&](std::vector<std::string> flags) {
    flags.push_back("-redis.addr=rediss://127.0.0.1:" + port);
    start(std::move(flags));
    const std::string text = page();
    const std::size_t at = text.find("last_scrape_error{err=\"") + 23;
    return page_value(text, "redis_up") + " " + text.substr(at, text.find('"', at) - at);
  };
  EXPECT_EQ(result({"-tls-ca-cert-file=" + certificate_}), "1 ");
  EXPECT_EQ(result({"-skip-tls-verification"}), "1 ");
  EXPECT_EQ(result({"-tls-ca-cert-file=" + certificate_, "-tls-server-name=redis.test"}), "1 ");
  EXPECT_EQ(result({}), "0 tls: failed to verify certificate: self-signed certificate");
  EXPECT_EQ(result({"-tls-ca-cert-file=" + certificate_, "-tls-server-name=other.test"}),
            "0 tls: failed to verify certificate: hostname mismatch");
}

}  // namespace
}  // namespace tocsin::tests
