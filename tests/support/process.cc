// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/check.h"

namespace tocsin::tests {

namespace {

constexpr int kCannotStart = 127;

// In the child, after fork(): only calls that are safe there.
[[noreturn]] void become(char* const* arguments, const char* out, const char* err, pid_t parent) {
  const int out_file = ::open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err_file = ::open(err, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int in_file = ::open("/dev/null", O_RDONLY);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before prctl().
  if (out_file < 0 || err_file < 0 || ::getppid() != parent) ::_exit(kCannotStart);
  ::dup2(in_file, STDIN_FILENO);
  ::dup2(out_file, STDOUT_FILENO);
  ::dup2(err_file, STDERR_FILENO);
  // The test's own sockets stay with the test.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execvp(arguments[0], arguments);
  ::_exit(kCannotStart);
}

std::string tail(const std::string& text) {
  constexpr std::size_t kShown = 4000;
  return text.size() <= kShown ? text : "..." + text.substr(text.size() - kShown);
}

// The inodes of the sockets that a process has open.
std::set<std::string> sockets_of(pid_t pid) {
  constexpr std::string_view kPrefix = "socket:[";
  std::set<std::string> inodes;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (!target.starts_with(kPrefix)) continue;
    inodes.insert(target.substr(kPrefix.size(), target.size() - kPrefix.size() - 1));
  }
  return inodes;
}

// /proc/PID/net/tcp: "sl local_address rem_address st ... inode"; state 0A listens.
std::string listener_of(pid_t pid) {
  const std::set<std::string> inodes = sockets_of(pid);
  std::ifstream table(fmt::format("/proc/{}/net/tcp", pid));
  std::string line;
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::array<std::string, 10> word;
    for (std::string& w : word) words >> w;
    if (word[3] != "0A" || !inodes.contains(word[9])) continue;
    const std::size_t colon = word[1].find(':');
    int port = 0;
    std::from_chars(word[1].data() + colon + 1, word[1].data() + word[1].size(), port, 16);
    return fmt::format("127.0.0.1:{}", port);
  }
  return "";
}

}  // namespace

std::string built_program(std::string_view name) {
  return std::string(TOCSIN_BINARY_DIR) + "/bin/" + std::string(name);
}

Process::Process(std::vector<std::string> command) : command_(std::move(command)) {
  CHECK(!command_.empty());
  std::vector<char*> arguments;
  for (const std::string& word : command_) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::string out = files_.write("stdout", "");
  const std::string err = files_.write("stderr", "");
  const pid_t parent = ::getpid();
  int started[2];
  CHECK(::pipe2(started, O_CLOEXEC) == 0);
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) become(arguments.data(), out.c_str(), err.c_str(), parent);
  // The pipe closes when the child has become the program: what is seen of it from now on is its
  // own.
  ::close(started[1]);
  char nothing = 0;
  while (::read(started[0], &nothing, 1) < 0 && errno == EINTR) {
  }
  ::close(started[0]);
}

Process::~Process() {
  kill();
  if (!::testing::Test::HasFailure()) return;
  std::string words;
  for (const std::string& word : command_) words += word + " ";
  std::printf("--- %s(exit %d)\n%s%s", words.c_str(), exit_.value_or(-1),
              tail(standard_output()).c_str(), tail(standard_error()).c_str());
}

void Process::signal(int number) const { CHECK(!exit_ && ::kill(pid_, number) == 0); }

bool Process::has_ended() {
  if (exit_) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return true;
}

std::optional<int> Process::wait(base::Duration patience) {
  if (!eventually([this] { return has_ended(); }, patience)) return std::nullopt;
  return exit_;
}

std::optional<int> Process::terminate() {
  if (!has_ended()) signal(SIGTERM);
  return wait();
}

void Process::kill() {
  if (has_ended()) return;
  ::kill(pid_, SIGKILL);
  static_cast<void>(wait());
}

std::string Process::line_with(const std::vector<std::string_view>& parts) const {
  const std::string text = standard_error();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string_view line(text.data() + begin, end - begin);
    const bool all = std::all_of(parts.begin(), parts.end(), [line](std::string_view part) {
      return line.find(part) != std::string_view::npos;
    });
    if (all) return std::string(line);
    begin = end + 1;
  }
  return "";
}

std::string Process::wait_for_line(const std::vector<std::string_view>& parts) {
  std::string line;
  static_cast<void>(eventually([&] {
    const bool ended = has_ended();  // before reading: what it wrote is then all there
    line = line_with(parts);
    return !line.empty() || ended;
  }));
  EXPECT_NE(line, "") << command_[0] << " has printed no line with " << parts[0];
  return line;
}

std::string Process::wait_for_listener() {
  std::string address;
  static_cast<void>(eventually([&] {
    const bool ended = has_ended();
    address = listener_of(pid_);
    return !address.empty() || ended;
  }));
  EXPECT_NE(address, "") << command_[0] << " does not listen";
  return address;
}

std::string log_field(std::string_view line, std::string_view key) {
  const std::string mark = fmt::format(" {}=", key);
  const std::size_t at = line.find(mark);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = line.substr(at + mark.size());
  if (rest.starts_with('"')) return std::string(rest.substr(1, rest.find('"', 1) - 1));
  return std::string(rest.substr(0, rest.find(' ')));
}

Finished run(std::vector<std::string> command, base::Duration patience) {
  Process process(std::move(command));
  Finished finished;
  finished.exit_code = process.wait(patience).value_or(-1);
  finished.out = process.standard_output();
  finished.err = process.standard_error();
  return finished;
}

}  // namespace tocsin::tests
