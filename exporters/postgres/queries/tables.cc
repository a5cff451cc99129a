// SPDX-License-Identifier: Apache-2.0
//
// The tables and indexes of one database.
//
// Counters are read without a lock on what they count. Sizes are not: pg_table_size() waits for
// whoever holds a table exclusively, so tables that somebody holds, or waits for, in that way have no
// size until that is over, and lock_timeout ends the statement when one is locked meanwhile.
#include <array>

#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {
namespace {

// stat_user_tables

constexpr std::array kStatColumns = {
    Column{"datname", Usage::kLabel},
    Column{"schemaname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"seq_scan", Usage::kCounter, "pg_stat_user_tables_seq_scan",
           "Number of sequential scans initiated on this table"},
    Column{"seq_tup_read", Usage::kCounter, "pg_stat_user_tables_seq_tup_read",
           "Number of live rows fetched by sequential scans"},
    Column{"idx_scan", Usage::kCounter, "pg_stat_user_tables_idx_scan",
           "Number of index scans initiated on this table"},
    Column{"idx_tup_fetch", Usage::kCounter, "pg_stat_user_tables_idx_tup_fetch",
           "Number of live rows fetched by index scans"},
    Column{"n_tup_ins", Usage::kCounter, "pg_stat_user_tables_n_tup_ins",
           "Number of rows inserted"},
    Column{"n_tup_upd", Usage::kCounter, "pg_stat_user_tables_n_tup_upd", "Number of rows updated"},
    Column{"n_tup_del", Usage::kCounter, "pg_stat_user_tables_n_tup_del", "Number of rows deleted"},
    Column{"n_tup_hot_upd", Usage::kCounter, "pg_stat_user_tables_n_tup_hot_upd",
           "Number of rows HOT updated (i.e., with no separate index update required)"},
    Column{"n_live_tup", Usage::kGauge, "pg_stat_user_tables_n_live_tup",
           "Estimated number of live rows"},
    Column{"n_dead_tup", Usage::kGauge, "pg_stat_user_tables_n_dead_tup",
           "Estimated number of dead rows"},
    Column{"n_mod_since_analyze", Usage::kGauge, "pg_stat_user_tables_n_mod_since_analyze",
           "Estimated number of rows changed since last analyze"},
    Column{"last_vacuum", Usage::kGauge, "pg_stat_user_tables_last_vacuum",
           "Last time at which this table was manually vacuumed (not counting VACUUM FULL)"},
    Column{"last_autovacuum", Usage::kGauge, "pg_stat_user_tables_last_autovacuum",
           "Last time at which this table was vacuumed by the autovacuum daemon"},
    Column{"last_analyze", Usage::kGauge, "pg_stat_user_tables_last_analyze",
           "Last time at which this table was manually analyzed"},
    Column{"last_autoanalyze", Usage::kGauge, "pg_stat_user_tables_last_autoanalyze",
           "Last time at which this table was analyzed by the autovacuum daemon"},
    Column{"vacuum_count", Usage::kCounter, "pg_stat_user_tables_vacuum_count",
           "Number of times this table has been manually vacuumed (not counting VACUUM FULL)"},
    Column{"autovacuum_count", Usage::kCounter, "pg_stat_user_tables_autovacuum_count",
           "Number of times this table has been vacuumed by the autovacuum daemon"},
    Column{"analyze_count", Usage::kCounter, "pg_stat_user_tables_analyze_count",
           "Number of times this table has been manually analyzed"},
    Column{"autoanalyze_count", Usage::kCounter, "pg_stat_user_tables_autoanalyze_count",
           "Number of times this table has been analyzed by the autovacuum daemon"},
};
constexpr std::array kSizeColumns = {
    Column{"datname", Usage::kLabel},
    Column{"schemaname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"table_bytes", Usage::kGauge, "pg_stat_user_tables_table_size_bytes",
           "Total disk space used by this table, in bytes"},
    Column{"index_bytes", Usage::kGauge, "pg_stat_user_tables_index_size_bytes",
           "Total disk space used by this index, in bytes"},
};
constexpr std::array kTables = {
    Query{.sql = R"(
SELECT current_database() AS datname, schemaname, relname, seq_scan, seq_tup_read, idx_scan,
       idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, n_live_tup, n_dead_tup,
       n_mod_since_analyze, floor(extract(epoch FROM last_vacuum)) AS last_vacuum,
       floor(extract(epoch FROM last_autovacuum)) AS last_autovacuum,
       floor(extract(epoch FROM last_analyze)) AS last_analyze,
       floor(extract(epoch FROM last_autoanalyze)) AS last_autoanalyze,
       vacuum_count, autovacuum_count, analyze_count, autoanalyze_count
FROM pg_stat_user_tables LIMIT @max_tables@)",
          .columns = kStatColumns,
          .nulls = Nulls::kZero},
    Query{.sql = R"(
WITH locked AS (
  SELECT l.relation FROM pg_locks l
  WHERE l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())),
held AS (
  SELECT relation FROM locked
  UNION SELECT i.indrelid FROM pg_index i JOIN locked l ON l.relation = i.indexrelid
  UNION SELECT c.oid FROM pg_class c JOIN locked l ON l.relation = c.reltoastrelid
  UNION SELECT c.oid FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid
        JOIN locked l ON l.relation = i.indexrelid WHERE c.reltoastrelid <> 0)
SELECT current_database() AS datname, t.schemaname, t.relname,
       pg_table_size(t.relid) AS table_bytes, pg_indexes_size(t.relid) AS index_bytes
FROM (SELECT relid, schemaname, relname FROM pg_stat_user_tables LIMIT @max_tables@) t
WHERE NOT EXISTS (SELECT FROM held h WHERE h.relation = t.relid))",
          .columns = kSizeColumns},
};

