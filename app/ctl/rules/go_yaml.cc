// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/rules/go_yaml.h"

#include <algorithm>

#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::app {

using Kind = GoType::Kind;

const GoType kGoString{Kind::kString, "string", {}, nullptr};
const GoType kGoBool{Kind::kBool, "bool", {}, nullptr};
const GoType kGoInt{Kind::kInt, "int", {}, nullptr};
const GoType kGoFloat{Kind::kFloat, "float64", {}, nullptr};
const GoType kGoDuration{Kind::kDuration, "string", {}, nullptr};
const GoType kGoTime{Kind::kTime, "string", {}, nullptr};
const GoType kGoStringMap{Kind::kLabels, "map[string]string", {}, nullptr};

namespace {

// Longer scalars are cut in messages.
constexpr std::size_t kShownScalar = 10;
constexpr std::size_t kCutScalar = 7;

class Checker {
 public:
  explicit Checker(UnknownFields unknown) : unknown_(unknown) {}

  void check(const base::YamlNode& node, const GoType& type) {
    if (node.is_null() || !fatal_.empty()) return;
    switch (type.kind) {
      case Kind::kStruct:
        return check_struct(node, type);
      case Kind::kList:
        return check_list(node, type);
      case Kind::kLabels:
        return check_map(node, type);
      default:
        return check_scalar(node, type);
    }
  }

  std::string error() const {
    if (!fatal_.empty() || lines_.empty()) return fatal_;
    std::string text = "yaml: unmarshal errors:";
    for (const std::string& line : lines_) text += "\n  " + line;
    return text;
  }

 private:
  void check_struct(const base::YamlNode& node, const GoType& type) {
    if (!node.is_mapping()) return mismatch(node, type);
    for (std::size_t i = 0; i < node.entries().size(); ++i) {
      const auto& [key, value] = node.entries()[i];
      const auto* field = std::find_if(type.fields.data(), type.fields.data() + type.fields.size(),
                                       [&key = key](const GoField& f) { return f.key == key; });
      if (field != type.fields.data() + type.fields.size()) {
        check(value, *field->type);
      } else if (unknown_ == UnknownFields::kRefuse) {
        lines_.push_back(fmt::format("line {}: field {} not found in type {}", node.key_line(i),
                                     key, type.name));
      }
    }
  }

  void check_list(const base::YamlNode& node, const GoType& type) {
    if (!node.is_sequence()) return mismatch(node, type);
    for (const base::YamlNode& item : node.items()) check(item, *type.element);
  }

  void check_map(const base::YamlNode& node, const GoType& type) {
    if (!node.is_mapping()) return mismatch(node, type);
    for (const auto& [key, value] : node.entries()) check(value, kGoString);
  }

  void check_scalar(const base::YamlNode& node, const GoType& type) {
    if (!node.is_scalar()) return mismatch(node, type);
    const bool fits = type.kind == Kind::kBool    ? node.as_bool().ok()
                      : type.kind == Kind::kInt   ? node.as_int().ok()
                      : type.kind == Kind::kFloat ? node.as_double().ok()
                                                  : true;
    if (!fits) return mismatch(node, type);
    Status status;
    if (type.kind == Kind::kDuration) status = model::parse_duration(node.scalar()).status();
    if (!status.ok()) fatal_ = message(status);
    if (type.kind == Kind::kTime && !model::parse_timestamp(node.scalar()).ok()) {
      fatal_ = fmt::format("cannot parse {} to a valid timestamp", model::go_quote(node.scalar()));
    }
  }

  void mismatch(const base::YamlNode& node, const GoType& type) {
    std::string what = node.is_mapping() ? "!!map" : node.is_sequence() ? "!!seq" : "!!str";
    if (node.is_scalar()) {
      if (!node.is_quoted()) what = tag_of(node);
      const std::string_view text = node.scalar();
      what += text.size() > kShownScalar ? fmt::format(" `{}...`", text.substr(0, kCutScalar))
                                         : fmt::format(" `{}`", text);
    }
    lines_.push_back(
        fmt::format("line {}: cannot unmarshal {} into {}", node.line(), what, type.name));
  }

  static std::string tag_of(const base::YamlNode& node) {
    if (node.as_int().ok()) return "!!int";
    if (node.as_double().ok()) return "!!float";
    return node.as_bool().ok() ? "!!bool" : "!!str";
  }

  const UnknownFields unknown_;
  std::vector<std::string> lines_;
  std::string fatal_;  // stops everything
};

}  // namespace

std::string check_go_type(const base::YamlNode& root, const GoType& type, UnknownFields unknown) {
  Checker checker(unknown);
  checker.check(root, type);
  return checker.error();
}

std::string text_at(const base::YamlNode& node, std::string_view key) {
  const base::YamlNode* found = node.find(key);
  return found == nullptr ? "" : std::string(found->scalar());
}

base::Duration duration_at(const base::YamlNode& node, std::string_view key) {
  return model::parse_duration(text_at(node, key)).value_or(base::Duration(0));
}

model::Labels labels_at(const base::YamlNode& node, std::string_view key) {
  model::LabelsBuilder labels;
  if (const base::YamlNode* found = node.find(key)) {
    for (const auto& [name, value] : found->entries()) labels.set(name, value.scalar());
  }
  return labels.build();
}

const std::vector<base::YamlNode>& items_at(const base::YamlNode& node, std::string_view key) {
  static const std::vector<base::YamlNode> kNone;
  const base::YamlNode* found = node.find(key);
  return found == nullptr ? kNone : found->items();
}

}  // namespace tocsin::app
