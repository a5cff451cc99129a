// SPDX-License-Identifier: Apache-2.0
//
// cpu: seconds per CPU and mode from /proc/stat, and from /sys/devices/system/cpu which CPUs are
// online or isolated and how often they were throttled.
//
// The kernel's counters sometimes step back by a little (iowait and idle of a CPU that sleeps), and
// rate() would take that for a reset. So each value is held at its maximum, unless idle steps back
// by seconds: then the CPU was taken away and came back, and all its counters begin anew.
#include <array>
#include <map>
#include <set>

#include "exporters/node/collectors.h"
#include "exporters/node/system/cpu_info.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

// USER_HZ: fixed at 100 in every Linux ABI that this program is built for.
constexpr double kTicksPerSecond = 100;
constexpr double kHotplugStepBackSeconds = 3;

// Modes in the order of /proc/stat.
constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                    "iowait", "irq",  "softirq", "steal"};
constexpr std::size_t kIdle = 3;
constexpr std::size_t kGuest = 8;
constexpr std::size_t kGuestNice = 9;
constexpr std::size_t kColumns = 10;

using CpuSeconds = std::array<double, kColumns>;
using CpuTable = std::map<std::string, CpuSeconds, std::less<>>;

// "cpu3 1 2 3 ..." -> "3" and seconds; the line of totals and all other lines give false.
bool parse_cpu_line(std::string_view line, std::string* cpu, CpuSeconds* seconds) {
  if (!line.starts_with("cpu")) return false;
  const std::vector<std::string_view> fields = fields_of(line);
  if (!to_count(fields[0].substr(3))) return false;
  *cpu = fields[0].substr(3);
  // Old kernels have fewer columns.
  seconds->fill(0);
  for (std::size_t i = 0; i < kColumns && i + 1 < fields.size(); ++i) {
    const std::optional<double> ticks = to_number(fields[i + 1]);
    if (!ticks) return false;
    (*seconds)[i] = *ticks / kTicksPerSecond;
  }
  return true;
}

