// SPDX-License-Identifier: Apache-2.0
//
// Session: one connection to a PostgreSQL server, whose every step ends at a deadline.
//
// Nothing here blocks longer: the connection is made and used without blocking calls, names of hosts
// are looked up beside it (net::HostLookup). What has passed its deadline can be gone on with later.
//
// Hides: libpq. The one door to it, with conninfo.h.
// Owns: the connection; destroying a Session closes it at once. Borrows: clock, look-up, the stop
// flag.
// Threads: confined, to one thread after another.
// Errors: kDeadlineExceeded (the step is still under way), kUnavailable (no connection, or it is
// lost), kNotFound (a relation, column or function that this server does not have),
// kResourceExhausted (lock_timeout), kCancelled (statement_timeout), kFailedPrecondition (what else
// the server says). No password is in a message.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "exporters/postgres/conninfo.h"
#include "net/host_lookup.h"

struct pg_conn;
struct pg_result;

namespace tocsin::exporters::postgres {

// A part of the rows of a query. A view; lives during a call of OnRows.
class Rows {
 public:
  explicit Rows(const pg_result* result) : result_(result) {}

  int columns() const;
  int rows() const;
  std::string_view column(int i) const;
  bool is_null(int row, int column) const;
  std::string_view text(int row, int column) const;  // "" for NULL

 private:
  const pg_result* const result_;
};

class Session {
 public:
  struct Services {
    const base::Clock& clock;
    net::HostLookup& hosts;
    const std::atomic<bool>& stopping;  // ends every wait
  };
  using OnRows = std::function<Status(const Rows&)>;

  // Does nothing yet; connect() does.
  Session(Conninfo info, Services services);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Goes on with connecting; OK at once when that is done.
  Status connect(base::SteadyTime deadline);
  bool is_connected() const;
  // What a wait would be for has come: a connection that nobody uses has been closed by the server,
  // or has an answer that came too late. Does not block.
  bool is_disturbed() const;

  // Runs one statement, or several apart by semicolons; rows come as they arrive, in parts, and
  // only those of the last statement that has any. After an error of `on_rows` the rest is thrown
  // away.
  // After kDeadlineExceeded the Session is busy and can only be destroyed.
  Status query(std::string_view sql, base::SteadyTime deadline, const OnRows& on_rows = nullptr);

  // As PostgreSQL numbers them: 150018, 90624. REQUIRES: connected.
  int server_version() const;
  // host:port, as the label `server` shows it. REQUIRES: connected.
  std::string server() const;

 private:
  struct CloseConnection {
    void operator()(pg_conn* connection) const;
  };

  Status start(base::SteadyTime deadline);
  // Waits until the socket is readable (or writable, when that is wanted).
  Status wait(bool for_writing, base::SteadyTime deadline);
  Status flush(base::SteadyTime deadline);
  // The next result; nullptr after the last.
  StatusOr<pg_result*> next_result(base::SteadyTime deadline);
  Status connection_error() const;

  const Conninfo info_;
  const Services services_;
  std::unique_ptr<pg_conn, CloseConnection> connection_;
  int wants_ = 0;  // PostgresPollingStatusType while connecting
  bool connected_ = false;
};

}  // namespace tocsin::exporters::postgres
