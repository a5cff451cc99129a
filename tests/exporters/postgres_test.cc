// SPDX-License-Identifier: Apache-2.0
//
// tocsin-postgres-exporter against real servers: what it shows, and what it does when a server is
// gone, silent, locked or full.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "net/http.h"
#include "net/testing/raw_socket.h"
#include "tests/exporters/lint.h"
#include "tests/exporters/postgres_server.h"

namespace tocsin::tests {
namespace {

// Flags that turn every collector on.
std::vector<std::string> all_collectors() {
  std::vector<std::string> flags;
  std::istringstream manual(run({built_program("tocsin-postgres-exporter"), "--help"}).out);
  for (std::string line; std::getline(manual, line);) {
    constexpr std::string_view kPrefix = "  --[no-]collector.";
    const std::string name = line.substr(std::min(kPrefix.size(), line.size()));
    if (line.starts_with(kPrefix) && name.find('.') == std::string::npos) {
      flags.push_back("--collector." + name);
    }
  }
  return flags;
}

constexpr std::string_view kSettings =
    "wal_level = logical\narchive_mode = on\narchive_command = 'true'\n"
    "shared_preload_libraries = 'pg_stat_statements'\ntrack_io_timing = on\n";

// The role that the documentation says, and a database with tables.
void set_up(const PostgresServer& server) {
  server.sql("CREATE ROLE exporter LOGIN PASSWORD 'secret' IN ROLE pg_monitor");
  server.sql("CREATE DATABASE shop");
  server.sql("CREATE EXTENSION pg_stat_statements", "shop");
  server.sql(
      "CREATE TABLE orders (id int PRIMARY KEY, text text);"
      "CREATE TABLE clients (id int PRIMARY KEY);"
      "INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n; ANALYZE",
      "shop");
}

class PostgresExporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::is_available()) {
      GTEST_SKIP() << "PostgreSQL is not there: run tools/fetch_test_parts";
    }
    server_ = std::make_unique<PostgresServer>(std::string(kSettings));
    set_up(*server_);
  }

  std::unique_ptr<PostgresServer> server_;
};

struct Family {
  std::string type;
  std::set<std::string> labels;
};

// Label names of "name{a=\"x\",b=\"y\"} 1", without "le".
void add_labels(std::string_view line, std::set<std::string>* names) {
  std::size_t at = line.find('{');
  while (at != std::string_view::npos && line[at] != '}') {
    const std::size_t equals = line.find("=\"", at);
    names->emplace(line.substr(at + 1, equals - at - 1));
    at = equals + 2;
    while (line[at] != '"') at += line[at] == '\\' ? 2 : 1;
    ++at;
  }
  names->erase("le");
}

void add_families(const std::string& page, std::map<std::string, Family>* families) {
  std::istringstream lines(page);
  Family* family = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string name, type;
      words >> name >> type;
      family = &(*families)[name];
      family->type = type;
    } else if (!line.starts_with('#') && family != nullptr) {
      add_labels(line, &family->labels);
    }
  }
}

// What upstream's newest exporter showed of a primary with slots and of its replica: family, type
// and labels, under their names of 0.20.
std::map<std::string, Family> upstream_families(const std::string& path) {
  std::map<std::string, Family> families;
  std::istringstream table(read_file(path));
  for (std::string line; std::getline(table, line);) {
    std::istringstream row(line);
    std::string name, labels, seen, label;
    Family family;
    std::getline(row, name, '\t');
    std::getline(row, family.type, '\t');
    std::getline(row, labels, '\t');
    std::getline(row, seen, '\t');
    if (seen.find("0.19.1") == std::string::npos) continue;
    constexpr std::string_view kOldSlot = "pg_replication_slot_";
    if (name.starts_with(kOldSlot)) name.replace(0, kOldSlot.size(), "pg_replication_slots_");
    std::istringstream list(labels);
    while (std::getline(list, label, ',')) family.labels.insert(label);
    families.emplace(name, family);
  }
  return families;
}

