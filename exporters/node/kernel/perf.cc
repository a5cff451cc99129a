// SPDX-License-Identifier: Apache-2.0
//
// perf: events that the kernel counts on each CPU (perf_event_open(2)), from the start of the
// exporter on. A counter is a descriptor that stays open; events that a machine does not have are
// left out.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include <linux/perf_event.h>
#include <sys/syscall.h>

#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {
namespace {

constexpr std::uint64_t cache_event(std::uint64_t cache, std::uint64_t operation,
                                    std::uint64_t result) {
  return cache | operation << 8 | result << 16;
}

constexpr std::uint64_t kRead = PERF_COUNT_HW_CACHE_OP_READ;
constexpr std::uint64_t kWrite = PERF_COUNT_HW_CACHE_OP_WRITE;
constexpr std::uint64_t kHit = PERF_COUNT_HW_CACHE_RESULT_ACCESS;
constexpr std::uint64_t kMiss = PERF_COUNT_HW_CACHE_RESULT_MISS;

struct Profiler {
  std::string_view name;  // as flags have it
  std::uint64_t config;
  std::string_view family;  // node_perf_...
  std::string_view help;
};

constexpr Profiler kHardware[] = {
    {"CpuCycles", PERF_COUNT_HW_CPU_CYCLES, "cpucycles_total",
     "Number of CPU cycles (frequency scaled)"},
    {"CpuInstr", PERF_COUNT_HW_INSTRUCTIONS, "instructions_total", "Number of CPU instructions"},
    {"CacheRef", PERF_COUNT_HW_CACHE_REFERENCES, "cache_refs_total",
     "Number of cache references (non frequency scaled)"},
    {"CacheMisses", PERF_COUNT_HW_CACHE_MISSES, "cache_misses_total", "Number of cache misses"},
    {"BranchInstr", PERF_COUNT_HW_BRANCH_INSTRUCTIONS, "branch_instructions_total",
     "Number of CPU branch instructions"},
    {"BranchMisses", PERF_COUNT_HW_BRANCH_MISSES, "branch_misses_total",
     "Number of CPU branch misses"},
    {"StalledCyclesBackend", PERF_COUNT_HW_STALLED_CYCLES_BACKEND, "stalled_cycles_backend_total",
     "Number of stalled backend CPU cycles"},
    {"StalledCyclesFrontend", PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
     "stalled_cycles_frontend_total", "Number of stalled frontend CPU cycles"},
    {"RefCpuCycles", PERF_COUNT_HW_REF_CPU_CYCLES, "ref_cpucycles_total", "Number of CPU cycles"},
};

constexpr Profiler kSoftware[] = {
    {"PageFault", PERF_COUNT_SW_PAGE_FAULTS, "page_faults_total", "Number of page faults"},
    {"ContextSwitch", PERF_COUNT_SW_CONTEXT_SWITCHES, "context_switches_total",
     "Number of context switches"},
    {"CpuMigration", PERF_COUNT_SW_CPU_MIGRATIONS, "cpu_migrations_total",
     "Number of CPU process migrations"},
    {"MinorFault", PERF_COUNT_SW_PAGE_FAULTS_MIN, "minor_faults_total",
     "Number of minor page faults"},
    {"MajorFault", PERF_COUNT_SW_PAGE_FAULTS_MAJ, "major_faults_total",
     "Number of major page faults"},
};

constexpr Profiler kCache[] = {
    {"L1DataReadHit", cache_event(PERF_COUNT_HW_CACHE_L1D, kRead, kHit),
     "cache_l1d_read_hits_total", "Number L1 data cache read hits"},
    {"L1DataReadMiss", cache_event(PERF_COUNT_HW_CACHE_L1D, kRead, kMiss),
     "cache_l1d_read_misses_total", "Number L1 data cache read misses"},
    {"L1DataWriteHit", cache_event(PERF_COUNT_HW_CACHE_L1D, kWrite, kHit),
     "cache_l1d_write_hits_total", "Number L1 data cache write hits"},
    {"L1InstrReadMiss", cache_event(PERF_COUNT_HW_CACHE_L1I, kRead, kMiss),
     "cache_l1_instr_read_misses_total", "Number instruction L1 instruction read misses"},
    {"LLReadHit", cache_event(PERF_COUNT_HW_CACHE_LL, kRead, kHit), "cache_ll_read_hits_total",
     "Number last level read hits"},
    {"LLReadMiss", cache_event(PERF_COUNT_HW_CACHE_LL, kRead, kMiss), "cache_ll_read_misses_total",
     "Number last level read misses"},
    {"LLWriteHit", cache_event(PERF_COUNT_HW_CACHE_LL, kWrite, kHit), "cache_ll_write_hits_total",
     "Number last level write hits"},
    {"LLWriteMiss", cache_event(PERF_COUNT_HW_CACHE_LL, kWrite, kMiss),
     "cache_ll_write_misses_total", "Number last level write misses"},
    {"InstrTLBReadHit", cache_event(PERF_COUNT_HW_CACHE_ITLB, kRead, kHit),
     "cache_tlb_instr_read_hits_total", "Number instruction TLB read hits"},
    {"InstrTLBReadMiss", cache_event(PERF_COUNT_HW_CACHE_ITLB, kRead, kMiss),
     "cache_tlb_instr_read_misses_total", "Number instruction TLB read misses"},
    {"BPUReadHit", cache_event(PERF_COUNT_HW_CACHE_BPU, kRead, kHit), "cache_bpu_read_hits_total",
     "Number BPU read hits"},
    {"BPUReadMiss", cache_event(PERF_COUNT_HW_CACHE_BPU, kRead, kMiss),
     "cache_bpu_read_misses_total", "Number BPU read misses"},
    {"DataTLBReadHit", cache_event(PERF_COUNT_HW_CACHE_DTLB, kRead, kHit),
     "cache_tlb_data_read_hits_total", "Number of data TLB read hits"},
    {"DataTLBReadMiss", cache_event(PERF_COUNT_HW_CACHE_DTLB, kRead, kMiss),
     "cache_tlb_data_read_misses_total", "Number of data TLB read misses"},
    {"DataTLBWriteHit", cache_event(PERF_COUNT_HW_CACHE_DTLB, kWrite, kHit),
     "cache_tlb_data_write_hits_total", "Number of data TLB write hits"},
    {"DataTLBWriteMiss", cache_event(PERF_COUNT_HW_CACHE_DTLB, kWrite, kMiss),
     "cache_tlb_data_write_misses_total", "Number of data TLB write misses"},
};

constexpr std::size_t kMaxCpus = 4096;

std::optional<std::size_t> small_number(std::string_view text) {
  std::size_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value > kMaxCpus) return std::nullopt;
  return value;
}