// statio_user_tables

constexpr std::array kTableBlockColumns = {
    Column{"datname", Usage::kLabel},
    Column{"schemaname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"heap_blks_read", Usage::kCounter, "pg_statio_user_tables_heap_blocks_read",
           "Number of disk blocks read from this table"},
    Column{"heap_blks_hit", Usage::kCounter, "pg_statio_user_tables_heap_blocks_hit",
           "Number of buffer hits in this table"},
    Column{"idx_blks_read", Usage::kCounter, "pg_statio_user_tables_idx_blocks_read",
           "Number of disk blocks read from all indexes on this table"},
    Column{"idx_blks_hit", Usage::kCounter, "pg_statio_user_tables_idx_blocks_hit",
           "Number of buffer hits in all indexes on this table"},
    Column{"toast_blks_read", Usage::kCounter, "pg_statio_user_tables_toast_blocks_read",
           "Number of disk blocks read from this table's TOAST table (if any)"},
    Column{"toast_blks_hit", Usage::kCounter, "pg_statio_user_tables_toast_blocks_hit",
           "Number of buffer hits in this table's TOAST table (if any)"},
    Column{"tidx_blks_read", Usage::kCounter, "pg_statio_user_tables_tidx_blocks_read",
           "Number of disk blocks read from this table's TOAST table indexes (if any)"},
    Column{"tidx_blks_hit", Usage::kCounter, "pg_statio_user_tables_tidx_blocks_hit",
           "Number of buffer hits in this table's TOAST table indexes (if any)"},
};
constexpr std::array kTableBlocks = {
    Query{.sql = R"(
SELECT current_database() AS datname, schemaname, relname, heap_blks_read, heap_blks_hit,
       idx_blks_read, idx_blks_hit, toast_blks_read, toast_blks_hit, tidx_blks_read, tidx_blks_hit
FROM pg_statio_user_tables LIMIT @max_tables@)",
          .columns = kTableBlockColumns,
          .nulls = Nulls::kZero},
};

// statio_user_indexes; @datname_column@ is there when several databases are shown.

constexpr std::array kIndexBlockColumns = {
    Column{"datname", Usage::kLabel},
    Column{"schemaname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"indexrelname", Usage::kLabel},
    Column{"idx_blks_read", Usage::kCounter, "pg_statio_user_indexes_idx_blks_read_total",
           "Number of disk blocks read from this index"},
    Column{"idx_blks_hit", Usage::kCounter, "pg_statio_user_indexes_idx_blks_hit_total",
           "Number of buffer hits in this index"},
};
constexpr std::array kIndexBlocks = {
    Query{.sql = R"(
SELECT @datname_column@ schemaname, relname, indexrelname, idx_blks_read, idx_blks_hit
FROM pg_statio_user_indexes LIMIT @max_tables@)",
          .columns = kIndexBlockColumns,
          .nulls = Nulls::kZero},
};

// bloat: how much larger tables and B-trees are than their rows need, by the planner's statistics:
// rows times their average width, with headers of pages, rows and index entries. Tables that were
// never analysed, or whose statistics this role may not read, are left out.

