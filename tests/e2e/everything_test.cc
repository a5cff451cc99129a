// SPDX-License-Identifier: Apache-2.0
//
// The server, its four exporters and three instances of an application, scraped every five seconds and
// asked all the time, run within 256 MB: bench/everything.py starts them and looks at their memory. It
// measures the release build every night; here it is this build.
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/redis.h"

namespace tocsin::tests {
namespace {

// A sanitizer takes more memory than the program: then it is only shown that the limit is looked at.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Of everything: to initialise a database and to scrape three times.
constexpr base::Duration kLong{280'000};

TEST(Everything, RunsTogetherWithin256Megabytes) {
  const bool has_postgres =
      std::filesystem::exists(source_path("build/parts/postgresql/usr/lib/postgresql/15/bin"));
  if (!RedisServer::is_installed() || !has_postgres) {
    GTEST_SKIP() << "PostgreSQL or Redis is missing: run tools/fetch_test_parts";
  }
  Process process({"/usr/bin/python3", source_path("bench/everything.py"),
                   "--bin=" + std::filesystem::path(built_program("tocsin")).parent_path().string(),
                   "--scrapes=3", kSanitized ? "--limit=1" : "--limit=256"});
  const std::optional<int> status = process.wait(kLong);
  EXPECT_NE(process.standard_output().find("3 scrapes every 5 s"), std::string::npos);
  if (kSanitized) {
    EXPECT_EQ(status, 1);
    EXPECT_EQ(process.standard_error(), "everything together takes more than 1 MB\n");
  } else {
    EXPECT_EQ(status, 0);
    EXPECT_EQ(process.standard_error(), "");
  }
}

}  // namespace
}  // namespace tocsin::tests
