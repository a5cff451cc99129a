// SPDX-License-Identifier: Apache-2.0
//
// What runs now: connections, transactions, locks, vacuums, and the statements that cost most.
#include <array>

#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {
namespace {

// pg_stat_activity

constexpr std::array kActivityColumns = {
    Column{"datname", Usage::kLabel},
    Column{"state", Usage::kLabel},
    Column{"usename", Usage::kLabel},
    Column{"application_name", Usage::kLabel},
    Column{"backend_type", Usage::kLabel},
    Column{"wait_event_type", Usage::kLabel},
    Column{"wait_event", Usage::kLabel},
    Column{"connections", Usage::kGauge, "pg_stat_activity_count",
           "number of connections in this state"},
    Column{"oldest", Usage::kGauge, "pg_stat_activity_max_tx_duration",
           "max duration in seconds any active transaction has been running"},
};

// Every database has a row for every state, so that a series does not end with its connections.
constexpr std::array kActivity = {
    Query{.from = 100000,
          .sql = R"(
WITH busy AS (
  SELECT datname, state, usename, application_name, backend_type, wait_event_type, wait_event,
         count(*) AS connections, max(extract(epoch FROM now() - xact_start)) AS oldest
  FROM pg_stat_activity WHERE pid <> pg_backend_pid()
  GROUP BY datname, state, usename, application_name, backend_type, wait_event_type, wait_event)
SELECT d.datname, s.state, b.usename, b.application_name, b.backend_type, b.wait_event_type,
       b.wait_event, coalesce(b.connections, 0) AS connections, coalesce(b.oldest, 0) AS oldest
FROM pg_database d
CROSS JOIN unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)',
                        'fastpath function call', 'disabled']) AS s(state)
LEFT JOIN busy b ON b.datname = d.datname AND b.state = s.state)",
          .columns = kActivityColumns},
    Query{.until = 100000,
          .sql = R"(
WITH busy AS (
  SELECT datname, state, usename, application_name,
         count(*) AS connections, max(extract(epoch FROM now() - xact_start)) AS oldest
  FROM pg_stat_activity WHERE pid <> pg_backend_pid()
  GROUP BY datname, state, usename, application_name)
SELECT d.datname, s.state, b.usename, b.application_name, '' AS backend_type,
       '' AS wait_event_type, '' AS wait_event,
       coalesce(b.connections, 0) AS connections, coalesce(b.oldest, 0) AS oldest
FROM pg_database d
CROSS JOIN unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)',
                        'fastpath function call', 'disabled']) AS s(state)
LEFT JOIN busy b ON b.datname = d.datname AND b.state = s.state)",
          .columns = kActivityColumns},
};

// stat_activity_autovacuum: the worker's text is "autovacuum: VACUUM schema.table (to prevent ...)".

constexpr std::array kAutovacuumColumns = {
    Column{"relname", Usage::kLabel},
    Column{"started", Usage::kGauge, "pg_stat_activity_autovacuum_timestamp_seconds",
           "Start timestamp of the vacuum process in seconds"},
};
constexpr std::array kAutovacuum = {
    Query{.sql = R"(
SELECT split_part(query, '.', 2) AS relname, min(extract(epoch FROM xact_start)) AS started
FROM pg_stat_activity WHERE query LIKE 'autovacuum:%' GROUP BY 1)",
          .columns = kAutovacuumColumns},
};

// long_running_transactions

constexpr std::array kLongColumns = {
    Column{"transactions", Usage::kGauge, "pg_long_running_transactions",
           "Current number of long running transactions"},
    Column{"oldest", Usage::kGauge, "pg_long_running_transactions_oldest_timestamp_seconds",
           "The current maximum transaction age in seconds"},
};
constexpr std::array kLong = {
    Query{.sql = R"(
SELECT count(*) AS transactions,
       max(extract(epoch FROM clock_timestamp() - xact_start)) AS oldest
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'
  AND query NOT LIKE 'autovacuum:%')",
          .columns = kLongColumns,
          .nulls = Nulls::kZero},
};

// process_idle

constexpr std::array kIdleColumns = {
    Column{"state", Usage::kLabel},
    Column{"application_name", Usage::kLabel},
    Column{"seconds", Usage::kHistogram, "pg_process_idle_seconds",
           "Idle time of server processes"},
};
constexpr std::array kIdle = {
    Query{.sql = R"(
WITH idle AS (
  SELECT state, coalesce(application_name, 'unknown') AS application_name,
         extract(epoch FROM now() - state_change) AS age
  FROM pg_stat_activity WHERE state LIKE 'idle%' AND pid <> pg_backend_pid())
SELECT state, application_name, sum(round(age::numeric)) AS seconds_sum, count(*) AS seconds_count,
       ARRAY[1, 2, 5, 15, 30, 60, 90, 120, 300] AS seconds,
       ARRAY[sum((age <= 1)::int), sum((age <= 2)::int), sum((age <= 5)::int),
             sum((age <= 15)::int), sum((age <= 30)::int), sum((age <= 60)::int),
             sum((age <= 90)::int), sum((age <= 120)::int), sum((age <= 300)::int)
            ] AS seconds_bucket
FROM idle GROUP BY state, application_name)",
          .columns = kIdleColumns},
};

