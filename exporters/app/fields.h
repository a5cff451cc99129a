// SPDX-License-Identifier: Apache-2.0
//
// Readers of the kinds of values that sections of app.yml share. Each takes a YamlMapping and a key,
// leaves the target alone when the key is absent, and reports errors with file, line and key through
// the mapping.
//
// Functions and values. Confined.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/time.h"
#include "base/yaml.h"
#include "exporters/common/families.h"
#include "model/matcher.h"

namespace tocsin::exporters::app {

// "15s", "1m30s"; must be more than 0.
void read_duration(base::YamlMapping& mapping, std::string_view key, base::Duration* out);
// The same, and "0", which means never.
void read_duration_or_never(base::YamlMapping& mapping, std::string_view key, base::Duration* out);
// "1MiB", "64KB", "0".
void read_size(base::YamlMapping& mapping, std::string_view key, std::uint64_t* out);
// A whole number from 1 to `most`.
void read_count(base::YamlMapping& mapping, std::string_view key, std::size_t* out,
                std::size_t most = 1'000'000);
// Label names and constant values, sorted by name. Names that start with "__" are refused.
void read_labels(base::YamlMapping& mapping, std::string_view key, LabelPairs* out);
// A list of numbers, ascending: upper bounds of a histogram, without +Inf.
void read_buckets(base::YamlMapping& mapping, std::string_view key, std::vector<double>* out);
// One of `words`, as written.
void read_word(base::YamlMapping& mapping, std::string_view key,
               std::initializer_list<std::string_view> words, std::string* out);
// A metric name; "" is left out by the caller's own check.
void read_metric_name(base::YamlMapping& mapping, std::string_view key, std::string* out,
                      base::YamlMapping::Presence presence = base::YamlMapping::kOptional);

// A secret given in the file or as the name of a file of its own, which is read at each use, so that
// it can change without a reload.
struct Secret {
  std::string value, file;

  bool empty() const { return value.empty() && file.empty(); }
  // The secret, without line ends after it. The error names the file, never its content.
  StatusOr<std::string> read(base::FileSystem& files) const;
};
// KEY and KEY_file; both given is an error. The file is relative to `directory`.
void read_secret(base::YamlMapping& mapping, const std::string& key, std::string_view directory,
                 Secret* out);

// The name of an item of a list, "<section>/<name>": its key "name", or `fallback`.
std::string source_name(std::string_view section, std::string_view name, std::string_view fallback);

// The file as YAML again, with <secret> for passwords and the like.
std::string print_masked(const base::YamlNode& node);

// Everything that `node` says, and not how it is written: equal texts for equal sections.
std::string fingerprint(const base::YamlNode& node);

}  // namespace tocsin::exporters::app
