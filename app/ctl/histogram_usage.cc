// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/histogram_usage.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "model/labels.h"
#include "model/value.h"

namespace tocsin::app {

namespace {

using base::JsonValue;

constexpr std::string_view kHeading =
    "Buckets of each histogram over time\n"
    "-----------------------------------\n"
    "The least, mean and most buckets that held something, and how many different ones\n"
    "there were where that is not the most.\n\n";
constexpr std::string_view kSummary =
    "\nAll histograms\n"
    "--------------\n"
    "The least, mean and most of the above.\n";

const std::vector<JsonValue>& items_of(const JsonValue& object, std::string_view key) {
  static const std::vector<JsonValue> kNone;
  const JsonValue* member = object.find(key);
  return member == nullptr ? kNone : member->items();
}

model::Labels metric_of(const JsonValue& series) {
  model::LabelsBuilder labels;
  if (const JsonValue* metric = series.find("metric"); metric != nullptr) {
    for (const auto& [name, value] : metric->entries()) labels.set(name, value.string());
  }
  return labels.build();
}

double number_of(const std::string& text) { return model::parse_float(text).value_or(0); }

double le_of(const JsonValue& series) {
  return number_of(std::string(metric_of(series).get("le")));
}

// [time, "value"]
double time_of(const JsonValue& point) {
  return point.items().empty() ? 0 : point.items()[0].number();
}
std::int64_t count_of(const JsonValue& point) {
  if (point.items().size() < 2) return 0;
  const double value = number_of(point.items()[1].string());
  constexpr double kMost = 0x1p62;
  return value >= -kMost && value <= kMost ? static_cast<std::int64_t>(value) : 0;
}

}  // namespace

std::string HistogramUsage::Populated::to_string() const {
  std::string text = fmt::format("{}/{:.3f}/{}", least, mean, most);
  return most == total ? text : fmt::format("{}/{}", text, total);
}

void HistogramUsage::Spread::add(std::int64_t n) {
  least = std::min(least, n);
  most = std::max(most, n);
  ++count;
  mean += (static_cast<double>(n) - mean) / static_cast<double>(count);
}

std::string HistogramUsage::Spread::to_string() const {
  return fmt::format("{}/{:.3f}/{}", least, mean, most);
}

void HistogramUsage::Summary::add(const Populated& one) {
  least.add(one.least);
  mean.add(static_cast<std::int64_t>(one.mean));
  most.add(one.most);
  total.add(one.total);
}

std::string HistogramUsage::Summary::to_string() const {
  std::string text = fmt::format(
      "histogram series ({} in total):\n- min populated: {}\n- avg populated: {}\n- max populated: "
      "{}",
      least.count, least.to_string(), mean.to_string(), most.to_string());
  if (!(most == total)) text += "\n- total: " + total.to_string();
  return text;
}

// False when there is too little of it.
bool HistogramUsage::native(const JsonValue& series, Populated* out) {
  const std::vector<JsonValue>& samples = items_of(series, "histograms");
  if (samples.size() < 2) return false;
  using Bounds = std::tuple<std::int64_t, std::string, std::string>;
  std::set<Bounds> different;
  std::int64_t populated = 0;
  for (const JsonValue& sample : samples) {
    if (sample.items().size() < 2) return false;
    const std::vector<JsonValue>& buckets = items_of(sample.items()[1], "buckets");
    for (const JsonValue& bucket : buckets) {
      if (bucket.items().size() < 3) continue;
      different.emplace(bucket.items()[0].integer(), bucket.items()[1].string(),
                        bucket.items()[2].string());
    }
    populated += std::ssize(buckets);
    out->least = std::min(out->least, std::ssize(buckets));
    out->most = std::max(out->most, std::ssize(buckets));
  }
  out->mean = static_cast<double>(populated) / static_cast<double>(samples.size());
  out->total = std::ssize(different);
  return true;
}

StatusOr<bool> HistogramUsage::classic(std::vector<const JsonValue*> buckets, Populated* out) {
  std::stable_sort(buckets.begin(), buckets.end(),
                   [](const JsonValue* a, const JsonValue* b) { return le_of(*a) < le_of(*b); });
  const std::vector<JsonValue>& first = items_of(*buckets[0], "values");
  if (first.size() < 2) return false;
  std::int64_t populated = 0;
  for (std::size_t t = 0; t < first.size(); ++t) {
    std::int64_t here = 0;
    std::int64_t below = 0;
    for (const JsonValue* bucket : buckets) {
      const std::vector<JsonValue>& points = items_of(*bucket, "values");
      if (t >= points.size()) break;  // a bucket that began later: what is known counts
      if (time_of(points[t]) != time_of(first[t])) {
        return invalid_argument("matrix result is not time aligned");
      }
      const std::int64_t count = count_of(points[t]);
      here += count != below ? 1 : 0;
      below = count;
    }
    populated += here;
    out->least = std::min(out->least, here);
    out->most = std::max(out->most, here);
  }
  out->mean = static_cast<double>(populated) / static_cast<double>(first.size());
  out->total = std::ssize(buckets);
  return true;
}

Status HistogramUsage::add(const JsonValue& data) {
  const JsonValue* type = data.find("resultType");
  if (type == nullptr || type->string() != "matrix") {
    return invalid_argument("query of buckets resulted in non-Matrix");
  }
  std::map<std::string, std::vector<const JsonValue*>> classic_buckets;
  std::map<std::string, Populated> found;
  for (const JsonValue& series : items_of(data, "result")) {
    const model::Labels labels = metric_of(series);
    if (items_of(series, "values").empty()) {
      Populated populated;
      if (!native(series, &populated)) continue;
      found.emplace(labels.to_series_string(), populated);
      native_.add(populated);
    } else if (!labels.get("le").empty() && labels.metric_name().ends_with("_bucket")) {
      model::LabelsBuilder others(labels);
      others.set("le", "").set(model::kMetricName, "");
      classic_buckets[std::string(labels.metric_name()) + others.build().to_string()].push_back(
          &series);
    }
  }
  for (const auto& [name, populated] : found) {
    lines_ += fmt::format("- {} (native): {}\n", name, populated.to_string());
  }
  for (auto& [name, buckets] : classic_buckets) {
    Populated populated;
    ASSIGN_OR_RETURN(const bool enough, classic(std::move(buckets), &populated));
    if (!enough) continue;
    lines_ += fmt::format("- {} (classic): {}\n", name, populated.to_string());
    classic_.add(populated);
  }
  return ok();
}

std::string HistogramUsage::text() const {
  std::string text = fmt::format("{}{}{}", kHeading, lines_, kSummary);
  if (native_.least.count > 0) text += fmt::format("\nNative {}\n", native_.to_string());
  if (classic_.least.count > 0) text += fmt::format("\nClassic {}\n", classic_.to_string());
  return text;
}

}  // namespace tocsin::app
