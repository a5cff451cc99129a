// SPDX-License-Identifier: Apache-2.0
#include "tests/exporters/postgres_server.h"

#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace tocsin::tests {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBin = "usr/lib/postgresql/15/bin";

bool is_root() { return ::geteuid() == 0; }

// Whether nobody may look into the folder.
bool is_open_to_all(fs::path folder) {
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    if ((fs::status(folder).permissions() & fs::perms::others_exec) == fs::perms::none)
      return false;
  }
  return true;
}

bool has_servers(const std::string& root) {
  return fs::exists(root + std::string(kBin) + "/postgres");
}

// Where PostgreSQL's files are, for whoever runs it.
std::string find_root() {
  const std::string parts = std::string(TOCSIN_SOURCE_DIR) + "/build/parts/postgresql/";
  for (const std::string& root : {parts, std::string("/")}) {
    if (has_servers(root) && (!is_root() || is_open_to_all(root + std::string(kBin)))) return root;
  }
  if (!has_servers(parts)) return "";
  // The checkout is root's alone, and servers do not run as root: they get a copy.
  static const TempDir copy;
  fs::permissions(copy.path(), fs::perms::others_exec | fs::perms::others_read,
                  fs::perm_options::add);
  fs::copy(parts, copy.path(), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  return copy.path() + "/";
}

std::string bin_folder() {
  static const std::string root = find_root();
  return root.empty() ? "" : root + std::string(kBin);
}

// The command of one of PostgreSQL's programs, for a user that it accepts.
std::vector<std::string> command_of(const std::string& name, std::vector<std::string> arguments) {
  std::vector<std::string> command;
  if (is_root()) {
    command = {"setpriv",        "--reuid=nobody", "--regid=nogroup",
               "--clear-groups", "--pdeathsig",    "SIGKILL"};
  }
  command.insert(command.end(),
                 {"env", "LC_ALL=C", "PGCONNECT_TIMEOUT=60", bin_folder() + "/" + name});
  std::move(arguments.begin(), arguments.end(), std::back_inserter(command));
  return command;
}

// The folder of a server belongs to who runs it.
void give_away(const std::string& path) {
  if (!is_root()) return;
  const passwd* nobody = ::getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe): one thread here
  ASSERT_NE(nobody, nullptr);
  ASSERT_EQ(::chown(path.c_str(), nobody->pw_uid, nobody->pw_gid), 0);
}

void must(const Finished& finished) { EXPECT_EQ(finished.exit_code, 0) << finished.err; }

}  // namespace

bool PostgresServer::is_available() { return !bin_folder().empty(); }

Finished PostgresServer::run_program(const std::string& name, std::vector<std::string> arguments) {
  return run(command_of(name, std::move(arguments)));
}

PostgresServer::PostgresServer(const std::string& settings) {
  give_away(files_.path());
  must(run_program("initdb", {"-D", files_.file("data"), "-U", "postgres", "-A", "trust", "-N",
                              "--no-instructions"}));
  initialise(settings);
  // Who is not the superuser has a password, also here.
  std::ofstream access(files_.file("data/pg_hba.conf"), std::ios::trunc);
  access << "local replication postgres trust\nlocal all postgres trust\n"
         << "local all all scram-sha-256\n";
  access.close();
  start();
}

PostgresServer::PostgresServer(const PostgresServer& primary, const std::string& slot) {
  give_away(files_.path());
  must(run_program("pg_basebackup", {"-D", files_.file("data"), "-h", primary.folder(), "-U",
                                     "postgres", "-R", "-S", slot, "-c", "fast", "--no-sync"}));
  initialise("");
  start();
}

PostgresServer::~PostgresServer() {
  if (process_) stop();
}

void PostgresServer::initialise(const std::string& settings) const {
  std::ofstream config(files_.file("data/postgresql.conf"), std::ios::app);
  config << "listen_addresses = ''\nunix_socket_directories = '" << files_.path() << "'\n"
         << "shared_buffers = 8MB\nmax_connections = 30\nfsync = off\n"
         << "dynamic_shared_memory_type = mmap\nautovacuum_naptime = 1d\njit = off\n"
         // A session ends with its client, also in the middle of a statement.
         << "client_connection_check_interval = 1s\n"
         << settings;
}

void PostgresServer::start() {
  process_ = std::make_unique<Process>(command_of("postgres", {"-D", files_.file("data")}));
  EXPECT_NE(process_->wait_for_line({"ready to accept"}), "");
}

void PostgresServer::stop() {
  // A fast shutdown: it ends sessions.
  if (!process_->has_ended()) process_->signal(SIGINT);
  EXPECT_EQ(process_->wait(), 0);
  process_.reset();
}

std::string PostgresServer::sql(const std::string& text, const std::string& database) const {
  const Finished finished = run_program("psql", {"-h", folder(), "-U", "postgres", "-d", database,
                                                 "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text});
  EXPECT_EQ(finished.exit_code, 0) << text << "\n" << finished.err;
  return finished.out;
}

std::unique_ptr<Process> PostgresServer::session(const std::string& text,
                                                 const std::string& database) const {
  return std::make_unique<Process>(
      command_of("psql", {"-h", folder(), "-U", "postgres", "-d", database, "-qAtX", "-c", text,
                          "-c", "SELECT pg_sleep(3600)"}));
}

std::string PostgresServer::source(const std::string& user, const std::string& database) const {
  return "host=" + folder() + " user=" + user + " password=secret dbname=" + database;
}

PostgresExporterProcess::PostgresExporterProcess(const std::string& source,
                                                 const std::vector<std::string>& flags)
    : process_([&] {
        std::vector<std::string> command = {"env", "DATA_SOURCE_NAME=" + source,
                                            built_program("tocsin-postgres-exporter"),
                                            "--web.listen-address=127.0.0.1:0"};
        command.insert(command.end(), flags.begin(), flags.end());
        return command;
      }()) {
  address_ = log_field(process_.wait_for_line({"listening", "address="}), "address");
}

Reply PostgresExporterProcess::get(const std::string& target, const std::string& timeout) const {
  const std::string header =
      timeout.empty() ? "" : "X-Prometheus-Scrape-Timeout-Seconds: " + timeout + "\r\n";
  return net::testing::RawHttp(address_).get(target, header);
}

std::string PostgresExporterProcess::page(const std::string& timeout) const {
  const Reply reply = get("/metrics", timeout);
  EXPECT_EQ(reply.status, 200);
  return reply.body;
}

std::string sample(const std::string& page, const std::string& series) {
  const std::string begin = "\n" + series + " ";
  const std::size_t at = page.find(begin);
  if (at == std::string::npos) return "";
  const std::size_t value = at + begin.size();
  return page.substr(value, page.find('\n', value) - value);
}

}  // namespace tocsin::tests
