// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/auth_config.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::exporters::postgres {
namespace {

class AuthConfigTest : public ::testing::Test {
 protected:
  StatusOr<AuthConfig> parse(std::string_view text) {
    return AuthConfig::parse(text, "f.yml", *files_);
  }
  std::string error(std::string_view text) { return std::string(message(parse(text).status())); }

  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
};

TEST_F(AuthConfigTest, ReadsUpstreamsFileAndOurKeys) {
  EXPECT_EQ((*files_->open_writable("/pw", base::FileSystem::OpenMode::kTruncate))->append("s3\n"),
            ok());
  const StatusOr<AuthConfig> config = parse(R"(
probe_targets: [10.0.0.0/8]
auth_modules:
  first:
    type: userpass
    userpass: {username: a, password: b}
    options: {sslmode: disable}
  second: {type: userpass, userpass: {username: c, password_file: /pw}}
)");
  ASSERT_EQ(config.status(), ok());
  EXPECT_EQ(config->modules.at("first").username, "a");
  EXPECT_EQ(config->modules.at("first").options.at(0).second, "disable");
  EXPECT_EQ(config->modules.at("second").password, "s3");
}

TEST_F(AuthConfigTest, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(error("auth_modules: {a: {type: kerberos}}").find("type must be userpass"),
            std::string::npos);
  EXPECT_NE(error("auth_module: {}").find("auth_module"), std::string::npos);
  EXPECT_NE(error("probe_targets: ['10.0.0.0/99']").find("not a host or a network"),
            std::string::npos);
  const std::string text =
      error("auth_modules: {a: {type: userpass, userpass: {username: u, pasword: s3cret}}}");
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(text.find("s3cret"), std::string::npos) << text;
}

TEST_F(AuthConfigTest, AllowsHostsNetworksAndSockets) {
  const StatusOr<AuthConfig> config = parse(
      "probe_targets: [10.1.0.0/16, 'fd00::/8', 'db-*.example.com:5432', main, /run/postgresql]");
  ASSERT_EQ(config.status(), ok());
  const auto check = [&](std::string_view target, bool expected) {
    const StatusOr<Conninfo> info = parse_conninfo(target);
    ASSERT_EQ(info.status(), ok()) << target;
    EXPECT_EQ(config->allows(*info), expected) << target;
  };
  check("10.1.2.3:5432/db", true);
  check("10.1.2.3:1", true);
  check("10.2.0.1", false);
  check("[fd00::1]:5432", true);
  check("[fe80::1]:5432", false);
  check("db-1.example.com", true);
  check("db-1.example.com:5433", false);
  check("db-1.example.org", false);
  check("main:9999", true);
  check("main,10.9.9.9", false);
  check("host=/run/postgresql", true);
  check("host=/run/other", false);
  check("dbname=x", false);
  EXPECT_FALSE(AuthConfig().allows(*parse_conninfo("main")));
}

TEST_F(AuthConfigTest, ATargetBringsAPlaceAndNoFiles) {
  EXPECT_EQ(probe_conninfo("h:1/d?sslmode=require", nullptr).status(), ok());
  for (const std::string_view target :
       {"host=h passfile=/etc/shadow", "host=h service=x", "host=h hostaddr=10.0.0.1",
        "host=h options=-csearch_path=x", "h?sslkey=/etc/key", "dbname=only"}) {
    EXPECT_EQ(probe_conninfo(target, nullptr).status().code(), StatusCode::kInvalidArgument)
        << target;
  }
}

TEST_F(AuthConfigTest, TheModuleSaysWhoAndNobodySaysNoPassword) {
  const AuthModule module{.username = "u", .password = "p", .options = {{"sslmode", "require"}}};
  const StatusOr<Conninfo> with = probe_conninfo("x:y@h?sslmode=disable", &module);
  ASSERT_EQ(with.status(), ok());
  EXPECT_EQ(conninfo_value(*with, "user"), "u");
  EXPECT_EQ(conninfo_value(*with, "password"), "p");
  EXPECT_EQ(conninfo_value(*with, "sslmode"), "require");
  // Otherwise libpq would take the exporter's own.
  EXPECT_EQ(conninfo_value(*probe_conninfo("h", nullptr), "password"), "none");
}

}  // namespace
}  // namespace tocsin::exporters::postgres