// locks

constexpr std::array kLockColumns = {
    Column{"datname", Usage::kLabel},
    Column{"mode", Usage::kLabel},
    Column{"locks", Usage::kGauge, "pg_locks_count", "Number of locks"},
};
constexpr std::array kLocks = {
    Query{.sql = R"(
WITH held AS (
  SELECT database, lower(mode) AS mode, count(*) AS locks
  FROM pg_locks WHERE database IS NOT NULL GROUP BY 1, 2)
SELECT d.datname, m.mode, coalesce(h.locks, 0) AS locks
FROM pg_database d
CROSS JOIN unnest(ARRAY['accesssharelock', 'rowsharelock', 'rowexclusivelock',
                        'shareupdateexclusivelock', 'sharelock', 'sharerowexclusivelock',
                        'exclusivelock', 'accessexclusivelock', 'sireadlock']) AS m(mode)
LEFT JOIN held h ON h.database = d.oid AND h.mode = m.mode)",
          .columns = kLockColumns},
};

// stat_progress_vacuum. A table of another database has no name here, only its number.

constexpr std::array kVacuumColumns = {
    Column{"datname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"heap_blks_total", Usage::kGauge, "pg_stat_progress_vacuum_heap_blks",
           "Total number of heap blocks in the table being vacuumed."},
    Column{"heap_blks_scanned", Usage::kGauge, "pg_stat_progress_vacuum_heap_blks_scanned",
           "Number of heap blocks scanned so far."},
    Column{"heap_blks_vacuumed", Usage::kGauge, "pg_stat_progress_vacuum_heap_blks_vacuumed",
           "Number of heap blocks vacuumed so far."},
    Column{"index_vacuum_count", Usage::kGauge, "pg_stat_progress_vacuum_index_vacuums",
           "Number of completed index vacuum cycles."},
    Column{"max_dead_tuples", Usage::kGauge, "pg_stat_progress_vacuum_max_dead_tuples",
           "Maximum number of dead tuples that can be stored before cleanup is performed."},
    Column{"num_dead_tuples", Usage::kGauge, "pg_stat_progress_vacuum_num_dead_tuples",
           "Current number of dead tuples found so far."},
};
constexpr std::array kVacuumPhaseColumns = {
    Column{"datname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"phase", Usage::kLabel},
    Column{"is_current", Usage::kGauge, "pg_stat_progress_vacuum_phase",
           "Current vacuum phase (1 = active, 0 = inactive). Label 'phase' is human-readable."},
};
constexpr std::array kVacuum = {
    Query{.from = 90600,
          .until = 170000,
          .sql = R"(
SELECT coalesce(datname, 'unknown') AS datname, heap_blks_total, heap_blks_scanned,
       heap_blks_vacuumed, index_vacuum_count, max_dead_tuples, num_dead_tuples,
       CASE WHEN datname = current_database() THEN relid::regclass::text
            ELSE relid::text END AS relname
FROM pg_stat_progress_vacuum)",
          .columns = kVacuumColumns,
          .nulls = Nulls::kZero},
    Query{.from = 170000,
          .sql = R"(
SELECT coalesce(datname, 'unknown') AS datname, heap_blks_total, heap_blks_scanned,
       heap_blks_vacuumed, index_vacuum_count, max_dead_tuple_bytes AS max_dead_tuples,
       num_dead_item_ids AS num_dead_tuples,
       CASE WHEN datname = current_database() THEN relid::regclass::text
            ELSE relid::text END AS relname
FROM pg_stat_progress_vacuum)",
          .columns = kVacuumColumns,
          .nulls = Nulls::kZero},
    Query{.from = 90600,
          .sql = R"(
SELECT coalesce(v.datname, 'unknown') AS datname, p.phase, (v.phase = p.phase)::int AS is_current,
       CASE WHEN v.datname = current_database() THEN v.relid::regclass::text
            ELSE v.relid::text END AS relname
FROM pg_stat_progress_vacuum v
CROSS JOIN unnest(ARRAY['initializing', 'scanning heap', 'vacuuming indexes', 'vacuuming heap',
                        'cleaning up indexes', 'truncating heap',
                        'performing final cleanup']) AS p(phase))",
          .columns = kVacuumPhaseColumns,
          .nulls = Nulls::kZero},
};

// stat_statements. The texts are in a file of the server; they are read only when they are shown.
// Of statements that differ only in being called from within another, the times are added.

