# SPDX-License-Identifier: Apache-2.0
#
# One warning and sanitizer policy for every target. g++ 12 is the compiler of the project; clang 19
# builds the presets fuzz and analyze.
option(TOCSIN_WERROR "Treat warnings as errors" ON)
option(TOCSIN_PCH "Use the shared precompiled header" ON)
option(TOCSIN_FUZZ "Build fuzz targets as libFuzzer programs; needs clang" OFF)
set(TOCSIN_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread; empty for none")

add_library(tocsin_flags INTERFACE)
target_include_directories(tocsin_flags INTERFACE ${PROJECT_SOURCE_DIR})
set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
             -Wold-style-cast)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(tocsin_flags INTERFACE ${warnings} -Wduplicated-cond -Wlogical-op -fno-omit-frame-pointer)
  # g++ 12 reports these inside libstdc++ for correct code (GCC bugs 105329, 105651, 107852).
  target_compile_options(tocsin_flags INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
                                                -Wno-stringop-overread -Wno-maybe-uninitialized)
else()
  # What clang has in -Wconversion, -Wextra and -Wshadow and g++ has not; std::stable_sort of libstdc++
  # uses what C++17 deprecates.
  target_compile_options(
    tocsin_flags INTERFACE ${warnings} -fno-omit-frame-pointer -Wno-sign-conversion
                           -Wno-missing-field-initializers -Wno-shadow -Wno-deprecated-declarations)
endif()
if(TOCSIN_WERROR)
  target_compile_options(tocsin_flags INTERFACE -Werror)
endif()
if(NOT TOCSIN_PCH)
  # Files may use what the precompiled header has.
  target_compile_options(tocsin_flags INTERFACE "SHELL:-include ${PROJECT_SOURCE_DIR}/base/pch.h")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(tocsin_flags INTERFACE -fpch-preprocess)
else()
  target_compile_options(tocsin_flags INTERFACE "SHELL:-Xclang -fno-pch-timestamp") # for ccache
endif()
if(TOCSIN_SANITIZE)
  target_compile_options(tocsin_flags INTERFACE -fsanitize=${TOCSIN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tocsin_flags INTERFACE -fsanitize=${TOCSIN_SANITIZE})
endif()
if(TOCSIN_FUZZ)
  # Every object counts what it covers; libFuzzer itself is linked into the fuzz targets only.
  target_compile_options(tocsin_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(tocsin_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TOCSIN_SANITIZE MATCHES "thread")
  # Asio's fenced block uses std::atomic_thread_fence, which ThreadSanitizer does not model.
  target_compile_definitions(tocsin_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  target_compile_options(tocsin_flags INTERFACE -Wno-tsan)
endif()
target_link_libraries(tocsin_flags INTERFACE Threads::Threads)
