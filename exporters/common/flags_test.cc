// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/flags.h"

#include <map>

#include <gtest/gtest.h>

#include "exporters/common/web.h"
#include "exporters/node/options.h"

namespace tocsin::exporters {
namespace {

struct CommandLine {
  CommandLine() {
    web.listen_addresses = {":9100"};
    add_web_flags(&flags, &web);
    add_node_flags(&flags, &node);
  }
  // "run", "help", "version", or the error.
  std::string parse(const std::vector<std::string>& arguments) {
    const StatusOr<Flags::Outcome> outcome = flags.parse(arguments);
    Status status = outcome.status();
    if (status.ok()) status = node.validate();
    if (!status.ok()) return std::string(message(status));
    if (*outcome == Flags::Outcome::kHelp) return "help";
    return *outcome == Flags::Outcome::kVersion ? "version" : "run";
  }

  WebOptions web;
  NodeOptions node;
  Flags flags{"tocsin-node-exporter", "About."};
};

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& one : list) out.append(one).append(" ");
  return out;
}

TEST(FlagsTest, AnswersACommandLineAsUpstreamDoes) {
  const auto check = [](const std::vector<std::string>& arguments, std::string_view expected) {
    EXPECT_EQ(CommandLine().parse(arguments), expected) << joined(arguments);
  };
  check({}, "run");
  check({"--help"}, "help");
  check({"-h"}, "help");
  check({"--version"}, "version");
  check({"--version", "--nope"}, "unknown long flag '--nope'");
  check({"--nope"}, "unknown long flag '--nope'");
  check({"--no-nope"}, "unknown long flag '--no-nope'");
  check({"--collector.nope"}, "unknown long flag '--collector.nope'");
  check({"-x"}, "unknown short flag '-x'");
  check({"nope"}, "unexpected nope");
  check({"--"}, "unexpected --");
  check({"--path.procfs"}, "expected argument for flag '--path.procfs'");
  check({"--path.procfs", "--path.sysfs=/s"}, "expected argument for flag '--path.procfs'");
  check({"--path.procfs=/a", "--path.procfs=/b"}, "flag 'path.procfs' cannot be repeated");
  check({"--collector.cpu=true"}, "unexpected true");
  check({"--no-path.procfs"}, "unknown long flag '--no-path.procfs'");
  check({"--web.max-requests=many"}, "--web.max-requests: expected a number, got \"many\"");
  check({"--web.telemetry-path=metrics"},
        "--web.telemetry-path: expected a path that starts with /");
  check({"--collector.filesystem.mount-timeout=5"},
        "--collector.filesystem.mount-timeout: invalid duration \"5\", expected for example 5s");
  check({"--collector.filesystem.stat-workers=0"},
        "--collector.filesystem.stat-workers: expected a number from 1 to 64");
  check({"--collector.netdev.device-exclude=("},
        "--collector.netdev.device-exclude: error parsing regexp: missing closing ): `(`");
  check({"--collector.netdev.device-exclude=a", "--collector.netdev.device-include=b"},
        "--collector.netdev.device-exclude and --collector.netdev.device-include are mutually "
        "exclusive");
}

TEST(FlagsTest, NamesWhatUpstreamHasAndIsNotBuilt) {
  const auto check = [](const std::string& argument, std::string_view expected) {
    EXPECT_EQ(CommandLine().parse({argument}), expected) << argument;
  };
  check("--collector.logind.nope", "not supported yet: --collector.logind.nope");
  check("--collector.netclass.netlink", "run");
  check("--web.config.file", "expected argument for flag '--web.config.file'");
  check("--web.systemd-socket", "run");
  check("--runtime.gomaxprocs=2", "not supported yet: --runtime.gomaxprocs");
}

TEST(FlagsTest, KeepsWhatWasGiven) {
  CommandLine line;
  ASSERT_EQ(line.parse({"--web.listen-address=127.0.0.1:1", "--web.listen-address", "[::1]:2",
                        "--web.max-requests=7", "--web.disable-exporter-metrics",
                        "--web.telemetry-path=/m", "--log.level=debug", "--path.procfs",
                        "/host/proc", "--no-collector.cpu", "--no-collector.cpu.guest",
                        "--collector.filesystem.mount-timeout=250ms",
                        "--collector.diskstats.device-include=^sd"}),
            "run");
  EXPECT_EQ(joined(line.web.listen_addresses), "127.0.0.1:1 [::1]:2 ");
  EXPECT_EQ(line.web.max_requests, 7U);
  EXPECT_TRUE(line.web.disable_exporter_metrics);
  EXPECT_EQ(line.web.telemetry_path, "/m");
  EXPECT_EQ(line.web.log.level, base::log::Level::kDebug);
  EXPECT_EQ(line.node.procfs, "/host/proc");
  EXPECT_EQ(line.node.sysfs, "/sys");
  EXPECT_FALSE(line.node.is_enabled("cpu"));
  EXPECT_TRUE(line.node.is_enabled("meminfo"));
  EXPECT_FALSE(line.node.cpu_guest);
  EXPECT_EQ(line.node.mount_timeout, base::Duration(250));
  EXPECT_EQ(line.node.disks.include, "^sd");
  EXPECT_EQ(line.node.disks.exclude, "") << "an inclusion replaces the default exclusion";
}