TEST_F(PostgresExporterTest, EveryFamilyOfUpstreamIsThereWithItsTypeAndLabels) {
  const char* data = std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): tests
  if (data == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  server_->sql("SELECT pg_create_physical_replication_slot('rep1')");
  server_->sql("SELECT pg_create_logical_replication_slot('lrep', 'test_decoding')", "shop");
  PostgresServer::run_program("pgbench",
                              {"-h", server_->folder(), "-U", "postgres", "-i", "-q", "shop"});
  PostgresServer::run_program(
      "pgbench", {"-h", server_->folder(), "-U", "postgres", "-t", "20", "-c", "2", "shop"});
  const PostgresServer replica(*server_, "rep1");
  EXPECT_TRUE(eventually([&] {
    return server_->sql(
               "SELECT count(*) FROM pg_stat_replication WHERE reply_time IS NOT NULL "
               "AND state = 'streaming'") == "1\n" &&
           replica.sql(
               "SELECT count(*) FROM pg_stat_wal_receiver WHERE latest_end_time IS NOT "
               "NULL") == "1\n";
  }));
  const auto idle = server_->session("SELECT 1", "shop");  // for process_idle
  std::map<std::string, Family> shown;
  for (const PostgresServer* server :
       {const_cast<const PostgresServer*>(server_.get()), &replica}) {
    const PostgresExporterProcess exporter(server->source("exporter", "shop"), all_collectors());
    // Another exporter's connection is an idle one.
    const PostgresExporterProcess other(server->source("exporter", "shop"));
    other.page("60");
    const std::string page = exporter.page("60");
    EXPECT_EQ(own_complaints(page), std::vector<std::string>{});
    add_families(page, &shown);
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("pg_scrape_collector_success")) {
        EXPECT_TRUE(line.ends_with(" 1")) << line;
      }
    }
  }
  std::size_t compared = 0;
  for (const auto& [name, family] :
       upstream_families(std::string(data) + "/exporter-families/postgres_families.tsv")) {
    // Of the Go runtime.
    if (name.starts_with("go_") || name.starts_with("promhttp_")) continue;
    ASSERT_TRUE(shown.contains(name)) << name;
    EXPECT_EQ(shown[name].type, family.type) << name;
    // The label `server` was dropped from most families by 0.20.
    std::set<std::string> without_server = family.labels;
    without_server.erase("server");
    if (shown[name].labels != family.labels) {
      EXPECT_EQ(shown[name].labels, without_server) << name;
    }
    ++compared;
  }
  fmt::print("compared {} families\n", compared);
  EXPECT_GT(compared, 300U);
}

TEST_F(PostgresExporterTest, TheRoleOfTheExampleIsEnoughAndCannotReadTables) {
  server_->sql(replaced_once(read_file(source_path("examples/postgres/exporter.sql")),
                             "PASSWORD :password", "PASSWORD 'secret'"));
  const PostgresExporterProcess exporter(server_->source("tocsin_exporter", "shop"));
  std::istringstream lines(exporter.page());
  std::size_t collectors = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("pg_scrape_collector_success{")) continue;
    EXPECT_TRUE(line.ends_with(" 1")) << line;
    ++collectors;
  }
  EXPECT_EQ(collectors, 20U);
  EXPECT_EQ(
      server_->sql("SELECT has_table_privilege('tocsin_exporter', 'orders', 'SELECT')", "shop"),
      "f\n");
}

