#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tidy.py finds a bad sample and leaves a good one alone."""
import os
import tempfile
import unittest

import tidy

MAP = '''
| folder | layer | may depend on | what |
|---|---|---|---|
| `base` | L0 | | x |
| `model` | L1 | base | x |
| `net` | L1 | base | x |
| `tsdb` | L2 | model | x |
| `app` | L3 | everything | x |
| `docs` | L4 | | x |

| include | library | door |
|---|---|---|
| `absl/` | abseil | base |
| `fmt/` | fmt | * |
| `rocksdb/` | RocksDB | tsdb/kv |
| `zlib.h` | zlib | net |
| `gtest/` | GoogleTest | tests |
'''
SPDX = '// SPDX-License-Identifier: Apache-2.0\n'
HEADER = SPDX + '// Threads: value. Errors: none.\n#pragma once\n'
# A tree without a finding; each sample below changes one file of it.
GOOD = {
    'docs/architecture.md': MAP,
    'base/CMakeLists.txt': 'tocsin_library(base HEADERS mutex.h SOURCES base.cc)\n'
                           'tocsin_library(base_testing HEADERS testing/fake.h DEPS base)',
    'base/mutex.h': HEADER,
    'base/base.cc': SPDX + '#include "base/mutex.h"\n',
    'base/testing/fake.h': HEADER,
    'model/CMakeLists.txt': 'tocsin_library(model HEADERS labels.h SOURCES labels.cc DEPS base)\n'
                            'tocsin_test(model SOURCES labels_test.cc DEPS base_testing)',
    'model/labels.h': HEADER,
    'model/labels.cc': SPDX + '#include "model/labels.h"\n',
    'model/labels_test.cc': SPDX + '#include <gtest/gtest.h>\n#include "base/testing/fake.h"\n',
    'net/CMakeLists.txt': 'tocsin_library(net HEADERS http.h DEPS base)',
    'net/http.h': HEADER,
    'tsdb/CMakeLists.txt': 'tocsin_library(tsdb HEADERS db.h SOURCES kv/store.cc DEPS model)',
    'tsdb/db.h': HEADER,
    'tsdb/kv/store.h': HEADER,
    'tsdb/kv/store.cc': SPDX + '#include <rocksdb/db.h>\n#include "tsdb/kv/store.h"\n',
    'app/CMakeLists.txt': 'tocsin_program(tocsin SOURCES main.cc DEPS tsdb net)',
    'app/main.cc': SPDX + '#include "tsdb/db.h"\n#include "net/http.h"\n',
}


def rules_of(changes):
    files = {path: text for path, text in {**GOOD, **changes}.items() if text is not None}
    return [rule for _, _, rule, _ in tidy.check(files)]


def in_cc(*lines):
    """Adds lines to a .cc file of model."""
    return {'model/labels.cc': GOOD['model/labels.cc'] + '\n'.join(lines) + '\n'}


def in_header(*lines):
    return {'model/labels.h': HEADER + '\n'.join(lines) + '\n'}


def function_of(lines):
    return ['void f() {'] + ['  g();'] * (lines - 1) + ['}']


