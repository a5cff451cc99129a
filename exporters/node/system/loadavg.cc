// SPDX-License-Identifier: Apache-2.0
//
// loadavg: the three load averages of /proc/loadavg.
#include "exporters/node/collectors.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

class LoadavgCollector final : public Collector {
 public:
  LoadavgCollector(const NodeOptions& options, const NodeServices& services)
      : path_(options.procfs + "/loadavg"), files_(services.files) {}

  std::string_view name() const override { return "loadavg"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(const std::string text, files_.read_file(path_, kMaxProcFile));
    const std::vector<std::string_view> fields = fields_of(text);
    constexpr std::array<int, 3> kMinutes = {1, 5, 15};
    for (std::size_t i = 0; i < kMinutes.size(); ++i) {
      const std::optional<double> load = i < fields.size() ? to_number(fields[i]) : std::nullopt;
      if (!load) return invalid_argument("{}: expected three load averages", path_);
      add_single(fmt::format("node_load{}", kMinutes[i]),
                 fmt::format("{}m load average.", kMinutes[i]), base::MetricType::kGauge, *load,
                 out);
    }
    return ok();
  }

 private:
  const std::string path_;
  base::FileSystem& files_;
};

}  // namespace

std::unique_ptr<Collector> make_loadavg_collector(const NodeOptions& options,
                                                  const NodeServices& services) {
  return std::make_unique<LoadavgCollector>(options, services);
}

}  // namespace tocsin::exporters
