// SPDX-License-Identifier: Apache-2.0
#include "tests/exporters/pages.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/files.h"

namespace tocsin::tests {
namespace {

std::set<std::string> label_names(std::string_view line) {
  std::set<std::string> names;
  std::size_t at = line.find('{');
  if (at == std::string_view::npos || line.find(' ') < at) return names;
  while (at < line.size() && line[at] != '}') {
    const std::size_t equals = line.find("=\"", at);
    names.emplace(line.substr(at + 1, equals - at - 1));
    std::size_t end = equals + 2;
    while (line[end] != '"') end += line[end] == '\\' ? 2 : 1;
    at = end + 1;
  }
  names.erase("le");
  names.erase("quantile");
  return names;
}

}  // namespace

std::map<std::string, PageFamily> page_families(const std::string& page) {
  std::map<std::string, PageFamily> families;
  std::istringstream lines(page);
  PageFamily* family = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line);
      std::string mark, keyword, name, type;
      words >> mark >> keyword >> name >> type;
      family = &families[name];
      family->type = type;
    } else if (!line.starts_with('#') && family != nullptr) {
      family->labels.merge(label_names(line));
    }
  }
  return families;
}

std::string page_value(const std::string& page, const std::string& series) {
  const std::size_t at = ("\n" + page).find("\n" + series + " ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + series.size() + 1;
  return page.substr(begin, page.find('\n', begin) - begin);
}

double page_sum(const std::string& page, const std::string& family) {
  double sum = 0;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(family + "{") && !line.starts_with(family + " ")) continue;
    sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

std::optional<std::size_t> expect_upstreams_families(const std::string& page,
                                                     std::string_view table, std::string_view seen,
                                                     std::string_view prefix) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (folder == nullptr) {
    fmt::print("TOCSIN_CONFORMANCE_DIR is not set: not compared with upstream's families\n");
    return std::nullopt;
  }
  const std::map<std::string, PageFamily> ours = page_families(page);
  std::istringstream rows(read_file(fmt::format("{}/exporter-families/{}", folder, table)));
  std::size_t found = 0;
  for (std::string line; std::getline(rows, line);) {
    std::istringstream row(line);
    std::string name, type, labels, where;
    std::getline(row, name, '\t');
    std::getline(row, type, '\t');
    std::getline(row, labels, '\t');
    std::getline(row, where, '\t');
    if (!name.starts_with(prefix) || where.find(seen) == std::string::npos) continue;
    if (name.ends_with("_build_info")) continue;  // of the exporter itself
    const auto it = ours.find(name);
    EXPECT_TRUE(it != ours.end()) << "missing: " << name;
    if (it == ours.end()) continue;
    ++found;
    EXPECT_EQ(it->second.type, type) << name;
  }
  fmt::print("{}: {} of upstream's families\n", table, found);
  return found;
}

}  // namespace tocsin::tests
