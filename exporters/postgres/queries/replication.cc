// SPDX-License-Identifier: Apache-2.0
//
// Replication, the write-ahead log and its archive. Before version 10 the log was "xlog" and its
// positions "locations".
#include <array>

#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {
namespace {

// replication. A replica that has replayed all it was sent does not lag, however long ago that was.
// pg_replication_lag is the name in alert rules older than the collector.

constexpr std::array kReplicationColumns = {
    Column{"lag", Usage::kGauge, "pg_replication_lag_seconds",
           "Replication lag behind master in seconds"},
    Column{"old_lag", Usage::kGauge, "pg_replication_lag",
           "Replication lag behind master in seconds"},
    Column{"is_replica", Usage::kGauge, "pg_replication_is_replica",
           "Indicates if the server is a replica"},
    Column{"last_replay", Usage::kGauge, "pg_replication_last_replay_seconds",
           "Age of last replay in seconds"},
};
constexpr std::array kReplication = {
    Query{.from = 100000,
          .sql = R"(
WITH state AS (
  SELECT pg_is_in_recovery() AS is_replica,
         greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) AS last_replay,
         pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS is_level)
SELECT is_replica::int AS is_replica, last_replay,
       CASE WHEN is_replica AND is_level IS NOT TRUE THEN last_replay ELSE 0 END AS lag,
       CASE WHEN is_replica AND is_level IS NOT TRUE THEN last_replay ELSE 0 END AS old_lag
FROM state)",
          .columns = kReplicationColumns,
          .nulls = Nulls::kZero},
    Query{.until = 100000,
          .sql = R"(
WITH state AS (
  SELECT pg_is_in_recovery() AS is_replica,
         greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) AS last_replay,
         pg_last_xlog_receive_location() = pg_last_xlog_replay_location() AS is_level)
SELECT is_replica::int AS is_replica, last_replay,
       CASE WHEN is_replica AND is_level IS NOT TRUE THEN last_replay ELSE 0 END AS lag,
       CASE WHEN is_replica AND is_level IS NOT TRUE THEN last_replay ELSE 0 END AS old_lag
FROM state)",
          .columns = kReplicationColumns,
          .nulls = Nulls::kZero},
};

// replication_slots

constexpr std::string_view kActiveHelp = "Flag indicating if the slot is active";
constexpr std::array kSlotColumns = {
    Column{"slot_name", Usage::kLabel},
    Column{"database", Usage::kLabel},
    Column{"active", Usage::kGauge, "pg_replication_slots_active", kActiveHelp},
    Column{"lag", Usage::kGauge, "pg_replication_slots_pg_wal_lsn_diff",
           "Replication lag in bytes"},
};
constexpr std::array kOldSlotColumns = {
    Column{"slot_name", Usage::kLabel},
    Column{"database", Usage::kLabel},
    Column{"active", Usage::kGauge, "pg_replication_slots_active", kActiveHelp},
    Column{"lag", Usage::kUntyped, "pg_replication_slots_pg_xlog_location_diff",
           "Unknown metric from pg_replication_slots"},
};
constexpr std::string_view kCurrentHelp = "current wal lsn value";
constexpr std::string_view kFlushHelp = "last lsn confirmed flushed to the replication slot";
constexpr std::string_view kIsActiveHelp = "whether the replication slot is active or not";
constexpr std::string_view kSafeHelp =
    "number of bytes that can be written to WAL such that this slot is not in danger of getting in "
    "state lost";
constexpr std::string_view kStatusHelp = "availability of WAL files claimed by this slot";

