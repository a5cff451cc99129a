// SPDX-License-Identifier: Apache-2.0
//
// Random valid expressions over the series of random_data(), by type.
//
// Values; pure functions of the generator's state. Confined.
#pragma once

#include <random>
#include <string>

namespace tocsin::promql::testing {

struct RandomQueryOptions {
  bool experimental = true;  // functions, aggregations, anchored, smoothed, fill
  bool histograms = true;    // native ones, and what only they can do
  bool utf8_names = true;
  bool since_2_42 = true;  // also what Prometheus 2.42 does not know
  int depth = 4;
};

class RandomQuery {
 public:
  RandomQuery(std::uint32_t seed, const RandomQueryOptions& options)
      : random_(seed), options_(options) {}

  // An instant vector, now and then a scalar.
  std::string next();

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  std::size_t below(std::size_t n) { return random_() % n; }
  template <std::size_t N>
  std::string pick(const char* const (&of)[N]) {
    return of[below(N)];
  }

  std::string vector(int depth);
  std::string scalar(int depth);
  std::string range(int depth);
  std::string range_for(const std::string& function, int depth);

  std::string number();
  std::string duration();
  std::string offset();
  std::string shift();
  std::string matchers();
  std::string selector();
  std::string subquery(int depth);

  std::string plain_call(int depth);
  std::string range_call(int depth);
  std::string label_call(int depth);
  std::string histogram_call(int depth);
  std::string special_call(int depth);
  std::string aggregation(int depth);
  std::string grouping();
  std::string binary(int depth);
  std::string matching(bool set, bool comparison);
  std::string labels_list();

  std::mt19937 random_;
  const RandomQueryOptions options_;
};

}  // namespace tocsin::promql::testing
