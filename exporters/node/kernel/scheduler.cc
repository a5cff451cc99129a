// SPDX-License-Identifier: Apache-2.0
//
// How processes wait and run: pressure, schedstat, processes.
#include <map>

#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {
namespace {

struct Pressure {
  std::string_view resource;
  std::string_view line;  // "some" or "full"
  std::string_view name;
  std::string_view help;
};

constexpr Pressure kPressures[] = {
    {"cpu", "some", "node_pressure_cpu_waiting_seconds_total",
     "Total time in seconds that processes have waited for CPU time"},
    {"io", "some", "node_pressure_io_waiting_seconds_total",
     "Total time in seconds that processes have waited due to IO congestion"},
    {"io", "full", "node_pressure_io_stalled_seconds_total",
     "Total time in seconds no process could make progress due to IO congestion"},
    {"memory", "some", "node_pressure_memory_waiting_seconds_total",
     "Total time in seconds that processes have waited for memory"},
    {"memory", "full", "node_pressure_memory_stalled_seconds_total",
     "Total time in seconds no process could make progress due to memory congestion"},
    {"irq", "full", "node_pressure_irq_stalled_seconds_total",
     "Total time in seconds no process could make progress due to IRQ congestion"},
};

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=14036781" in microseconds.
std::optional<double> pressure_seconds(std::string_view text, std::string_view wanted) {
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.empty() || fields[0] != wanted || !fields.back().starts_with("total=")) continue;
    const std::optional<double> total = to_number(fields.back().substr(6));
    if (total) return *total / 1000 / 1000;
  }
  return std::nullopt;
}

struct ProcessCounts {
  double pids = 0;
  double threads = 0;
  std::map<std::string, double> states;
  std::map<std::string, double> thread_states;
};

// State and number of threads from /proc/PID/stat; what stands in parentheses may hold anything.
bool parse_stat(std::string_view text, std::string_view* state, double* threads) {
  const std::size_t end = text.rfind(')');
  if (end == std::string_view::npos) return false;
  const std::vector<std::string_view> fields = fields_of(text.substr(end + 1));
  constexpr std::size_t kThreads = 17;
  if (fields.size() <= kThreads) return false;
  *state = fields[0];
  *threads = to_number(fields[kThreads]).value_or(0);
  return true;
}

// A process that ends meanwhile is left out.
void count_process(const Node& node, const std::string& pid, ProcessCounts* counts) {
  const std::string directory = node.proc("/" + pid);
  const StatusOr<std::string> stat = node.file(directory + "/stat");
  std::string_view state;
  double threads = 0;
  if (!stat.ok() || !parse_stat(*stat, &state, &threads)) return;
  counts->pids += 1;
  counts->threads += threads;
  counts->states[std::string(state)] += 1;
  // A process of one thread has the state of that: most do, and one file less is read.
  if (threads == 1 && node.exists(directory + "/task")) {
    counts->thread_states[std::string(state)] += 1;
    return;
  }
  for (const std::string& thread : node.list(directory + "/task")) {
    const StatusOr<std::string> one = node.file(fmt::format("{}/task/{}/stat", directory, thread));
    if (one.ok() && parse_stat(*one, &state, &threads)) {
      counts->thread_states[std::string(state)] += 1;
    }
  }
}

}  // namespace

Status collect_pressure(const Node& node, Families* out) {
  bool found = false;
  for (const Pressure& pressure : kPressures) {
    const StatusOr<std::string> text =
        node.file(node.proc(fmt::format("/pressure/{}", pressure.resource)));
    if (!text.ok()) continue;  // kernels differ in what they know, and may have it switched off
    const std::optional<double> seconds = pressure_seconds(*text, pressure.line);
    if (!seconds) continue;
    found = true;
    out->counter(pressure.name, pressure.help, {}, *seconds);
  }
  return found ? ok() : no_data("pressure information is unavailable");
}

// /proc/schedstat: "cpuN yield _ schedule idle wakeups local running waiting slices"
Status collect_schedstat(const Node& node, Families* out) {
  const StatusOr<std::string> text = node.file(node.proc("/schedstat"));
  if (!text.ok()) return no_data_if_missing(text.status());
  constexpr double kNanoseconds = 1e9;
  for (const std::string_view line : lines_of(*text)) {
    if (!line.starts_with("cpu")) continue;
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 10) continue;
    const std::string_view cpu = fields[0].substr(3);
    out->counter("node_schedstat_running_seconds_total",
                 "Number of seconds CPU spent running a process.", {{"cpu", cpu}},
                 to_number(fields[7]).value_or(0) / kNanoseconds);
    out->counter("node_schedstat_waiting_seconds_total",
                 "Number of seconds spent by processing waiting for this CPU.", {{"cpu", cpu}},
                 to_number(fields[8]).value_or(0) / kNanoseconds);
    out->counter("node_schedstat_timeslices_total", "Number of timeslices executed by CPU.",
                 {{"cpu", cpu}}, to_number(fields[9]).value_or(0));
  }
  return ok();
}

Status collect_processes(const Node& node, Families* out) {
  ProcessCounts counts;
  for (const std::string& name : node.list(node.options.procfs)) {
    if (to_count(name)) count_process(node, name, &counts);
  }
  if (counts.pids == 0) return not_found("no processes in {}", node.options.procfs);
  out->gauge("node_processes_threads", "Allocated threads in system", {}, counts.threads);
  for (const auto& [state, count] : counts.states) {
    out->gauge("node_processes_state", "Number of processes in each state.", {{"state", state}},
               count);
  }
  for (const auto& [state, count] : counts.thread_states) {
    out->gauge("node_processes_threads_state", "Number of threads in each state.",
               {{"thread_state", state}}, count);
  }
  out->gauge("node_processes_pids", "Number of PIDs", {}, counts.pids);
  constexpr FileMetric kLimits[] = {
      {"pid_max", "node_processes_max_processes", "Number of max PIDs limit"},
      {"threads-max", "node_processes_max_threads", "Limit of threads in the system"},
  };
  node.show_files(node.proc("/sys/kernel"), kLimits, {}, out);
  return ok();
}

}  // namespace tocsin::exporters
