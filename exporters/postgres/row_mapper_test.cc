// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/row_mapper.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "exporters/common/page.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::postgres {
namespace {

// An answer of a server: the names of its columns, then rows; "NULL" is NULL.
class Answer {
 public:
  explicit Answer(const std::vector<std::string>& columns)
      : result_(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK)) {
    std::vector<PGresAttDesc> descriptions;
    for (const std::string& column : columns) {
      PGresAttDesc description{};
      description.name = const_cast<char*>(column.c_str());
      descriptions.push_back(description);
    }
    EXPECT_EQ(PQsetResultAttrs(result_, static_cast<int>(columns.size()), descriptions.data()), 1);
  }
  ~Answer() { PQclear(result_); }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  Answer& row(const std::vector<std::string>& values) {
    const int number = PQntuples(result_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool is_null = values[i] == "NULL";
      std::string text = values[i];
      EXPECT_EQ(PQsetvalue(result_, number, static_cast<int>(i), is_null ? nullptr : text.data(),
                           is_null ? -1 : static_cast<int>(text.size())),
                1);
    }
    return *this;
  }
  Rows rows() const { return Rows(result_); }

 private:
  PGresult* const result_;
};

constexpr std::array kColumns = {
    Column{"name", Usage::kLabel},
    Column{"age", Usage::kGauge, "x_age", "Age"},
    Column{"calls", Usage::kCounter, "x_calls", "Calls"},
};

// The page that the mapper makes, and its error.
std::string show(std::span<const Column> columns, RowMapper::Options options, const Answer& answer,
                 std::size_t room = 100) {
  SampleBudget budget{.left = room};
  RowMapper mapper(columns, std::move(options), &budget);
  const Status status = mapper.take(answer.rows());
  std::vector<base::MetricFamily> families;
  mapper.finish(&families);
  tidy_families(&families);
  for (base::MetricFamily& family : families) family.help.clear();
  std::string page;
  formats::write_text(families, &page);
  if (!status.ok()) page.append("error: ").append(message(status)).append("\n");
  return page;
}

TEST(RowMapperTest, ColumnsBecomeFamiliesAndLabels) {
  Answer answer({"calls", "name", "age"});
  answer.row({"7", "b", "1.5"}).row({"8", "a", "-1"});
  EXPECT_EQ(show(kColumns, {}, answer),
            "# TYPE x_age gauge\nx_age{name=\"a\"} -1\nx_age{name=\"b\"} 1.5\n"
            "# TYPE x_calls counter\nx_calls{name=\"a\"} 8\nx_calls{name=\"b\"} 7\n");
}

TEST(RowMapperTest, NullsAreLeftOutZeroOrNaN) {
  Answer answer({"name", "age"});
  answer.row({"NULL", "NULL"});
  EXPECT_EQ(show(kColumns, {.nulls = Nulls::kSkip}, answer), "");
  EXPECT_EQ(show(kColumns, {.nulls = Nulls::kZero}, answer),
            "# TYPE x_age gauge\nx_age{name=\"\"} 0\n");
  EXPECT_EQ(show(kColumns, {.nulls = Nulls::kNaN}, answer),
            "# TYPE x_age gauge\nx_age{name=\"\"} NaN\n");
}

TEST(RowMapperTest, ConstantLabelsAreSortedIn) {
  Answer answer({"name", "age"});
  answer.row({"a", "1"});
  EXPECT_EQ(show(kColumns, {.constant_labels = {{"a", "1"}, {"z", "2"}}}, answer),
            "# TYPE x_age gauge\nx_age{a=\"1\",name=\"a\",z=\"2\"} 1\n");
}

TEST(RowMapperTest, UnknownColumnsAreUntypedWhenAskedFor) {
  Answer answer({"name", "more", "text"});
  answer.row({"a", "t", "words"});
  EXPECT_EQ(show(kColumns, {}, answer), "");
  EXPECT_EQ(show(kColumns, {.unknown_prefix = "pg_x"}, answer),
            "# TYPE pg_x_more untyped\npg_x_more{name=\"a\"} 1\n");
}

