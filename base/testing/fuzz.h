// SPDX-License-Identifier: Apache-2.0
//
// TOCSIN_FUZZ_TARGET makes a function of bytes a fuzz target: a libFuzzer program in the preset
// fuzz, and in every other preset a test that replays the committed inputs.
//
//   namespace tocsin::tsdb {
//   namespace {
//   void fuzz(std::string_view bytes) { ... CHECK(what must hold) ... }
//   }  // namespace
//   TOCSIN_FUZZ_TARGET(tile, fuzz)
//   }  // namespace tocsin::tsdb
//
// The inputs are lines of testdata/fuzz/tile.txt; see tools/fuzz for the notation and for how a
// finding becomes a line. One target per file.
// Threads: confined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#ifndef TOCSIN_FUZZ
#include <gtest/gtest.h>
#endif

namespace tocsin::base::testing {

using FuzzFunction = void (*)(std::string_view bytes);

// Calls `fuzz` with every input of the file, with beginnings of them and with single bytes changed,
// the same ones every time.
void replay_fuzz_inputs(const char* path, FuzzFunction fuzz);

}  // namespace tocsin::base::testing

#ifdef TOCSIN_FUZZ
#define TOCSIN_FUZZ_TARGET(name, function)                                            \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    function(std::string_view(reinterpret_cast<const char*>(data), size));            \
    return 0;                                                                         \
  }
#else
#define TOCSIN_FUZZ_TARGET(name, function) \
  TEST(Fuzz, name) { ::tocsin::base::testing::replay_fuzz_inputs(TOCSIN_FUZZ_INPUTS, function); }
#endif
