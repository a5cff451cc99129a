// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/options.h"

#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

struct Parsed {
  AppOptions options;
  WebOptions web;
  Status status;
};

Parsed parse(std::vector<std::string> arguments) {
  Parsed out;
  Flags flags("tocsin-app-exporter", "");
  add_app_flags(&flags, &out.options, &out.web);
  out.status = flags.parse(arguments).status();
  return out;
}

TEST(AppOptions, AreTheFlagsOfBlackboxExporter) {
  const Parsed parsed = parse({"--config.file=b.yml", "--config.check", "--timeout-offset=0.25",
                               "--web.listen-address=:1", "--log.level=debug"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.options.config_file, "b.yml");
  EXPECT_TRUE(parsed.options.config_check);
  EXPECT_EQ(parsed.options.timeout_offset, base::Duration(250));
  EXPECT_EQ(parsed.web.listen_addresses, std::vector<std::string>{":1"});
  EXPECT_EQ(parse({}).options.timeout_offset, base::Duration(500));
}

TEST(AppOptions, RefuseWhatTheyCannotDo) {
  for (const char* offset : {"x", "-1", "nan", "1s", "5000"}) {
    EXPECT_FALSE(parse({"--timeout-offset", offset}).status.ok()) << offset;
  }
  for (const char* flag : {"--history.limit=1", "--log.prober=info", "--web.external-url=x",
                           "--web.route-prefix=/x", "--runtime.gomaxprocs=2"}) {
    EXPECT_EQ(parse({flag}).status.code(), StatusCode::kUnimplemented) << flag;
  }
}

}  // namespace
}  // namespace tocsin::exporters::app
