// SPDX-License-Identifier: Apache-2.0
//
// AppConfig: the file app.yml.
//
//   global: {labels: {env: prod}, max_series: 5000}
//   modules: {...}                          # as blackbox.yml has them
//   probe_targets_allow: ['10.0.0.0/8', 'localhost']
//   probes: [...]                           # these and the rest: sections of input_kinds()
//   nginx: [...]
//
// Strict: a key that is not known is an error with file, line and key. A file that has nothing but
// `modules` is a blackbox.yml.
//
// Holds the inputs that its sections made; none of them has been started.
// Errors: kInvalidArgument with file:line:column; kUnimplemented "not supported yet: <section>".
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/yaml.h"
#include "exporters/app/input.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

struct InputSpec {
  std::unique_ptr<Input> input;
  std::string_view route;  // of its kind, "" for none
  // Everything that the input was made from. An input that runs and has the same stays.
  std::string identity;
};

struct AppConfig {
  // More would be threads when all of them hang.
  static constexpr std::size_t kMaxInputs = 128;
  static constexpr std::uint64_t kMaxFile = 4 << 20;

  LabelPairs labels;  // of every series of an input that does not have them itself
  std::size_t max_series = SeriesBudget::kDefaultMaxSeries;
  std::shared_ptr<const ProbeConfig> probes;  // never null
  std::vector<InputSpec> inputs;              // names are unique
  base::YamlNode root;                        // for /config

  static StatusOr<AppConfig> parse(std::string_view text, const std::string& file,
                                   std::span<const InputKind> kinds, InputServices services);
  static StatusOr<AppConfig> load(const std::string& file, std::span<const InputKind> kinds,
                                  InputServices services);
};

}  // namespace tocsin::exporters::app
