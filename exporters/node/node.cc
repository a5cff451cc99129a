// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/node.h"

#include <charconv>

namespace tocsin::exporters {

std::optional<std::string> Node::try_text(const std::string& path) const {
  StatusOr<std::string> text = read_text(services.files, path);
  if (!text.ok()) return std::nullopt;
  return *std::move(text);
}

std::optional<double> Node::number(const std::string& path) const {
  const std::optional<std::string> text = try_text(path);
  if (!text) return std::nullopt;
  if (!text->starts_with("0x")) return to_number(*text);
  const std::optional<std::uint64_t> value = to_hex(std::string_view(*text).substr(2));
  return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
}

std::vector<std::string> Node::list(const std::string& directory) const {
  StatusOr<std::vector<std::string>> names = services.files.list(directory);
  if (!names.ok()) return {};
  return *std::move(names);
}

std::vector<std::string> Node::list(const std::string& directory, std::string_view prefix) const {
  std::vector<std::string> names = list(directory);
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(prefix); });
  return names;
}

std::string Node::link_name(const std::string& path) const {
  const StatusOr<std::string> target = services.real_path(path);
  if (!target.ok()) return "";
  return target->substr(target->rfind('/') + 1);
}

void Node::show_files(const std::string& directory, std::span<const FileMetric> table,
                      const LabelPairs& labels, Families* out) const {
  for (const FileMetric& metric : table) {
    const std::optional<double> value = number(fmt::format("{}/{}", directory, metric.file));
    if (value) out->add({metric.name, metric.help, metric.type}, labels, *value * metric.factor);
  }
}

bool NameSet::keeps(std::string_view name) {
  const auto it = known_.find(name);
  if (it != known_.end()) return it->second;
  if (known_.size() >= kMaxNames) known_.clear();
  const bool kept = filter_.keeps(name);
  known_.emplace(name, kept);
  return kept;
}

Status no_data(std::string_view what) { return not_found("collector returned no data: {}", what); }

Status no_data_if_missing(const Status& status) {
  return status.code() == StatusCode::kNotFound ? no_data(message(status)) : status;
}

}  // namespace tocsin::exporters
