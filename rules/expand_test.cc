// SPDX-License-Identifier: Apache-2.0
#include "rules/expand.h"

#include <gtest/gtest.h>

namespace tocsin::rules {
namespace {

TEST(Expand, SeesLabelsValueExternalLabelsAndQueries) {
  promql::Sample sample;
  sample.labels = model::Labels::of({{"instance", "a:1"}, {"job", "node"}});
  sample.value = 0.8125;
  const model::Labels external = model::Labels::of({{"region", "eu"}});
  ExpandContext context{"Rule", sample, external, "http://host:9090", base::from_ms(0), {}};
  context.query = [](const std::string& query) -> StatusOr<promql::Vector> {
    if (query != "up") return invalid_argument("unexpected query {}", query);
    promql::Sample one;
    one.labels = model::Labels::of({{"job", "x"}});
    one.value = 1;
    return promql::Vector{one};
  };
  struct Case {
    std::string text, expected;
  };
  for (const Case& c : {
           Case{"plain", "plain"},
           Case{"{{ $labels.instance }} is {{ $value | humanizePercentage }}", "a:1 is 81.25%"},
           Case{"{{ .Labels.job }} {{ .Value }}", "node 0.8125"},
           Case{"{{ $externalLabels.region }} {{ $externalURL }}", "eu http://host:9090"},
           Case{"{{ with query \"up\" }}{{ . | first | value }}{{ end }}", "1"},
           Case{"<{{ $labels.absent }}>", "<>"},
       }) {
    EXPECT_EQ(expand(c.text, context), c.expected) << c.text;
  }
  EXPECT_TRUE(expand("{{ query \"other\" }}", context).starts_with("<error expanding template: "));
}

TEST(Expand, ChecksThatATemplateParses) {
  EXPECT_TRUE(check_template("Rule", "{{ $labels.x }}").ok());
  EXPECT_FALSE(check_template("Rule", "{{ $labels.x ").ok());
  EXPECT_FALSE(check_template("Rule", "{{ nosuchfunction 1 }}").ok());
}

}  // namespace
}  // namespace tocsin::rules