constexpr std::array kSlotStateColumns = {
    Column{"slot_name", Usage::kLabel},
    Column{"slot_type", Usage::kLabel},
    Column{"current", Usage::kGauge, "pg_replication_slots_slot_current_wal_lsn", kCurrentHelp},
    Column{"flushed", Usage::kGauge, "pg_replication_slots_slot_confirmed_flush_lsn", kFlushHelp},
    Column{"active", Usage::kGauge, "pg_replication_slots_slot_is_active", kIsActiveHelp},
    Column{"safe", Usage::kGauge, "pg_replication_slots_safe_wal_size_bytes", kSafeHelp},
};
constexpr std::array kSlotStatusColumns = {
    Column{"slot_name", Usage::kLabel},
    Column{"slot_type", Usage::kLabel},
    Column{"wal_status", Usage::kLabel},
    Column{"one", Usage::kGauge, "pg_replication_slots_wal_status", kStatusHelp},
};
constexpr std::array kOldNamesOfSlotState = {
    Column{"slot_name", Usage::kLabel},
    Column{"slot_type", Usage::kLabel},
    Column{"current", Usage::kGauge, "pg_replication_slot_slot_current_wal_lsn", kCurrentHelp},
    Column{"flushed", Usage::kGauge, "pg_replication_slot_slot_confirmed_flush_lsn", kFlushHelp},
    Column{"active", Usage::kGauge, "pg_replication_slot_slot_is_active", kIsActiveHelp},
    Column{"safe", Usage::kGauge, "pg_replication_slot_safe_wal_size_bytes", kSafeHelp},
};
constexpr std::array kOldNamesOfSlotStatus = {
    Column{"slot_name", Usage::kLabel},
    Column{"slot_type", Usage::kLabel},
    Column{"wal_status", Usage::kLabel},
    Column{"one", Usage::kGauge, "pg_replication_slot_wal_status", kStatusHelp},
};

constexpr std::string_view kSlotStateSql = R"(
SELECT slot_name, slot_type, active::int AS active, safe_wal_size AS safe,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
             ELSE pg_current_wal_lsn() END) - '0/0' AS current,
       CASE WHEN active THEN coalesce(confirmed_flush_lsn, '0/0') - '0/0' END AS flushed
FROM pg_replication_slots)";
constexpr std::string_view kSlotStateSql10 = R"(
SELECT slot_name, slot_type, active::int AS active,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
             ELSE pg_current_wal_lsn() END) - '0/0' AS current,
       CASE WHEN active THEN coalesce(confirmed_flush_lsn, '0/0') - '0/0' END AS flushed
FROM pg_replication_slots)";
constexpr std::string_view kSlotStatusSql = R"(
SELECT slot_name, slot_type, wal_status, 1 AS one
FROM pg_replication_slots WHERE wal_status IS NOT NULL)";

constexpr std::array kSlots = {
    Query{.from = 100000,
          .sql = R"(
SELECT slot_name, database, active::int AS active,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                            ELSE pg_current_wal_lsn() END, restart_lsn) AS lag
FROM pg_replication_slots)",
          .columns = kSlotColumns},
    Query{.from = 90400,
          .until = 100000,
          .sql = R"(
SELECT slot_name, database, active::int AS active,
       pg_xlog_location_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_receive_location()
                                  ELSE pg_current_xlog_location() END, restart_lsn) AS lag
FROM pg_replication_slots)",
          .columns = kOldSlotColumns},
    Query{.from = 130000, .sql = kSlotStateSql, .columns = kSlotStateColumns},
    Query{.from = 100000, .until = 130000, .sql = kSlotStateSql10, .columns = kSlotStateColumns},
    Query{.from = 130000, .sql = kSlotStatusSql, .columns = kSlotStatusColumns},
};

constexpr std::array kCompatible = {
    Query{.from = 130000, .sql = kSlotStateSql, .columns = kOldNamesOfSlotState},
    Query{.from = 100000, .until = 130000, .sql = kSlotStateSql10, .columns = kOldNamesOfSlotState},
    Query{.from = 130000, .sql = kSlotStatusSql, .columns = kOldNamesOfSlotStatus},
};

// stat_replication

