// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/limit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "model/value.h"

namespace tocsin::promql::eval {

namespace {

constexpr double kBeyondInt64 = 0x1p63;
constexpr std::size_t kOneByteLength = 254;  // longer fields have 255 and three bytes in front

// NaN values only set any_nan.
struct Extent {
  double min = std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::lowest();
  bool any_nan = false;
};

Extent extent_of(std::span<const double> values) {
  Extent extent;
  for (double v : values) {
    extent.any_nan = extent.any_nan || std::isnan(v);
    extent.min = std::min(extent.min, v);
    extent.max = std::max(extent.max, v);
  }
  return extent;
}

void append_hashed(std::string_view field, std::string* out) {
  const std::size_t n = field.size();
  if (n <= kOneByteLength) {
    out->push_back(static_cast<char>(n));
  } else {
    out->push_back(static_cast<char>(0xff));
    for (unsigned shift : {0U, 8U, 16U}) out->push_back(static_cast<char>((n >> shift) & 0xffU));
  }
  out->append(field);
}

void warn_ratio(double ratio, double used, PositionRange position, AnnotationSet* annotations) {
  annotations->warn(fmt::format("ratio value should be between -1 and 1, got {}, capping to {}",
                                model::format_float_g(ratio), model::format_float_g(used)),
                    position);
}

}  // namespace

StatusOr<std::vector<std::size_t>> sample_limits(std::span<const double> k, std::size_t most) {
  const Extent extent = extent_of(k);
  if (extent.any_nan) return failed_precondition("Parameter value is NaN");
  if (extent.max < 1) return std::vector<std::size_t>(k.size(), 0);
  if (extent.min <= -kBeyondInt64) {
    return failed_precondition("Scalar value {} underflows int64",
                               model::format_float_g(extent.min));
  }
  if (extent.max >= kBeyondInt64) {
    return failed_precondition("Scalar value {} overflows int64",
                               model::format_float_g(extent.max));
  }
  std::vector<std::size_t> result;
  for (double v : k) {
    const auto whole = static_cast<std::int64_t>(v);
    result.push_back(whole <= 0 ? 0 : std::min(most, static_cast<std::size_t>(whole)));
  }
  return result;
}

StatusOr<VectorSet> limit_count(const std::vector<Group>& groups, VectorSet set,
                                std::span<const double> k) {
  ASSIGN_OR_RETURN(const std::vector<std::size_t> limit, sample_limits(k, set.size()));
  for (const Group& group : groups) {
    std::vector<std::size_t> taken(k.size(), 0);
    for (std::size_t member : group.members) {
      Bitmap& present = set[member].column.present;
      Bitmap kept(k.size());
      present.for_each([&](std::size_t i) {
        if (taken[i] == limit[i]) return;
        ++taken[i];
        kept.set(i);
      });
      present &= kept;
    }
  }
  return set;
}

StatusOr<VectorSet> limit_ratio(VectorSet set, std::span<const double> ratio,
                                PositionRange position, AnnotationSet* annotations) {
  const Extent extent = extent_of(ratio);
  if (extent.any_nan) return failed_precondition("Ratio value is NaN");
  if (extent.max == 0 && extent.min == 0) return VectorSet();
  if (extent.max > 1) warn_ratio(extent.max, 1, position, annotations);
  if (extent.min < -1) warn_ratio(extent.min, -1, position, annotations);
  for (OutSeries& series : set) {
    const double place = static_cast<double>(sampling_hash(series.labels)) / 0x1p64;
    Bitmap kept(ratio.size());
    for (std::size_t i = 0; i < ratio.size(); ++i) {
      const double r = std::clamp(ratio[i], -1.0, 1.0);
      if (r >= 0 ? place < r : place >= 1 + r) kept.set(i);
    }
    series.column.present &= kept;
  }
  return set;
}

std::uint64_t sampling_hash(const model::Labels& labels) {
  std::string data;
  data.reserve(labels.bytes());
  for (const model::LabelView& label : labels) {
    append_hashed(label.name, &data);
    append_hashed(label.value, &data);
  }
  return base::xxhash64(data);
}

}  // namespace tocsin::promql::eval
