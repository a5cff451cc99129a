// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "exporters/app/testing/probe_fixture.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::HasSubstr;

class IcmpProbeTest : public testing::ProbeTest {
 protected:
  void SetUp() override {
    for (const int type : {SOCK_DGRAM, SOCK_RAW}) {
      const int descriptor = ::socket(AF_INET, type | SOCK_CLOEXEC, IPPROTO_ICMP);
      if (descriptor < 0) continue;
      ::close(descriptor);
      return;
    }
    GTEST_SKIP() << "this machine allows no ICMP socket";
  }
};

TEST_F(IcmpProbeTest, FindsLoopback) {
  for (const std::string_view icmp : {"", "payload_size: 9", "payload_size: 2000", "ttl: 7",
                                      "dont_fragment: true", "source_ip_address: 127.0.0.1"}) {
    const Seen seen = probe(fmt::format("{{prober: icmp, icmp: {{{}}}}}", icmp), "127.0.0.1");
    EXPECT_TRUE(seen.success) << icmp << "\n" << seen.log;
    for (const std::string_view line :
         {"probe_icmp_reply_hop_limit ", "probe_icmp_duration_seconds{phase=\"resolve\"} ",
          "probe_icmp_duration_seconds{phase=\"rtt\"} ", "probe_ip_protocol 4\n",
          "probe_icmp_duration_seconds{phase=\"setup\"} ", "probe_success 1\n"}) {
      EXPECT_THAT(seen.page, HasSubstr(std::string(line))) << icmp;
    }
  }
}

TEST_F(IcmpProbeTest, ShowsItsPhasesAlsoWithoutAnAddress) {
  const Seen seen = probe("{prober: icmp}", "nowhere.test");
  EXPECT_FALSE(seen.success);
  EXPECT_THAT(seen.page, HasSubstr("probe_icmp_duration_seconds{phase=\"rtt\"} 0\n"));
  EXPECT_THAT(seen.page, HasSubstr("probe_ip_protocol 0\n"));
}

}  // namespace
}  // namespace tocsin::exporters::app
