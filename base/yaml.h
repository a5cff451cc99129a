// SPDX-License-Identifier: Apache-2.0
//
// Strict YAML for configuration files: the one door to yaml-cpp.
//
// Duplicate keys are refused, merge keys ("<<") resolved, scalars read by YAML 1.1 rules (yes/no,
// octal, ~), depth and the number of nodes after alias expansion limited, positions kept.
// A YamlNode is a value that shares an immutable document; copying is cheap.
// Threads: shared,
// read-only.
// Errors: every error text starts with "file:line:column: " and names the key path.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tocsin::base {

class YamlNode {
 public:
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  YamlNode();  // null, at no position

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_scalar() const { return kind() == Kind::kScalar; }
  bool is_sequence() const { return kind() == Kind::kSequence; }
  bool is_mapping() const { return kind() == Kind::kMapping; }
  // True for a scalar written in quotes (or a block scalar): it is a string whatever it spells.
  bool is_quoted() const;

  std::string_view file() const;
  int line() const;          // 1-based; 0 when unknown
  int column() const;        // 1-based
  std::string path() const;  // e.g. scrape_configs[2].static_configs[0].targets
  // An InvalidArgument error at this node: "file:line:column: path: text".
  Status error(std::string_view text) const;
  // The same at the key of entries()[entry], without the path. REQUIRES: a mapping with that entry.
  Status key_error(std::size_t entry, std::string_view text) const;
  // The line of that key. REQUIRES: as above.
  int key_line(std::size_t entry) const;

  std::string_view scalar() const;          // raw text; "" when not a scalar
  StatusOr<std::string> as_string() const;  // any scalar; null is ""
  StatusOr<bool> as_bool() const;           // YAML 1.1
  StatusOr<std::int64_t> as_int() const;
  StatusOr<double> as_double() const;
  StatusOr<std::vector<std::string>> as_string_list() const;  // a null list item is an error

  const std::vector<YamlNode>& items() const;  // of a sequence; else empty
  const std::vector<std::pair<std::string, YamlNode>>& entries()
      const;  // of a mapping, in file order
  // The value of `key`, or nullptr when it is absent. Valid as long as this node.
  const YamlNode* find(std::string_view key) const;

 private:
  friend class YamlLoader;
  struct Data;
  explicit YamlNode(std::shared_ptr<const Data> data);
  std::shared_ptr<const Data> data_;
};

struct YamlLimits {
  std::size_t max_depth = 64;
  std::size_t max_nodes = 2'000'000;  // after aliases are expanded
};

// Parses the first document of `text`; an empty text is a null node. `file` is used in errors.
StatusOr<YamlNode> parse_yaml(std::string_view text, std::string_view file, YamlLimits limits = {});

// Reads a mapping strictly: take the keys you know, then finish() refuses the rest.
//
//   YamlMapping m(node);
//   m.string("job_name", &config.name, YamlMapping::kRequired);
//   m.unsupported({"ec2_sd_configs"});
//   RETURN_IF_ERROR(m.finish());
//
// The first error is kept and returned by finish(); targets keep their defaults when a key is
// absent. Confined; lives during one parse.
class YamlMapping {
 public:
  enum Presence { kOptional, kRequired };

  explicit YamlMapping(const YamlNode& node);  // an error when it is neither mapping nor null

  void string(std::string_view key, std::string* out, Presence presence = kOptional);
  void boolean(std::string_view key, bool* out, Presence presence = kOptional);
  void integer(std::string_view key, std::int64_t* out, Presence presence = kOptional);
  void number(std::string_view key, double* out, Presence presence = kOptional);
  void string_list(std::string_view key, std::vector<std::string>* out,
                   Presence presence = kOptional);
  // Map of scalars, in file order.
  void string_pairs(std::string_view key, std::vector<std::pair<std::string, std::string>>* out,
                    Presence presence = kOptional);
  // Calls read(value) when the key is there; its error becomes the mapping's, unchanged.
  void with(std::string_view key, const std::function<Status(const YamlNode&)>& read,
            Presence presence = kOptional);
  // Calls read(item) for each item of the list at `key`; a null item is an error.
  void each(std::string_view key, const std::function<Status(const YamlNode&)>& read,
            Presence presence = kOptional);
  // Known keys that are not built yet: present = "not supported yet: KEY" (kUnimplemented).
  void unsupported(std::initializer_list<std::string_view> keys);
  bool has(std::string_view key) const;
  // Adds an error at `key` (or at the mapping when the key is absent).
  void fail(std::string_view key, std::string_view text);

  // Returns the first error, or one for the first key that nobody took:
  // "file:line:column: field KEY not found in SECTION".
  Status finish();

 private:
  const YamlNode* take(std::string_view key, Presence presence);
  const YamlNode* take_scalar(std::string_view key, Presence presence);
  YamlNode node_;
  std::vector<std::string> taken_;
  Status status_;
};

}  // namespace tocsin::base
