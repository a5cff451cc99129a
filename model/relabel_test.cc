// SPDX-License-Identifier: Apache-2.0
#include "model/relabel.h"

#include <gtest/gtest.h>

namespace tocsin::model {
namespace {

const Labels kBase = Labels::of({{"__name__", "m"}, {"a", "foo"}, {"b", "Bar"}, {"c", "baz"}});

// Returns the labels after `options`, "dropped", or the rule's error.
std::string run(const RelabelOptions& options, const Labels& base = kBase) {
  const auto rule = make_relabel_rule(options);
  if (!rule.ok()) return std::string(message(rule.status()));
  LabelsBuilder builder(base);
  if (!relabel(std::span(&*rule, 1), &builder)) return "dropped";
  return builder.build().without_metric_name().to_string();
}

TEST(Relabel, Replace) {
  const auto check = [](const RelabelOptions& options, std::string_view want) {
    EXPECT_EQ(run(options), want);
  };
  check({.source_labels = {"a", "b"}, .target_label = "d"},
        R"({a="foo", b="Bar", c="baz", d="foo;Bar"})");
  check(
      {.source_labels = {"a"}, .target_label = "d", .regex = "f(.*)", .replacement = "ch${1}-ch$1"},
      R"({a="foo", b="Bar", c="baz", d="choo-choo"})");
  check({.source_labels = {"a"}, .target_label = "d", .regex = "x(.*)"},
        R"({a="foo", b="Bar", c="baz"})");
  check({.source_labels = {"a"}, .target_label = "a", .regex = "foo", .replacement = ""},
        R"({b="Bar", c="baz"})");
  check({.target_label = "d", .replacement = "fixed"}, R"({a="foo", b="Bar", c="baz", d="fixed"})");
  check({.source_labels = {"a"}, .target_label = "${1}_x", .regex = "(f).*", .replacement = "v"},
        R"({a="foo", b="Bar", c="baz", f_x="v"})");
  // A target that expands to no name changes nothing.
  check({.source_labels = {"none"}, .target_label = "$1", .replacement = "v"},
        R"({a="foo", b="Bar", c="baz"})");
  check({.source_labels = {"none", "a"}, .separator = "", .target_label = "d", .action = "Replace"},
        R"({a="foo", b="Bar", c="baz", d="foo"})");
}

TEST(Relabel, KeepAndDrop) {
  const auto kept = R"({a="foo", b="Bar", c="baz"})";
  EXPECT_EQ(run({.source_labels = {"a"}, .regex = "f.*", .action = "keep"}), kept);
  EXPECT_EQ(run({.source_labels = {"a"}, .regex = "o", .action = "keep"}), "dropped");
  EXPECT_EQ(run({.source_labels = {"a"}, .regex = "f|foo", .action = "drop"}), "dropped");
  EXPECT_EQ(run({.source_labels = {"a"}, .regex = "f", .action = "DROP"}), kept);
  EXPECT_EQ(run({.source_labels = {"a"}, .target_label = "b", .action = "keepequal"}), "dropped");
  EXPECT_EQ(run({.source_labels = {"a"}, .target_label = "a", .action = "keepequal"}), kept);
  EXPECT_EQ(run({.source_labels = {"a"}, .target_label = "a", .action = "dropequal"}), "dropped");
  EXPECT_EQ(run({.source_labels = {"a"}, .target_label = "b", .action = "dropequal"}), kept);
}

TEST(Relabel, HashModUsesTheLastEightBytesOfMd5) {
  // md5("foo") = acbd18db4cc2f85cedef654fccc4a4d8; 0xedef654fccc4a4d8 % 1000 = 560.
  EXPECT_EQ(
      run({.source_labels = {"a"}, .target_label = "d", .modulus = 1000, .action = "hashmod"}),
      R"({a="foo", b="Bar", c="baz", d=")" + std::to_string(0xedef654fccc4a4d8ULL % 1000) + "\"}");
}

TEST(Relabel, LabelMapExpandsAgainstTheName) {
  const Labels base = Labels::of({{"__meta_x", "1"}, {"__meta_y", "2"}, {"z", "3"}});
  EXPECT_EQ(run({.regex = "__meta_(.+)", .action = "labelmap"}, base),
            R"({__meta_x="1", __meta_y="2", x="1", y="2", z="3"})");
  EXPECT_EQ(run({.regex = "__meta_(.)", .replacement = "m_${1}", .action = "labelmap"}, base),
            R"({__meta_x="1", __meta_y="2", m_x="1", m_y="2", z="3"})");
  // A name made by the rule is not mapped again.
  EXPECT_EQ(run({.regex = "(z+)", .replacement = "z${1}", .action = "labelmap"}, base),
            R"({__meta_x="1", __meta_y="2", z="3", zz="3"})");
}

TEST(Relabel, LabelDropAndKeep) {
  EXPECT_EQ(run({.regex = "a|b", .action = "labeldrop"}), R"({c="baz"})");
  EXPECT_EQ(run({.regex = "__name__|a", .action = "labelkeep"}), R"({a="foo"})");
}

TEST(Relabel, Case) {
  EXPECT_EQ(run({.source_labels = {"b"}, .target_label = "b", .action = "lowercase"}),
            R"({a="foo", b="bar", c="baz"})");
  EXPECT_EQ(run({.source_labels = {"b", "c"}, .target_label = "b", .action = "uppercase"}),
            R"({a="foo", b="BAR;BAZ", c="baz"})");
}

TEST(Relabel, RulesRunInOrderUntilOneDrops) {
  std::vector<RelabelRule> rules;
  rules.push_back(*make_relabel_rule({.target_label = "d", .replacement = "1"}));
  rules.push_back(*make_relabel_rule({.source_labels = {"d"}, .regex = "1", .action = "drop"}));
  rules.push_back(*make_relabel_rule({.target_label = "e", .replacement = "1"}));
  LabelsBuilder builder(kBase);
  EXPECT_FALSE(relabel(rules, &builder));
  EXPECT_EQ(builder.get("d"), "1");
  EXPECT_EQ(builder.get("e"), "");
  EXPECT_TRUE(relabel({}, &builder));
}

TEST(Relabel, RefusesWhatUpstreamRefuses) {
  const auto check = [](const RelabelOptions& options, std::string_view want) {
    EXPECT_EQ(run(options), want);
  };
  check({.target_label = "d", .action = "nope"}, R"(unknown relabel action "nope")");
  check({.action = ""}, "relabel action cannot be empty");
  check({.target_label = "d", .action = "hashmod"},
        "relabel configuration for hashmod requires non-zero modulus");
  check({.modulus = 2, .action = "hashmod"},
        "relabel configuration for hashmod action requires 'target_label' value");
  for (const std::string action : {"replace", "lowercase", "uppercase", "keepequal", "dropequal"}) {
    check({.action = action},
          "relabel configuration for " + action + " action requires 'target_label' value");
  }
  check({.target_label = "\xff"}, R"("\xff" is invalid 'target_label' for replace action)");
  check({.target_label = "d", .replacement = "x", .action = "lowercase"},
        "'replacement' can not be set for lowercase action");
  check({.target_label = "d", .replacement = "x", .action = "keepequal"},
        "'replacement' can not be set for keepequal action");
  check({.replacement = "\xff", .action = "labelmap"},
        R"("\xff" is invalid 'replacement' for labelmap action)");
  const std::string_view equal =
      " action requires only 'source_labels' and `target_label`, and no other fields";
  check({.target_label = "d", .regex = "x", .action = "keepequal"},
        "keepequal" + std::string(equal));
  check({.separator = ",", .target_label = "d", .action = "dropequal"},
        "dropequal" + std::string(equal));
  check({.target_label = "d", .modulus = 1, .action = "dropequal"},
        "dropequal" + std::string(equal));
  const std::string_view names = " action requires only 'regex', and no other fields";
  check({.source_labels = {"a"}, .action = "labeldrop"}, "labeldrop" + std::string(names));
  check({.target_label = "a", .action = "labelkeep"}, "labelkeep" + std::string(names));
  check({.replacement = "a", .action = "labelkeep"}, "labelkeep" + std::string(names));
  check({.source_labels = {""}, .action = "keep"}, R"("" is not a valid label name)");
  check({.target_label = "d", .regex = "("}, "error parsing regexp: missing closing ): `(`");
}

}  // namespace
}  // namespace tocsin::model
