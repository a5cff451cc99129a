// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/run.h"

#include <algorithm>

#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

// A conversation may be long, and lines of it come from others.
constexpr std::size_t kMaxLog = 256 << 10;
constexpr std::size_t kMaxLine = 4096;

}  // namespace

void ProbeRun::set_pairs(const Families::Header& header, LabelPairs pairs, double value) {
  std::sort(pairs.begin(), pairs.end());
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const base::MetricFamily& f) { return f.name == header.name; });
  if (family == families_.end()) {
    families_.push_back({std::string(header.name), std::string(header.help), header.type, {}});
    family = families_.end() - 1;
  }
  for (base::MetricSample& sample : family->samples) {
    if (sample.labels == pairs) {
      sample.value = value;
      return;
    }
  }
  family->samples.push_back({"", std::move(pairs), value});
}

void ProbeRun::note(std::string_view level, std::string_view text) {
  if (!options_.keeps_log || log_.size() > kMaxLog) return;
  log_.append(fmt::format("time={:.3f} level={} msg={}\n",
                          static_cast<double>(base::to_ms(clock().now())) / 1000, level,
                          model::go_quote(text.substr(0, kMaxLine))));
}

double seconds_between(base::SteadyTime from, base::SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

PhaseDurations::PhaseDurations(ProbeRun& run, Families::Header header,
                               std::vector<std::string> phases)
    : run_(run), name_(header.name), help_(header.help) {
  for (std::string& phase : phases) {
    phases_.emplace_back(std::move(phase), 0);
    add(phases_.back().first, 0);
  }
}

void PhaseDurations::add(std::string_view phase, double seconds) {
  for (auto& [name, sum] : phases_) {
    if (name != phase) continue;
    sum += seconds;
    run_.set_with({name_, help_}, {{"phase", phase}}, sum);
  }
}

}  // namespace tocsin::exporters::app
