#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler does not see; docs/architecture.md holds the tables they are checked against.

usage: tools/tidy.py                     check the checkout; exit status 1 when there is a finding
       tools/tidy.py --slowest BUILDDIR  print the slowest compiles from BUILDDIR/.ninja_log

A finding is suppressed by a comment on its line, `tidy: allow(RULE) reason`; a finding about a whole
file by the same comment in its first 30 lines.
"""
import graphlib
import os
import re
import subprocess
import sys

MAP = 'docs/architecture.md'
CXX = ('.cc', '.h')
MAX_LINES = {'.cc': 800, '.h': 250, '.py': 800, '.cmake': 800}
MAX_INCLUDES, MAX_FUNCTION = 20, 70

# pattern, where it is allowed (regex over the path), what to use. Comments and strings are blanked first.
BANNED = [
    (r'\bsleep_(for|until)\b|\b(u|nano)?sleep\(', r'base/', 'Timers, a CondVar, or FakeClock in tests'),
    (r'\b(system|steady|high_resolution)_clock::now\b|\btime\((nullptr|NULL|0)\)|\bclock_gettime\(|\bgettimeofday\(',
     r'base/', 'base::Clock (FakeClock in tests)'),
    (r'\bstd::(recursive_|shared_|timed_)?mutex\b|\bstd::(lock_guard|unique_lock|scoped_lock|shared_lock)\b'
     r'|\bstd::condition_variable', r'base/', 'base::Mutex, Guarded<T> or CondVar of base/mutex.h'),
    (r'\bstd::j?thread\b(?!::hardware_concurrency)|\bstd::async\b', r'base/', 'base::ThreadPool or Strand'),
    (r'\babsl::', r'base/', 'the aliases of base/status.h and base/string_map.h'),
    (r'\busing namespace\b', r'.*\.cc$', 'qualified names'),
    (r'(?<![\w.:>])assert\(|#include <cassert>', r'$^', 'CHECK or DCHECK of base/check.h'),
    (r'\bstd::(ranges::)?views\b', r'$^', 'a loop (std::views is slow to compile)'),
    (r'#include <regex>', r'$^', 'model/matcher.h (RE2)'),
    (r'#include <iostream>', r'$^', 'base/log.h, or fmt::print in programs'),
]
RAW_BANNED = [
    (r'\bTODO\b(?!\(#\d+\))|\bFIXME\b', 'TODO(#issue)'),
    (r'\bNOLINT(NEXTLINE|BEGIN)?\b(?!\([\w.*,-]+\): \S)|\bNOLINTEND\b(?!\()', 'NOLINT(check): reason'),
]


# An include line, or what blanked() removes: raw strings, strings, characters, comments.
TOKENS = re.compile(r'^[ \t]*(?P<include>#include [<"][^>"\n]*[>"])|R"([^(\s]*)\((?s:.*?)\)\2"|"(?:\\.|[^"\\\n])*"'
                    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|//[^\n]*|/\*(?s:.*?)\*/", re.M)


def blanked(text):
    """Returns C++ source with comments and literals replaced by spaces; include lines stay."""
    return TOKENS.sub(lambda match: match['include'] or re.sub(r'[^\n]', ' ', match.group()), text)


def is_test(path):
    return path.endswith(('_test.cc', '_fuzz.cc', '_benchmark.cc')) or '/testing/' in path or path.startswith(('tests/', 'bench/'))


def line_of(code, position):
    return code.count('\n', 0, position) + 1


class Tree:
    """The files to check, path -> text, and the findings so far."""

    def __init__(self, files):
        self.files = files
        self.lines = {path: text.split('\n') for path, text in files.items()}
        self.code = {path: blanked(text) for path, text in files.items() if path.endswith(CXX)}
        self.findings = []
        self.folders, self.doors = {}, []
        self.read_map()
        self.targets = {}    # CMake target -> its folder
        self.deps = []       # (CMakeLists path, kind, target, its DEPS)
        self.listed = set()  # files named by a CMakeLists.txt
        self.read_cmake()

    def find(self, path, line, rule, message):
        lines = self.lines.get(path, [])
        where = lines[line - 1:line] if line else lines[:30]
        if not any(re.search(r'tidy: allow\(%s\) \S' % rule, text) for text in where):
            self.findings.append((path, line or 1, rule, message))

    def read_map(self):
        table = None
        for line in self.lines.get(MAP, []):
            cells = [cell.strip().replace('`', '') for cell in line.strip().strip('|').split('|')]
            if not line.startswith('|') or cells[0] in ('folder', 'include'):
                table = cells[0] if line.startswith('|') else None
            elif table == 'folder' and not cells[0].startswith('-'):
                self.folders[cells[0]] = (int(cells[1].lstrip('L')), cells[2].split())
            elif table == 'include':
                self.doors.append((cells[0], cells[1], cells[2].split()))

    def allowed(self, folder):
        """Returns the folders that `folder` may use: itself and, transitively, those of its row."""
        layer, deps = self.folders.get(folder, (0, []))
        if 'everything' in deps:
            deps = [name for name, row in self.folders.items() if row[0] < layer]
        return {folder}.union(*(self.allowed(name) for name in deps if self.folders.get(name, (layer,))[0] < layer))

    def read_cmake(self):
        for path, text in self.files.items():
            if os.path.basename(path) != 'CMakeLists.txt':
                continue
            text = re.sub(r'#.*', '', text)
            folder = os.path.dirname(path)
            for token in re.findall(r'[\w./-]+\.(?:cc|h)\b', text):
                self.listed.add(os.path.normpath(os.path.join(folder, token)))
            for kind, body in re.findall(r'\btocsin_(library|test|program|benchmark|fuzz)\(([^()]*)\)', text):
                target = body.split()[0]
                deps = ' '.join(re.findall(r'\bDEPS((?:\s+[a-z]\w*)*)', body)).split()
                self.deps.append((path, kind, target, deps))
                if kind == 'library':
                    self.targets[target] = folder.split('/')[0]


def check_folders(tree):
    on_disk = {path.split('/')[0] for path in tree.files if '/' in path and not path.startswith('.')}
    for name in sorted(on_disk - set(tree.folders)):
        tree.find(MAP, 0, 'folders', f'the folder {name}/ is not in the folder table')
    for name in sorted(set(tree.folders) - on_disk):
        tree.find(MAP, 0, 'folders', f'the folder table names {name}/, which does not exist')
    for name, (layer, deps) in tree.folders.items():
        for dep in set(deps) - {'everything'}:
            if dep not in tree.folders:
                tree.find(MAP, 0, 'folders', f'{name} depends on {dep}, which is not in the folder table')
            elif tree.folders[dep][0] >= layer:
                tree.find(MAP, 0, 'layer', f'{name} (L{layer}) may not depend on {dep} (L{tree.folders[dep][0]})')


def check_deps(tree):
    graph = {}
    for path, kind, target, deps in tree.deps:
        folder = path.split('/')[0]
        if kind == 'library':
            graph[target] = deps
        for dep in deps:
            home = tree.targets.get(dep)
            if home is None:
                tree.find(path, 0, 'deps', f'{target}: DEPS names {dep}, which no tocsin_library defines')
            elif home not in tree.allowed(folder):
                tree.find(path, 0, 'deps', f'{target}: {folder} may not depend on {home} ({MAP})')
            elif dep.endswith('_testing') and kind not in ('test', 'benchmark', 'fuzz') and folder not in ('tests', 'bench') \
                    and not target.endswith('_testing'):
                tree.find(path, 0, 'deps', f'{target} is no test and may not use {dep}')
    check_cycle(tree, MAP, graph)


def check_cycle(tree, path, graph):
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        tree.find(path or error.args[1][0], 0, 'cycle', 'depend on each other: ' + ' -> '.join(error.args[1]))


def check_project_include(tree, path, line, target):
    folder, home = path.split('/')[0], target.split('/')[0]
    if target not in tree.files or home not in tree.folders:
        tree.find(path, line, 'include', f'"{target}" is not the path of a file from the root, as "model/labels.h" is')
    elif home not in tree.allowed(folder):
        tree.find(path, line, 'layer', f'{folder} may not depend on {home} ({MAP})')
    elif '/testing/' in target:
        if not is_test(path):
            tree.find(path, line, 'private', f'"{target}" is for tests only')
    elif home != folder and target.count('/') > 1:
        tree.find(path, line, 'private', f'"{target}" is private to {home}; use a header directly in {home}/')


def check_door(tree, path, line, name):
    for prefix, library, homes in tree.doors:
        if name == prefix or (prefix.endswith('/') and name.startswith(prefix)):
            if not any(home == '*' or (home == 'tests' and is_test(path)) or path.startswith(home + '/')
                       for home in homes):
                tree.find(path, line, 'door', f'<{name}>: only {" ".join(homes)} may use {library} ({MAP})')
            return
    if not re.match(r'(sys|net|netinet|arpa|linux)/|[^/]*(?<!\.hpp)$', name):
        tree.find(path, line, 'door', f'<{name}>: the library has no door; add it to the table in {MAP}')


def check_includes(tree):
    graph, used = {}, set()
    for path, code in tree.code.items():
        project = []
        for match in re.finditer(r'^[ \t]*#include (["<])([^">]+)[">]', code, re.M):
            line = line_of(code, match.start())
            if match.group(1) == '"':
                project.append(match.group(2))
                check_project_include(tree, path, line, match.group(2))
            else:
                check_door(tree, path, line, match.group(2))
        used.update(project)
        graph[path] = [target for target in project if target in tree.files]
        if len(project) > MAX_INCLUDES:
            tree.find(path, 0, 'includes', f'{len(project)} project includes, at most {MAX_INCLUDES}')
    check_cycle(tree, None, graph)
    for path in tree.code:
        if path.endswith('.cc') and path not in tree.listed:
            tree.find(path, 0, 'unregistered', 'is in no CMakeLists.txt, so it is never built')
        elif path not in used and path not in tree.listed:
            tree.find(path, 0, 'unregistered', 'no file includes it and no CMakeLists.txt lists it')
        elif path.count('/') == 1 and path not in tree.listed:
            tree.find(path, 0, 'unregistered', "is public, but in no tocsin_library's HEADERS")


def check_text(tree):
    for path, code in tree.code.items():
        for pattern, home, instead in BANNED:
            if re.match(home, path):
                continue
            for match in re.finditer(pattern, code):
                tree.find(path, line_of(code, match.start()), 'banned', f'{match.group().strip("(")}: use {instead}')
        for number, line in enumerate(tree.lines[path], 1):
            for pattern, instead in RAW_BANNED:
                if re.search(pattern, line):
                    tree.find(path, number, 'banned', f'write {instead}')
    for path, lines in tree.lines.items():
        limit = MAX_LINES.get(os.path.splitext(path)[1])
        if limit and len(lines) - 1 > limit:
            tree.find(path, 0, 'size', f'{len(lines) - 1} lines, at most {limit}: split it')
        for number, line in enumerate(lines, 1):
            for target in re.findall(r'(?<![\w./-])docs/[\w./-]+\.md\b', line) if 'docs/' in line else []:
                if target not in tree.files:
                    tree.find(path, number, 'reference', f'{target} does not exist')


def check_headers(tree):
    for path, code in tree.code.items():
        text = tree.files[path]
        if not text.startswith('// SPDX-License-Identifier: Apache-2.0'):
            tree.find(path, 0, 'header', 'the first line must be // SPDX-License-Identifier: Apache-2.0')
        if not path.endswith('.h'):
            continue
        if '#pragma once' not in code:
            tree.find(path, 0, 'header', 'has no #pragma once')
        if '/testing/' in path or not re.search(r'#include "base/mutex\.h"|\bvirtual\b', code):
            continue
        if not re.search(r'Threads:', text) or \
                not re.search(r'Errors:|\b([Dd]oes not|[Cc]annot|[Nn]ever) fails?\b', text):
            tree.find(path, 0, 'header', 'declares a shared or virtual class: say "Threads:" and "Errors:"')


def check_functions(tree):
    for path, code in tree.code.items():
        stack, start = [], 0  # stack of (kind, line), kind: scope, function, inner
        for match in re.finditer(r'[{};]', code):
            head = re.sub(r'\balignas\(\w+\)', '', code[start:match.start()])
            start = match.end()
            if match.group() == '{':
                in_scope = not stack or stack[-1][0] == 'scope'
                is_scope = re.search(r'\b(namespace|class|struct|union|enum|extern)\b', re.sub(r'<[^<>]*>', '', head))
                kind = 'inner' if not in_scope else 'scope' if is_scope and '(' not in head.split(':')[0] \
                    else 'function' if '(' in head else 'inner'
                stack.append((kind, line_of(code, match.start())))
            elif match.group() == '}' and stack:
                kind, line = stack.pop()
                length = line_of(code, match.start()) - line
                if kind == 'function' and length > MAX_FUNCTION:
                    tree.find(path, line, 'function', f'{length} lines, at most {MAX_FUNCTION}: split it')


def check(files):
    tree = Tree(files)
    for rule in (check_folders, check_deps, check_includes, check_text, check_headers, check_functions):
        rule(tree)
    return sorted(tree.findings)


def read_checkout(root):
    listing = subprocess.run(['git', 'ls-files', '-z', '-c', '-o', '--exclude-standard'], cwd=root, check=True,
                             capture_output=True, text=True)
    files = {}
    for name in listing.stdout.split('\0'):
        path = os.path.join(root, name)
        if name and os.path.isfile(path) and os.path.getsize(path) < 2_000_000:
            with open(path, encoding='utf-8', errors='replace') as file:
                files[name] = file.read()
    return files


def print_slowest(build):
    with open(os.path.join(build, '.ninja_log'), encoding='utf-8') as file:
        rows = [line.split('\t') for line in file if line.count('\t') >= 4]
    seconds = {row[3]: (int(row[1]) - int(row[0])) / 1000 for row in rows if row[3].endswith('.o')}
    for output, spent in sorted(seconds.items(), key=lambda item: -item[1])[:20]:
        print(f'{spent:7.1f} s  {re.sub(r"CMakeFiles/[^/]*/", "", output)[:-2]}' + ('  over 8 s' if spent > 8 else ''))


def main(arguments):
    if arguments[:1] == ['--slowest'] and len(arguments) == 2:
        return print_slowest(arguments[1])
    if arguments:
        sys.exit(__doc__.strip())
    findings = check(read_checkout(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    for path, line, rule, message in findings:
        print(f'{path}:{line}: {message} [{rule}]')
    sys.exit(1 if findings else 0)


if __name__ == '__main__':
    main(sys.argv[1:])
