// SPDX-License-Identifier: Apache-2.0
#include "promql/active_queries.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/file_system.h"
#include "base/json.h"

namespace tocsin::promql {
namespace {

struct Folder {
  Folder() {
    std::string name = testing::TempDir() + "queriesXXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    directory = name;
    path = name + "/queries.active";
  }
  ~Folder() { EXPECT_TRUE(base::real_file_system().remove_recursively(directory).ok()); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string directory, path;
};

base::Timestamp at(std::int64_t seconds) { return base::from_ms(seconds * 1000); }

TEST(ActiveQueries, NamesWhatRanWhenTheProcessEnded) {
  const Folder folder;
  const std::string path = folder.path;
  EXPECT_EQ(ActiveQueries::unfinished(path), "") << "no file";
  {
    auto queries = ActiveQueries::open(path, 3);
    ASSERT_TRUE(queries.ok()) << queries.status();
    const std::size_t done = (*queries)->add("sum(up)", at(10));
    (*queries)->add("rate(x{a=\"b\"}[5m])", at(11));
    (*queries)->remove(done);
    (*queries)->add("up", at(12));
    (*queries)->add("y", at(13));
  }
  const std::string expected =
      "[{\"query\":\"up\",\"timestamp_sec\":12},"
      "{\"query\":\"rate(x{a=\\\"b\\\"}[5m])\",\"timestamp_sec\":11},"
      "{\"query\":\"y\",\"timestamp_sec\":13}]";
  EXPECT_EQ(ActiveQueries::unfinished(path), expected);
  ASSERT_TRUE(ActiveQueries::open(path, 1).ok());
  EXPECT_EQ(ActiveQueries::unfinished(path), "") << "made anew";
}

TEST(ActiveQueries, LongQueriesStayInTheirSlot) {
  const Folder folder;
  const std::string path = folder.path;
  auto queries = ActiveQueries::open(path, 4);
  ASSERT_TRUE(queries.ok()) << queries.status();
  std::string accents;
  for (int i = 0; i < 900; ++i) accents += "\xc3\xa9";
  for (const std::string& query :
       {std::string(5000, 'a'), std::string(999, '"'), accents, std::string(1000, '\n')}) {
    (*queries)->add(query, at(1));
  }
  const auto json = base::parse_json(ActiveQueries::unfinished(path));
  ASSERT_TRUE(json.ok()) << json.status();
  ASSERT_EQ(json->items().size(), 4U);
  EXPECT_EQ(json->items()[0].find("query")->string().substr(0, 900), std::string(900, 'a'));
  EXPECT_GT(json->items()[1].find("query")->string().size(), 450U);
  EXPECT_GT(json->items()[2].find("query")->string().size(), 900U);
  EXPECT_EQ(json->items()[2].find("query")->string().size() % 2, 0U) << "no half of a character";
}

TEST(ActiveQueries, AFolderThatIsNotThereIsSaid) {
  const auto queries = ActiveQueries::open("/nowhere/queries.active", 1);
  EXPECT_EQ(queries.status().code(), StatusCode::kUnavailable) << queries.status();
}

}  // namespace
}  // namespace tocsin::promql
