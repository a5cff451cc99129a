// SPDX-License-Identifier: Apache-2.0
//
// The server as a whole: settings, start, writers, roles, shared buffers.
#include <array>
#include <cmath>

#include "exporters/postgres/row_mapper.h"
#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {
namespace {

// settings: a family for each number and switch. Times are shown in seconds, sizes in bytes.

struct Unit {
  std::string_view name;
  std::string_view base;
  double factor;
};
constexpr double kKiB = 1024;
constexpr std::array kUnits = {
    Unit{"ms", "seconds", 0.001},
    Unit{"s", "seconds", 1},
    Unit{"min", "seconds", 60},
    Unit{"h", "seconds", 3600},
    Unit{"d", "seconds", 86400},
    Unit{"B", "bytes", 1},
    Unit{"kB", "bytes", kKiB},
    Unit{"MB", "bytes", kKiB* kKiB},
    Unit{"GB", "bytes", kKiB* kKiB* kKiB},
    Unit{"TB", "bytes", kKiB* kKiB* kKiB* kKiB},
};

// "8kB" is 8 * 1024: a unit of a setting may have a number before it. nullptr for an unknown one.
const Unit* find_unit(std::string_view text, double* count) {
  std::size_t digits = 0;
  *count = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    *count = *count * 10 + (text[digits++] - '0');
  }
  if (digits == 0) *count = 1;
  for (const Unit& unit : kUnits) {
    if (unit.name == text.substr(digits)) return &unit;
  }
  return nullptr;
}

std::string family_name(std::string_view setting) {
  std::string name = "pg_settings_";
  for (const char c : setting) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    name.push_back(is_plain ? c : '_');
  }
  return name;
}

// Columns: name, setting, unit, vartype.
Status read_settings(const Rows& rows, std::vector<base::MetricFamily>* out) {
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string_view setting = rows.text(row, 0);
    std::string name = family_name(setting);
    std::string help = fmt::format("Server Parameter: {}", setting);
    double value = 0;
    if (rows.text(row, 3) == "bool") {
      value = rows.text(row, 1) == "on" ? 1 : 0;
    } else {
      const std::optional<double> number = to_number(rows.text(row, 1));
      // Settings of forks of PostgreSQL can hold anything.
      if (!number) continue;
      value = *number;
      const std::string_view unit_text = rows.text(row, 2);
      double count = 1;
      const Unit* unit = find_unit(unit_text, &count);
      if (!unit_text.empty() && unit == nullptr) continue;
      if (unit != nullptr) {
        name.append("_").append(unit->base);
        help.append(fmt::format(" [Units converted to {}.]", unit->base));
        // -1 says "off" or "as another setting" whatever the unit is.
        if (value != -1) value *= count * unit->factor;
      }
    }
    out->push_back({std::move(name), std::move(help), base::MetricType::kGauge, {{"", {}, value}}});
  }
  return ok();
}

constexpr std::array kSettings = {
    Query{.sql = R"(
SELECT name, setting, coalesce(unit, '') AS unit, vartype
FROM pg_settings WHERE vartype IN ('bool', 'integer', 'real'))",
          .read = read_settings},
};

// postmaster

constexpr std::array kPostmasterColumns = {
    Column{"started", Usage::kGauge, "pg_postmaster_start_time_seconds",
           "Time at which postmaster started"},
};
constexpr std::array kPostmaster = {
    Query{.sql = "SELECT extract(epoch FROM pg_postmaster_start_time()) AS started",
          .columns = kPostmasterColumns},
};

// stat_bgwriter; from version 17 on what the checkpointer does has a view of its own.

constexpr std::array kBgwriterColumns = {
    Column{"checkpoints_timed", Usage::kCounter, "pg_stat_bgwriter_checkpoints_timed_total",
           "Number of scheduled checkpoints that have been performed"},
    Column{"checkpoints_req", Usage::kCounter, "pg_stat_bgwriter_checkpoints_req_total",
           "Number of requested checkpoints that have been performed"},
    Column{"checkpoint_write_time", Usage::kCounter, "pg_stat_bgwriter_checkpoint_write_time_total",
           "Total amount of time that has been spent in the portion of checkpoint processing where "
           "files are written to disk, in milliseconds"},
    Column{"checkpoint_sync_time", Usage::kCounter, "pg_stat_bgwriter_checkpoint_sync_time_total",
           "Total amount of time that has been spent in the portion of checkpoint processing where "
           "files are synchronized to disk, in milliseconds"},
    Column{"buffers_checkpoint", Usage::kCounter, "pg_stat_bgwriter_buffers_checkpoint_total",
           "Number of buffers written during checkpoints"},
    Column{"buffers_clean", Usage::kCounter, "pg_stat_bgwriter_buffers_clean_total",
           "Number of buffers written by the background writer"},
    Column{"maxwritten_clean", Usage::kCounter, "pg_stat_bgwriter_maxwritten_clean_total",
           "Number of times the background writer stopped a cleaning scan because it had written "
           "too many buffers"},
    Column{"buffers_backend", Usage::kCounter, "pg_stat_bgwriter_buffers_backend_total",
           "Number of buffers written directly by a backend"},
    Column{"buffers_backend_fsync", Usage::kCounter, "pg_stat_bgwriter_buffers_backend_fsync_total",
           "Number of times a backend had to execute its own fsync call (normally the background "
           "writer handles those even when the backend does its own write)"},
    Column{"buffers_alloc", Usage::kCounter, "pg_stat_bgwriter_buffers_alloc_total",
           "Number of buffers allocated"},
    Column{"reset_at", Usage::kCounter, "pg_stat_bgwriter_stats_reset_total",
           "Time at which these statistics were last reset"},
};
constexpr std::array kBgwriter = {
    Query{.until = 170000,
          .sql = R"(
SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time,
       buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_backend, buffers_backend_fsync,
       buffers_alloc, floor(extract(epoch FROM stats_reset)) AS reset_at
FROM pg_stat_bgwriter)",
          .columns = kBgwriterColumns,
          .nulls = Nulls::kZero},
    Query{.from = 170000,
          .sql = R"(
SELECT buffers_clean, maxwritten_clean, buffers_alloc,
       floor(extract(epoch FROM stats_reset)) AS reset_at
FROM pg_stat_bgwriter)",
          .columns = kBgwriterColumns,
          .nulls = Nulls::kZero},
};

