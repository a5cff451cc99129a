// SPDX-License-Identifier: Apache-2.0
//
// PostgresServer: a PostgreSQL server of Debian's packages that a test starts, reached through a
// socket in its own folder; and a tocsin-postgres-exporter beside it.
//
// PostgreSQL refuses to run as root; then it runs as nobody.
//
// Owns: the processes and their files. Threads: confined. Errors: what does not work fails the
// running test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

namespace tocsin::tests {

class PostgresServer {
 public:
  // Whether its programs are there: installed, or where tools/fetch_test_parts puts them.
  static bool is_available();
  // Runs one of them, as psql or pgbench, to its end.
  static Finished run_program(const std::string& name, std::vector<std::string> arguments);

  // A new database cluster, or a copy of `primary` that follows it by its slot `slot`. `settings` are
  // lines of postgresql.conf.
  explicit PostgresServer(const std::string& settings = "");
  PostgresServer(const PostgresServer& primary, const std::string& slot);
  ~PostgresServer();
  PostgresServer& operator=(const PostgresServer&) = delete;

  void start();
  void stop();
  Process& process() { return *process_; }

  // Runs SQL as the superuser; what it printed.
  std::string sql(const std::string& text, const std::string& database = "postgres") const;
  // A session that has run `text` and stays open until it is destroyed.
  std::unique_ptr<Process> session(const std::string& text, const std::string& database) const;

  // "host=... user=... password=... dbname=...": as DATA_SOURCE_NAME has it.
  std::string source(const std::string& user, const std::string& database = "postgres") const;
  // The folder of its socket.
  const std::string& folder() const { return files_.path(); }

 private:
  void initialise(const std::string& settings) const;

  TempDir files_;
  std::unique_ptr<Process> process_;
};

class PostgresExporterProcess {
 public:
  // `source` is DATA_SOURCE_NAME.
  explicit PostgresExporterProcess(const std::string& source,
                                   const std::vector<std::string>& flags = {});

  Process& process() { return process_; }
  const std::string& address() const { return address_; }
  // GET of a path, with X-Prometheus-Scrape-Timeout-Seconds when `timeout` is not "".
  Reply get(const std::string& target, const std::string& timeout = "") const;
  std::string page(const std::string& timeout = "") const;

 private:
  Process process_;
  std::string address_;
};

// The value of the sample that begins with `series`, as "pg_up"; "" when there is none.
std::string sample(const std::string& page, const std::string& series);

}  // namespace tocsin::tests
