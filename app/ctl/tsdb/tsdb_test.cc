// SPDX-License-Identifier: Apache-2.0
//
// The commands over folders, as a user types them.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/ctl/commands.h"
#include "app/ctl/tsdb/tools.h"
#include "model/value.h"

namespace tocsin::app {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPage =
    "# TYPE my counter\n"
    "my_total{baz=\"abc\",foo=\"bar\"} 1 0.000\n"
    "my_total{baz=\"abc\",foo=\"bar\"} 2.5 60.000\n"
    "# TYPE other gauge\n"
    "other{foo=\"b\\\"r\"} 1.0267820369e+10 1700215884.373\n"
    "other{foo=\"b\\\"r\"} NaN 1700215889.373\n"
    "# EOF\n";

class TsdbCommandTest : public ::testing::Test {
 protected:
  TsdbCommandTest() {
    std::string path = (std::filesystem::temp_directory_path() / "tocsin_ctl_XXXXXX").string();
    directory_ = ::mkdtemp(path.data());
    std::ofstream(directory_ + "/page.om") << kPage;
  }
  ~TsdbCommandTest() override { std::filesystem::remove_all(directory_); }

  // "EXIT OUTPUT", with the errors behind it.
  std::string run(const std::vector<std::string>& arguments) {
    char* out_text = nullptr;
    char* err_text = nullptr;
    std::size_t out_size = 0;
    std::size_t err_size = 0;
    std::FILE* out = ::open_memstream(&out_text, &out_size);
    std::FILE* err = ::open_memstream(&err_text, &err_size);
    const int code = run_tsdb(arguments, out, err);
    std::fclose(out);
    std::fclose(err);
    std::string result = fmt::format("{} {}{}", code, std::string_view(out_text, out_size),
                                     std::string_view(err_text, err_size));
    std::free(out_text);
    std::free(err_text);
    return result;
  }
  std::string data() const { return directory_ + "/data"; }
  void import() {
    ASSERT_EQ(run({"import-openmetrics", directory_ + "/page.om", data()}),
              "0 4 samples imported\n");
  }

