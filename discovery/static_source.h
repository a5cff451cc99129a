// SPDX-License-Identifier: Apache-2.0
//
// StaticSource: static_configs, sent once.
//
// Threads and errors: as Source; its only update comes from inside start().
#pragma once

#include <utility>

#include "discovery/options.h"
#include "discovery/source.h"

namespace tocsin::discovery {

class StaticSource final : public Source {
 public:
  explicit StaticSource(StaticOptions options) : options_(std::move(options)) {}
  void start(Sink sink) override { sink(options_.groups); }
  void stop() override {}

 private:
  const StaticOptions options_;
};

}  // namespace tocsin::discovery
