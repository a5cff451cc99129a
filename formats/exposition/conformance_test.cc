// SPDX-License-Identifier: Apache-2.0
//
// Real pages: all of them parse, and no damage to one makes a parser misbehave.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "formats/exposition/recording_sink.h"

namespace tocsin::formats {
namespace {

using exposition::RecordingSink;

bool is_openmetrics(const std::string& name) { return name.ends_with(".om.txt"); }

// Builds the labels of every series and reads every exemplar.
class CheckingSink : public RecordingSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    ++samples;
    const auto labels = parse_series(sample.series, sample.kind);
    if (!labels.ok() || labels->metric_name().empty()) ++bad_series;
    if (!sample.exemplar.empty() && !parse_exemplar(sample.exemplar).ok()) ++bad_series;
    return ok();
  }
  void help(std::string_view, std::string_view) override {}
  void type(std::string_view, model::MetricKind) override {}
  int bad_series = 0;
};

Status parse(const std::string& name, std::string_view page, ExpositionSink& sink) {
  return is_openmetrics(name) ? parse_openmetrics(page, sink) : parse_text(page, sink);
}

class Conformance : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("TOCSIN_CONFORMANCE_DIR");
    if (root == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
    for (const char* folder : {"captures", "exposition"}) {
      for (const auto& entry :
           std::filesystem::directory_iterator(std::filesystem::path(root) / folder)) {
        const std::string name = entry.path().filename().string();
        if (std::string_view(folder) == "captures" && !name.ends_with(".prom")) continue;
        std::ifstream in(entry.path(), std::ios::binary);
        pages_[name] = std::string(std::istreambuf_iterator<char>(in), {});
      }
    }
  }
  std::map<std::string, std::string> pages_;
};

TEST_F(Conformance, EveryPageParses) {
  ASSERT_GT(pages_.size(), 30U);
  for (const auto& [name, page] : pages_) {
    CheckingSink sink;
    const Status status = parse(name, page, sink);
    EXPECT_TRUE(status.ok()) << name << ": " << status;
    EXPECT_EQ(sink.bad_series, 0) << name;
    // Each line that is neither blank nor metadata is a sample.
    int lines = 0;
    for (std::size_t at = 0; at < page.size(); at = page.find('\n', at) + 1) {
      if (page[at] != '#' && page[at] != '\n') ++lines;
      if (page.find('\n', at) == std::string::npos) break;
    }
    EXPECT_EQ(sink.samples, lines) << name;
  }
}

TEST_F(Conformance, ACutPageHasFewerSamplesOrAnError) {
  for (const auto& [name, page] : pages_) {
    RecordingSink whole;
    ASSERT_TRUE(parse(name, page, whole).ok()) << name;
    // Every position of the first lines, then a hundred over the whole page.
    const std::size_t step = std::max<std::size_t>(1, page.size() / 100);
    for (std::size_t cut = 0; cut < page.size(); cut += cut < 600 ? 1 : step) {
      // A copy of its own length, so that AddressSanitizer sees a read behind the end.
      const std::string part(page, 0, cut);
      CheckingSink sink;
      const Status status = parse(name, part, sink);
      EXPECT_LE(sink.samples, whole.samples) << name << " cut at " << cut;
      if (is_openmetrics(name) && cut + 1 < page.size()) {
        EXPECT_FALSE(status.ok()) << name << " cut at " << cut;
      }
    }
  }
}

TEST_F(Conformance, ChangedBytesAreSurvived) {
  constexpr std::uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  constexpr std::string_view kBytes(
      "\0\n\t \"\\{}=,#\xff\xc3"
      "0a.e",
      18);
  for (const auto& [name, page] : pages_) {
    for (int round = 0; round < 30; ++round) {
      std::string damaged = page.substr(0, 20000);
      for (int i = 0; i < 3 && !damaged.empty(); ++i) {
        damaged[random() % damaged.size()] = kBytes[random() % kBytes.size()];
      }
      CheckingSink sink;
      const Status status = parse(name, damaged, sink);
      if (!status.ok()) {
        EXPECT_EQ(message(status).substr(0, 5), "line ")
            << name << " seed " << kSeed << " round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace tocsin::formats