constexpr std::array kSenderColumns = {
    Column{"application_name", Usage::kLabel},
    Column{"client_addr", Usage::kLabel},
    Column{"state", Usage::kLabel},
    Column{"slot_name", Usage::kLabel},
    Column{"position", Usage::kGauge, "pg_stat_replication_pg_current_wal_lsn_bytes",
           "WAL position in bytes"},
    Column{"lag", Usage::kGauge, "pg_stat_replication_pg_wal_lsn_diff",
           "Lag in bytes between master and slave"},
    Column{"reply_time", Usage::kUntyped, "pg_stat_replication_reply_time",
           "Unknown metric from pg_stat_replication"},
};
constexpr std::array kOldSenderColumns = {
    Column{"application_name", Usage::kLabel},
    Column{"client_addr", Usage::kLabel},
    Column{"state", Usage::kLabel},
    Column{"slot_name", Usage::kLabel},
    Column{"lag", Usage::kGauge, "pg_stat_replication_pg_xlog_location_diff",
           "Lag in bytes between master and slave"},
};
constexpr std::array kSenders = {
    Query{.from = 120000,
          .sql = R"(
SELECT r.application_name, r.client_addr::text AS client_addr, r.state, s.slot_name,
       p.position - '0/0' AS position, pg_wal_lsn_diff(p.position, r.replay_lsn) AS lag,
       floor(extract(epoch FROM r.reply_time)) AS reply_time
FROM pg_stat_replication r
CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                        ELSE pg_current_wal_lsn() END AS position) p
LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid)",
          .columns = kSenderColumns},
    Query{.from = 100000,
          .until = 120000,
          .sql = R"(
SELECT r.application_name, r.client_addr::text AS client_addr, r.state, s.slot_name,
       p.position - '0/0' AS position, pg_wal_lsn_diff(p.position, r.replay_lsn) AS lag
FROM pg_stat_replication r
CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                        ELSE pg_current_wal_lsn() END AS position) p
LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid)",
          .columns = kSenderColumns},
    Query{.from = 90500,
          .until = 100000,
          .sql = R"(
SELECT r.application_name, r.client_addr::text AS client_addr, r.state, s.slot_name,
       pg_xlog_location_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_receive_location()
                                  ELSE pg_current_xlog_location() END, r.replay_location) AS lag
FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid)",
          .columns = kOldSenderColumns},
    Query{.until = 90500,
          .sql = R"(
SELECT application_name, client_addr::text AS client_addr, state, '' AS slot_name,
       pg_xlog_location_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_receive_location()
                                  ELSE pg_current_xlog_location() END, replay_location) AS lag
FROM pg_stat_replication)",
          .columns = kOldSenderColumns},
};

// stat_wal_receiver. Positions are cut to 52 bits, which a double holds exactly.

constexpr std::array kReceiverColumns = {
    Column{"upstream_host", Usage::kLabel},
    Column{"slot_name", Usage::kLabel},
    Column{"status", Usage::kLabel},
    Column{"start_lsn", Usage::kCounter, "pg_stat_wal_receiver_receive_start_lsn",
           "First write-ahead log location used when WAL receiver is started represented as a "
           "decimal"},
    Column{"flushed_lsn", Usage::kCounter, "pg_stat_wal_receiver_flushed_lsn",
           "Last write-ahead log location already received and flushed to disk, the initial value "
           "of this field being the first log location used when WAL receiver is started "
           "represented as a decimal"},
    Column{"receive_start_tli", Usage::kGauge, "pg_stat_wal_receiver_receive_start_tli",
           "First timeline number used when WAL receiver is started"},
    Column{"received_tli", Usage::kGauge, "pg_stat_wal_receiver_received_tli",
           "Timeline number of last write-ahead log location received and flushed to disk"},
    Column{"sent", Usage::kCounter, "pg_stat_wal_receiver_last_msg_send_time",
           "Send time of last message received from origin WAL sender"},
    Column{"received", Usage::kCounter, "pg_stat_wal_receiver_last_msg_receipt_time",
           "Send time of last message received from origin WAL sender"},
    Column{"end_lsn", Usage::kCounter, "pg_stat_wal_receiver_latest_end_lsn",
           "Last write-ahead log location reported to origin WAL sender as integer"},
    Column{"end_time", Usage::kCounter, "pg_stat_wal_receiver_latest_end_time",
           "Time of last write-ahead log location reported to origin WAL sender"},
    Column{"upstream_node", Usage::kGauge, "pg_stat_wal_receiver_upstream_node",
           "Node ID of the upstream node"},
};
constexpr std::array kReceiver = {
    Query{.from = 130000,
          .sql = R"(
SELECT slot_name, status, receive_start_tli, received_tli,
       trim(both '''' FROM coalesce(substring(conninfo FROM 'host=([^ ]*)'), sender_host))
         AS upstream_host,
       (receive_start_lsn - '0/0') % (2^52)::bigint AS start_lsn,
       (flushed_lsn - '0/0') % (2^52)::bigint AS flushed_lsn,
       (latest_end_lsn - '0/0') % (2^52)::bigint AS end_lsn,
       extract(epoch FROM last_msg_send_time) AS sent,
       extract(epoch FROM last_msg_receipt_time) AS received,
       extract(epoch FROM latest_end_time) AS end_time,
       substring(slot_name FROM 'repmgr_slot_([0-9]+)') AS upstream_node
FROM pg_stat_wal_receiver WHERE status IS NOT NULL)",
          .columns = kReceiverColumns},
    Query{.from = 90600,
          .until = 130000,
          .sql = R"(
SELECT slot_name, status, receive_start_tli, received_tli,
       trim(both '''' FROM substring(conninfo FROM 'host=([^ ]*)')) AS upstream_host,
       (receive_start_lsn - '0/0') % (2^52)::bigint AS start_lsn,
       (latest_end_lsn - '0/0') % (2^52)::bigint AS end_lsn,
       extract(epoch FROM last_msg_send_time) AS sent,
       extract(epoch FROM last_msg_receipt_time) AS received,
       extract(epoch FROM latest_end_time) AS end_time,
       substring(slot_name FROM 'repmgr_slot_([0-9]+)') AS upstream_node
FROM pg_stat_wal_receiver WHERE status IS NOT NULL)",
          .columns = kReceiverColumns},
};

