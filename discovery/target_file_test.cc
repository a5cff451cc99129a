// SPDX-License-Identifier: Apache-2.0
#include "discovery/target_file.h"

#include <gtest/gtest.h>

namespace tocsin::discovery {
namespace {

TEST(TargetFile, ReadsYamlAndJsonAlike) {
  const std::string_view yaml =
      "- targets: ['a:1', b:2]\n  labels: {env: prod}\n- targets: [c:3]\n";
  const std::string_view json =
      R"([{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}, {"targets": ["c:3"]}])";
  auto from_yaml = parse_target_file(yaml, "t.yml");
  auto from_json = parse_target_file(json, "t.yml");
  ASSERT_TRUE(from_yaml.ok()) << message(from_yaml.status());
  ASSERT_TRUE(from_json.ok()) << message(from_json.status());
  EXPECT_EQ(*from_yaml, *from_json);
  ASSERT_EQ(from_yaml->size(), 2U);
  EXPECT_EQ((*from_yaml)[0].source, "t.yml:0");
  EXPECT_EQ((*from_yaml)[0].targets[1].get("__address__"), "b:2");
  EXPECT_EQ((*from_yaml)[0].labels.get("env"), "prod");
  EXPECT_EQ((*from_yaml)[1].source, "t.yml:1");
}

TEST(TargetFile, RefusesWhatIsNotAListOfGroups) {
  struct Case {
    std::string_view text, expected;
  };
  for (const Case& c :
       {Case{"targets: [a]", "expected a list of target groups"},
        Case{"- target: [a]", "field target not found"},
        Case{"-\n- targets: [a]", "nil target group item found"},
        Case{"- targets: [a]\n  labels: {'': x}", "invalid label name"}, Case{"[{", "t.json:"}}) {
    auto groups = parse_target_file(c.text, "t.json");
    ASSERT_FALSE(groups.ok()) << c.text;
    EXPECT_NE(message(groups.status()).find(c.expected), std::string_view::npos)
        << c.text << " -> " << message(groups.status());
  }
}

TEST(TargetFile, EmptyFileHasNoGroups) {
  auto groups = parse_target_file("", "t.yml");
  ASSERT_TRUE(groups.ok());
  EXPECT_TRUE(groups->empty());
}

}  // namespace
}  // namespace tocsin::discovery