// "1,3-5" -> 1 3 4 5; parts that are no ranges are left out, and so is what a machine cannot have.
std::vector<std::uint64_t> parse_cpu_list(std::string_view text) {
  constexpr std::uint64_t kMaxCpu = 1 << 16;
  std::vector<std::uint64_t> cpus;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const std::size_t dash = part.find('-');
    const std::optional<std::uint64_t> first = to_count(part.substr(0, dash));
    const std::optional<std::uint64_t> last =
        dash == std::string_view::npos ? first : to_count(part.substr(dash + 1));
    if (!first || !last || *last > kMaxCpu) continue;
    for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

class CpuCollector final : public Collector {
 public:
  CpuCollector(const NodeOptions& options, const NodeServices& services, CpuInfoFilters filters)
      : options_(options),
        services_(services),
        filters_(std::move(filters)),
        files_(services.files),
        cpu_directory_(options.sysfs + "/devices/system/cpu") {}

  std::string_view name() const override { return "cpu"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    collect_isolated(out);
    collect_devices(out);
    if (options_.cpu_info) show_cpu_info({options_, services_}, filters_, out);
    return collect_seconds(out);
  }

 private:
  Status collect_seconds(std::vector<base::MetricFamily>* out) {
    ASSIGN_OR_RETURN(const std::string text,
                     files_.read_file(options_.procfs + "/stat", kMaxProcFile));
    CpuTable now;
    std::string cpu;
    CpuSeconds seconds;
    for (const std::string_view line : lines_of(text)) {
      if (parse_cpu_line(line, &cpu, &seconds)) now.emplace(cpu, seconds);
    }
    hold(std::move(now));
    base::MetricFamily modes =
        make_family("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.",
                    base::MetricType::kCounter);
    base::MetricFamily guests = make_family("node_cpu_guest_seconds_total",
                                            "Seconds the CPUs spent in guests (VMs) for each mode.",
                                            base::MetricType::kCounter);
    for (const auto& [number, values] : held_) {
      for (std::size_t i = 0; i < kModes.size(); ++i) {
        add_sample(&modes, {{"cpu", number}, {"mode", std::string(kModes[i])}}, values[i]);
      }
      if (!options_.cpu_guest) continue;
      add_sample(&guests, {{"cpu", number}, {"mode", "user"}}, values[kGuest]);
      add_sample(&guests, {{"cpu", number}, {"mode", "nice"}}, values[kGuestNice]);
    }
    append_families({std::move(modes), std::move(guests)}, out);
    return ok();
  }

  // A CPU that is gone is forgotten.
  void hold(CpuTable now) {
    for (auto& [number, values] : now) {
      const auto before = held_.find(number);
      if (before == held_.end()) continue;
      if (before->second[kIdle] - values[kIdle] >= kHotplugStepBackSeconds) continue;
      for (std::size_t i = 0; i < kColumns; ++i) values[i] = std::max(values[i], before->second[i]);
    }
    held_ = std::move(now);
  }

  void collect_isolated(std::vector<base::MetricFamily>* out) {
    const StatusOr<std::string> text = read_text(files_, cpu_directory_ + "/isolated");
    if (!text.ok()) return;
    base::MetricFamily isolated = make_family(
        "node_cpu_isolated",
        "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
        base::MetricType::kGauge);
    for (const std::uint64_t cpu : parse_cpu_list(*text)) {
      add_sample(&isolated, {{"cpu", fmt::format("{}", cpu)}}, 1);
    }
    append_families({std::move(isolated)}, out);
  }

  // Numbers of the CPUs that sysfs knows.
  std::vector<std::string> device_numbers() {
    std::vector<std::string> numbers;
    const StatusOr<std::vector<std::string>> entries = files_.list(cpu_directory_);
    if (!entries.ok()) return numbers;
    for (const std::string& entry : *entries) {
      if (entry.starts_with("cpu") && to_count(entry.substr(3))) numbers.push_back(entry.substr(3));
    }
    return numbers;
  }

  void collect_devices(std::vector<base::MetricFamily>* out) {
    const std::vector<std::string> numbers = device_numbers();
    base::MetricFamily online = make_family(
        "node_cpu_online", "CPUs that are online and being scheduled.", base::MetricType::kGauge);
    base::MetricFamily cores = make_family("node_cpu_core_throttles_total",
                                           "Number of times this CPU core has been throttled.",
                                           base::MetricType::kCounter);
    base::MetricFamily packages = make_family(
        "node_cpu_package_throttles_total", "Number of times this CPU package has been throttled.",
        base::MetricType::kCounter);
    // Where the first CPU cannot be taken offline, nothing tells about the others either.
    const bool shows_online = files_.info(cpu_directory_ + "/cpu0/online").ok();
    std::set<std::string> seen_packages;
    std::set<std::pair<std::string, std::string>> seen_cores;
    for (const std::string& number : numbers) {
      const std::string device = cpu_directory_ + "/cpu" + number;
      if (shows_online) {
        const StatusOr<std::string> state = read_text(files_, device + "/online");
        add_sample(&online, {{"cpu", number}}, state.ok() && *state == "1" ? 1 : 0);
      }
      const StatusOr<std::string> package =
          read_text(files_, device + "/topology/physical_package_id");
      const StatusOr<std::string> core = read_text(files_, device + "/topology/core_id");
      if (!package.ok() || !core.ok()) continue;
      // Threads of one core, and cores of one package, show the same counters.
      if (const auto count = throttles(device, "core");
          count && seen_cores.emplace(*package, *core).second) {
        add_sample(&cores, {{"core", *core}, {"package", *package}}, *count);
      }
      if (const auto count = throttles(device, "package");
          count && seen_packages.insert(*package).second) {
        add_sample(&packages, {{"package", *package}}, *count);
      }
    }
    append_families({std::move(online), std::move(cores), std::move(packages)}, out);
  }

  std::optional<double> throttles(const std::string& device, std::string_view what) {
    const StatusOr<std::string> text =
        read_text(files_, fmt::format("{}/thermal_throttle/{}_throttle_count", device, what));
    return text.ok() ? to_number(*text) : std::nullopt;
  }

  const NodeOptions& options_;
  const NodeServices& services_;
  const CpuInfoFilters filters_;
  base::FileSystem& files_;
  const std::string cpu_directory_;
  CpuTable held_;
};

}  // namespace

StatusOr<std::unique_ptr<Collector>> make_cpu_collector(const NodeOptions& options,
                                                        const NodeServices& services) {
  ASSIGN_OR_RETURN(CpuInfoFilters filters, CpuInfoFilters::make(options));
  return std::make_unique<CpuCollector>(options, services, std::move(filters));
}

}  // namespace tocsin::exporters
