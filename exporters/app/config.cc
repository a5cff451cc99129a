// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/config.h"

#include <algorithm>

#include "exporters/app/fields.h"
#include "exporters/app/probe_config.h"

namespace tocsin::exporters::app {
namespace {

class Loader {
 public:
  Loader(AppConfig* config, InputServices services, std::string directory)
      : config_(*config), services_(services), directory_(std::move(directory)) {}

  Status load(std::span<const InputKind> kinds) {
    base::YamlMapping mapping(config_.root);
    mapping.with("global", [this](const base::YamlNode& node) { return read_global(node); });
    ASSIGN_OR_RETURN(config_.probes,
                     read_probe_config(config_.root, mapping, directory_, services_.files));
    for (const InputKind& kind : kinds) {
      if (kind.make == nullptr) {
        mapping.unsupported({kind.section});
        continue;
      }
      const auto make = [&](const base::YamlNode& node) { return add(kind, node); };
      if (kind.shape == InputKind::Shape::kList) {
        mapping.each(kind.section, make);
      } else {
        mapping.with(kind.section, make);
      }
    }
    return mapping.finish();
  }

 private:
  Status read_global(const base::YamlNode& node) {
    base::YamlMapping mapping(node);
    read_labels(mapping, "labels", &config_.labels);
    read_count(mapping, "max_series", &config_.max_series);
    return mapping.finish();
  }

  Status add(const InputKind& kind, const base::YamlNode& node) {
    const InputContext context{services_, config_.root, directory_, config_.max_series,
                               config_.probes};
    ASSIGN_OR_RETURN(std::unique_ptr<Input> input, kind.make(node, context));
    const std::string_view name = input->name();
    for (const InputSpec& other : config_.inputs) {
      if (other.input->name() == name) {
        return node.error(fmt::format("two sources are called {:?}: give one a name", name));
      }
    }
    if (config_.inputs.size() == AppConfig::kMaxInputs) {
      return node.error(fmt::format("more than {} inputs", AppConfig::kMaxInputs));
    }
    std::string identity = fmt::format("{} {} {}", name, config_.max_series, fingerprint(node));
    // A list of probes is also what its module says.
    if (const base::YamlNode* module = node.is_mapping() ? node.find("module") : nullptr) {
      identity.append(config_.probes->identity(module->scalar()));
    }
    config_.inputs.push_back({std::move(input), kind.route, std::move(identity)});
    return ok();
  }

  AppConfig& config_;
  const InputServices services_;
  const std::string directory_;
};

}  // namespace

StatusOr<AppConfig> AppConfig::parse(std::string_view text, const std::string& file,
                                     std::span<const InputKind> kinds, InputServices services) {
  AppConfig config;
  ASSIGN_OR_RETURN(config.root, base::parse_yaml(text, file));
  const std::size_t slash = file.rfind('/');
  Loader loader(&config, services,
                slash == std::string::npos ? "" : file.substr(0, std::max<std::size_t>(slash, 1)));
  RETURN_IF_ERROR(loader.load(kinds));
  return config;
}

StatusOr<AppConfig> AppConfig::load(const std::string& file, std::span<const InputKind> kinds,
                                    InputServices services) {
  ASSIGN_OR_RETURN(const std::string text, services.files.read_file(file, kMaxFile));
  return parse(text, file, kinds, services);
}

}  // namespace tocsin::exporters::app