// stat_checkpointer

constexpr std::array kCheckpointerColumns = {
    Column{"num_timed", Usage::kCounter, "pg_stat_checkpointer_num_timed_total",
           "Number of scheduled checkpoints due to timeout"},
    Column{"num_requested", Usage::kCounter, "pg_stat_checkpointer_num_requested_total",
           "Number of requested checkpoints that have been performed"},
    Column{"restartpoints_timed", Usage::kCounter, "pg_stat_checkpointer_restartpoints_timed_total",
           "Number of scheduled restartpoints due to timeout or after a failed attempt to perform "
           "it"},
    Column{"restartpoints_req", Usage::kCounter, "pg_stat_checkpointer_restartpoints_req_total",
           "Number of requested restartpoints"},
    Column{"restartpoints_done", Usage::kCounter, "pg_stat_checkpointer_restartpoints_done_total",
           "Number of restartpoints that have been performed"},
    Column{"write_time", Usage::kCounter, "pg_stat_checkpointer_write_time_total",
           "Total amount of time that has been spent in the portion of processing checkpoints and "
           "restartpoints where files are written to disk, in milliseconds"},
    Column{"sync_time", Usage::kCounter, "pg_stat_checkpointer_sync_time_total",
           "Total amount of time that has been spent in the portion of processing checkpoints and "
           "restartpoints where files are synchronized to disk, in milliseconds"},
    Column{"buffers_written", Usage::kCounter, "pg_stat_checkpointer_buffers_written_total",
           "Number of buffers written during checkpoints and restartpoints"},
    Column{"reset_at", Usage::kCounter, "pg_stat_checkpointer_stats_reset_total",
           "Time at which these statistics were last reset"},
};
constexpr std::array kCheckpointer = {
    Query{.from = 170000,
          .sql = R"(
SELECT num_timed, num_requested, restartpoints_timed, restartpoints_req, restartpoints_done,
       write_time, sync_time, buffers_written,
       floor(extract(epoch FROM stats_reset)) AS reset_at
FROM pg_stat_checkpointer)",
          .columns = kCheckpointerColumns,
          .nulls = Nulls::kZero},
};

// roles

constexpr std::array kRoleColumns = {
    Column{"rolname", Usage::kLabel},
    Column{"rolconnlimit", Usage::kGauge, "pg_roles_connection_limit",
           "Connection limit set for the role"},
};
constexpr std::array kRoles = {
    Query{.sql = "SELECT rolname, rolconnlimit FROM pg_roles", .columns = kRoleColumns},
};

// buffercache_summary, of the extension pg_buffercache

constexpr std::array kBufferColumns = {
    Column{"buffers_used", Usage::kGauge, "pg_buffercache_summary_buffers_used",
           "Number of used shared buffers"},
    Column{"buffers_unused", Usage::kGauge, "pg_buffercache_summary_buffers_unused",
           "Number of unused shared buffers"},
    Column{"buffers_dirty", Usage::kGauge, "pg_buffercache_summary_buffers_dirty",
           "Number of dirty shared buffers"},
    Column{"buffers_pinned", Usage::kGauge, "pg_buffercache_summary_buffers_pinned",
           "Number of pinned shared buffers"},
    Column{"usagecount_avg", Usage::kGauge, "pg_buffercache_summary_usagecount_avg",
           "Average usage count of used shared buffers"},
};
constexpr std::array kBuffers = {
    Query{.from = 160000,
          .sql = R"(
SELECT buffers_used, buffers_unused, buffers_dirty, buffers_pinned, usagecount_avg
FROM pg_buffercache_summary())",
          .columns = kBufferColumns,
          .nulls = Nulls::kZero},
};

constexpr std::array kCollectors = {
    CollectorSpec{.name = "postmaster", .is_default = true, .queries = kPostmaster},
    CollectorSpec{.name = "settings", .is_default = true, .queries = kSettings},
    CollectorSpec{.name = "stat_bgwriter", .is_default = true, .queries = kBgwriter},
    CollectorSpec{.name = "stat_checkpointer", .is_default = true, .queries = kCheckpointer},
    CollectorSpec{.name = "roles", .is_default = true, .queries = kRoles},
    CollectorSpec{.name = "buffercache_summary", .queries = kBuffers},
};

}  // namespace

std::span<const CollectorSpec> server_collectors() { return kCollectors; }

std::vector<const CollectorSpec*> all_collectors() {
  std::vector<const CollectorSpec*> all;
  for (const auto part : {server_collectors(), activity_collectors(), replication_collectors(),
                          database_collectors(), table_collectors()}) {
    for (const CollectorSpec& spec : part) all.push_back(&spec);
  }
  return all;
}

}  // namespace tocsin::exporters::postgres