BAD = [
    ('a folder without a row', 'folders', {'extra/x.txt': ''}),
    ('a row without a folder', 'folders', {'app/main.cc': None, 'app/CMakeLists.txt': None}),
    ('a dependency without a row', 'folders', {'docs/architecture.md': MAP.replace('L2 | model', 'L2 | modle model')}),
    ('a row that goes up', 'layer', {'docs/architecture.md': MAP.replace('L1 | base', 'L1 | base tsdb', 1)}),
    ('an include upwards', 'layer', in_cc('#include "tsdb/db.h"')),
    ('an include sideways', 'layer', in_cc('#include "net/http.h"')),
    ('DEPS upwards', 'deps', {'model/CMakeLists.txt': GOOD['model/CMakeLists.txt'].replace('DEPS base)', 'DEPS tsdb)')}),
    ('DEPS on nothing', 'deps', {'net/CMakeLists.txt': 'tocsin_library(net HEADERS http.h DEPS base bsae)'}),
    ('DEPS of a library on fakes', 'deps', {'net/CMakeLists.txt': 'tocsin_library(net HEADERS http.h DEPS base_testing)'}),
    ('targets in a circle', 'cycle', {'net/CMakeLists.txt': 'tocsin_library(net HEADERS http.h DEPS net_b)\n'
                                                            'tocsin_library(net_b DEPS net)'}),
    ('headers in a circle', 'cycle', {'tsdb/db.h': HEADER + '#include "tsdb/kv/store.h"\n',
                                      'tsdb/kv/store.h': HEADER + '#include "tsdb/db.h"\n'}),
    ('a private header of another folder', 'private', {'app/main.cc': SPDX + '#include "tsdb/kv/store.h"\n'}),
    ('a fake outside tests', 'private', in_cc('#include "base/testing/fake.h"')),
    ('a relative include', 'include', in_cc('#include "labels.h"')),
    ('an include of nothing', 'include', in_cc('#include "model/lables.h"')),
    ('a library outside its door', 'door', {'tsdb/db.h': HEADER + '#include <rocksdb/db.h>\n'}),
    ('a C library outside its door', 'door', in_cc('#include <zlib.h>')),
    ('a library without a door', 'door', in_cc('#include <folly/String.h>')),
    ('GoogleTest outside tests', 'door', in_cc('#include <gtest/gtest.h>')),
    ('21 includes', 'includes', in_cc(*['#include "base/mutex.h"'] * 20)),
    ('a .cc in no CMakeLists.txt', 'unregistered', {'model/lost.cc': SPDX}),
    ('a private header nobody includes', 'unregistered', {'tsdb/kv/dead.h': HEADER}),
    ('a public header in no list', 'unregistered', {'tsdb/CMakeLists.txt': 'tocsin_library(tsdb SOURCES kv/store.cc)'}),
    ('801 lines', 'size', in_cc(*[''] * 800)),
    ('a header of 251 lines', 'size', in_header(*[''] * 249)),
    ('no SPDX line', 'header', {'model/labels.cc': '#include "model/labels.h"\n'}),
    ('no #pragma once', 'header', {'model/labels.h': SPDX}),
    ('a virtual class without Threads:', 'header', {'model/labels.h': SPDX + '// Errors: no.\n#pragma once\nvirtual ~A();\n'}),
    ('a mutex without Errors:', 'header',
     {'tsdb/db.h': SPDX + '// Threads: shared.\n#pragma once\n#include "base/mutex.h"\n'}),
    ('71 lines in a function', 'function', in_cc('namespace a {', *function_of(71), '}')),
    ('71 lines in a method', 'function', in_header('class A {', *function_of(71), '};')),
    ('a document that does not exist', 'reference', in_cc('// See docs/' + 'decisions/0009-nothing.md.')),
    ('sleep_for', 'banned', in_cc('std::this_thread::sleep_for(x);')),
    ('system_clock', 'banned', in_cc('auto t = std::chrono::system_clock::now();')),
    ('std::mutex', 'banned', in_cc('std::mutex m;')),
    ('std::unique_lock', 'banned', in_cc('std::unique_lock lock(m);')),
    ('std::thread', 'banned', in_cc('std::jthread t;')),
    ('absl', 'banned', in_cc('absl::Status s;')),
    ('using namespace in a header', 'banned', in_header('using namespace std;')),
    ('assert', 'banned', in_cc('assert(x);')),
    ('views', 'banned', in_cc('std::views::keys(x);')),
    ('regex', 'banned', in_cc('#include <regex>')),
    ('iostream', 'banned', in_cc('#include <iostream>')),
    ('a TODO without an issue', 'banned', in_cc('// TODO: later')),
    ('a NOLINT without a reason', 'banned', in_cc('x;  // NOLINT(bugprone-x)')),
    ('an allowance for another rule', 'banned', in_cc('std::mutex m;  // tidy: allow(door) why')),
    ('an allowance without a reason', 'banned', in_cc('std::mutex m;  // tidy: allow(banned)')),
]

FINE = [
    ('the good tree', {}),
    ('base uses what it wraps', {'base/base.cc': SPDX + '#include <mutex>\nstd::mutex m; absl::Status s;\n'}),
    ('a door in its folder', {'net/http.h': HEADER + '#include <zlib.h>\n'}),
    ('vocabulary, standard and system headers', in_cc('#include <fmt/core.h>', '#include <vector>', '#include <sys/stat.h>',
                                                      '#include <unistd.h>')),
    ('tokens in comments and strings', in_cc('// std::mutex, assert(x)', 'f("std::mutex", R"(absl::x)");', "char c = '\"';",
                                             '/* std::thread */ int n = 1\'000;')),
    ('static_assert and a method named assert', in_cc('static_assert(x); y.assert(1); hardware(std::thread::hardware_concurrency());')),
    ('using namespace in a .cc file', in_cc('using namespace std::literals;')),
    ('70 lines in a function', in_cc('namespace a {', *function_of(70), '}')),
    ('a long class of short methods', in_header('class alignas(64) A {', *['  void f() { g(); }'] * 100, '};')),
    ('a long table', in_cc('constexpr int kTable[] = {', *['  1,'] * 100, '};')),
    ('Threads and Errors said', in_header('struct A { virtual ~A(); };')),
    ('a fake without Errors:', {'base/testing/fake.h': SPDX + '#pragma once\nstruct A { virtual ~A(); };\n'}),
    ('a TODO with its issue, a NOLINT with its reason', in_cc('// TODO(#12): x', 'x;  // NOLINT(bugprone-x): because')),
    ('an allowance on the line', in_cc('std::mutex m;  // tidy: allow(banned) measured, see above')),
    ('an allowance for a file', in_cc('// tidy: allow(size) a table of characters', *[''] * 800)),
    ('a document that exists', in_cc('// See docs/architecture.md.')),
]


class TidyTest(unittest.TestCase):
    def test_each_rule_finds_its_bad_sample(self):
        for name, rule, changes in BAD:
            with self.subTest(name):
                self.assertIn(rule, rules_of(changes))

    def test_good_samples_have_no_finding(self):
        for name, changes in FINE:
            with self.subTest(name):
                self.assertEqual([], rules_of(changes))

    def test_findings_name_file_line_and_replacement(self):
        findings = tidy.check({**GOOD, **in_cc('', 'absl::Status s;')})
        self.assertEqual([('model/labels.cc', 4)], [finding[:2] for finding in findings])
        self.assertIn('base/status.h', findings[0][3])

    def test_slowest_reads_the_log_of_ninja(self):
        with tempfile.TemporaryDirectory() as build:
            with open(os.path.join(build, '.ninja_log'), 'w', encoding='utf-8') as log:
                log.write('# ninja log v5\n0\t9000\t1\ta/CMakeFiles/a.dir/x.cc.o\tf\n0\t10\t1\ta/liba.a\tf\n')
            self.assertIsNone(tidy.print_slowest(build))


if __name__ == '__main__':
    unittest.main()
