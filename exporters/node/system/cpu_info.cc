// SPDX-License-Identifier: Apache-2.0
//
// /proc/cpuinfo: "key : value" lines, a block for each CPU.
#include "exporters/node/system/cpu_info.h"

#include <map>

namespace tocsin::exporters {
namespace {

using Block = std::map<std::string, std::string, std::less<>>;

std::vector<Block> parse_blocks(std::string_view text) {
  std::vector<Block> blocks;
  for (const std::string_view line : lines_of(text)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, colon));
    if (key == "processor") blocks.emplace_back();
    if (blocks.empty()) continue;
    blocks.back().insert_or_assign(std::string(key), std::string(trimmed(line.substr(colon + 1))));
  }
  return blocks;
}

void show_words(std::string_view words, const std::optional<model::Regex>& filter,
                const Families::Header& header, Families* out) {
  if (!filter) return;
  // "node_cpu_flag_info" -> "flag"
  const std::string label(header.name.substr(9, header.name.size() - 9 - 5));
  for (const std::string_view word : fields_of(words)) {
    if (filter->matches(word)) out->add(header, {{label, std::string(word)}}, 1);
  }
}

}  // namespace

StatusOr<CpuInfoFilters> CpuInfoFilters::make(const NodeOptions& options) {
  CpuInfoFilters filters;
  if (!options.cpu_info_flags.empty()) {
    ASSIGN_OR_RETURN(filters.flags, model::Regex::unanchored(options.cpu_info_flags));
  }
  if (!options.cpu_info_bugs.empty()) {
    ASSIGN_OR_RETURN(filters.bugs, model::Regex::unanchored(options.cpu_info_bugs));
  }
  return filters;
}

void show_cpu_info(const Node& node, const CpuInfoFilters& filters,
                   std::vector<base::MetricFamily>* out) {
  const StatusOr<std::string> text = node.file(node.proc("/cpuinfo"));
  if (!text.ok()) return;
  Families families(out);
  std::vector<Block> blocks = parse_blocks(*text);
  for (Block& block : blocks) {
    families.gauge("node_cpu_info", "CPU information from /proc/cpuinfo.",
                   {{"cachesize", block["cache size"]},
                    {"core", block["core id"]},
                    {"cpu", block["processor"]},
                    {"family", block["cpu family"]},
                    {"microcode", block["microcode"]},
                    {"model", block["model"]},
                    {"model_name", block["model name"]},
                    {"package", block["physical id"]},
                    {"stepping", block["stepping"]},
                    {"vendor", block["vendor_id"]}},
                   1);
    const std::optional<double> megahertz = to_number(block["cpu MHz"]);
    if (!megahertz || !node.options.is_enabled("cpufreq")) continue;
    families.gauge("node_cpu_frequency_hertz", "CPU frequency in hertz from /proc/cpuinfo.",
                   {{"core", block["core id"]},
                    {"cpu", block["processor"]},
                    {"package", block["physical id"]}},
                   *megahertz * 1e6);
  }
  if (blocks.empty()) return;
  show_words(blocks[0]["flags"], filters.flags,
             {"node_cpu_flag_info",
              "The `flags` field of CPU information from /proc/cpuinfo taken from the first core."},
             &families);
  show_words(blocks[0]["bugs"], filters.bugs,
             {"node_cpu_bug_info",
              "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core."},
             &families);
}

}  // namespace tocsin::exporters