// "0-3,5" and "0-10:5", every fifth.
StatusOr<std::vector<std::size_t>> parse_cpus(std::string_view text) {
  std::vector<std::size_t> cpus;
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    std::optional<std::size_t> stride = 1;
    if (const std::size_t colon = one.find(':'); colon != std::string_view::npos) {
      stride = small_number(one.substr(colon + 1));
      one = one.substr(0, colon);
    }
    const std::size_t dash = one.find('-');
    const auto first = small_number(one.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : small_number(one.substr(dash + 1));
    if (!first || !last || !stride || *stride == 0 || *first > *last) {
      return invalid_argument("invalid list of CPUs {:?}", text);
    }
    for (std::size_t cpu = *first; cpu <= *last; cpu += *stride) cpus.push_back(cpu);
    if (cpus.size() > kMaxCpus) return invalid_argument("too many CPUs in {:?}", text);
  }
  return cpus;
}

struct Event {
  std::string family, help;
  std::uint32_t type = 0;
  std::uint64_t config = 0;
};

struct Group {
  std::span<const Profiler> profilers;
  std::uint32_t type;
  std::string_view kind;  // for errors
};

Status add_group(const Group& group, const std::vector<std::string>& wanted,
                 std::vector<Event>* events) {
  for (const std::string& name : wanted) {
    const bool is_known = std::any_of(group.profilers.begin(), group.profilers.end(),
                                      [&](const Profiler& p) { return p.name == name; });
    if (!is_known) return invalid_argument("unknown {} profiler {:?}", group.kind, name);
  }
  for (const Profiler& profiler : group.profilers) {
    const bool is_wanted =
        wanted.empty() || std::find(wanted.begin(), wanted.end(), profiler.name) != wanted.end();
    if (!is_wanted) continue;
    events->push_back({.family = fmt::format("node_perf_{}", profiler.family),
                       .help = std::string(profiler.help),
                       .type = group.type,
                       .config = profiler.config});
  }
  return ok();
}

