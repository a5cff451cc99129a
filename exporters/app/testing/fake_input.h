// SPDX-License-Identifier: Apache-2.0
//
// FakeInput: an input whose section says how it behaves, and FakeInputs: the services for it and what
// all of them did. fake_kinds() has the sections `fakes` (a list) and `sink` (one, with a route).
//
//   fakes: [{name: a, fail: false}]
//
// Threads: shared. Errors: make() as every factory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "exporters/app/config.h"
#include "exporters/app/fields.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app::testing {

// What happened, in order: "start a", "stop a".
struct FakeLog {
  base::Guarded<std::vector<std::string>> events;
  void add(std::string event) { events.lock()->push_back(std::move(event)); }
  std::vector<std::string> take() { return std::exchange(*events.lock(), {}); }
};

inline FakeLog& fake_log() {
  static FakeLog log;  // factories are plain functions
  return log;
}

class FakeInput final : public Input {
 public:
  FakeInput(std::string name, std::string text) : Input(std::move(name)), text_(std::move(text)) {}

  Status start() override {
    fake_log().add(fmt::format("start {}", name()));
    return text_ == "no start" ? unavailable("address already in use") : ok();
  }
  void stop() override { fake_log().add(fmt::format("stop {}", name())); }
  Status collect(std::vector<base::MetricFamily>* out) override {
    Families families(out);
    families.counter("fake_runs_total", "Runs.", {{"name", name()}, {"text", text_}}, ++runs_);
    return text_ == "fail" ? unavailable("it is down") : ok();
  }
  net::HttpResponse serve(const net::HttpRequest& request) override {
    return net::HttpResponse::text(200, fmt::format("{} took {}", name(), request.body));
  }

 private:
  const std::string text_;
  double runs_ = 0;
};

inline StatusOr<std::unique_ptr<Input>> make_fake(const base::YamlNode& section,
                                                  const InputContext& /*context*/) {
  std::string name, text, module;
  base::YamlMapping mapping(section);
  mapping.string("name", &name, base::YamlMapping::kRequired);
  mapping.string("text", &text);
  mapping.string("module", &module);
  RETURN_IF_ERROR(mapping.finish());
  return std::make_unique<FakeInput>(source_name("fakes", name, ""), text);
}

inline StatusOr<std::unique_ptr<Input>> make_sink(const base::YamlNode& section,
                                                  const InputContext& /*context*/) {
  base::YamlMapping mapping(section);
  RETURN_IF_ERROR(mapping.finish());
  return std::make_unique<FakeInput>("sink", "");
}

inline std::span<const InputKind> fake_kinds() {
  static constexpr InputKind kKinds[] = {
      {.section = "fakes", .shape = InputKind::Shape::kList, .make = make_fake},
      {.section = "later", .shape = InputKind::Shape::kList, .make = nullptr},
      {.section = "sink", .shape = InputKind::Shape::kSection, .make = make_sink, .route = "sink"},
  };
  return kKinds;
}

struct FakeServices {
  base::testing::FakeClock clock;
  std::unique_ptr<base::FileSystem> files = base::testing::make_mem_fs();
  net::HostLookup lookup{[](const std::string& host) -> StatusOr<net::SocketAddresses> {
    return not_found("lookup {}: no such host", host);
  }};
  base::testing::InlineExecutor executor;

  InputServices all() { return {clock, clock, *files, lookup, executor}; }
};

}  // namespace tocsin::exporters::app::testing
