// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/push/push_path.h"

#include <algorithm>

#include "base/hash.h"
#include "exporters/app/series_budget.h"
#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kBase64 = "@base64";
constexpr std::size_t kMaxLabels = 30;

StatusOr<std::string> decoded(std::string text) {
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return base::base64_decode(text);
}

}  // namespace

StatusOr<LabelPairs> read_push_path(std::span<const std::string> segments) {
  if (segments.size() < 2) return invalid_argument("job name is required");
  if (segments.size() % 2 != 0) {
    return invalid_argument("odd number of components in label string {:?}", segments.back());
  }
  if (segments.size() > 2 * kMaxLabels) return invalid_argument("more than {} labels", kMaxLabels);
  LabelPairs labels;
  for (std::size_t i = 0; i < segments.size(); i += 2) {
    std::string name = segments[i], value = segments[i + 1];
    if (name.ends_with(kBase64)) {
      name.resize(name.size() - kBase64.size());
      StatusOr<std::string> bytes = decoded(value);
      if (!bytes.ok()) return invalid_argument("invalid base64 encoding of {}: {:?}", name, value);
      value = *std::move(bytes);
    }
    if ((i == 0) != (name == "job")) {
      if (i == 0) return invalid_argument("job name is required");
      return invalid_argument("the label job comes twice");
    }
    if (i == 0 && value.empty()) return invalid_argument("job name is required");
    if (!model::is_legacy_label_name(name) || name.starts_with("__") || name == "le" ||
        name == "quantile") {
      return invalid_argument("improper label name {:?}", name);
    }
    if (!model::is_utf8(value) || value.size() > SeriesBudget::kMaxValueBytes) {
      return invalid_argument("improper value of the label {}", name);
    }
    labels.emplace_back(std::move(name), std::move(value));
  }
  std::sort(labels.begin(), labels.end());
  for (std::size_t i = 1; i < labels.size(); ++i) {
    if (labels[i].first == labels[i - 1].first) {
      return invalid_argument("the label {} comes twice", labels[i].first);
    }
  }
  // An empty label is none, but names another group in Pushgateway; here the same.
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  return labels;
}

}  // namespace tocsin::exporters::app