TEST_F(PostgresExporterTest, AServerThatIsGoneIsSeenAndFoundAgain) {
  const PostgresExporterProcess exporter(server_->source("exporter", "shop"));
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "1");
  server_->stop();
  const std::string page = exporter.page();
  EXPECT_EQ(sample(page, "pg_up"), "0");
  EXPECT_EQ(own_complaints(page), std::vector<std::string>{});
  EXPECT_EQ(sample(page, "pg_exporter_last_scrape_error"), "1");
  EXPECT_EQ(sample(page, "pg_scrape_collector_success{collector=\"locks\"}"), "0");
  EXPECT_NE(sample(page, "process_resident_memory_bytes"), "");
  server_->start();
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "1");
  EXPECT_EQ(sample(exporter.page(), "pg_exporter_scrapes_total"), "4");
}

TEST_F(PostgresExporterTest, AWrongPasswordIsPgUpZeroAndNeverLogged) {
  PostgresExporterProcess exporter(
      fmt::format("postgresql://exporter:wr0ng@/shop?host={}", net::url_encode(server_->folder())),
      {"--log.level=debug"});
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "0");
  EXPECT_NE(exporter.process().wait_for_line({"password authentication failed"}), "");
  EXPECT_EQ(exporter.process().standard_error().find("wr0ng"), std::string::npos);
}

TEST_F(PostgresExporterTest, AServerWithoutAFreeConnectionIsPgUpZero) {
  server_->sql("ALTER ROLE exporter CONNECTION LIMIT 0");
  const PostgresExporterProcess exporter(server_->source("exporter", "shop"));
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "0");
  server_->sql("ALTER ROLE exporter CONNECTION LIMIT -1");
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "1");
}

// Connections of the process to this port of the loopback, by its /proc/PID/net/tcp:
// "sl local_address rem_address st ...", where state 01 is established.
std::size_t established_to(pid_t pid, int port) {
  const std::string remote = fmt::format("0100007F:{:04X} 01 ", port);
  std::istringstream table(read_file(fmt::format("/proc/{}/net/tcp", pid)));
  std::size_t count = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.find(remote) != std::string::npos) ++count;
  }
  return count;
}

TEST(PostgresExporterAloneTest, AListenerThatNeverAnswersCostsOneConnection) {
  const net::testing::RawListener silent;
  PostgresExporterProcess exporter(
      fmt::format("host=127.0.0.1 port={} user=a dbname=b sslmode=disable", silent.port()));
  for (int i = 0; i < 7; ++i) EXPECT_EQ(sample(exporter.page("0.2"), "pg_up"), "0");
  EXPECT_EQ(established_to(exporter.process().pid(), silent.port()), 1U);
}

TEST_F(PostgresExporterTest, AServerThatIsStoppedIsGivenNoMoreThanTwoConnections) {
  PostgresExporterProcess exporter(server_->source("exporter", "shop"));
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "1");
  std::vector<pid_t> stopped;
  for (int i = 0; i < 4; ++i) {
    // Those that the exporter has now.
    std::istringstream pids(
        server_->sql("SELECT pid FROM pg_stat_activity WHERE usename = 'exporter'"));
    for (pid_t pid = 0; pids >> pid;) {
      if (std::find(stopped.begin(), stopped.end(), pid) != stopped.end()) continue;
      EXPECT_EQ(::kill(pid, SIGSTOP), 0);
      stopped.push_back(pid);
    }
    exporter.page("1");
  }
  EXPECT_EQ(stopped.size(), 2U);
  EXPECT_EQ(sample(exporter.page("1"), "pg_up"), "0");
  for (const pid_t pid : stopped) EXPECT_EQ(::kill(pid, SIGCONT), 0);
  EXPECT_TRUE(eventually([&] { return sample(exporter.page(), "pg_up") == "1"; }));
}

