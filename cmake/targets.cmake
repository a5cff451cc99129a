# SPDX-License-Identifier: Apache-2.0
#
# A folder is a library is a CMake target tocsin::<folder> is a namespace.
#
#   tocsin_library(NAME HEADERS a.h ... SOURCES a.cc ... [DEPS folder ...] [LINKS third-party ...])
#     DEPS are other folders (transitive, checked by tools/tidy.py); LINKS are private.
#   tocsin_test(NAME SOURCES a_test.cc ... [DEPS folder ...] [LINKS ...] [LABELS threads])
#     One binary NAME_tests. Configuring stops when a *_test.cc on disk is in no list.
#     With TOCSIN_TESTS=OFF (as ./run configures) no test exists and GoogleTest is not needed.
#   tocsin_program(NAME SOURCES main.cc [DEPS folder ...])
#     An executable in build/<preset>/bin.
include(GoogleTest)

function(tocsin_target_defaults target)
  target_link_libraries(${target} PUBLIC tocsin_flags)
  if(TOCSIN_PCH AND NOT target STREQUAL "base")
    target_precompile_headers(${target} REUSE_FROM base)
  endif()
endfunction()

function(tocsin_library name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;DEPS;LINKS" ${ARGN})
  if(NOT TOCSIN_TESTS AND "${ARG_LINKS}" MATCHES "GTest::")
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  add_library(tocsin::${name} ALIAS ${name})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ARG_HEADERS})
  tocsin_target_defaults(${name})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${name} PUBLIC tocsin::${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
endfunction()

function(tocsin_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINKS;LABELS" ${ARGN})
  if(NOT TOCSIN_TESTS)
    return()
  endif()
  file(GLOB_RECURSE on_disk RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *_test.cc)
  get_property(listed DIRECTORY PROPERTY TOCSIN_LISTED_TESTS)
  list(APPEND listed ${ARG_SOURCES})
  set_property(DIRECTORY PROPERTY TOCSIN_LISTED_TESTS "${listed}")
  cmake_language(DEFER CALL tocsin_check_listed_tests "${on_disk}")
  add_executable(${name}_tests ${ARG_SOURCES})
  tocsin_target_defaults(${name}_tests)
  if(TARGET ${name})
    target_link_libraries(${name}_tests PRIVATE tocsin::${name})
  endif()
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${name}_tests PRIVATE tocsin::${dep})
  endforeach()
  target_link_libraries(${name}_tests PRIVATE ${ARG_LINKS} GTest::gtest GTest::gmock tocsin_test_main)
  target_compile_definitions(${name}_tests PRIVATE TOCSIN_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                                   TOCSIN_BINARY_DIR="${CMAKE_BINARY_DIR}")
  # An empty value would be dropped, and the next word taken as the label.
  set(properties TIMEOUT 300)
  if(ARG_LABELS)
    list(APPEND properties LABELS "${ARG_LABELS}")
  endif()
  gtest_discover_tests(${name}_tests TEST_FILTER "-*DISABLED_*" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_PREFIX ${name}.
                       PROPERTIES ${properties})
  if("threads" IN_LIST ARG_LABELS)
    # .ci/run builds these, and what add_dependencies() gives them, under ThreadSanitizer.
    set_property(GLOBAL APPEND_STRING PROPERTY TOCSIN_THREADS_TARGETS "${name}_tests\n")
  endif()
endfunction()

function(tocsin_check_listed_tests on_disk)
  get_property(listed DIRECTORY PROPERTY TOCSIN_LISTED_TESTS)
  foreach(file IN LISTS on_disk)
    if(NOT file IN_LIST listed)
      message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}/${file} is in no tocsin_test(): it would never run")
    endif()
  endforeach()
endfunction()

function(tocsin_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  tocsin_target_defaults(${name})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${name} PRIVATE tocsin::${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
endfunction()
