// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/host_addresses.h"

#include <gtest/gtest.h>

namespace tocsin::exporters::postgres {
namespace {

class HostAddressesTest : public ::testing::Test {
 protected:
  StatusOr<Conninfo> find(const std::string& source, base::Duration patience) {
    return with_addresses(*parse_conninfo(source), clock_.steady_now() + patience, hosts_);
  }

  base::SystemClock clock_;
  net::HostLookup hosts_;
};

TEST_F(HostAddressesTest, WhatNeedsNoNameServerStaysAsItIs) {
  for (const std::string source :
       {"host=127.0.0.1 port=1", "host=/run/postgresql", "port=5", "host=::1",
        "host=somewhere.invalid hostaddr=127.0.0.1", "host=127.0.0.1,/run/x"}) {
    const StatusOr<Conninfo> found = find(source, base::Duration(0));
    ASSERT_EQ(found.status(), ok()) << source;
    EXPECT_EQ(*found, *parse_conninfo(source)) << source;
  }
}

TEST_F(HostAddressesTest, AnAddressIsAddedForEveryHost) {
  const StatusOr<Conninfo> found =
      find("host=localhost,10.0.0.1 port=7,8", std::chrono::minutes(1));
  ASSERT_EQ(found.status(), ok());
  const std::string_view hosts = conninfo_value(*found, "host");
  EXPECT_TRUE(hosts.starts_with("localhost")) << hosts;
  EXPECT_TRUE(hosts.ends_with(",10.0.0.1")) << hosts;
  EXPECT_TRUE(conninfo_value(*found, "port").ends_with("7,8"));
  EXPECT_TRUE(conninfo_value(*found, "hostaddr").ends_with(",")) << "libpq takes the host itself";
}

TEST_F(HostAddressesTest, ANameThatDoesNotExistIsUnavailable) {
  const StatusOr<Conninfo> found = find("host=nowhere.invalid", std::chrono::minutes(1));
  EXPECT_EQ(found.status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tocsin::exporters::postgres