TEST_F(PostgresExporterTest, ALockedTableHasItsCountersAndTheOthersTheirSizes) {
  const PostgresExporterProcess exporter(server_->source("exporter", "shop"));
  const auto lock = server_->session("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", "shop");
  ASSERT_TRUE(eventually([&] {
    return server_->sql(
               "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND "
               "granted AND locktype = 'relation'") != "0\n";
  }));
  const std::string page = exporter.page();
  EXPECT_EQ(sample(page, "pg_up"), "1");
  EXPECT_EQ(sample(page, "pg_scrape_collector_success{collector=\"stat_user_tables\"}"), "1");
  const std::string orders = "{datname=\"shop\",relname=\"orders\",schemaname=\"public\"}";
  const std::string clients = "{datname=\"shop\",relname=\"clients\",schemaname=\"public\"}";
  EXPECT_EQ(sample(page, "pg_stat_user_tables_n_tup_ins" + orders), "1000");
  EXPECT_EQ(sample(page, "pg_stat_user_tables_table_size_bytes" + orders), "");
  EXPECT_NE(sample(page, "pg_stat_user_tables_table_size_bytes" + clients), "");
  EXPECT_EQ(sample(page, "pg_locks_count{datname=\"shop\",mode=\"accessexclusivelock\"}"), "1");
}

TEST_F(PostgresExporterTest, ALockedCatalogueFailsItsCollectorsAndServesTheRest) {
  const PostgresExporterProcess exporter(server_->source("exporter", "shop"));
  EXPECT_EQ(sample(exporter.page(), "pg_up"), "1");
  const auto lock = server_->session(
      "BEGIN; LOCK TABLE pg_statistic_ext, pg_stat_user_tables IN ACCESS EXCLUSIVE MODE", "shop");
  ASSERT_TRUE(eventually([&] {
    return server_->sql(
               "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND "
               "granted AND locktype = 'relation'") != "0\n";
  }));
  const std::string page = exporter.page();
  EXPECT_EQ(sample(page, "pg_up"), "1");
  EXPECT_EQ(sample(page, "pg_scrape_collector_success{collector=\"stat_user_tables\"}"), "0");
  EXPECT_EQ(sample(page, "pg_scrape_collector_success{collector=\"stat_database\"}"), "1");
  EXPECT_EQ(sample(page, "pg_scrape_collector_success{collector=\"settings\"}"), "1");
}

TEST_F(PostgresExporterTest, DatabasesAreDiscovered) {
  server_->sql("CREATE DATABASE other");
  server_->sql("CREATE DATABASE hidden");
  server_->sql("CREATE TABLE things (id int)", "other");
  server_->sql("CREATE TABLE secrets (id int)", "hidden");
  const PostgresExporterProcess exporter(
      server_->source("exporter", "shop"),
      {"--auto-discover-databases", "--exclude-databases=hidden"});
  const std::string page = exporter.page();
  const auto rows = [&](std::string_view database, std::string_view table) {
    return sample(page, fmt::format("pg_stat_user_tables_n_live_tup{{datname=\"{}\",relname=\"{}\","
                                    "schemaname=\"public\"}}",
                                    database, table));
  };
  EXPECT_EQ(rows("shop", "orders"), "1000");
  EXPECT_EQ(rows("other", "things"), "0");
  EXPECT_EQ(rows("hidden", "secrets"), "");
  EXPECT_EQ(sample(page, "pg_database_connection_limit{datname=\"hidden\"}"), "");
  EXPECT_EQ(sample(page, "pg_exporter_last_scrape_error"), "0");
  EXPECT_EQ(server_->sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'exporter'"),
            "1\n");
}

