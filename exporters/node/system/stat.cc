// SPDX-License-Identifier: Apache-2.0
//
// stat: what /proc/stat says about the whole machine.
#include <array>

#include "exporters/node/collectors.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

struct StatLine {
  std::string_view key;
  std::string_view name;
  std::string_view help;
  base::MetricType type;
};

constexpr std::array<StatLine, 6> kLines = {{
    {"intr", "node_intr_total", "Total number of interrupts serviced.", base::MetricType::kCounter},
    {"ctxt", "node_context_switches_total", "Total number of context switches.",
     base::MetricType::kCounter},
    {"processes", "node_forks_total", "Total number of forks.", base::MetricType::kCounter},
    {"btime", "node_boot_time_seconds", "Node boot time, in unixtime.", base::MetricType::kGauge},
    {"procs_running", "node_procs_running", "Number of processes in runnable state.",
     base::MetricType::kGauge},
    {"procs_blocked", "node_procs_blocked",
     "Number of processes blocked waiting for I/O to complete.", base::MetricType::kGauge},
}};

// In the order of the line "softirq", after its total.
constexpr std::array<std::string_view, 10> kVectors = {
    "hi",           "timer",   "net_tx", "net_rx",  "block",
    "block_iopoll", "tasklet", "sched",  "hrtimer", "rcu"};

class StatCollector final : public Collector {
 public:
  StatCollector(const NodeOptions& options, const NodeServices& services)
      : options_(options), path_(options.procfs + "/stat"), files_(services.files) {}

  std::string_view name() const override { return "stat"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(const std::string text, files_.read_file(path_, kMaxProcFile));
    for (const std::string_view line : lines_of(text)) {
      const std::string_view key = line.substr(0, line.find(' '));
      if (key == "softirq" && options_.stat_softirq) add_softirqs(line, out);
      for (const StatLine& known : kLines) {
        if (key != known.key) continue;
        // The line of interrupts has thousands of columns; only the total is wanted.
        const std::string_view rest = trimmed(line.substr(key.size()));
        const std::optional<double> value = to_number(rest.substr(0, rest.find(' ')));
        if (!value) return invalid_argument("{}: expected a number after {:?}", path_, key);
        add_single(known.name, known.help, known.type, *value, out);
      }
    }
    return ok();
  }

 private:
  static void add_softirqs(std::string_view line, std::vector<base::MetricFamily>* out) {
    base::MetricFamily family =
        make_family("node_softirqs_total", "Number of softirq calls.", base::MetricType::kCounter);
    const std::vector<std::string_view> fields = fields_of(line);
    for (std::size_t i = 0; i < kVectors.size() && i + 2 < fields.size(); ++i) {
      const std::optional<double> count = to_number(fields[i + 2]);
      if (count) add_sample(&family, {{"vector", std::string(kVectors[i])}}, *count);
    }
    append_families({std::move(family)}, out);
  }

  const NodeOptions& options_;
  const std::string path_;
  base::FileSystem& files_;
};

}  // namespace

std::unique_ptr<Collector> make_stat_collector(const NodeOptions& options,
                                               const NodeServices& services) {
  return std::make_unique<StatCollector>(options, services);
}

}  // namespace tocsin::exporters