TEST(FlagsTest, DisablingTheDefaultsLeavesWhatIsSwitchedOn) {
  CommandLine line;
  ASSERT_EQ(line.parse({"--collector.disable-defaults", "--collector.cpu"}), "run");
  EXPECT_TRUE(line.node.is_enabled("cpu"));
  EXPECT_FALSE(line.node.is_enabled("meminfo"));
  EXPECT_FALSE(line.node.is_enabled("arp"));
}

TEST(FlagsTest, TheManualNamesEveryFlagThatWorks) {
  const std::string manual = CommandLine().flags.help();
  for (const std::string_view text :
       {"usage: tocsin-node-exporter [<flags>]\n", "  -h, --help\n", "  --version\n",
        "  --web.listen-address=\":9100\" ...\n", "  --web.telemetry-path=\"/metrics\"\n",
        "  --[no-]collector.cpu\n        Run the cpu collector. Default: on.\n",
        "  --[no-]web.disable-exporter-metrics\n"}) {
    EXPECT_NE(manual.find(text), std::string::npos) << text << manual;
  }
  EXPECT_NE(manual.find("  --[no-]web.systemd-socket\n"), std::string::npos);
  EXPECT_EQ(manual.find("runtime.gomaxprocs"), std::string::npos);
  for (std::size_t at = 0; at < manual.size(); at = manual.find('\n', at) + 1) {
    const std::string line = manual.substr(at, manual.find('\n', at) - at);
    EXPECT_TRUE(!line.starts_with("        ") || line.size() <= 80) << line;
  }
}

// A program with a flag of each kind, in Go's style.
struct GoCommandLine {
  GoCommandLine() {
    flags.text("addr", "Address.", &addr);
    flags.toggle("debug", "Say more.", &debug);
    flags.list("key", "Keys.", &keys);
    flags.unsupported_toggle("gcp");
    flags.environment("addr", "X_ADDR");
    flags.environment("debug", "X_DEBUG");
    flags.environment("key", "X_KEY");
    flags.environment("gcp", "X_GCP");
  }
  // What was set, or the error.
  std::string parse(const std::vector<std::string>& arguments,
                    const std::map<std::string, std::string>& environment = {}) {
    Status status = flags.read_environment([&](const char* name) {
      const auto it = environment.find(name);
      return it == environment.end() ? nullptr : it->second.c_str();
    });
    if (status.ok()) status = flags.parse(arguments).status();
    if (!status.ok()) return std::string(message(status));
    return fmt::format("{} {} {}", addr, debug, joined(keys));
  }

  std::string addr = "a";
  bool debug = false;
  std::vector<std::string> keys = {"k"};
  Flags flags{"program", "About.", Flags::Style::kGo};
};

TEST(FlagsTest, ReadsACommandLineAsGosPackageDoes) {
  const auto check = [](const std::vector<std::string>& arguments, std::string_view expected) {
    EXPECT_EQ(GoCommandLine().parse(arguments), expected) << joined(arguments);
  };
  check({}, "a false k ");
  check({"-addr", "b", "--debug"}, "b true k ");
  check({"--addr=b", "-addr=c"}, "c false k ");
  check({"-addr", "-debug"}, "-debug false k ");
  check({"-debug=false"}, "a false k ");
  check({"-debug=T", "-key=1", "--key", "2"}, "a true 1 2 ");
  check({"-debug=maybe"}, "invalid boolean value \"maybe\" for -debug: parse error");
  check({"-nope"}, "flag provided but not defined: -nope");
  check({"--no-debug"}, "flag provided but not defined: -no-debug");
  check({"-addr"}, "flag needs an argument: -addr");
  check({"-gcp"}, "not supported yet: -gcp");
  check({"-gcp=false"}, "a false k ");
  check({"b"}, "unexpected b");
  check({"-"}, "unexpected -");
}

TEST(FlagsTest, TakesWhatIsNotOnTheCommandLineFromTheEnvironment) {
  const auto check = [](const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& environment,
                        std::string_view expected) {
    EXPECT_EQ(GoCommandLine().parse(arguments, environment), expected) << joined(arguments);
  };
  check({}, {{"X_ADDR", "b"}, {"X_DEBUG", "true"}, {"X_KEY", "1"}}, "b true 1 ");
  check({"-addr=c", "-key=2"}, {{"X_ADDR", "b"}, {"X_KEY", "1"}}, "c false 2 ");
  check({"-debug=false"}, {{"X_DEBUG", "1"}}, "a false k ");
  check({}, {{"X_DEBUG", "on"}}, "X_DEBUG: expected true or false, got \"on\"");
  check({}, {{"X_GCP", "true"}}, "not supported yet: X_GCP");
  check({}, {{"X_GCP", "false"}}, "a false k ");
}

TEST(FlagsTest, TheManualOfGosStyleNamesTheVariables) {
  const std::string manual = GoCommandLine().flags.help();
  EXPECT_NE(manual.find("  --debug\n        Say more. Variable: X_DEBUG.\n"), std::string::npos)
      << manual;
}

TEST(FlagsTest, ListenersWithIpv6NeedBeast) {
  EXPECT_EQ(choose_server({":9100"}), ServerKind::kCivetweb);
  EXPECT_EQ(choose_server({"127.0.0.1:9100", "localhost:9101"}), ServerKind::kCivetweb);
  EXPECT_EQ(choose_server({"127.0.0.1:9100", "[::1]:9100"}), ServerKind::kBeast);
}

}  // namespace
}  // namespace tocsin::exporters
