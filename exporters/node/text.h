// SPDX-License-Identifier: Apache-2.0
//
// Reading the small text files of /proc and /sys, and filling families.
//
// Pure functions, except read_text().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/metrics.h"
#include "exporters/common/families.h"
#include "exporters/node/options.h"
#include "model/matcher.h"

namespace tocsin::exporters {

// The largest file of /proc that a collector takes (/proc/stat of a big machine is about 100 KiB).
inline constexpr std::uint64_t kMaxProcFile = 8 << 20;

// The file without blanks around it.
StatusOr<std::string> read_text(base::FileSystem& files, const std::string& path);

std::string_view trimmed(std::string_view text);
// The parts between blanks; never empty ones.
std::vector<std::string_view> fields_of(std::string_view line);
std::vector<std::string_view> lines_of(std::string_view text);
// Views into a temporary would not live until they are used.
std::string_view trimmed(std::string&& text) = delete;
std::vector<std::string_view> fields_of(std::string&& line) = delete;
std::vector<std::string_view> lines_of(std::string&& text) = delete;
// nullopt unless the whole text is a number.
std::optional<double> to_number(std::string_view text);
std::optional<std::uint64_t> to_count(std::string_view text);
std::optional<std::uint64_t> to_hex(std::string_view text);  // without 0x

// Each run of bytes that is no UTF-8 becomes one U+FFFD.
std::string to_valid_utf8(std::string_view text);

// A family without samples yet.
base::MetricFamily make_family(std::string_view name, std::string_view help, base::MetricType type);
void add_sample(base::MetricFamily* family, LabelPairs labels, double value);
// Appends a family of one sample without labels.
void add_single(std::string_view name, std::string_view help, base::MetricType type, double value,
                std::vector<base::MetricFamily>* out);
// Appends those of `families` that have samples.
void append_families(std::vector<base::MetricFamily> families,
                     std::vector<base::MetricFamily>* out);

// FilterOptions, compiled.
class Filter {
 public:
  static StatusOr<Filter> make(const FilterOptions& options);
  bool keeps(std::string_view name) const;

 private:
  std::optional<model::Regex> include_;
  std::optional<model::Regex> exclude_;
};

}  // namespace tocsin::exporters
