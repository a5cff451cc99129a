// SPDX-License-Identifier: Apache-2.0
//
// Debian's promtool and amtool, and our tocsinctl, against a running tocsin that scrapes a fixed page.
//
// Owns: the programs. Threads: confined. Errors: a test is skipped when the client is not there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/tocsin.h"

namespace tocsin::tests {

class ClientTest : public ::testing::Test {
 protected:
  explicit ClientTest(const std::string& client);
  void SetUp() override;

  // Starts a tocsin and waits until it has scraped the page.
  void start_tocsin();
  Tocsin& tocsin() { return *tocsin_; }

  // Runs the client; it must succeed. What it printed, each line without spaces at its end.
  std::string output(const std::vector<std::string>& arguments);
  // The same with the lines sorted, where the client does not promise an order.
  std::string sorted_output(const std::vector<std::string>& arguments);
  // Runs the client; it must fail. What it wrote to standard error.
  std::string failure(const std::vector<std::string>& arguments);

  const TempDir files_;

 private:
  Finished run_client(const std::vector<std::string>& arguments) const;

  const std::string client_;
  std::unique_ptr<HttpSink> page_;
  std::unique_ptr<Tocsin> tocsin_;
};

}  // namespace tocsin::tests