  std::string directory_;
};

TEST_F(TsdbCommandTest, WhatIsImportedIsDumpedAgain) {
  import();
  EXPECT_EQ(run({"dump", data()}),
            "0 {__name__=\"my_total\", baz=\"abc\", foo=\"bar\"} 1 0\n"
            "{__name__=\"my_total\", baz=\"abc\", foo=\"bar\"} 2.5 60000\n"
            "{__name__=\"other\", foo=\"b\\\"r\"} 1.0267820369e+10 1700215884373\n"
            "{__name__=\"other\", foo=\"b\\\"r\"} NaN 1700215889373\n");
  EXPECT_EQ(run({"dump-openmetrics", data()}),
            "0 my_total{baz=\"abc\",foo=\"bar\"} 1 0.000\n"
            "my_total{baz=\"abc\",foo=\"bar\"} 2.5 60.000\n"
            "other{foo=\"b\\\"r\"} 1.0267820369e+10 1700215884.373\n"
            "other{foo=\"b\\\"r\"} NaN 1700215889.373\n"
            "# EOF\n");
  EXPECT_EQ(run({"dump", "--min-time=60000", "--max-time=60000", data()}),
            "0 {__name__=\"my_total\", baz=\"abc\", foo=\"bar\"} 2.5 60000\n");
  EXPECT_EQ(run({"dump", "--match=my_total", "--max-time=0", "--match", "nothing", data()}),
            "0 {__name__=\"my_total\", baz=\"abc\", foo=\"bar\"} 1 0\n");
  EXPECT_EQ(run({"dump", "--match=other", "--match={__name__=~\"oth.*\"}", "--format=seriesjson",
                 data()}),
            "0 {\"__name__\":\"other\",\"foo\":\"b\\\"r\"}\n");
}

TEST_F(TsdbCommandTest, ADumpIsImportedIntoTheSame) {
  import();
  const std::string dumped = run({"dump-openmetrics", data()});
  std::ofstream(directory_ + "/again.om") << dumped.substr(2);
  ASSERT_EQ(run({"import-openmetrics", directory_ + "/again.om", directory_ + "/second"}),
            "0 4 samples imported\n");
  EXPECT_EQ(run({"dump-openmetrics", directory_ + "/second"}), dumped);
}

TEST_F(TsdbCommandTest, NamesAndValuesOfAnyCharactersSurvive) {
  constexpr std::string_view kLines =
      "plain{\"b.label\"=\"\x01 \xc3\xa9\\n\",c=\"d\"} 1 7.000\n"
      "{\"a.name\"} 1 7.000\n"
      "{\"a.name\",c=\"d\"} 1 7.000\n"
      "# EOF\n";
  std::ofstream(directory_ + "/names.om") << kLines;
  ASSERT_EQ(run({"import-openmetrics", directory_ + "/names.om", data()}),
            "0 3 samples imported\n");
  EXPECT_EQ(run({"dump-openmetrics", data()}), fmt::format("0 {}", kLines));
}

TEST_F(TsdbCommandTest, HistogramsAndMarkersAreDumpedWhereTheFormatHasThem) {
  {
    const auto folder = OpenFolder::open(data(), OpenFolder::Mode::kWrite);
    ASSERT_TRUE(folder.ok()) << folder.status();
    const auto appender = (*folder)->db().appender();
    const model::Labels labels = model::Labels::of({{"__name__", "m"}});
    model::FloatHistogram histogram;
    histogram.count = 3;
    histogram.sum = 4.5;
    histogram.positive_spans = {{0, 2}};
    histogram.positive_buckets = {1, 2};
    ASSERT_TRUE(appender->append({}, labels, base::from_ms(1000), 7).ok());
    ASSERT_TRUE(appender->append_histogram({}, labels, base::from_ms(2000), histogram).ok());
    ASSERT_TRUE(appender->append({}, labels, base::from_ms(3000), 8).ok());
    ASSERT_TRUE(appender->append({}, labels, base::from_ms(4000), model::stale_nan()).ok());
    ASSERT_TRUE(commit_and_wait(*appender).ok());
  }
  EXPECT_EQ(run({"dump", data()}),
            "0 {__name__=\"m\"} 7 1000\n"
            "{__name__=\"m\"} {count:3, sum:4.5, (0.5,1]:1, (1,2]:2} 2000\n"
            "{__name__=\"m\"} 8 3000\n"
            "{__name__=\"m\"} NaN 4000\n");
  EXPECT_EQ(run({"dump-openmetrics", data()}), "0 m 7 1.000\nm 8 3.000\n# EOF\n");
}

TEST_F(TsdbCommandTest, RefusedSamplesAreCountedAndTheOthersAreIn) {
  import();
  std::ofstream(directory_ + "/late.om") << "my_total{baz=\"abc\",foo=\"bar\"} 9 30.000\n"
                                            "new 1 30.000\n# EOF\n";
  const std::string late = run({"import-openmetrics", directory_ + "/late.om", data()});
  EXPECT_THAT(late, HasSubstr("1 1 samples imported\n"));
  EXPECT_THAT(late, HasSubstr("1 samples were refused, the first: {__name__=\"my_total\""));
  EXPECT_THAT(late, HasSubstr("out of order sample"));
  std::ofstream(directory_ + "/none.om") << "new 1\n# EOF\n";
  EXPECT_THAT(run({"import-openmetrics", directory_ + "/none.om", data()}),
              HasSubstr("expected timestamp for series {__name__=\"new\"}, got none"));
}

TEST_F(TsdbCommandTest, ListsAnalyzesAndVerifies) {
  import();
  const std::string listed = run({"list", data()});
  EXPECT_THAT(listed, HasSubstr("RUN        TIER"));
  EXPECT_THAT(listed, HasSubstr("1700215889373"));
  EXPECT_THAT(run({"list", "-r", data()}), HasSubstr("2023-11-17T10:11:29.373Z"));
  const std::string analyzed = run({"analyze", "--limit=1", data()});
  EXPECT_THAT(analyzed, HasSubstr("Total Series: 2\nTotal Samples: 4\nLabel names: 3\n"));
  EXPECT_THAT(analyzed, HasSubstr("Postings (unique label pairs): 5\n"));
  EXPECT_THAT(analyzed, HasSubstr("Highest cardinality labels:\n2 __name__\n"));
  EXPECT_THAT(run({"analyze", "--match=other", data()}), HasSubstr("Total Series: 1\n"));
  EXPECT_THAT(run({"verify", data()}), HasSubstr("\nno damage\n"));
}

TEST_F(TsdbCommandTest, DamageEndsWithAnError) {
  import();
  for (const auto& file : std::filesystem::directory_iterator(data() + "/store")) {
    if (file.path().extension() != ".sst") continue;
    std::fstream bytes(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekp(30);
    bytes.put('\x7f').put('\x7f').put('\x7f').put('\x7f');
  }
  const std::string verified = run({"verify", data()});
  EXPECT_EQ(verified.substr(0, 2), "1 ") << verified;
}

TEST_F(TsdbCommandTest, RestoresIntoAnEmptyFolder) {
  import();
  const std::string dumped = run({"dump", data()});
  EXPECT_EQ(run({"restore", data(), directory_ + "/copy"}), "0 ");
  EXPECT_EQ(run({"dump", directory_ + "/copy"}), dumped);
  EXPECT_THAT(run({"restore", data(), directory_ + "/copy"}), HasSubstr("is not empty"));
}

TEST_F(TsdbCommandTest, AFolderInUseAndWhatIsNoFolderAreRefused) {
  import();
  const auto held = OpenFolder::open(data(), OpenFolder::Mode::kWrite);
  ASSERT_TRUE(held.ok()) << held.status();
  for (const char* command : {"list", "analyze", "dump", "verify"}) {
    EXPECT_THAT(run({command, data()}), HasSubstr(fmt::format("(pid {})", ::getpid()))) << command;
    EXPECT_THAT(run({command, directory_ + "/nothing"}), HasSubstr("is no folder of a database"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/nothing"));
}

TEST_F(TsdbCommandTest, AWrongCommandLineIsTwo) {
  EXPECT_EQ(run({}).substr(0, 2), "2 ");
  EXPECT_EQ(run({"melt"}).substr(0, 2), "2 ");
  EXPECT_EQ(run({"snapshot"}).substr(0, 2), "2 ");
  EXPECT_EQ(run({"dump", "--format=xml"}).substr(0, 2), "2 ");
  EXPECT_EQ(run({"snapshot", "--url=http://127.0.0.1:1"}).substr(0, 2), "1 ");
}

}  // namespace
}  // namespace tocsin::app