TEST(RowMapperTest, AValueThatIsNoNumberIsAnErrorOfItsColumnOnly) {
  Answer answer({"name", "age", "calls"});
  answer.row({"a", "old", "1"});
  EXPECT_EQ(show(kColumns, {}, answer),
            "# TYPE x_calls counter\nx_calls{name=\"a\"} 1\nerror: column age is no number\n");
}

TEST(RowMapperTest, APageThatIsFullTakesNoMore) {
  Answer answer({"name", "age"});
  answer.row({"a", "1"}).row({"b", "2"}).row({"c", "3"});
  EXPECT_EQ(show(kColumns, {}, answer, 2),
            "# TYPE x_age gauge\nx_age{name=\"a\"} 1\nx_age{name=\"b\"} 2\n"
            "error: the page has too many samples\n");
}

TEST(RowMapperTest, HistogramsDurationsAndMappings) {
  const StringMap<double> mapping = {{"up", 1}, {"down", 0}};
  const std::array columns = {
      Column{"wait", Usage::kHistogram, "x_wait", ""},
      Column{"took", Usage::kDuration, "x_took_milliseconds", ""},
      Column{"state", Usage::kMapped, "x_state", "", &mapping},
  };
  Answer answer({"wait", "wait_bucket", "wait_sum", "wait_count", "took", "state"});
  answer.row({"{0.5,1}", "{1,2}", "3.5", "4", "1m", "up"});
  EXPECT_EQ(show(columns, {.unknown_prefix = "x"}, answer),
            "# TYPE x_state gauge\nx_state 1\n# TYPE x_took_milliseconds gauge\n"
            "x_took_milliseconds 60000\n# TYPE x_wait histogram\nx_wait_bucket{le=\"0.5\"} 1\n"
            "x_wait_bucket{le=\"1\"} 2\nx_wait_bucket{le=\"+Inf\"} 4\nx_wait_sum 3.5\n"
            "x_wait_count 4\n");
  Answer broken({"wait", "state"});
  broken.row({"{1}", "sideways"});
  EXPECT_EQ(show(columns, {}, broken),
            "error: histogram wait needs columns _bucket, _sum and _count\n");
}

TEST(RowMapperTest, NumbersAsTheServerWritesThem) {
  const auto check = [](std::string_view text, std::optional<double> expected) {
    EXPECT_EQ(to_number(text), expected) << text;
  };
  check("1", 1);
  check("-2.5e3", -2500);
  check("t", 1);
  check("f", 0);
  check("Infinity", std::numeric_limits<double>::infinity());
  check("", std::nullopt);
  check("1 day", std::nullopt);
  EXPECT_TRUE(std::isnan(to_number("NaN").value_or(0)));
}

TEST(RowMapperTest, TimestampsAsTheServerWritesThem) {
  const auto check = [](std::string_view text, std::optional<double> expected) {
    EXPECT_EQ(timestamp_to_seconds(text), expected) << text;
  };
  check("1970-01-02", 86'400);
  check("2026-01-01 00:00:01", 1'767'225'601);
  check("2026-01-01 00:00:01.25+00", 1'767'225'601.25);
  check("2026-01-01 05:30:01+05:30", 1'767'225'601);
  check("2025-12-31 21:00:01-03", 1'767'225'601);
  check("2026-13-01", std::nullopt);
  check("2026-01-01T00:00", std::nullopt);
  check("infinity", std::nullopt);
  check("2026-1", std::nullopt);
}

TEST(RowMapperTest, ListsOfNumbers) {
  EXPECT_EQ(to_numbers("{}"), std::vector<double>{});
  EXPECT_EQ(to_numbers("{1,2.5,NULL}"), (std::vector<double>{1, 2.5, 0}));
  EXPECT_EQ(to_numbers("{a}"), std::nullopt);
  EXPECT_EQ(to_numbers("1,2"), std::nullopt);
}

TEST(RowMapperTest, LabelsAreCutAndValidUtf8) {
  EXPECT_EQ(label_text("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(label_text(std::string(2000, 'x')).size(), kMaxLabelBytes);
  // A character is not cut in two.
  EXPECT_EQ(label_text(std::string(kMaxLabelBytes - 1, 'x') + "\xC3\xA9").size(),
            kMaxLabelBytes - 1);
}

}  // namespace
}  // namespace tocsin::exporters::postgres
