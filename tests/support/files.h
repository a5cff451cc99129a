// SPDX-License-Identifier: Apache-2.0
//
// TempDir and the few file operations of tests; text substitution that fails when it finds nothing.
//
// Threads: confined. Errors: what cannot be read or written fails the running test and returns "".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::tests {

// A new directory, removed with all it holds in the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` inside.
  std::string file(std::string_view name) const;
  // Writes a file, with its directories, and returns its path.
  std::string write(std::string_view name, std::string_view text) const;

 private:
  std::string path_;
};

std::string read_file(const std::string& path);
// The names in a directory, sorted; none when it does not exist.
std::vector<std::string> list_directory(const std::string& path);

// A file of the source tree, as "examples/quickstart/prometheus.yml".
std::string source_path(std::string_view path);

// `text` with every `from` replaced; fails the running test when there is none, so that a test
// that shortens what is shipped notices when that changes.
std::string replaced(std::string text, std::string_view from, std::string_view to);
// As replaced(), where `from` must be there exactly once.
std::string replaced_once(const std::string& text, std::string_view from, std::string_view to);

}  // namespace tocsin::tests