constexpr std::array kTableBloatColumns = {
    Column{"datname", Usage::kLabel},
    Column{"schemaname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"real_size", Usage::kGauge, "pg_bloat_table_real_size", "Size of the table in bytes"},
    Column{"bloat_size", Usage::kGauge, "pg_bloat_table_bloat_size",
           "Estimated bytes of the table that its rows do not need"},
    Column{"bloat_pct", Usage::kGauge, "pg_bloat_table_bloat_pct",
           "Estimated percentage of the table that its rows do not need"},
};
constexpr std::array kIndexBloatColumns = {
    Column{"datname", Usage::kLabel},
    Column{"schemaname", Usage::kLabel},
    Column{"relname", Usage::kLabel},
    Column{"indexrelname", Usage::kLabel},
    Column{"real_size", Usage::kGauge, "pg_bloat_btree_real_size", "Size of the index in bytes"},
    Column{"bloat_size", Usage::kGauge, "pg_bloat_btree_bloat_size",
           "Estimated bytes of the index that its entries do not need"},
    Column{"bloat_pct", Usage::kGauge, "pg_bloat_btree_bloat_pct",
           "Estimated percentage of the index that its entries do not need"},
};
constexpr std::array kBloat = {
    Query{.sql = R"(
WITH page AS (SELECT current_setting('block_size')::numeric AS bytes),
width AS (
  SELECT schemaname, tablename, sum((1 - null_frac) * avg_width) AS bytes, count(*) AS columns
  FROM pg_stats WHERE NOT inherited GROUP BY 1, 2),
need AS (
  SELECT n.nspname, c.relname, c.relpages * p.bytes AS real_size,
         ceil(c.reltuples::numeric * (4 + 8 * ceil((24 + w.bytes::numeric) / 8))
              / ((p.bytes - 24) * coalesce((SELECT split_part(o, '=', 2)::numeric / 100
                   FROM unnest(c.reloptions) o WHERE o LIKE 'fillfactor=%'), 1))) * p.bytes AS needed
  FROM page p CROSS JOIN pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN width w ON w.schemaname = n.nspname AND w.tablename = c.relname
  WHERE c.relkind IN ('r', 'm') AND c.relpages > 0 AND c.reltuples > 0
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND w.columns = (SELECT count(*) FROM pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
SELECT current_database() AS datname, nspname AS schemaname, relname, real_size,
       greatest(real_size - needed, 0) AS bloat_size,
       round(100 * greatest(real_size - needed, 0) / real_size, 2) AS bloat_pct
FROM need ORDER BY bloat_size DESC LIMIT @max_tables@)",
          .columns = kTableBloatColumns},
    Query{.sql = R"(
WITH page AS (SELECT current_setting('block_size')::numeric AS bytes),
need AS (
  SELECT n.nspname, t.relname, c.relname AS indexrelname, c.relpages * p.bytes AS real_size,
         (1 + ceil(c.reltuples::numeric * (4 + 8 * ceil((8 + w.bytes::numeric) / 8))
              / ((p.bytes - 40) * coalesce((SELECT split_part(o, '=', 2)::numeric / 100
                   FROM unnest(c.reloptions) o WHERE o LIKE 'fillfactor=%'), 0.9)))) * p.bytes
           AS needed
  FROM page p CROSS JOIN pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am am ON am.oid = c.relam AND am.amname = 'btree'
  JOIN LATERAL (
    SELECT sum((1 - s.null_frac) * s.avg_width) AS bytes, count(*) AS columns
    FROM pg_attribute a JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = t.relname
      AND s.attname = a.attname AND NOT s.inherited
    WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey)) w ON w.columns = i.indnatts
  WHERE c.relpages > 1 AND c.reltuples > 0
    AND n.nspname NOT IN ('pg_catalog', 'information_schema'))
SELECT current_database() AS datname, nspname AS schemaname, relname, indexrelname, real_size,
       greatest(real_size - needed, 0) AS bloat_size,
       round(100 * greatest(real_size - needed, 0) / real_size, 2) AS bloat_pct
FROM need ORDER BY bloat_size DESC LIMIT @max_tables@)",
          .columns = kIndexBloatColumns},
};

constexpr std::array kCollectors = {
    CollectorSpec{.name = "statio_user_tables",
                  .is_default = true,
                  .is_of_database = true,
                  .queries = kTableBlocks},
    CollectorSpec{.name = "statio_user_indexes", .is_of_database = true, .queries = kIndexBlocks},
    CollectorSpec{.name = "bloat", .is_of_database = true, .queries = kBloat},
    CollectorSpec{
        .name = "stat_user_tables", .is_default = true, .is_of_database = true, .queries = kTables},
};

}  // namespace

std::span<const CollectorSpec> table_collectors() { return kCollectors; }

}  // namespace tocsin::exporters::postgres
