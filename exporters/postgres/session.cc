// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/session.h"

#include <poll.h>

#include <cstring>

#include <libpq-fe.h>

#include "exporters/postgres/host_addresses.h"

namespace tocsin::exporters::postgres {
namespace {

// How long a wait may miss the stop flag.
constexpr base::Duration kStopPatience(200);

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

// libpq ends its messages with a line end, and some have several lines.
std::string one_line(const char* text) {
  std::string out(text == nullptr ? "" : text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out;
}

Status server_error(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view code(state == nullptr ? "" : state);
  const std::string text = one_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  // Undefined table, function and column.
  if (code == "42P01" || code == "42883" || code == "42703") return not_found("{}", text);
  if (code == "55P03") return resource_exhausted("{}", text);
  if (code == "57014") return cancelled("{}", text);
  // The server shuts down, or the administrator ends the connection.
  if (code.starts_with("57P") || code.starts_with("08")) return unavailable("{}", text);
  return failed_precondition("{} ({})", text, code);
}

}  // namespace

int Rows::columns() const { return PQnfields(result_); }
int Rows::rows() const { return PQntuples(result_); }
std::string_view Rows::column(int i) const { return PQfname(result_, i); }
bool Rows::is_null(int row, int column) const { return PQgetisnull(result_, row, column) != 0; }
std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(result_, row, column),
          static_cast<std::size_t>(PQgetlength(result_, row, column))};
}

void Session::CloseConnection::operator()(pg_conn* connection) const { PQfinish(connection); }

Session::Session(Conninfo info, Services services) : info_(std::move(info)), services_(services) {}

Session::~Session() = default;

bool Session::is_connected() const {
  return connected_ && PQstatus(connection_.get()) == CONNECTION_OK;
}

bool Session::is_disturbed() const {
  pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
  return socket.fd < 0 || ::poll(&socket, 1, 0) != 0;
}

int Session::server_version() const { return PQserverVersion(connection_.get()); }

std::string Session::server() const {
  const char* host = PQhost(connection_.get());
  const char* port = PQport(connection_.get());
  return fmt::format("{}:{}", host == nullptr || *host == 0 ? "localhost" : host,
                     port == nullptr || *port == 0 ? "5432" : port);
}

Status Session::connection_error() const {
  return unavailable("{}", one_line(PQerrorMessage(connection_.get())));
}

Status Session::start(base::SteadyTime deadline) {
  ASSIGN_OR_RETURN(const Conninfo info, with_addresses(info_, deadline, services_.hosts));
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : info) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(keys.data(), values.data(), 0));
  if (!connection_) return resource_exhausted("no memory for a connection");
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    const Status status = connection_error();
    connection_.reset();
    return status;
  }
  // What the server says beside its answers is for people.
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  wants_ = PGRES_POLLING_WRITING;
  return ok();
}

Status Session::connect(base::SteadyTime deadline) {
  if (connected_) return is_connected() ? ok() : connection_error();
  if (!connection_) RETURN_IF_ERROR(start(deadline));
  while (wants_ != PGRES_POLLING_OK) {
    if (wants_ == PGRES_POLLING_FAILED) return connection_error();
    RETURN_IF_ERROR(wait(wants_ == PGRES_POLLING_WRITING, deadline));
    wants_ = PQconnectPoll(connection_.get());
  }
  PQsetnonblocking(connection_.get(), 1);
  connected_ = true;
  return ok();
}

Status Session::wait(bool for_writing, base::SteadyTime deadline) {
  for (;;) {
    if (services_.stopping.load(std::memory_order_relaxed)) return unavailable("shutting down");
    const auto left = std::chrono::ceil<base::Duration>(deadline - services_.clock.steady_now());
    const base::Duration step = std::clamp(left, base::Duration(0), kStopPatience);
    // libpq may go on with another socket when one address does not answer.
    pollfd socket{.fd = PQsocket(connection_.get()),
                  .events = static_cast<short>(for_writing ? POLLIN | POLLOUT : POLLIN),
                  .revents = 0};
    if (for_writing && !connected_) socket.events = POLLOUT;
    const int ready = ::poll(&socket, 1, static_cast<int>(step.count()));
    if (ready > 0) return ok();
    if (ready < 0 && errno != EINTR) return errno_status(errno, "poll");
    if (ready == 0 && left <= base::Duration(0)) return deadline_exceeded("no answer in time");
  }
}

Status Session::flush(base::SteadyTime deadline) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return ok();
    if (left < 0) return connection_error();
    RETURN_IF_ERROR(wait(true, deadline));
    // The server may not read on before its own answer is taken.
    if (PQconsumeInput(connection_.get()) == 0) return connection_error();
  }
}

StatusOr<pg_result*> Session::next_result(base::SteadyTime deadline) {
  while (PQisBusy(connection_.get()) != 0) {
    RETURN_IF_ERROR(wait(false, deadline));
    if (PQconsumeInput(connection_.get()) == 0) return connection_error();
  }
  return PQgetResult(connection_.get());
}

Status Session::query(std::string_view sql, base::SteadyTime deadline, const OnRows& on_rows) {
  const std::string text(sql);
  if (PQsendQuery(connection_.get(), text.c_str()) == 0) return connection_error();
  // One row after another, so that a large answer is never held as a whole.
  PQsetSingleRowMode(connection_.get());
  RETURN_IF_ERROR(flush(deadline));
  Status status;
  for (;;) {
    ASSIGN_OR_RETURN(PGresult * raw, next_result(deadline));
    if (raw == nullptr) return status;
    const Result result(raw);
    switch (PQresultStatus(raw)) {
      case PGRES_SINGLE_TUPLE:
      case PGRES_TUPLES_OK:
        if (status.ok() && on_rows && PQntuples(raw) != 0) status = on_rows(Rows(raw));
        break;
      case PGRES_COMMAND_OK:
      case PGRES_EMPTY_QUERY:
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        // The protocol is now in a mode that only a copy can end.
        connected_ = false;
        return failed_precondition("COPY cannot be used here");
      default:
        // The first error says why; the connection may be lost with it.
        if (status.ok()) status = server_error(raw);
    }
    if (PQstatus(connection_.get()) == CONNECTION_BAD) return connection_error();
  }
}

}  // namespace tocsin::exporters::postgres
