// SPDX-License-Identifier: Apache-2.0
//
// SamplePage writes pages like those of a node exporter, for benchmarks: families with comments,
// labels of some length, and values of which a part changes from page to page.
//
// A value. Threads: confined.
#pragma once

#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace tocsin::formats::testing {

class SamplePage {
 public:
  // Pages of one `series` count have the same lines, whatever the seed.
  SamplePage(std::size_t series, std::uint64_t seed) : random_(seed) {
    for (std::size_t i = 0; i < series; ++i) {
      std::string comments;
      if (i % 6 == 0) {
        comments = fmt::format(
            "# HELP node_family_{0}_seconds_total Seconds that the family {0} spent in each mode.\n"
            "# TYPE node_family_{0}_seconds_total counter\n",
            i / 6);
      }
      lines_.push_back(fmt::format("{}node_family_{}_seconds_total{{cpu=\"{}\",mode=\"mode_{}\"}} ",
                                   comments, i / 6, i % 3, i % 6));
      values_.push_back(value());
    }
  }

  // The next page; `changing` in 1000 of its values are others than before.
  std::string next(unsigned changing = 300) {
    std::string page;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (random_() % 1000 < changing) values_[i] = value();
      page += lines_[i];
      page += values_[i];
      page += '\n';
    }
    return page;
  }

 private:
  std::string value() {
    switch (random_() % 8) {
      case 0:
      case 1:
        return std::to_string(random_() % 3);
      case 2:
      case 3:
        return std::to_string(random_() % 1'000'000);
      case 4:
        return fmt::format("{:.2f}", static_cast<double>(random_() % 100'000'000) / 100);
      case 5:
        return fmt::format("1.{}e+09", random_() % 100'000'000);
      case 6:
        return fmt::format("{}", static_cast<double>(random_() % 1'000'000'000) / 1e9);
      default:
        return std::to_string(random_() % 1'000'000'000'000);
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> lines_;
  std::vector<std::string> values_;
};

}  // namespace tocsin::formats::testing
