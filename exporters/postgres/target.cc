// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/target.h"

#include <algorithm>
#include <bit>

#include "base/log.h"

namespace tocsin::exporters::postgres {
namespace {

// A lock that is not free after this is somebody else's work.
constexpr std::string_view kSetUp =
    "SET lock_timeout = 100; SET default_transaction_read_only = on; "
    "SET client_min_messages = error; SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; "
    "SELECT version()";
// An attempt that takes longer is given up for a new one: its packets may have gone to a host that
// is no more.
constexpr base::Duration kConnectPatience(30'000);
constexpr base::Duration kMinShare(100);
constexpr std::size_t kMaxConnections = 2;  // of one target, those that do not answer included
constexpr base::Duration::rep kMostAtOnce = 4;
// From when the server stops a statement to when its answer must be here.
constexpr base::Duration kAnswerPatience(500);
constexpr std::int64_t kMaxTimeoutMs = 1 << 20;

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "15.18.0", "9.6.24": three parts, as upstream shows it.
std::string short_version(int number) {
  if (number >= 100'000) return fmt::format("{}.{}.0", number / 10'000, number % 10'000);
  return fmt::format("{}.{}.{}", number / 10'000, number / 100 % 100, number % 100);
}

}  // namespace

base::Duration Scrape::even_share(const base::Clock& clock) const {
  const auto left = std::chrono::floor<base::Duration>(deadline - clock.steady_now());
  return left / static_cast<base::Duration::rep>(std::max<std::size_t>(shares, 1));
}

base::Duration Scrape::next_share(const base::Clock& clock) {
  const auto left = std::chrono::floor<base::Duration>(deadline - clock.steady_now());
  const auto wanted = static_cast<base::Duration::rep>(std::max<std::size_t>(shares, 1));
  if (shares > 1) --shares;
  // Most take no time at all, so one may have more than its part; a few that are slow still leave some.
  return std::min(std::max({left / wanted, left / kMostAtOnce, kMinShare}), left);
}

Target::Target(Conninfo info, Role role, const PostgresOptions& options,
               const CustomQueries* queries, Session::Services services)
    : info_(std::move(info)),
      role_(role),
      options_(options),
      queries_(queries),
      services_(services) {}

void Target::put_aside() {
  silent_.push_back(std::move(session_));
  is_prepared_ = false;
}

Status Target::open(base::SteadyTime page) {
  // What was silent may have answered since: then its statement is over.
  std::erase_if(silent_, [](const auto& session) { return session->is_disturbed(); });
  if (silent_.size() >= kMaxConnections) {
    return unavailable("{} connections do not answer", silent_.size());
  }
  const base::SteadyTime now = services_.clock.steady_now();
  if (is_prepared_ && (!session_->is_connected() || session_->is_disturbed())) {
    session_.reset();
    is_prepared_ = false;
  }
  if (session_ && !is_prepared_ && now - started_ > kConnectPatience) session_.reset();
  if (!session_) {
    session_ = std::make_unique<Session>(info_, services_);
    started_ = now;
  }
  if (is_prepared_) return ok();
  const Status status = session_->connect(page);
  if (!status.ok()) {
    // An attempt under way goes on in the next scrape.
    if (status.code() != StatusCode::kDeadlineExceeded) session_.reset();
    return status;
  }
  return prepare(page);
}

Status Target::prepare(base::SteadyTime deadline) {
  timeout_ms_ = 0;
  // Compiling a statement takes the server longer than any of ours does.
  const std::string_view jit = session_->server_version() >= 110'000 ? "SET jit = off; " : "";
  const std::string set_up = fmt::format("{}{}", jit, kSetUp);
  const Status status = session_->query(set_up, deadline, [this](const Rows& rows) {
    version_text_ = rows.text(0, 0);
    return ok();
  });
  if (!status.ok()) {
    if (status.code() == StatusCode::kDeadlineExceeded) {
      put_aside();
    } else {
      session_.reset();
    }
    return status;
  }
  server_labels_ = options_.constant_labels;
  server_labels_.emplace_back("server", session_->server());
  std::sort(server_labels_.begin(), server_labels_.end());
  is_prepared_ = true;
  ++connections_made_;
  return ok();
}

Status Target::run_once(std::string_view sql, base::Duration share, base::SteadyTime page,
                        const Session::OnRows& on_rows) {
  if (share <= base::Duration(0)) return deadline_exceeded("no time left");
  if (!is_prepared_) RETURN_IF_ERROR(open(page));
  // Powers of two, so that the server is told only now and then.
  const auto wanted = static_cast<std::int64_t>(std::bit_floor(
      static_cast<std::uint64_t>(std::min<std::int64_t>(share.count(), kMaxTimeoutMs))));
  std::string text;
  if (wanted != timeout_ms_) text = fmt::format("SET statement_timeout = {};", wanted);
  text.append(sql);
  const base::SteadyTime deadline =
      std::min(page, services_.clock.steady_now() + base::Duration(wanted) + kAnswerPatience);
  const Status status = session_->query(text, deadline, on_rows);
  // With an error the server takes back the whole text, and with it what it was told.
  timeout_ms_ = status.ok() ? wanted : 0;
  if (status.code() == StatusCode::kDeadlineExceeded) {
    put_aside();
  } else if (!session_->is_connected()) {
    session_.reset();
    is_prepared_ = false;
  }
  return status;
}

Status Target::run(std::string_view sql, Scrape* scrape, const Session::OnRows& on_rows) {
  return run_once(sql, scrape->next_share(services_.clock), scrape->deadline, on_rows);
}

Status Target::run_query(const Query& query, const LabelPairs& labels, Scrape* scrape) {
  const std::string sql = render_sql(query.sql, options_);
  if (query.read != nullptr) {
    return run(sql, scrape, [&](const Rows& rows) { return query.read(rows, &scrape->families); });
  }
  Status status;
  // A lock that came between looking for locks and asking is not there again the next time.
  for (int attempt = 0; attempt < 2; ++attempt) {
    RowMapper mapper(query.columns, {.nulls = query.nulls, .constant_labels = labels},
                     &scrape->samples);
    status = run(sql, scrape, [&](const Rows& rows) { return mapper.take(rows); });
    const bool again = status.code() == StatusCode::kResourceExhausted && attempt == 0;
    if (again) continue;
    mapper.finish(&scrape->families);
    break;
  }
  return status;
}

bool Target::runs(const CollectorSpec& spec, const std::vector<std::string>& names) const {
  if (!contains(names, spec.name)) return false;
  return role_ == Role::kFirst || (role_ == Role::kDiscovered && spec.is_of_database);
}

bool Target::runs(const CustomQuery& query) const {
  return role_ != Role::kDiscovered || !query.only_first;
}

std::size_t Target::shares(const std::vector<std::string>& names) const {
  std::size_t count = 1;
  for (const CollectorSpec* spec : all_collectors()) {
    if (runs(*spec, names)) count += spec->queries.size();
  }
  if (queries_ != nullptr) {
    for (const CustomQuery& query : queries_->queries()) count += runs(query) ? 1 : 0;
  }
  return count;
}

Status Target::run_collector(const CollectorSpec& spec, Scrape* scrape) {
  Status status;
  for (const Query& query : spec.queries) {
    const int version = is_prepared_ ? session_->server_version() : 0;
    if (is_prepared_ && (version < query.from || version >= query.until)) {
      if (scrape->shares > 1) --scrape->shares;
      continue;
    }
    const Status done = run_query(query, {}, scrape);
    if (status.ok()) status = done;
    if (!is_prepared_) break;
  }
  return status;
}

Status Target::run_custom(const CustomQuery& query, Scrape* scrape) {
  const base::SteadyTime now = services_.clock.steady_now();
  const auto cached = cache_.find(query.name);
  if (cached != cache_.end() && now - cached->second.at <= query.cache) {
    const auto& families = cached->second.families;
    scrape->families.insert(scrape->families.end(), families.begin(), families.end());
    return ok();
  }
  if (is_prepared_ && !query.versions.empty()) {
    const int version = session_->server_version();
    if (std::none_of(query.versions.begin(), query.versions.end(), [&](const auto& range) {
          return version >= range.first && version < range.second;
        })) {
      return ok();
    }
  }
  RowMapper mapper(
      query.columns,
      {.nulls = Nulls::kNaN, .unknown_prefix = query.name, .constant_labels = server_labels_},
      &scrape->samples);
  const Status status = run(query.sql, scrape, [&](const Rows& rows) { return mapper.take(rows); });
  std::vector<base::MetricFamily> families;
  mapper.finish(&families);
  if (status.ok() && query.cache > base::Duration(0)) cache_[query.name] = {now, families};
  std::move(families.begin(), families.end(), std::back_inserter(scrape->families));
  return status;
}

void Target::show_version(Scrape* scrape) const {
  LabelPairs labels = server_labels_;
  labels.emplace_back("version", label_text(version_text_));
  labels.emplace_back("short_version", short_version(session_->server_version()));
  std::sort(labels.begin(), labels.end());
  scrape->families.push_back({"pg_static",
                              "Version string as reported by postgres",
                              base::MetricType::kUntyped,
                              {{"", std::move(labels), 1}}});
}

void Target::collect(const std::vector<std::string>& names, Scrape* scrape) {
  const auto must = [&](const Status& status, std::string_view what) {
    if (status.ok()) return;
    scrape->failed = true;
    base::log::debug("query failed", {{"name", what}, {"error", message(status)}});
  };
  if (!options_.disable_default_metrics && role_ != Role::kDiscovered) {
    show_version(scrape);
    for (const Query& query : conflict_queries()) {
      must(run_query(query, server_labels_, scrape), "pg_stat_database_conflicts");
    }
  }
  if (options_.old_names && role_ == Role::kFirst) {
    for (const Query& query : compatible_queries()) {
      const int version = is_prepared_ ? session_->server_version() : 0;
      if (version < query.from || version >= query.until) continue;
      must(run_query(query, {}, scrape), "old names of replication slots");
    }
  }
  for (const CollectorSpec* spec : all_collectors()) {
    if (!runs(*spec, names)) continue;
    const base::SteadyTime start = services_.clock.steady_now();
    const Status status = run_collector(*spec, scrape);
    Scrape::Result& result = scrape->results[std::string(spec->name)];
    result.seconds += std::chrono::duration<double>(services_.clock.steady_now() - start).count();
    if (result.status.ok()) result.status = status;
  }
  if (queries_ == nullptr) return;
  for (const CustomQuery& query : queries_->queries()) {
    if (runs(query)) must(run_custom(query, scrape), query.name);
  }
}

StatusOr<std::vector<std::string>> Target::other_databases(Scrape* scrape) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(
      run("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> "
          "current_database() AND has_database_privilege(oid, 'CONNECT') ORDER BY 1",
          scrape, [&](const Rows& rows) {
            for (int row = 0; row < rows.rows(); ++row) names.emplace_back(rows.text(row, 0));
            return ok();
          }));
  std::erase_if(names, [&](const std::string& name) {
    const bool is_included =
        options_.included_databases.empty() || contains(options_.included_databases, name);
    return !is_included || contains(options_.excluded_databases, name);
  });
  return names;
}

}  // namespace tocsin::exporters::postgres
