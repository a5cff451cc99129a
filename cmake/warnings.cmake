# SPDX-License-Identifier: Apache-2.0
#
# One warning and sanitizer policy for every target.
option(TOCSIN_WERROR "Treat warnings as errors" ON)
option(TOCSIN_PCH "Use the shared precompiled header" ON)
set(TOCSIN_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread; empty for none")

add_library(tocsin_flags INTERFACE)
target_include_directories(tocsin_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(
  tocsin_flags
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
            -Wold-style-cast -Wduplicated-cond -Wlogical-op -fno-omit-frame-pointer)
# g++ 12 reports these inside libstdc++ for correct code (GCC bugs 105329, 105651, 107852).
target_compile_options(tocsin_flags INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
                                              -Wno-stringop-overread -Wno-maybe-uninitialized)
if(TOCSIN_WERROR)
  target_compile_options(tocsin_flags INTERFACE -Werror)
endif()
if(TOCSIN_PCH)
  target_compile_options(tocsin_flags INTERFACE -fpch-preprocess)
endif()
if(TOCSIN_SANITIZE)
  target_compile_options(tocsin_flags INTERFACE -fsanitize=${TOCSIN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tocsin_flags INTERFACE -fsanitize=${TOCSIN_SANITIZE})
endif()
if(TOCSIN_SANITIZE MATCHES "thread")
  # Asio's fenced block uses std::atomic_thread_fence, which ThreadSanitizer does not model.
  target_compile_definitions(tocsin_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  target_compile_options(tocsin_flags INTERFACE -Wno-tsan)
endif()
target_link_libraries(tocsin_flags INTERFACE Threads::Threads)
