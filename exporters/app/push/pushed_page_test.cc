// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/push/pushed_page.h"

#include <gtest/gtest.h>

#include "exporters/app/push/push_path.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (true) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

TEST(PushPath, NamesTheGroup) {
  const auto check = [](std::string_view path, const LabelPairs& expected) {
    const StatusOr<LabelPairs> labels = read_push_path(split(path));
    ASSERT_TRUE(labels.ok()) << path << message(labels.status());
    EXPECT_EQ(*labels, expected) << path;
  };
  check("job/backup", {{"job", "backup"}});
  check("job/backup/instance/db 1/a/b", {{"a", "b"}, {"instance", "db 1"}, {"job", "backup"}});
  check("job@base64/L3Zhci90bXA", {{"job", "/var/tmp"}});
  check("job/x/path@base64/L3Zhci90bXA=", {{"job", "x"}, {"path", "/var/tmp"}});
  check("job/x/name@base64/zqB-", {{"job", "x"}, {"name", "\xce\xa0~"}});
  check("job/x/empty@base64/=", {{"job", "x"}});
}

TEST(PushPath, RefusesWhatIsNoGroup) {
  const auto check = [](std::string_view path, std::string_view reason) {
    EXPECT_EQ(message(read_push_path(split(path)).status()), reason) << path;
  };
  check("", "job name is required");
  check("job", "job name is required");
  check("job/", "job name is required");
  check("job@base64/=", "job name is required");
  check("a/b/job/x", "job name is required");
  check("job/x/a", "odd number of components in label string \"a\"");
  check("job/x/job/y", "the label job comes twice");
  check("job/x/a/1/a/2", "the label a comes twice");
  check("job/x/9a/1", "improper label name \"9a\"");
  check("job/x/__name__/1", "improper label name \"__name__\"");
  check("job/x/a@base64/%", "invalid base64 encoding of a: \"%\"");
  check("job/x/a@base64/_w", "improper value of the label a");
}

std::string read(std::string_view page, LabelPairs group = {{"job", "j"}}) {
  const auto families = read_pushed_page(page, group);
  if (!families.ok()) return std::string(message(families.status()));
  std::string text;
  formats::write_text(*families, &text);
  return text;
}

TEST(PushedPage, GetsTheLabelsOfItsGroup) {
  EXPECT_EQ(
      read("# HELP a Help.\n# TYPE a counter\na 1\na{x=\"y\",job=\"mine\"} 2\nb 3\n"),
      "# HELP a Help.\n# TYPE a counter\na{instance=\"\",job=\"j\"} 1\n"
      "a{instance=\"\",job=\"j\",x=\"y\"} 2\n# TYPE b untyped\nb{instance=\"\",job=\"j\"} 3\n");
  EXPECT_EQ(read("a{instance=\"own\"} 1\n"), "# TYPE a untyped\na{instance=\"own\",job=\"j\"} 1\n");
  EXPECT_EQ(read("a{instance=\"own\"} 1", {{"instance", "i"}, {"job", "j"}}),
            "# TYPE a untyped\na{instance=\"i\",job=\"j\"} 1\n");
}

TEST(PushedPage, KeepsHistogramsAndSummariesWhole) {
  const std::string page =
      "# TYPE h histogram\n"
      "h_bucket{instance=\"\",job=\"j\",le=\"1\"} 1\n"
      "h_bucket{instance=\"\",job=\"j\",le=\"+Inf\"} 2\n"
      "h_sum{instance=\"\",job=\"j\"} 3\n"
      "h_count{instance=\"\",job=\"j\"} 2\n"
      "# TYPE s summary\n"
      "s{instance=\"\",job=\"j\",quantile=\"0.5\"} 1\n"
      "s_sum{instance=\"\",job=\"j\"} 3\n"
      "s_count{instance=\"\",job=\"j\"} 2\n";
  EXPECT_EQ(read(page), page);
}

TEST(PushedPage, RefusesWhatNoScraperWouldTake) {
  const auto check = [](std::string_view page, std::string_view reason) {
    EXPECT_NE(read(page).find(reason), std::string::npos) << page << ": " << read(page);
  };
  check("a b\n", "line 1: expected");
  check("a 1 1700000000000\n", "must not have timestamps");
  check("a 1\na 2\n", "a series was pushed twice: a");
  check("a{job=\"x\"} 1\na{job=\"y\"} 2\n", "a series was pushed twice");
  check("a 1\n# TYPE a gauge\n", "the type of a comes after its samples");
  check("# TYPE a counter\na 1\n# TYPE a gauge\n", "the type of a comes after its samples");
  check("a_sum 1\n# TYPE a histogram\na_count 1\n", "the families a_sum and a both have a_sum");
  check("push_time_seconds 1\n", "not for those who push");
  check("app_exporter_source_up 1\n", "not for those who push");
  check("a{x=\"" + std::string(257, 'x') + "\"} 1\n", "longer than 256 bytes");
}

}  // namespace
}  // namespace tocsin::exporters::app