// stat_archiver

constexpr std::array kArchiverColumns = {
    Column{"archived_count", Usage::kCounter, "pg_stat_archiver_archived_count",
           "Number of WAL files that have been successfully archived"},
    Column{"failed_count", Usage::kCounter, "pg_stat_archiver_failed_count",
           "Number of failed attempts for archiving WAL files"},
    Column{"age", Usage::kGauge, "pg_stat_archiver_last_archive_age",
           "Time in seconds since last WAL segment was successfully archived"},
};
constexpr std::array kArchiver = {
    Query{.from = 90400,
          .sql = R"(
SELECT archived_count, failed_count, extract(epoch FROM now() - last_archived_time) AS age
FROM pg_stat_archiver)",
          .columns = kArchiverColumns},
};

// wal

constexpr std::array kWalColumns = {
    Column{"segments", Usage::kGauge, "pg_wal_segments", "Number of WAL segments"},
    Column{"bytes", Usage::kGauge, "pg_wal_size_bytes", "Total size of WAL segments"},
};
constexpr std::array kWal = {
    Query{.from = 100000,
          .sql = R"(
SELECT count(*) AS segments, sum(size) AS bytes
FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')",
          .columns = kWalColumns},
};

// xlog_location

constexpr std::array kXlogColumns = {
    Column{"bytes", Usage::kGauge, "pg_xlog_location_bytes",
           "Postgres LSN (log sequence number) being generated on primary or replayed on replica "
           "(truncated to low 52 bits)"},
};
constexpr std::array kXlog = {
    Query{.until = 100000,
          .sql = R"(
SELECT ((CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_replay_location()
              ELSE pg_current_xlog_location() END) - '0/0') % (2^52)::bigint AS bytes)",
          .columns = kXlogColumns},
};

constexpr std::array kCollectors = {
    CollectorSpec{.name = "replication", .is_default = true, .queries = kReplication},
    CollectorSpec{.name = "replication_slots", .is_default = true, .queries = kSlots},
    CollectorSpec{.name = "stat_replication", .is_default = true, .queries = kSenders},
    CollectorSpec{.name = "stat_wal_receiver", .is_default = true, .queries = kReceiver},
    CollectorSpec{.name = "stat_archiver", .is_default = true, .queries = kArchiver},
    CollectorSpec{.name = "xlog_location", .queries = kXlog},
    CollectorSpec{.name = "wal", .is_default = true, .queries = kWal},
};

}  // namespace

std::span<const CollectorSpec> replication_collectors() { return kCollectors; }
std::span<const Query> compatible_queries() { return kCompatible; }

}  // namespace tocsin::exporters::postgres
