# SPDX-License-Identifier: Apache-2.0
#
# Third-party libraries, all from Debian 12 packages (tools/packages.txt). A library is linked by
# the one folder that is its door, never from here.
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED)
if(TOCSIN_TESTS)
  find_package(GTest REQUIRED)
endif()
# Google Benchmark: tools/packages-nightly.txt.
find_package(benchmark QUIET)
find_library(TOCSIN_RE2 re2 REQUIRED)
find_library(TOCSIN_ROCKSDB rocksdb REQUIRED)
find_library(TOCSIN_ROARING roaring REQUIRED)
find_library(TOCSIN_CIVETWEB civetweb REQUIRED)
find_library(TOCSIN_DEFLATE deflate REQUIRED)
find_library(TOCSIN_ZSTD zstd REQUIRED)
find_library(TOCSIN_SNAPPY snappy REQUIRED)
find_library(TOCSIN_JEMALLOC jemalloc REQUIRED)
find_library(TOCSIN_PQ pq REQUIRED)
find_path(TOCSIN_PQ_HEADERS libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
