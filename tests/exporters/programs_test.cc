// SPDX-License-Identifier: Apache-2.0
//
// What holds for the programs of all four exporters: what they load, that OpenSSL sleeps until
// something needs it, and that promtool has no complaint about what is no server's.
#include <unistd.h>

#include <array>
#include <memory>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>

#include "net/testing/raw_socket.h"
#include "tests/exporters/libraries.h"
#include "tests/exporters/lint.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

using net::testing::RawHttp;
using ::testing::IsEmpty;

using Names = std::set<std::string>;

// Each library costs memory on every machine.
TEST(ExporterPrograms, LoadFewLibraries) {
  const Names common = {"libc",     "libcivetweb", "libcrypt",  "libdeflate",  "libfmt",
                        "libgcc_s", "libm",        "libstdc++", "libyaml-cpp", "libz"};
  const auto check = [&](const std::string& program, Names more) {
    more.insert(common.begin(), common.end());
    EXPECT_EQ(loaded_libraries(program), more) << program;
  };
  check("tocsin-node-exporter", {"libre2"});
  check("tocsin-redis-exporter", {"libcrypto", "libre2", "libssl"});
  check("tocsin-app-exporter", {"libcrypto", "libre2", "libssl"});
  // Most are libpq's: LDAP, Kerberos and what they need.
  check("tocsin-postgres-exporter",
        {"libcom_err",  "libcrypto",   "libffi",      "libgmp",      "libgnutls", "libgssapi_krb5",
         "libhogweed",  "libidn2",     "libk5crypto", "libkeyutils", "libkrb5",   "libkrb5support",
         "liblber-2.5", "libldap-2.5", "libnettle",   "libp11-kit",  "libpq",     "libresolv",
         "libsasl2",    "libssl",      "libtasn1",    "libunistring"});
}

// A configuration of OpenSSL that tells whether somebody has opened it: whatever uses OpenSSL does.
class OpensslConfig {
 public:
  OpensslConfig() : path_(files_.write("openssl.cnf", "")), watch_(::inotify_init1(IN_NONBLOCK)) {
    EXPECT_GE(::inotify_add_watch(watch_, path_.c_str(), IN_OPEN), 0);
  }
  ~OpensslConfig() { ::close(watch_); }
  OpensslConfig(const OpensslConfig&) = delete;
  OpensslConfig& operator=(const OpensslConfig&) = delete;

  const std::string& path() const { return path_; }
  bool was_opened() const {
    std::array<char, 4096> events{};
    return ::read(watch_, events.data(), events.size()) > 0;
  }

 private:
  const TempDir files_;
  const std::string path_;
  const int watch_;
};

struct Exporter {
  Exporter(std::string program, std::vector<std::string> words,
           std::vector<std::string> environment = {}) {
    std::vector<std::string> command = {"env", "OPENSSL_CONF=" + openssl.path()};
    command.insert(command.end(), environment.begin(), environment.end());
    command.push_back(built_program(program));
    command.emplace_back("--web.listen-address=127.0.0.1:0");
    command.insert(command.end(), words.begin(), words.end());
    process = std::make_unique<Process>(std::move(command));
    address = log_field(process->wait_for_line({"listening", "address="}), "address");
  }
  std::string page(std::string_view target = "/metrics") const {
    const RawHttp::Reply reply = RawHttp(address).get(target);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.body;
  }

  OpensslConfig openssl;
  std::unique_ptr<Process> process;
  std::string address;
};

TEST(ExporterPrograms, StartNoTlsBeforeSomethingNeedsIt) {
  const auto check = [](const Exporter& exporter, std::string_view target) {
    exporter.page(target);
    exporter.page();
    EXPECT_FALSE(exporter.openssl.was_opened()) << target;
  };
  check(Exporter("tocsin-node-exporter", {}), "/");
  const std::string nobody = net::testing::RawListener().address();
  check(Exporter("tocsin-redis-exporter", {"--redis.addr=redis://" + nobody}), "/");
  check(Exporter("tocsin-postgres-exporter", {}, {"DATA_SOURCE_NAME=host=/nonexistent user=a"}),
        "/");
  const TempDir files;
  const std::string config = files.write("blackbox.yml", "modules: {http: {prober: http}}");
  const Exporter app("tocsin-app-exporter", {"--config.file=" + config});
  check(app, "/probe?module=http&target=" + app.address);
  // Nobody speaks TLS there, but this probe does.
  app.page("/probe?module=http&target=https://" + app.address);
  EXPECT_TRUE(app.openssl.was_opened());
}

// As systemd does it: the socket listens first, and the program inherits it as descriptor 3.
TEST(ExporterPrograms, ServeOnTheSocketThatSystemdOpened) {
  constexpr std::string_view kSystemd =
      "import os, socket, sys\n"
      "listener = socket.create_server(('127.0.0.1', 0))\n"
      "if listener.fileno() == 3: os.set_inheritable(3, True)\n"
      "else: os.dup2(listener.fileno(), 3)\n"
      "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
      "os.execv(sys.argv[1], sys.argv[1:])\n";
  for (const std::string_view name : {"tocsin-node-exporter", "tocsin-redis-exporter"}) {
    Process process({"/usr/bin/python3", "-c", std::string(kSystemd), built_program(name),
                     "--web.systemd-socket"});
    const Reply reply = http_get(process.wait_for_listener(), "/metrics");
    EXPECT_EQ(reply.status, 200) << name;
    EXPECT_NE(reply.body.find("process_start_time_seconds"), std::string::npos) << name;
  }
  const Finished alone = run({built_program("tocsin-node-exporter"), "--web.systemd-socket"});
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_NE(alone.err.find("no socket activation file descriptors found"), std::string::npos)
      << alone.err;
}

// Every collector that this machine can run.
TEST(ExporterPrograms, ThePagesOfANodeHaveNothingThatPromtoolComplainsAbout) {
  const Exporter usual("tocsin-node-exporter", {});
  EXPECT_THAT(own_complaints(usual.page()), IsEmpty());
  std::vector<std::string> flags;
  std::istringstream manual(run({built_program("tocsin-node-exporter"), "--help"}).out);
  for (std::string line; std::getline(manual, line);) {
    constexpr std::string_view kPrefix = "  --[no-]collector.";
    if (!line.starts_with(kPrefix)) continue;
    const std::string name = line.substr(kPrefix.size(), line.find(' ', 3) - kPrefix.size());
    if (name.find('.') == std::string::npos) flags.push_back("--collector." + name);
  }
  EXPECT_GT(flags.size(), 49U);
  const Exporter everything("tocsin-node-exporter", flags);
  EXPECT_THAT(own_complaints(everything.page()), IsEmpty());
}

TEST(ExporterPrograms, ComplaintsThatAreTakenAreAboutUpstreamsNames) {
  EXPECT_THAT(complaints_not_upstreams(), IsEmpty());
  EXPECT_THAT(own_complaints("# HELP node_x_count x\n# TYPE node_x_count gauge\nnode_x_count 1\n"),
              testing::SizeIs(1));
  EXPECT_THAT(own_complaints("x{ 1\n"), testing::SizeIs(testing::Ge(1U)));
}

}  // namespace
}  // namespace tocsin::tests
