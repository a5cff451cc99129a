// SPDX-License-Identifier: Apache-2.0
//
// One row for each database of the server.
#include <array>

#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {
namespace {

// stat_database. Upstream's families, and those that it showed, without a type, until 0.11.

constexpr std::array kStatColumns = {
    Column{"datid", Usage::kLabel},
    Column{"datname", Usage::kLabel},
    Column{"numbackends", Usage::kGauge, "pg_stat_database_numbackends",
           "Number of backends currently connected to this database. This is the only column in "
           "this view that returns a value reflecting current state; all other columns return the "
           "accumulated values since the last reset."},
    Column{"xact_commit", Usage::kCounter, "pg_stat_database_xact_commit",
           "Number of transactions in this database that have been committed"},
    Column{"xact_rollback", Usage::kCounter, "pg_stat_database_xact_rollback",
           "Number of transactions in this database that have been rolled back"},
    Column{"blks_read", Usage::kCounter, "pg_stat_database_blks_read",
           "Number of disk blocks read in this database"},
    Column{"blks_hit", Usage::kCounter, "pg_stat_database_blks_hit",
           "Number of times disk blocks were found already in the buffer cache, so that a read was "
           "not necessary (this only includes hits in the PostgreSQL buffer cache, not the "
           "operating system's file system cache)"},
    Column{"tup_returned", Usage::kCounter, "pg_stat_database_tup_returned",
           "Number of rows returned by queries in this database"},
    Column{"tup_fetched", Usage::kCounter, "pg_stat_database_tup_fetched",
           "Number of rows fetched by queries in this database"},
    Column{"tup_inserted", Usage::kCounter, "pg_stat_database_tup_inserted",
           "Number of rows inserted by queries in this database"},
    Column{"tup_updated", Usage::kCounter, "pg_stat_database_tup_updated",
           "Number of rows updated by queries in this database"},
    Column{"tup_deleted", Usage::kCounter, "pg_stat_database_tup_deleted",
           "Number of rows deleted by queries in this database"},
    Column{"conflicts", Usage::kCounter, "pg_stat_database_conflicts",
           "Number of queries canceled due to conflicts with recovery in this database. (Conflicts "
           "occur only on standby servers; see pg_stat_database_conflicts for details.)"},
    Column{"temp_files", Usage::kCounter, "pg_stat_database_temp_files",
           "Number of temporary files created by queries in this database. All temporary files are "
           "counted, regardless of why the temporary file was created (e.g., sorting or hashing), "
           "and regardless of the log_temp_files setting."},
    Column{"temp_bytes", Usage::kCounter, "pg_stat_database_temp_bytes",
           "Total amount of data written to temporary files by queries in this database. All "
           "temporary files are counted, regardless of why the temporary file was created, and "
           "regardless of the log_temp_files setting."},
    Column{"deadlocks", Usage::kCounter, "pg_stat_database_deadlocks",
           "Number of deadlocks detected in this database"},
    Column{"blk_read_time", Usage::kCounter, "pg_stat_database_blk_read_time",
           "Time spent reading data file blocks by backends in this database, in milliseconds"},
    Column{"blk_write_time", Usage::kCounter, "pg_stat_database_blk_write_time",
           "Time spent writing data file blocks by backends in this database, in milliseconds"},
    Column{"reset_at", Usage::kCounter, "pg_stat_database_stats_reset",
           "Time at which these statistics were last reset"},
    Column{"active_seconds", Usage::kCounter, "pg_stat_database_active_time_seconds_total",
           "Time spent executing SQL statements in this database, in seconds"},
    Column{"checksum_failures", Usage::kUntyped, "pg_stat_database_checksum_failures",
           "Number of data page checksum failures detected in this database"},
    Column{"idle_in_transaction_time", Usage::kUntyped, "pg_stat_database_idle_in_transaction_time",
           "Time spent idling while in a transaction in this database, in milliseconds"},
    Column{"session_time", Usage::kUntyped, "pg_stat_database_session_time",
           "Time spent by sessions in this database, in milliseconds"},
    Column{"sessions", Usage::kUntyped, "pg_stat_database_sessions",
           "Number of sessions established to this database"},
    Column{"sessions_abandoned", Usage::kUntyped, "pg_stat_database_sessions_abandoned",
           "Number of sessions that ended because the connection to the client was lost"},
    Column{"sessions_fatal", Usage::kUntyped, "pg_stat_database_sessions_fatal",
           "Number of sessions that ended with a fatal error"},
    Column{"sessions_killed", Usage::kUntyped, "pg_stat_database_sessions_killed",
           "Number of sessions that an operator ended"},
};
constexpr std::array kStat = {
    Query{.from = 140000,
          .sql = R"(
SELECT datid, datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned,
       tup_fetched, tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes,
       deadlocks, blk_read_time, blk_write_time,
       coalesce(floor(extract(epoch FROM stats_reset)), 0) AS reset_at,
       active_time / 1000 AS active_seconds, checksum_failures, idle_in_transaction_time,
       session_time, sessions, sessions_abandoned, sessions_fatal, sessions_killed
FROM pg_stat_database WHERE datname IS NOT NULL)",
          .columns = kStatColumns},
    Query{.until = 140000,
          .sql = R"(
SELECT datid, datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned,
       tup_fetched, tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes,
       deadlocks, blk_read_time, blk_write_time,
       coalesce(floor(extract(epoch FROM stats_reset)), 0) AS reset_at
FROM pg_stat_database WHERE datname IS NOT NULL)",
          .columns = kStatColumns},
};

