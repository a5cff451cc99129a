// SPDX-License-Identifier: Apache-2.0
//
// uname: the names that uname(2) gives.
#include "exporters/node/collectors.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

class UnameCollector final : public Collector {
 public:
  explicit UnameCollector(const NodeServices& services) : services_(services) {}

  std::string_view name() const override { return "uname"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(const SystemNames names, services_.system_names());
    base::MetricFamily family = make_family(
        "node_uname_info", "Labeled system information as provided by the uname system call.",
        base::MetricType::kGauge);
    add_sample(&family,
               {{"domainname", names.domain},
                {"machine", names.machine},
                {"nodename", names.node},
                {"release", names.release},
                {"sysname", names.system},
                {"version", names.version}},
               1);
    out->push_back(std::move(family));
    return ok();
  }

 private:
  const NodeServices& services_;
};

}  // namespace

std::unique_ptr<Collector> make_uname_collector(const NodeOptions& /*options*/,
                                                const NodeServices& services) {
  return std::make_unique<UnameCollector>(services);
}

}  // namespace tocsin::exporters
