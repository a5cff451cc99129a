// SPDX-License-Identifier: Apache-2.0
//
// The whole way of the rules in examples/postgres: a real server, tocsin-postgres-exporter, tocsin and
// a receiver, with the times of the examples shortened.
#include <gtest/gtest.h>

#include "tests/exporters/alert_chain.h"
#include "tests/exporters/postgres_server.h"

namespace tocsin::tests {
namespace {

class PostgresAlerts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::is_available()) {
      GTEST_SKIP() << "PostgreSQL is not there: run tools/fetch_test_parts";
    }
    // Seventeen for clients.
    server_ = std::make_unique<PostgresServer>("max_connections = 20\n");
    server_->sql("CREATE ROLE exporter LOGIN PASSWORD 'secret' IN ROLE pg_monitor");
  }

  // Starts an exporter for `server`, and what listens to it.
  void watch(const PostgresServer& server) {
    exporter_ = std::make_unique<PostgresExporterProcess>(server.source("exporter"));
    // A lag of half a minute would take that long to make.
    chain_ = std::make_unique<AlertChain>(AlertChain::Options{
        .example = "postgres",
        .target = "127.0.0.1:9187",
        .exporter = exporter_->address(),
        .changes = {{"pg_replication_lag_seconds > 30", "pg_replication_lag_seconds > 1"}}});
    ASSERT_TRUE(eventually([this] { return chain_->tocsin().value("pg_up") == "1"; }));
  }

  std::unique_ptr<PostgresServer> server_;
  std::unique_ptr<PostgresExporterProcess> exporter_;
  std::unique_ptr<AlertChain> chain_;
};

TEST_F(PostgresAlerts, AServerThatStopsIsToldAndThatItIsBack) {
  watch(*server_);
  server_->stop();
  EXPECT_TRUE(chain_->hears("firing", "DatabaseConnectionFailed"));
  server_->start();
  EXPECT_TRUE(chain_->hears("resolved", "DatabaseConnectionFailed"));
}

TEST_F(PostgresAlerts, AServerFullOfConnectionsIsTold) {
  watch(*server_);
  std::vector<std::unique_ptr<Process>> sessions;
  // One place is left for the exporter, which on a busy machine may have to connect again.
  for (int i = 0; i < 16; ++i) sessions.push_back(server_->session("SELECT 1", "postgres"));
  EXPECT_TRUE(chain_->hears("firing", "ConnectionPoolExhausted"));
  sessions.clear();
  EXPECT_TRUE(chain_->hears("resolved", "ConnectionPoolExhausted"));
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
  EXPECT_TRUE(chain_->hears("firing", "ReplicationLag"));
  replica.sql("SELECT pg_wal_replay_resume()");
  EXPECT_TRUE(chain_->hears("resolved", "ReplicationLag"));
  server_->stop();
  EXPECT_TRUE(chain_->hears("firing", "ReplicationStopped"));
  server_->start();
  EXPECT_TRUE(chain_->hears("resolved", "ReplicationStopped"));
}

}  // namespace
}  // namespace tocsin::tests