// pg_stat_database_conflicts

constexpr std::array kConflictColumns = {
    Column{"datid", Usage::kLabel},
    Column{"datname", Usage::kLabel},
    Column{"confl_tablespace", Usage::kCounter, "pg_stat_database_conflicts_confl_tablespace",
           "Number of queries in this database that have been canceled due to dropped tablespaces"},
    Column{"confl_lock", Usage::kCounter, "pg_stat_database_conflicts_confl_lock",
           "Number of queries in this database that have been canceled due to lock timeouts"},
    Column{"confl_snapshot", Usage::kCounter, "pg_stat_database_conflicts_confl_snapshot",
           "Number of queries in this database that have been canceled due to old snapshots"},
    Column{"confl_bufferpin", Usage::kCounter, "pg_stat_database_conflicts_confl_bufferpin",
           "Number of queries in this database that have been canceled due to pinned buffers"},
    Column{"confl_deadlock", Usage::kCounter, "pg_stat_database_conflicts_confl_deadlock",
           "Number of queries in this database that have been canceled due to deadlocks"},
    Column{"confl_active_logicalslot", Usage::kUntyped,
           "pg_stat_database_conflicts_confl_active_logicalslot",
           "Unknown metric from pg_stat_database_conflicts"},
};
constexpr std::array kConflicts = {
    Query{.sql = "SELECT * FROM pg_stat_database_conflicts", .columns = kConflictColumns},
};

// database_wraparound. pg_txid_current is the next transaction, found without making one.

constexpr std::array kWraparoundColumns = {
    Column{"datname", Usage::kLabel},
    Column{"xid_age", Usage::kGauge, "pg_database_wraparound_age_datfrozenxid_seconds",
           "Age of the oldest transaction ID that has not been frozen."},
    Column{"mxid_age", Usage::kGauge, "pg_database_wraparound_age_datminmxid_seconds",
           "Age of the oldest multi-transaction ID that has been replaced with a transaction ID."},
};
constexpr std::array kTxidColumns = {
    Column{"txid", Usage::kUntyped, "pg_txid_current",
           "Transaction ID that comes next, without the wraparound"},
};
constexpr std::array kWraparound = {
    Query{.from = 90500,
          .sql = R"(
SELECT datname, age(datfrozenxid) AS xid_age, mxid_age(datminmxid) AS mxid_age
FROM pg_database WHERE datallowconn)",
          .columns = kWraparoundColumns},
    Query{.until = 90500,
          .sql = "SELECT datname, age(datfrozenxid) AS xid_age FROM pg_database WHERE datallowconn",
          .columns = kWraparoundColumns},
    Query{.sql = "SELECT txid_snapshot_xmax(txid_current_snapshot()) AS txid",
          .columns = kTxidColumns},
};

// database. Sizes are counted file by file, so they come last; a database that this role may not
// connect to has none.

constexpr std::array kLimitColumns = {
    Column{"datname", Usage::kLabel},
    Column{"datconnlimit", Usage::kGauge, "pg_database_connection_limit",
           "Connection limit set for the database"},
};
constexpr std::array kSizeColumns = {
    Column{"datname", Usage::kLabel},
    Column{"bytes", Usage::kGauge, "pg_database_size_bytes", "Disk space used by the database"},
};
constexpr std::array kDatabase = {
    Query{.sql = R"(
SELECT datname, datconnlimit FROM pg_database WHERE NOT datname = ANY (@excluded_databases@))",
          .columns = kLimitColumns},
    Query{.from = 100000,
          .sql = R"(
SELECT datname, pg_database_size(oid) AS bytes FROM pg_database
WHERE NOT datname = ANY (@excluded_databases@)
  AND (has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')))",
          .columns = kSizeColumns},
    Query{.until = 100000,
          .sql = R"(
SELECT datname, pg_database_size(oid) AS bytes FROM pg_database
WHERE NOT datname = ANY (@excluded_databases@) AND has_database_privilege(oid, 'CONNECT'))",
          .columns = kSizeColumns},
};

constexpr std::array kCollectors = {
    CollectorSpec{.name = "stat_database", .is_default = true, .queries = kStat},
    CollectorSpec{.name = "database_wraparound", .is_default = true, .queries = kWraparound},
    CollectorSpec{.name = "database", .is_default = true, .queries = kDatabase},
};

}  // namespace

std::span<const CollectorSpec> database_collectors() { return kCollectors; }
std::span<const Query> conflict_queries() { return kConflicts; }

}  // namespace tocsin::exporters::postgres
