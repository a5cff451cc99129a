// SPDX-License-Identifier: Apache-2.0
#include "discovery/file_source.h"
#include "discovery/options.h"
#include "discovery/static_source.h"

namespace tocsin::discovery {

std::unique_ptr<Source> make_source(const SourceOptions& options, const SourceServices& services) {
  if (const auto* fixed = std::get_if<StaticOptions>(&options)) {
    return std::make_unique<StaticSource>(*fixed);
  }
  return std::make_unique<FileSource>(std::get<FileOptions>(options), services);
}

}  // namespace tocsin::discovery