// "subsystem:event", which the kernel knows by a number.
Status add_tracepoint(const Node& node, std::string_view text, std::vector<Event>* events) {
  const std::size_t colon = text.find(':');
  const std::string_view subsystem = text.substr(0, colon);
  const std::string_view name = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const bool is_valid = !subsystem.empty() && !name.empty() &&
                        text.find_first_of("/.") == std::string_view::npos &&
                        name.find(':') == std::string_view::npos;
  if (!is_valid) return invalid_argument("invalid tracepoint config {}", text);
  std::optional<double> id;
  for (const std::string_view root : {"/kernel/tracing", "/kernel/debug/tracing"}) {
    if (!id) id = node.number(node.sys(fmt::format("{}/events/{}/{}/id", root, subsystem, name)));
  }
  if (!id) return invalid_argument("tracepoint {} is not known", text);
  events->push_back({.family = fmt::format("node_perf_{}_{}", subsystem, name),
                     .help = fmt::format("Perf tracepoint {}", text),
                     .type = PERF_TYPE_TRACEPOINT,
                     .config = static_cast<std::uint64_t>(*id)});
  return ok();
}

StatusOr<std::vector<Event>> chosen_events(const Node& node) {
  const NodeOptions& options = node.options;
  std::vector<Event> events;
  if (!options.perf_no_hardware) {
    RETURN_IF_ERROR(
        add_group({kHardware, PERF_TYPE_HARDWARE, "hardware"}, options.perf_hardware, &events));
  }
  if (!options.perf_no_software) {
    RETURN_IF_ERROR(
        add_group({kSoftware, PERF_TYPE_SOFTWARE, "software"}, options.perf_software, &events));
  }
  if (!options.perf_no_cache) {
    RETURN_IF_ERROR(add_group({kCache, PERF_TYPE_HW_CACHE, "cache"}, options.perf_cache, &events));
  }
  for (const std::string& tracepoint : options.perf_tracepoints) {
    RETURN_IF_ERROR(add_tracepoint(node, tracepoint, &events));
  }
  return events;
}

struct OpenCounter {
  std::string family, help, cpu;
  PerfCounter read;
};

Status show_counters(const std::vector<OpenCounter>& counters, const Status& why_none,
                     Families* out) {
  for (const OpenCounter& counter : counters) {
    ASSIGN_OR_RETURN(const std::uint64_t value, counter.read());
    out->counter(counter.family, counter.help, {{"cpu", counter.cpu}}, static_cast<double>(value));
  }
  return counters.empty() ? why_none : ok();
}

}  // namespace

StatusOr<PerfCounter> open_perf_counter(const PerfEvent& event) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.inherit = 1;
  attributes.exclude_hv = 1;
  const long descriptor = ::syscall(SYS_perf_event_open, &attributes, -1,
                                    static_cast<int>(event.cpu), -1, PERF_FLAG_FD_CLOEXEC);
  if (descriptor < 0) return errno_status(errno, "perf_event_open");
  const std::shared_ptr<const int> owned(new int(static_cast<int>(descriptor)), [](const int* one) {
    ::close(*one);
    delete one;
  });
  return PerfCounter([owned]() -> StatusOr<std::uint64_t> {
    std::uint64_t value = 0;
    if (::read(*owned, &value, sizeof(value)) != sizeof(value)) {
      return errno_status(errno, "reading a counter of perf");
    }
    return value;
  });
}

StatusOr<Collect> make_perf(const Node& node) {
  std::string cpus = node.options.perf_cpus;
  if (cpus.empty()) cpus = node.try_text(node.sys("/devices/system/cpu/online")).value_or("0");
  ASSIGN_OR_RETURN(const std::vector<std::size_t> numbers, parse_cpus(cpus));
  ASSIGN_OR_RETURN(const std::vector<Event> events, chosen_events(node));
  std::vector<OpenCounter> counters;
  Status why_none = no_data("no event of perf was chosen");
  for (const std::size_t cpu : numbers) {
    for (const Event& event : events) {
      StatusOr<PerfCounter> counter =
          node.services.perf_counter({.type = event.type, .config = event.config, .cpu = cpu});
      if (counter.ok()) {
        counters.push_back({event.family, event.help, fmt::format("{}", cpu), *std::move(counter)});
      } else {
        why_none = counter.status();
      }
    }
  }
  return Collect([counters = std::move(counters), why_none](Families* out) {
    return show_counters(counters, why_none, out);
  });
}

}  // namespace tocsin::exporters
