// SPDX-License-Identifier: Apache-2.0
//
// CHECK (always on) and DCHECK (dev, asan and tsan builds) for programmer errors; never for outside
// input. A failed check writes one line to stderr and aborts.
#pragma once

namespace tocsin::base {

[[noreturn]] void check_failed(const char* file, int line, const char* expression);

}  // namespace tocsin::base

#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) [[unlikely]] {                                \
      ::tocsin::base::check_failed(__FILE__, __LINE__, #condition); \
    }                                                               \
  } while (false)

#ifdef TOCSIN_DCHECK
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition)           \
  do {                              \
    if (false) {                    \
      static_cast<void>(condition); \
    }                               \
  } while (false)
#endif
