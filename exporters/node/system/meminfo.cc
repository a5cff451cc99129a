// SPDX-License-Identifier: Apache-2.0
//
// meminfo: every line of /proc/meminfo, also those that newer kernels add.
#include "exporters/node/collectors.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

constexpr double kBytesPerKb = 1024;

// "Active(anon)" -> "Active_anon": what a metric's name cannot hold becomes "_", but not at the
// end.
std::string field_name(std::string_view key) {
  std::string name;
  for (const char c : key) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name.push_back(is_plain ? c : '_');
  }
  while (name.ends_with('_')) name.pop_back();
  return name;
}

class MeminfoCollector final : public Collector {
 public:
  MeminfoCollector(const NodeOptions& options, const NodeServices& services)
      : path_(options.procfs + "/meminfo"), files_(services.files) {}

  std::string_view name() const override { return "meminfo"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(const std::string text, files_.read_file(path_, kMaxProcFile));
    for (const std::string_view line : lines_of(text)) {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      const std::vector<std::string_view> fields = fields_of(line.substr(colon + 1));
      const std::optional<double> value = fields.empty() ? std::nullopt : to_number(fields[0]);
      if (!value) return invalid_argument("{}: expected a number in {:?}", path_, line);
      const bool is_kb = fields.size() > 1 && fields[1] == "kB";
      const std::string name = field_name(line.substr(0, colon)) + (is_kb ? "_bytes" : "");
      add_single("node_memory_" + name, fmt::format("Memory information field {}.", name),
                 base::MetricType::kGauge, is_kb ? *value * kBytesPerKb : *value, out);
    }
    return ok();
  }

 private:
  const std::string path_;
  base::FileSystem& files_;
};

}  // namespace

std::unique_ptr<Collector> make_meminfo_collector(const NodeOptions& options,
                                                  const NodeServices& services) {
  return std::make_unique<MeminfoCollector>(options, services);
}

}  // namespace tocsin::exporters
