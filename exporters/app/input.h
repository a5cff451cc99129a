// SPDX-License-Identifier: Apache-2.0
//
// Input: one configured source of metrics of the app exporter (a log group, one HAProxy, one broker,
// statsd ...); InputKind: a section of app.yml and the factory of its inputs.
//
// How to add a kind: write a factory, declare it in a header of your folder, put it into its row of
// input_kinds.cc.
//
//   StatusOr<std::unique_ptr<Input>> make_nginx(const base::YamlNode& section, const InputContext&);
//
// A factory only reads: it checks the whole section (YamlMapping::finish()), opens nothing, starts
// nothing. It runs for every section at every reload; its input is thrown away when the section has
// not changed, so that the one that runs keeps its counters. An input of which any key changed
// starts from nothing.
//
// Input. Owns: its threads and sockets. Borrows: InputServices (outlives every input).
// Threads: start(), collect() are never called twice at once; stop() and serve() may come while
// collect() runs. collect() runs on a thread of the Runner, must not take longer than a timeout of
// the input's own, and never waits for a lock that is held over I/O. Long-lived work (tailing, a
// socket) belongs to a base::ThreadPool of one thread, or the io loop, of the input.
// Errors: collect() as Collector: a failure is app_exporter_source_up 0 and one more of
// app_exporter_source_errors_total; families appended before it are shown. Does not throw.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/status.h"
#include "base/time.h"
#include "base/yaml.h"
#include "exporters/app/series_budget.h"
#include "exporters/common/collector.h"
#include "net/host_lookup.h"
#include "net/http.h"

namespace tocsin::exporters::app {

// What inputs share. Threads: everything in it is shared.
struct InputServices {
  const base::Clock& clock;
  base::Timers& timers;  // callbacks under 1 ms that do not block
  base::FileSystem& files;
  net::HostLookup& lookup;
  base::Executor& workers;  // for pieces that block no longer than a timeout of theirs
};

struct ProbeConfig;

// What a factory gets besides its section. Valid during the call, except `services` and `probes`.
struct InputContext {
  InputServices services;
  const base::YamlNode& root;                 // the whole file, for checks across sections
  std::string_view directory;                 // of the file: what file names in it are relative to
  std::size_t max_series = 5000;              // of one input (global.max_series)
  std::shared_ptr<const ProbeConfig> probes;  // the modules
};

class Input : public Collector {
 public:
  // `name` is unique and the value of the label source: "<section>/<name>", or just "<section>" where
  // there can be only one.
  explicit Input(std::string name) : name_(std::move(name)) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  std::string_view name() const final { return name_; }

  // Binds sockets, starts threads; must not block. Called before the first collect(). When it fails
  // the source is down, and it is called again before the next collect().
  virtual Status start() { return ok(); }
  // Ends and joins what start() began. Called once, and only after a start() that succeeded; a
  // collect() that runs then should return soon, no other comes.
  virtual void stop() {}
  // Answers a request to /<route of the kind>/...
  virtual net::HttpResponse serve(const net::HttpRequest& /*request*/) {
    return net::HttpResponse::text(404, "404 page not found\n");
  }
  // Samples that were folded because of max_series: SeriesBudget::dropped(), shared.
  virtual std::uint64_t dropped_series() const { return 0; }

 private:
  const std::string name_;
};

struct InputKind {
  enum class Shape {
    kList,    // the section is a list; each item is one input
    kSection  // the section is a mapping and one input
  };
  using Make = StatusOr<std::unique_ptr<Input>> (*)(const base::YamlNode& section,
                                                    const InputContext& context);

  std::string_view section;  // key in app.yml
  Shape shape = Shape::kList;
  Make make = nullptr;          // null: "not supported yet: <section>"
  std::string_view route = "";  // "push": requests to /push/... go to serve(). At most one input
};

// All kinds, built or not.
std::span<const InputKind> input_kinds();

}  // namespace tocsin::exporters::app
