// SPDX-License-Identifier: Apache-2.0
//
// TempFolder: a new directory for a test of real files, removed with all it holds in the end.
//
// Threads: confined. Errors: what cannot be written fails the running test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace tocsin::exporters::app::testing {

class TempFolder {
 public:
  TempFolder() : path_(::testing::TempDir() + "tocsin_app_XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr) << path_;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  void append(std::string_view name, std::string_view text) const {
    std::ofstream out(file(name), std::ios::binary | std::ios::app);
    out << text;
    out.flush();
    EXPECT_TRUE(out.good()) << file(name);
  }
  void rename(std::string_view from, std::string_view to) const {
    std::filesystem::rename(file(from), file(to));
  }
  void remove(std::string_view name) const { std::filesystem::remove_all(file(name)); }
  void truncate(std::string_view name) const { std::filesystem::resize_file(file(name), 0); }

 private:
  std::string path_;
};

}  // namespace tocsin::exporters::app::testing
