// SPDX-License-Identifier: Apache-2.0
//
// YAML text: no document ends the process, and a document that was read can be walked.
#include "base/yaml.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::base {
namespace {

void walk(const YamlNode& node, int depth) {
  CHECK(depth <= 40);
  static_cast<void>(node.as_string());
  static_cast<void>(node.as_bool());
  static_cast<void>(node.as_int());
  static_cast<void>(node.as_double());
  static_cast<void>(node.as_string_list());
  CHECK(!node.error("x").ok());
  for (const YamlNode& item : node.items()) walk(item, depth + 1);
  for (const auto& [key, value] : node.entries()) {
    CHECK(node.find(key) != nullptr);
    walk(value, depth + 1);
  }
}

void fuzz(std::string_view bytes) {
  const YamlLimits limits{.max_depth = 32, .max_nodes = 20'000};
  const StatusOr<YamlNode> root = parse_yaml(bytes, "f.yml", limits);
  if (root.ok()) {
    walk(*root, 0);
  } else {
    CHECK(message(root.status()).starts_with("f.yml"));
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(yaml, fuzz)

}  // namespace tocsin::base
