// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/options.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"
#include "exporters/redis/scraper.h"
#include "exporters/redis/target.h"

namespace tocsin::exporters {
namespace {

TEST(RedisTargetTest, TakesAddressesAsUpstream) {
  const auto check = [](std::string_view text, std::string_view expected) {
    const StatusOr<RedisTarget> target = RedisTarget::parse(text);
    std::string shown(message(target.status()));
    if (target.ok()) {
      shown = fmt::format("{} user={} password={} database={}", target->key(), target->user,
                          target->password, target->database);
    }
    EXPECT_EQ(shown, expected) << text;
  };
  check("redis://host", "redis://host:6379 user= password= database=");
  check("host:1234", "redis://host:1234 user= password= database=");
  check("valkeys://host:1/2", "rediss://host:1 user= password= database=2");
  check("rediss://u:p%40s@host:1", "rediss://u@host:1 user=u password=p@s database=");
  check("redis://:p@[::1]:1", "redis://[::1]:1 user= password=p database=");
  check("unix:///run/redis.sock", "unix:///run/redis.sock user= password= database=");
  check("unix://run", "unix:// needs a path");
  check("http://host", "unknown scheme \"http\" in the address of a server");
  check("redis://host/x", "invalid database \"x\" in the address of a server");
  check("redis://:secret@host:port", "invalid address of a server");
}

TEST(RedisPasswordsTest, AreFoundHoweverTheAddressIsWritten) {
  const StatusOr<Passwords> passwords = Passwords::parse(
      R"({"redis://host": "one", "rediss://u@host:1": "two", "redis://other:2": ""})");
  ASSERT_EQ(passwords.status(), ok());
  const auto find = [&](std::string_view text) {
    return passwords->find(*RedisTarget::parse(text));
  };
  EXPECT_EQ(find("host:6379"), "one");
  EXPECT_EQ(find("valkey://host"), "one");
  EXPECT_EQ(find("rediss://u@host:1"), "two");
  EXPECT_EQ(find("rediss://v@host:1"), "");
  EXPECT_EQ(find("other:2"), "");
  EXPECT_EQ(message(Passwords::parse("[]").status()),
            "expected an object of addresses and passwords");
  EXPECT_EQ(message(Passwords::parse(R"({"redis://h": 5})").status()),
            "the password of \"redis://h\" is no text");
}

TEST(RedisOptionsTest, ReadsListsOfKeys) {
  const auto check = [](std::string_view list, std::string_view expected) {
    const StatusOr<std::vector<KeyPattern>> keys = parse_keys(list);
    std::string shown(message(keys.status()));
    for (const KeyPattern& key : keys.value_or(std::vector<KeyPattern>())) {
      shown += fmt::format("{}:{}{} ", key.database, key.key, key.has_wildcard() ? " (many)" : "");
    }
    EXPECT_EQ(shown, expected) << list;
  };
  check("", "");
  check("a,db3=b_*, 4 = c ,,", "0:a 3:b_* (many) 4:c ");
  check("a%3Db,x+y", "0:a=b 0:x y ");
  check("db1=", "");
  check("a=b=c", "invalid key list argument: a=b=c");
  check("dbx=c", "invalid database index for db \"x\"");
  check("-1=c", "invalid database index for db \"-1\"");
  check("%zz", "couldn't parse db/key string: %zz");
}

// What the flags and their checks say; "" when the program would run.
std::string start(const std::vector<std::string>& arguments) {
  const auto files = base::testing::make_mem_fs();
  RedisOptions options;
  WebOptions web;
  Flags flags("program", "", Flags::Style::kGo);
  add_redis_flags(&flags, &options, &web);
  Status status = flags.parse(arguments).status();
  if (status.ok()) status = options.validate(*files);
  return std::string(message(status));
}

TEST(RedisOptionsTest, ChecksFlags) {
  EXPECT_EQ(start({}), "");
  EXPECT_EQ(start({"-redis.addr="}), "");
  EXPECT_EQ(start({"-connection-timeout=500ms", "-log-level=WARNING", "-log-format=json"}), "");
  EXPECT_EQ(start({"-redis.addr=ftp://x"}),
            "-redis.addr: unknown scheme \"ftp\" in the address of a server");
  EXPECT_EQ(start({"-connection-timeout=0s"}), "-connection-timeout: expected a duration above 0");
  EXPECT_EQ(start({"-check-keys=a=b=c"}), "-check-keys: invalid key list argument: a=b=c");
  EXPECT_EQ(start({"-check-keys-batch-size=0"}),
            "-check-keys-batch-size: expected a number above 0");
  EXPECT_EQ(start({"-tls-client-key-file=k"}),
            "TLS client key file and cert file should both be present");
  EXPECT_EQ(start({"-basic-auth-password=p", "-basic-auth-hash-password=$2y$"}),
            "cannot set both basic auth password and basic auth hash password");
  EXPECT_EQ(start({"-tls-server-cert-file=c"}), "not supported yet: -tls-server-cert-file");
  EXPECT_EQ(start({"-include-go-runtime-metrics"}),
            "not supported yet: -include-go-runtime-metrics");
  EXPECT_NE(start({"-script=/nowhere.lua"}), "");
  EXPECT_NE(start({"-check-search-indexes=("}), "");
  EXPECT_NE(start({"-scrape.allow-target=("}), "");
}

TEST(RedisClusterTest, FindsAddressesOfNodes) {
  EXPECT_EQ(node_address("eaf6 127.0.0.1:7002@17002 master - 0 0 3 connected 1-2", false),
            "127.0.0.1:7002");
  EXPECT_EQ(node_address("eaf6 ::1:7002@17002,a.example master", false), "::1:7002");
  EXPECT_EQ(node_address("eaf6 127.0.0.1:7002@17002,a.example,shard-id=1 master", true),
            "a.example:7002");
  EXPECT_EQ(node_address("eaf6 :7002@17002 myself,master", true), ":7002");
  EXPECT_EQ(node_address("eaf6 nonsense", false), "");
  EXPECT_EQ(node_address("", false), "");
}

}  // namespace
}  // namespace tocsin::exporters
