// SPDX-License-Identifier: Apache-2.0
//
// Pages in the OpenMetrics: each series text and exemplar that the parser hands on can be read,
// and gives labels in order.
#include "base/check.h"
#include "base/testing/fuzz.h"
#include "formats/exposition.h"

namespace tocsin::formats {
namespace {

class Reader final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    const StatusOr<model::Labels> labels = parse_series(sample.series, sample.kind);
    if (labels.ok()) {
      CHECK(labels->size() > 0);
      std::string_view last;
      for (const model::LabelView& label : *labels) {
        CHECK(last < label.name && !label.value.empty());
        last = label.name;
      }
    }
    if (!sample.exemplar.empty()) static_cast<void>(parse_exemplar(sample.exemplar));
    return ok();
  }
  void type(std::string_view metric, model::MetricKind) override { bytes_ += metric.size(); }
  void help(std::string_view metric, std::string_view text) override {
    bytes_ += metric.size() + text.size();
  }
  void unit(std::string_view metric, std::string_view unit) override {
    bytes_ += metric.size() + unit.size();
  }

 private:
  std::size_t bytes_ = 0;
};

void fuzz(std::string_view bytes) {
  Reader reader;
  static_cast<void>(parse_openmetrics(bytes, reader));
  static_cast<void>(choose_format(bytes, ScrapeProtocol::kPrometheusText0_0_4));
}

}  // namespace

TOCSIN_FUZZ_TARGET(openmetrics, fuzz)

}  // namespace tocsin::formats
