// SPDX-License-Identifier: Apache-2.0
//
// FamilyComment is what a family of a protobuf page says about its metric, as one text, so that
// the line table can hold it like the comments of text pages; MetadataSink collects what comments
// say.
//
//   text = kind, 1 byte | size of the name, 4 bytes | size of the unit, 4 bytes | name | unit | help
// Confined. Borrows what it was given last.
// Errors: none; decode() is for texts of encode().
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "formats/exposition.h"

namespace tocsin::formats::page {

class FamilyComment {
 public:
  void begin(std::string_view metric, model::MetricKind metric_kind) {
    name = metric;
    kind = metric_kind;
    help = unit = {};
  }

  // Valid until the next call.
  std::string_view encode() {
    text_.clear();
    text_.push_back(static_cast<char>(kind));
    for (const std::string_view part : {name, unit}) {
      const auto size = static_cast<std::uint32_t>(part.size());
      text_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    }
    text_.append(name).append(unit).append(help);
    return text_;
  }

  static void decode(std::string_view text, ExpositionSink& sink) {
    std::uint32_t name_size = 0;
    std::uint32_t unit_size = 0;
    constexpr std::size_t kHead = 1 + 2 * sizeof(name_size);
    if (text.size() < kHead) return;
    std::memcpy(&name_size, text.data() + 1, sizeof(name_size));
    std::memcpy(&unit_size, text.data() + 1 + sizeof(name_size), sizeof(unit_size));
    const std::string_view rest = text.substr(kHead);
    if (rest.size() < std::size_t{name_size} + unit_size) return;
    const std::string_view metric = rest.substr(0, name_size);
    sink.type(metric, static_cast<model::MetricKind>(text.front()));
    sink.unit(metric, rest.substr(name_size, unit_size));
    sink.help(metric, rest.substr(std::size_t{name_size} + unit_size));
  }

  std::string_view name, help, unit;
  model::MetricKind kind = model::MetricKind::kUnknown;

 private:
  std::string text_;
};

class MetadataSink final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample&) override { return ok(); }
  void type(std::string_view metric, model::MetricKind kind) override { of(metric).kind = kind; }
  void help(std::string_view metric, std::string_view text) override { of(metric).help = text; }
  void unit(std::string_view metric, std::string_view unit) override { of(metric).unit = unit; }

  std::map<std::string, model::Metadata, std::less<>> metrics;

 private:
  model::Metadata& of(std::string_view metric) {
    const auto at = metrics.find(metric);
    return at != metrics.end() ? at->second : metrics[std::string(metric)];
  }
};

}  // namespace tocsin::formats::page
