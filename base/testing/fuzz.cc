// SPDX-License-Identifier: Apache-2.0
#include "base/testing/fuzz.h"

#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/file_system.h"

namespace tocsin::base::testing {
namespace {

constexpr std::size_t kVariants = 24;  // of each kind, per input

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// "\\", "\n", "\t", "\xHH" and plain characters. Returns false for anything else.
bool unescape(std::string_view line, std::string* out) {
  out->clear();
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      out->push_back(line[i]);
      continue;
    }
    if (++i == line.size()) return false;
    switch (line[i]) {
      case '\\':
        out->push_back('\\');
        break;
      case 'n':
        out->push_back('\n');
        break;
      case 't':
        out->push_back('\t');
        break;
      case 'x': {
        if (line.size() - i < 3) return false;
        const int high = hex_digit(line[i + 1]);
        const int low = hex_digit(line[i + 2]);
        if (high < 0 || low < 0) return false;
        out->push_back(static_cast<char>(high * 16 + low));
        i += 2;
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

void replay(std::string_view input, std::uint64_t seed, FuzzFunction fuzz) {
  fuzz(input);
  const std::size_t step = input.size() / kVariants + 1;
  for (std::size_t size = 0; size < input.size(); size += step) {
    // A copy of its own, so that a read behind the end is seen.
    const std::vector<char> beginning(input.begin(),
                                      input.begin() + static_cast<std::ptrdiff_t>(size));
    fuzz({beginning.data(), beginning.size()});
  }
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < kVariants && !input.empty(); ++i) {
    std::string changed(input);
    char& byte = changed[random() % changed.size()];
    byte = static_cast<char>(random() % 2 == 0 ? byte ^ (1 << (random() % 8)) : random() % 256);
    fuzz(changed);
  }
}

}  // namespace

void replay_fuzz_inputs(const char* path, FuzzFunction fuzz) {
  const StatusOr<std::string> text = real_file_system().read_file(path, std::uint64_t{16} << 20U);
  ASSERT_TRUE(text.ok()) << text.status();
  // A fuzz target ends the process when something is wrong: this says which line it was.
  const bool verbose =
      std::getenv("TOCSIN_FUZZ_VERBOSE") != nullptr;  // NOLINT(concurrency-mt-unsafe): one thread
  fuzz({});
  std::uint64_t number = 0;
  std::uint64_t inputs = 0;
  std::string input;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    ASSERT_TRUE(unescape(line, &input)) << path << ":" << number << ": not an escaped input";
    if (verbose) std::fprintf(stderr, "%s:%llu\n", path, static_cast<unsigned long long>(number));
    replay(input, number, fuzz);
    ++inputs;
  }
  EXPECT_GT(inputs, 0U) << path << " has no input";
}

}  // namespace tocsin::base::testing
