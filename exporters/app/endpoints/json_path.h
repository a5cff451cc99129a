// SPDX-License-Identifier: Apache-2.0
//
// JsonPath: which values of a document are meant: "$.components.*.status", "$['a b'][0]", "$.items[*]".
//
//   $            the document          .name  ['name']   the member of an object
//   .*  [*]      every member or item  [0]  [-1]         an item of an array, from its end
//
// A value.
// Errors: kInvalidArgument; kUnimplemented "not supported yet: ..." for the rest of JSONPath.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace tocsin::exporters::app {

class JsonPath {
 public:
  // `keys`: for each "*" the name of the member, or the position of the item.
  using Visit =
      std::function<void(const base::JsonValue& value, std::span<const std::string> keys)>;

  static StatusOr<JsonPath> parse(std::string_view text);

  void visit(const base::JsonValue& document, const Visit& visit) const;
  std::size_t wildcards() const { return wildcards_; }

 private:
  struct Step {
    enum class Kind { kMember, kItem, kAll };
    Kind kind = Kind::kAll;
    std::string name;
    std::int64_t index = 0;
  };

  void walk(const base::JsonValue& value, std::size_t step, std::vector<std::string>* keys,
            const Visit& visit) const;

  std::vector<Step> steps_;
  std::size_t wildcards_ = 0;
};

}  // namespace tocsin::exporters::app
