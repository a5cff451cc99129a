// SPDX-License-Identifier: Apache-2.0
#include "formats/text_writer.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "formats/exposition.h"
#include "model/value.h"

namespace tocsin::formats {
namespace {

using base::MetricFamily;
using base::MetricType;

std::string write(const std::vector<MetricFamily>& families) {
  std::string out;
  write_text(families, &out);
  return out;
}

TEST(TextWriter, PrintsAsExpfmt) {
  EXPECT_EQ(write({{"z_total", "Last.", MetricType::kCounter, {{"", {}, 3}}},
                   {"a_seconds",
                    "A \\ \"b\"\nc",
                    MetricType::kHistogram,
                    {{"_bucket", {{"le", "0.1"}}, 1},
                     {"_bucket", {{"le", "+Inf"}}, 2},
                     {"_sum", {}, 0.25},
                     {"_count", {}, 2}}}}),
            "# HELP a_seconds A \\\\ \"b\"\\nc\n"
            "# TYPE a_seconds histogram\n"
            "a_seconds_bucket{le=\"0.1\"} 1\n"
            "a_seconds_bucket{le=\"+Inf\"} 2\n"
            "a_seconds_sum 0.25\n"
            "a_seconds_count 2\n"
            "# HELP z_total Last.\n"
            "# TYPE z_total counter\n"
            "z_total 3\n");
}

TEST(TextWriter, EscapesLabelsAndQuotesNames) {
  EXPECT_EQ(write({{"a", "", MetricType::kGauge, {{"", {{"b", "x\\y\"z\n"}, {"c.d", ""}}, -1}}},
                   {"e.f", "h", MetricType::kUntyped, {{"_sum", {{"b", "1"}}, 1}, {"", {}, 2}}}}),
            "# TYPE a gauge\n"
            "a{b=\"x\\\\y\\\"z\\n\",\"c.d\"=\"\"} -1\n"
            "# HELP \"e.f\" h\n"
            "# TYPE \"e.f\" untyped\n"
            "{\"e.f_sum\",b=\"1\"} 1\n"
            "{\"e.f\"} 2\n");
}

TEST(TextWriter, PrintsValuesAsGo) {
  const auto check = [](double value, std::string_view want) {
    EXPECT_EQ(write({{"a", "", MetricType::kGauge, {{"", {}, value}}}}),
              "# TYPE a gauge\na " + std::string(want) + "\n");
  };
  check(0, "0");
  check(1234567, "1.234567e+06");
  check(0.000001, "1e-06");
  check(INFINITY, "+Inf");
  check(-INFINITY, "-Inf");
  check(NAN, "NaN");
}

TEST(TextWriter, MergesFamiliesOfOneNameAndLeavesOutEmptyOnes) {
  EXPECT_EQ(write({{"a", "first", MetricType::kGauge, {{"", {{"x", "1"}}, 1}}},
                   {"b", "empty", MetricType::kGauge, {}},
                   {"a", "second", MetricType::kGauge, {{"", {{"x", "2"}}, 2}}}}),
            "# HELP a first\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n");
  EXPECT_EQ(write({}), "");
}

// Collects what the parser reads back.
class ReadBack : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    auto labels = parse_series(sample.series);
    if (!labels.ok()) return labels.status();
    samples.emplace_back(*std::move(labels), sample.value);
    return ok();
  }
  void type(std::string_view metric, model::MetricKind kind) override {
    types += std::string(metric) + "=" + std::string(model::kind_text(kind)) + ";";
  }
  void help(std::string_view, std::string_view text) override { helps.emplace_back(text); }
  void unit(std::string_view, std::string_view) override {}

  std::vector<std::pair<model::Labels, double>> samples;
  std::vector<std::string> helps;
  std::string types;
};

TEST(TextWriter, WhatIsWrittenReadsBack) {
  constexpr std::uint64_t kSeed = 11;
  std::mt19937_64 random(kSeed);
  const auto text = [&random](std::size_t max) {
    constexpr std::string_view kPieces[] = {"a", "\\", "\"", "\n", "\xc3\xa4", " ", "{",
                                            "}", ",",  "=",  "#",  "n",        "\t"};
    std::string out;
    for (std::size_t i = random() % (max + 1); i > 0; --i)
      out += kPieces[random() % std::size(kPieces)];
    return out;
  };
  for (int round = 0; round < 300; ++round) {
    MetricFamily family{"f" + text(5), "h" + text(20), MetricType::kGauge, {}};
    std::vector<std::pair<model::Labels, double>> want;
    for (int i = 0; i < 5; ++i) {
      base::MetricSample sample{"",
                                {{"i", std::to_string(i)}, {"l" + text(3), "v" + text(30)}},
                                std::ldexp(static_cast<double>(random() % 1000003),
                                           static_cast<int>(random() % 60) - 30)};
      model::LabelsBuilder labels;
      labels.set("__name__", family.name);
      for (const auto& [name, value] : sample.labels) labels.set(name, value);
      want.emplace_back(labels.build(), sample.value);
      family.samples.push_back(std::move(sample));
    }
    ReadBack sink;
    const std::string page = write({family});
    const Status status = parse_text(page, sink);
    ASSERT_TRUE(status.ok()) << status << "\nseed " << kSeed << "\n" << page;
    EXPECT_EQ(sink.samples, want) << page;
    EXPECT_EQ(sink.types, family.name + "=gauge;");
    EXPECT_EQ(sink.helps, std::vector<std::string>{family.help});
  }
}

TEST(TextWriter, OpenMetricsKeepsTheNamesOfSeries) {
  const std::vector<MetricFamily> families = {
      {"a_total", "A \"counter\".", MetricType::kCounter, {{"", {{"l", "v"}}, 1}}},
      {"b", "", MetricType::kGauge, {{"", {}, 2}}},
      {"b_total", "Clashes with b.", MetricType::kCounter, {{"", {}, 3}}},
      {"c", "No suffix.", MetricType::kCounter, {{"", {}, 4}}},
      {"d", "Of no type.", MetricType::kUntyped, {{"", {}, 5}}},
  };
  std::string page;
  write_openmetrics(families, &page);
  EXPECT_EQ(page,
            "# TYPE a counter\n# HELP a A \\\"counter\\\".\na_total{l=\"v\"} 1\n"
            "# TYPE b gauge\nb 2\n"
            "# TYPE b_total unknown\n# HELP b_total Clashes with b.\nb_total 3\n"
            "# TYPE c unknown\n# HELP c No suffix.\nc 4\n"
            "# TYPE d unknown\n# HELP d Of no type.\nd 5\n# EOF\n");
  ReadBack sink;
  EXPECT_EQ(parse_openmetrics(page, sink), ok());
  EXPECT_EQ(sink.samples.size(), 5U);
}

}  // namespace
}  // namespace tocsin::formats
