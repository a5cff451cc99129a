// SPDX-License-Identifier: Apache-2.0
//
// Process: a program that a test starts, with its output in files.
//
// Owns: the child, which dies with the test program at the latest, and its output files.
// Threads: confined to the thread that started it. Errors: a program that cannot be started ends at
// once with exit code 127. When the test has failed, the destructor prints the end of what the
// program wrote.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "tests/support/files.h"
#include "tests/support/wait.h"

namespace tocsin::tests {

// The path of a program of this build, as "tocsin".
std::string built_program(std::string_view name);

class Process {
 public:
  // The first word is the program: a path, or a name to be found in PATH.
  explicit Process(std::vector<std::string> command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  std::string standard_output() const { return read_file(files_.file("stdout")); }
  std::string standard_error() const { return read_file(files_.file("stderr")); }

  void signal(int number) const;
  // Waits for the end: the exit code, or minus the number of the signal. Nothing when it still runs
  // after `patience`.
  std::optional<int> wait(base::Duration patience = kPatience);
  bool has_ended();
  // SIGTERM and wait().
  std::optional<int> terminate();
  // kill -9 and wait for its end.
  void kill();

  // The first whole line on standard error that holds all of `parts`. "" when the program ends or
  // the deadline passes first; the test has then failed.
  std::string wait_for_line(const std::vector<std::string_view>& parts);
  // The 127.0.0.1:port on which the program accepts connections, for programs that do not print it.
  std::string wait_for_listener();

 private:
  std::string line_with(const std::vector<std::string_view>& parts) const;

  const std::vector<std::string> command_;
  TempDir files_;
  pid_t pid_ = -1;
  std::optional<int> exit_;
};

// The value of key=value in a log line; "" when it is not there.
std::string log_field(std::string_view line, std::string_view key);

struct Finished {
  int exit_code = -1;
  std::string out, err;
};
// Runs a program to its end; -1 as its exit code when it still ran after `patience`.
Finished run(std::vector<std::string> command, base::Duration patience = kPatience);

}  // namespace tocsin::tests