TEST_F(PostgresExporterTest, CustomQueriesAreShown) {
  const TempDir files;
  const std::string path = files.write("queries.yml", R"(
pg_shop:
  query: "SELECT 'eu' AS region, 3 AS orders, '1.5s' AS age, 2.5 AS extra, 'x' AS word,
          ARRAY[1, 2] AS wait, ARRAY[1, 3] AS wait_bucket, 7 AS wait_sum, 4 AS wait_count,
          timestamp '2026-01-01 00:00:01' AS at"
  cache_seconds: 3600
  metrics:
    - region: {usage: LABEL, description: Where}
    - orders: {usage: GAUGE, description: Orders now}
    - age: {usage: DURATION, description: Age}
    - word: {usage: DISCARD}
    - wait: {usage: HISTOGRAM, description: Waits}
    - at: {usage: COUNTER, description: When}
pg_new: {query: SELECT 1 AS one, runonserver: ">=99.0.0", metrics: [{one: {usage: GAUGE}}]}
pg_bad: {query: SELECT nothing FROM nowhere, metrics: [{nothing: {usage: GAUGE}}]}
)");
  const PostgresExporterProcess exporter(
      server_->source("exporter", "shop"),
      {"--extend.query-path=" + path, "--constantLabels=zone=a"});
  const std::string page = exporter.page();
  const std::string labels =
      fmt::format("region=\"eu\",server=\"{}:5432\",zone=\"a\"", server_->folder());
  EXPECT_EQ(sample(page, "pg_shop_orders{" + labels + "}"), "3");
  EXPECT_EQ(sample(page, "pg_shop_age_milliseconds{" + labels + "}"), "1500");
  EXPECT_EQ(sample(page, "pg_shop_extra{" + labels + "}"), "2.5");
  EXPECT_EQ(sample(page, "pg_shop_at{" + labels + "}"), "1.767225601e+09");
  EXPECT_EQ(sample(page, "pg_shop_wait_bucket{le=\"2\"," + labels + "}"), "3");
  EXPECT_EQ(sample(page, "pg_shop_wait_count{" + labels + "}"), "4");
  EXPECT_EQ(page.find("pg_new"), std::string::npos);
  EXPECT_EQ(sample(page, "pg_up{zone=\"a\"}"), "1");
  EXPECT_EQ(sample(page, "pg_exporter_last_scrape_error{zone=\"a\"}"), "1") << "pg_bad";
  EXPECT_NE(page.find("pg_exporter_user_queries_load_error{filename=\"" + path), std::string::npos);
}

TEST_F(PostgresExporterTest, ProbesOnlyWhatIsAllowed) {
  const TempDir files;
  const std::string config = files.write("postgres_exporter.yml", fmt::format(R"(
probe_targets: ['{}', '127.0.0.0/8', 'db-*.example.com:5432']
auth_modules:
  reader:
    type: userpass
    userpass: {{username: exporter, password: secret}}
    options: {{sslmode: disable}}
)",
                                                                              server_->folder()));
  const PostgresExporterProcess exporter("", {"--config.file=" + config});
  const auto probe = [&](const std::string& target, const std::string& more = "") {
    return exporter.get("/probe?target=" + net::url_encode(target) + more, "5");
  };
  const std::string target = "host=" + server_->folder() + " dbname=shop";
  const Reply good = probe(target, "&auth_module=reader");
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(sample(good.body, "pg_up"), "1");
  EXPECT_EQ(sample(good.body, "pg_exporter_last_scrape_error"), "0");
  EXPECT_EQ(sample(probe(target + " user=exporter").body, "pg_up"), "0") << "no password";
  EXPECT_EQ(exporter.get("/probe").body, "target is required\n");
  EXPECT_EQ(probe(target, "&auth_module=nope").body, "auth_module nope not found\n");
  EXPECT_EQ(probe("10.0.0.1:5432").status, 403);
  EXPECT_EQ(probe("/etc").status, 400);
  EXPECT_EQ(probe("db-1.example.com:5433").status, 403);
  EXPECT_EQ(probe("host=127.0.0.1 passfile=/etc/shadow").status, 400);
  EXPECT_EQ(probe("host=127.0.0.1,10.0.0.1").status, 403);
  EXPECT_EQ(sample(probe("127.0.0.1:1").body, "pg_up"), "0");
  EXPECT_EQ(sample(exporter.page(), "postgres_exporter_config_last_reload_successful"), "1");
  EXPECT_EQ(server_->sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'exporter'"),
            "0\n");
}

}  // namespace
}  // namespace tocsin::tests
