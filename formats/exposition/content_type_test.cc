// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "formats/exposition.h"

namespace tocsin::formats {
namespace {

TEST(ChooseFormat, KnowsTheMediaTypes) {
  const auto check = [](std::string_view content_type, ExpositionFormat want) {
    const auto got = choose_format(content_type, std::nullopt);
    ASSERT_TRUE(got.ok()) << content_type << got.status();
    EXPECT_EQ(*got, want) << content_type;
  };
  check("text/plain", ExpositionFormat::kText);
  check("text/plain; version=0.0.4; charset=utf-8", ExpositionFormat::kText);
  check("Text/Plain;", ExpositionFormat::kText);
  check("text/plain; a=\"x;y\\\"\" ; b=c", ExpositionFormat::kText);
  check("application/openmetrics-text; version=1.0.0; charset=utf-8",
        ExpositionFormat::kOpenMetrics);
  check(
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
      "encoding=delimited",
      ExpositionFormat::kProtobuf);
}

TEST(ChooseFormat, WhatIsNotKnownNeedsAFallback) {
  const auto check = [](std::string_view content_type, std::string_view want) {
    const auto got = choose_format(content_type, std::nullopt);
    ASSERT_FALSE(got.ok()) << content_type;
    EXPECT_EQ(message(got.status()), want);
    EXPECT_EQ(*choose_format(content_type, ScrapeProtocol::kOpenMetricsText0_0_1),
              ExpositionFormat::kOpenMetrics);
    EXPECT_EQ(*choose_format(content_type, ScrapeProtocol::kPrometheusText1_0_0),
              ExpositionFormat::kText);
  };
  check("",
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
        "specified "
        "for target");
  check("text/html",
        "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified "
        "for target");
  check(
      "application/vnd.google.protobuf; encoding=text",
      "received unsupported Content-Type \"application/vnd.google.protobuf; encoding=text\" and no "
      "fallback_scrape_protocol specified for target");
  check("text/plain; charset",
        "cannot parse Content-Type \"text/plain; charset\" and no fallback_scrape_protocol for "
        "target");
  check("/", "cannot parse Content-Type \"/\" and no fallback_scrape_protocol for target");
  check("text/plain; a=\"x",
        "cannot parse Content-Type \"text/plain; a=\\\"x\" and no fallback_scrape_protocol for "
        "target");
}

TEST(AcceptHeader, AsksInOrder) {
  EXPECT_EQ(accept_header(default_scrape_protocols()),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/"
            "*;q=0.2");
  const ScrapeProtocol one[] = {ScrapeProtocol::kPrometheusText1_0_0};
  EXPECT_EQ(accept_header(one, "underscores"),
            "text/plain;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5");
  EXPECT_EQ(accept_header({}), "*/*;q=0.6");
}

TEST(ScrapeProtocol, NamesRoundTrip) {
  for (const std::string_view name :
       {"PrometheusProto", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusText0.0.4",
        "PrometheusText1.0.0"}) {
    const auto protocol = parse_scrape_protocol(name);
    ASSERT_TRUE(protocol.ok()) << name;
    EXPECT_EQ(scrape_protocol_text(*protocol), name);
  }
  EXPECT_EQ(message(parse_scrape_protocol("x").status()),
            "unknown scrape protocol x, supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 "
            "PrometheusProto "
            "PrometheusText0.0.4 PrometheusText1.0.0]");
}

}  // namespace
}  // namespace tocsin::formats
