// SPDX-License-Identifier: Apache-2.0
//
// The whole way of the rules in examples/postgres: a real server, tocsin-postgres-exporter, tocsin and
// a receiver, with the times of the examples shortened.
#include <gtest/gtest.h>

#include "tests/exporters/postgres_server.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

class PostgresAlerts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::is_available()) {
      GTEST_SKIP() << "PostgreSQL is not there: run tools/fetch_test_parts";
    }
    // Seven for clients.
    server_ = std::make_unique<PostgresServer>("max_connections = 10\n");
    server_->sql("CREATE ROLE exporter LOGIN PASSWORD 'secret' IN ROLE pg_monitor");
  }

  // Starts an exporter for `server`, and tocsin.
  void watch(const PostgresServer& server) {
    exporter_ = std::make_unique<PostgresExporterProcess>(server.source("exporter"));
    std::string rules = read_file(source_path("examples/postgres/rules/postgres.yml"));
    rules = replaced(rules, "for: 1m", "for: 1s");
    rules = replaced(rules, "for: 2m", "for: 1s");
    rules =
        replaced_once(rules, "pg_replication_lag_seconds > 30", "pg_replication_lag_seconds > 1");
    files_.write("rules/postgres.yml", rules);
    std::string config = read_file(source_path("examples/postgres/prometheus.yml"));
    config = replaced_once(config, "scrape_interval: 15s", "scrape_interval: 1s");
    config = replaced_once(config, "evaluation_interval: 15s", "evaluation_interval: 1s");
    config = replaced_once(config, "targets: ['127.0.0.1:9187']",
                           "targets: ['" + exporter_->address() + "']");
    std::string receiver = read_file(source_path("examples/postgres/alertmanager.yml"));
    receiver = replaced_once(receiver, "127.0.0.1:9025", sink_.address());
    receiver = replaced_once(receiver,
                             "  group_by:", "  group_wait: 1s\n  group_interval: 1s\n  group_by:");
    tocsin_ = std::make_unique<Tocsin>(
        Tocsin::Options{.config = files_.write("prometheus.yml", config),
                        .alertmanager = files_.write("alertmanager.yml", receiver),
                        .data = files_.file("data")});
    ASSERT_TRUE(tocsin_->wait_ready());
    ASSERT_TRUE(eventually([this] { return tocsin_->value("pg_up") == "1"; }));
  }

  // Waits until the receiver has heard that the alert of this name is firing or resolved.
  bool hears(std::string_view status, std::string_view name) {
    return eventually([&] {
      for (const net::HttpRequest& request : sink_.requests()) {
        const base::JsonValue body = parsed(request.body);
        for (const base::JsonValue& alert : at(body, "alerts").items()) {
          if (text_at(alert, "status") == status && text_at(alert, "labels.alertname") == name) {
            return true;
          }
        }
      }
      return false;
    });
  }

  const TempDir files_;
  HttpSink sink_{[](const net::HttpRequest&) { return net::HttpResponse::text(200, "ok"); }};
  std::unique_ptr<PostgresServer> server_;
  std::unique_ptr<PostgresExporterProcess> exporter_;
  std::unique_ptr<Tocsin> tocsin_;
};

TEST_F(PostgresAlerts, AServerThatStopsIsToldAndThatItIsBack) {
  watch(*server_);
  server_->stop();
  EXPECT_TRUE(hears("firing", "DatabaseConnectionFailed"));
  server_->start();
  EXPECT_TRUE(hears("resolved", "DatabaseConnectionFailed"));
}

TEST_F(PostgresAlerts, AServerFullOfConnectionsIsTold) {
  watch(*server_);
  std::vector<std::unique_ptr<Process>> sessions;
  for (int i = 0; i < 7; ++i) sessions.push_back(server_->session("SELECT 1", "postgres"));
  EXPECT_TRUE(hears("firing", "ConnectionPoolExhausted"));
  sessions.clear();
  EXPECT_TRUE(hears("resolved", "ConnectionPoolExhausted"));
}

TEST_F(PostgresAlerts, AReplicaThatFallsBehindOrLosesItsPrimaryIsTold) {
  server_->sql("SELECT pg_create_physical_replication_slot('rep1')");
  const PostgresServer replica(*server_, "rep1");
  watch(replica);
  // The lag is the age of the last transaction that was replayed: there must be one.
  server_->sql("CREATE TABLE first (id int)");
  ASSERT_TRUE(eventually(
      [&] { return replica.sql("SELECT pg_last_xact_replay_timestamp() IS NOT NULL") == "t\n"; }));
  replica.sql("SELECT pg_wal_replay_pause()");
  server_->sql("CREATE TABLE more (id int)");
  EXPECT_TRUE(hears("firing", "ReplicationLag"));
  replica.sql("SELECT pg_wal_replay_resume()");
  EXPECT_TRUE(hears("resolved", "ReplicationLag"));
  server_->stop();
  EXPECT_TRUE(hears("firing", "ReplicationStopped"));
}

}  // namespace
}  // namespace tocsin::tests
