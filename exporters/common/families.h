// SPDX-License-Identifier: Apache-2.0
//
// Families: the metric families that a collector fills, found by name; and Series, one table of
// them.
//
// Confined to one run of a collector. Borrows: the list (must outlive it).
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/string_map.h"

namespace tocsin::exporters {

using LabelPairs = std::vector<std::pair<std::string, std::string>>;
// Labels as a call writes them, in any order.
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

LabelPairs label_pairs(Labels labels);

class Families {
 public:
  explicit Families(std::vector<base::MetricFamily>* out) : out_(*out) {}

  // Append one sample. Of a name that comes again the first help and type stay.
  void gauge(std::string_view name, std::string_view help, Labels labels, double value) {
    add({name, help, base::MetricType::kGauge}, label_pairs(labels), value);
  }
  void counter(std::string_view name, std::string_view help, Labels labels, double value) {
    add({name, help, base::MetricType::kCounter}, label_pairs(labels), value);
  }
  void untyped(std::string_view name, std::string_view help, Labels labels, double value) {
    add({name, help, base::MetricType::kUntyped}, label_pairs(labels), value);
  }

  struct Header {
    std::string_view name;
    std::string_view help;
    base::MetricType type = base::MetricType::kGauge;
  };
  // Sorts the labels by name.
  void add(const Header& header, LabelPairs labels, double value);

  // Appends a whole family, for example with types that have suffixes.
  void append(base::MetricFamily family);

 private:
  base::MetricFamily& find(const Header& header);

  std::vector<base::MetricFamily>& out_;
  StringMap<std::size_t> places_;  // in out_
  std::size_t last_ = 0;           // where the sample before went; most come in rows
};

}  // namespace tocsin::exporters