constexpr std::array kStatementColumns = {
    Column{"user", Usage::kLabel},
    Column{"datname", Usage::kLabel},
    Column{"queryid", Usage::kLabel},
    Column{"calls", Usage::kCounter, "pg_stat_statements_calls_total", "Number of times executed"},
    Column{"seconds", Usage::kCounter, "pg_stat_statements_seconds_total",
           "Total time spent in the statement, in seconds"},
    Column{"rows", Usage::kCounter, "pg_stat_statements_rows_total",
           "Total number of rows retrieved or affected by the statement"},
    Column{"read_seconds", Usage::kCounter, "pg_stat_statements_block_read_seconds_total",
           "Total time the statement spent reading blocks, in seconds"},
    Column{"write_seconds", Usage::kCounter, "pg_stat_statements_block_write_seconds_total",
           "Total time the statement spent writing blocks, in seconds"},
};
constexpr std::array kStatementTextColumns = {
    Column{"queryid", Usage::kLabel},
    Column{"query", Usage::kLabel},
    Column{"one", Usage::kCounter, "pg_stat_statements_query_id", "SQL Query to queryid mapping"},
};
constexpr std::array kStatements = {
    Query{.from = 170000,
          .sql = R"(
SELECT pg_get_userbyid(s.userid) AS "user", d.datname,
       coalesce(s.queryid::text, 'unknown') AS queryid,
       sum(s.calls) AS calls, sum(s.total_exec_time) / 1000 AS seconds, sum(s.rows) AS rows,
       sum(s.shared_blk_read_time) / 1000 AS read_seconds,
       sum(s.shared_blk_write_time) / 1000 AS write_seconds
FROM pg_stat_statements(false) s JOIN pg_database d ON d.oid = s.dbid
WHERE @statements_where@
GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT @statements_limit@)",
          .columns = kStatementColumns,
          .nulls = Nulls::kZero},
    Query{.from = 130000,
          .until = 170000,
          .sql = R"(
SELECT pg_get_userbyid(s.userid) AS "user", d.datname,
       coalesce(s.queryid::text, 'unknown') AS queryid,
       sum(s.calls) AS calls, sum(s.total_exec_time) / 1000 AS seconds, sum(s.rows) AS rows,
       sum(s.blk_read_time) / 1000 AS read_seconds, sum(s.blk_write_time) / 1000 AS write_seconds
FROM pg_stat_statements(false) s JOIN pg_database d ON d.oid = s.dbid
WHERE @statements_where@
GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT @statements_limit@)",
          .columns = kStatementColumns,
          .nulls = Nulls::kZero},
    Query{.until = 130000,
          .sql = R"(
SELECT pg_get_userbyid(s.userid) AS "user", d.datname,
       coalesce(s.queryid::text, 'unknown') AS queryid,
       sum(s.calls) AS calls, sum(s.total_time) / 1000 AS seconds, sum(s.rows) AS rows,
       sum(s.blk_read_time) / 1000 AS read_seconds, sum(s.blk_write_time) / 1000 AS write_seconds
FROM pg_stat_statements(false) s JOIN pg_database d ON d.oid = s.dbid
WHERE @statements_where@
GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT @statements_limit@)",
          .columns = kStatementColumns,
          .nulls = Nulls::kZero},
    Query{.from = 130000,
          .sql = R"(
SELECT coalesce(s.queryid::text, 'unknown') AS queryid, 1 AS one,
       left(min(s.query), @statements_length@) AS query
FROM pg_stat_statements(@statements_text@) s JOIN pg_database d ON d.oid = s.dbid
WHERE @statements_text@ AND @statements_where@
GROUP BY 1 ORDER BY sum(s.total_exec_time) DESC LIMIT @statements_limit@)",
          .columns = kStatementTextColumns},
    Query{.until = 130000,
          .sql = R"(
SELECT coalesce(s.queryid::text, 'unknown') AS queryid, 1 AS one,
       left(min(s.query), @statements_length@) AS query
FROM pg_stat_statements(@statements_text@) s JOIN pg_database d ON d.oid = s.dbid
WHERE @statements_text@ AND @statements_where@
GROUP BY 1 ORDER BY sum(s.total_time) DESC LIMIT @statements_limit@)",
          .columns = kStatementTextColumns},
};

constexpr std::array kCollectors = {
    CollectorSpec{.name = "stat_activity", .is_default = true, .queries = kActivity},
    CollectorSpec{.name = "stat_activity_autovacuum", .queries = kAutovacuum},
    CollectorSpec{.name = "long_running_transactions", .is_default = true, .queries = kLong},
    CollectorSpec{.name = "process_idle", .queries = kIdle},
    CollectorSpec{.name = "locks", .is_default = true, .queries = kLocks},
    CollectorSpec{.name = "stat_progress_vacuum", .is_default = true, .queries = kVacuum},
    CollectorSpec{.name = "stat_statements", .queries = kStatements},
};

}  // namespace

std::span<const CollectorSpec> activity_collectors() { return kCollectors; }

}  // namespace tocsin::exporters::postgres
