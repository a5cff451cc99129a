// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <random>

#include <gtest/gtest.h>

#include "base/executor.h"

namespace tocsin::base {
namespace {

YamlNode parse(std::string_view text) {
  StatusOr<YamlNode> node = parse_yaml(text, "f.yml");
  EXPECT_TRUE(node.ok()) << node.status() << "\n" << text;
  return node.ok() ? *node : YamlNode();
}

std::string parse_error(std::string_view text, YamlLimits limits = {}) {
  const StatusOr<YamlNode> node = parse_yaml(text, "f.yml", limits);
  EXPECT_FALSE(node.ok()) << text;
  return std::string(message(node.status()));
}

// The node in flow style; quoted scalars in double quotes.
std::string flow(const YamlNode& node) {
  std::string out;
  switch (node.kind()) {
    case YamlNode::Kind::kNull:
      return "~";
    case YamlNode::Kind::kScalar:
      return node.is_quoted() ? fmt::format("\"{}\"", node.scalar()) : std::string(node.scalar());
    case YamlNode::Kind::kSequence:
      for (const YamlNode& item : node.items()) out += (out.empty() ? "" : ", ") + flow(item);
      return "[" + out + "]";
    case YamlNode::Kind::kMapping:
      for (const auto& [key, value] : node.entries()) {
        out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", key, flow(value));
      }
      return "{" + out + "}";
  }
  return out;
}

TEST(Yaml, ReadsStructure) {
  const auto check = [](std::string_view text, std::string_view want) {
    EXPECT_EQ(flow(parse(text)), want) << text;
  };
  check("", "~");
  check("# only a comment\n", "~");
  check("---\n", "~");
  check("a: 1\nb: [x, 'y', \"z\"]\n", "{a: 1, b: [x, \"y\", \"z\"]}");
  check("a:\n- b: 1\n  c: ~\n- null\n-\n", "{a: [{b: 1, c: ~}, ~, ~]}");
  check("a: |\n  two\n  lines\nb: >\n  folded\n", "{a: \"two\nlines\n\", b: \"folded\n\"}");
  check("a: ''\nb: '~'\n", "{a: \"\", b: \"~\"}");
  check("a: !!str 5\nb: !!int 5\n", "{a: \"5\", b: 5}");
  check(
      "\xEF\xBB\xBF"
      "a: \xC3\xA9\n",
      "{a: \xC3\xA9}");
  check("a: 1\r\nb: 2\r\n", "{a: 1, b: 2}");
  check("{a: 1, 2: b}", "{a: 1, 2: b}");
}

TEST(Yaml, ReadsTheFirstDocumentOnly) {
  EXPECT_EQ(flow(parse("a: 1\n---\nb: 2\n")), "{a: 1}");
  EXPECT_EQ(flow(parse("---\na: 1\n...\n---\nb: 2\n")), "{a: 1}");
  EXPECT_EQ(flow(parse("a: 1\n...\nb: 2\n")), "{a: 1}");
  EXPECT_EQ(flow(parse("a: 1\n---\n{broken")), "{a: 1}");
  EXPECT_EQ(flow(parse("a: 1\n# end\n\n")), "{a: 1}");
  EXPECT_EQ(flow(parse("...\n")), "~");
  EXPECT_EQ(flow(parse("a: 1\n...\n")), "{a: 1}");
  EXPECT_EQ(flow(parse("a: |+\n  x\n\n")), "{a: \"x\n\n\"}");
  EXPECT_EQ(flow(parse("a: |\n  x")), "{a: \"x\"}");
}

TEST(Yaml, ResolvesAliasesAndMergeKeys) {
  const auto check = [](std::string_view text, std::string_view want) {
    EXPECT_EQ(flow(*parse(text).find("r")), want) << text;
  };
  check("a: &x [1, 2]\nr: [*x, *x]\n", "[[1, 2], [1, 2]]");
  check("a: &x {p: 1, q: 2}\nr:\n  q: own\n  <<: *x\n  s: 3\n", "{q: own, s: 3, p: 1}");
  check("a: &x {p: 1}\nb: &y {p: 2, q: 2}\nr: {<<: [*x, *y]}\n", "{p: 1, q: 2}");
  check("r: {<<: {p: 1}, q: 2}\n", "{q: 2, p: 1}");
  check("a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nr: {<<: *y}\n", "{q: 2, p: 1}");
  check("r: {'<<': 1}\n", "{<<: 1}");
  check("a: &x old\nb: &x new\nr: *x\n", "new");
  check("a: &k key\nr: {*k : 1}\n", "{key: 1}");
}

TEST(Yaml, RefusesWhatIsNotStrict) {
  const auto check = [](std::string_view text, std::string_view want) {
    EXPECT_EQ(parse_error(text), want) << text;
  };
  check("a: 1\nb: 2\na: 3\n", "f.yml:3:1: key \"a\" already set in map");
  check("s:\n  - x: {a: 1, 'a': 2}\n", "f.yml:2:15: s[0].x: key \"a\" already set in map");
  check("a: &x {p: 1}\nb: {<<: *x, <<: *x}\n", "f.yml:2:13: b: key \"<<\" already set in map");
  check("a: {<<: 5}\n", "f.yml:1:5: a: \"<<\" needs a mapping or a list of mappings");
  check("a: {<<: [5]}\n", "f.yml:1:5: a: \"<<\" needs a mapping or a list of mappings");
  check("? [a]\n: 1\n", "f.yml:1:3: a key must be a scalar");
  check("~: 1\n", "f.yml:1:1: a key must not be null");
  check("a: &x [*x]\n", "f.yml:1:8: a: an alias inside the value that it names");
  check("a: !!binary aGk=\n", "f.yml:1:4: tag tag:yaml.org,2002:binary is not supported");
  check("a: !custom {b: 1}\n", "f.yml:1:4: tag !custom is not supported");
  check("a: b\x01\n", "f.yml:1:5: control character 0x01");
  check("a: 1\n\nb: \xFF\n", "f.yml:3:4: invalid UTF-8");
  check("[a] b\n", "f.yml:1:5: unexpected text after the end of the document");
  check("\"a\"\nb: 1\n", "f.yml:2:1: unexpected text after the end of the document");
}

TEST(Yaml, SyntaxErrorsHavePositions) {
  for (const char* text : {"a: [1, 2\n", "a: 'open\n", "a: \"open\n  \n ", "a: 'open",
                           "a: *unknown\n", "a: b: c\n", "{", "]", "a: 1\n b: 2\n",
                           "%YAML 9.9.9\n---\na", "- a\nb: 1\n", "a: \"\\z\"\n", "@at", "a: `x`"}) {
    const std::string error = parse_error(text);
    EXPECT_TRUE(error.starts_with("f.yml:")) << text << "\n" << error;
    EXPECT_EQ(std::count(error.begin(), error.begin() + 12, ':'), 3) << error;
  }
}

TEST(Yaml, LimitsDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_yaml(nested(64), "f.yml").ok());
  EXPECT_TRUE(parse_error(nested(65)).ends_with("nested deeper than 64 levels"));
  EXPECT_FALSE(parse_yaml(std::string(100'000, '['), "f.yml").ok());
  EXPECT_FALSE(parse_yaml(std::string(100'000, '{'), "f.yml").ok());
  // An alias brings its own depth along.
  EXPECT_TRUE(parse_error("a: &x [[[[1]]]]\nb: [[[*x]]]\n", {.max_depth = 6})
                  .ends_with("nested deeper than 6 levels"));
}

TEST(Yaml, RefusesAliasBombsBeforeTheyExpand) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int k = 0; k < 9; ++k) bomb += fmt::format("{}*a{}", k == 0 ? "" : ", ", i - 1);
    bomb += "]\n";
  }
  EXPECT_NE(parse_error(bomb).find("more than 2000000 nodes after expanding aliases"),
            std::string::npos);
  EXPECT_NE(parse_error("[1, 2, 3]", {.max_nodes = 3}).find("more than 3 nodes"),
            std::string::npos);
  EXPECT_TRUE(parse_yaml("[1, 2, 3]", "f.yml", {.max_nodes = 4}).ok());
}

TEST(Yaml, BooleansAreThoseOfYaml11) {
  for (const char* text :
       {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}) {
    const StatusOr<bool> value = parse(text).as_bool();
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_TRUE(*value) << text;
    EXPECT_EQ(*parse(text).as_string(), text) << "a boolean word is still a string to a string";
  }
  for (const char* text : {"false", "False", "n", "N", "no", "NO", "off", "Off", "OFF"}) {
    const StatusOr<bool> value = parse(text).as_bool();
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_FALSE(*value) << text;
  }
  for (const char* text : {"tRue", "1", "'true'", "\"yes\"", "~", "[true]", "yess"}) {
    EXPECT_FALSE(parse(text).as_bool().ok()) << text;
  }
}

TEST(Yaml, Integers) {
  const auto check = [](std::string_view text, std::int64_t want) {
    const StatusOr<std::int64_t> value = parse(text).as_int();
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_EQ(*value, want) << text;
  };
  check("0", 0);
  check("-17", -17);
  check("+5", 5);
  check("017", 15);
  check("0o17", 15);
  check("0x1F", 31);
  check("-0b101", -5);
  check("1_000_000", 1'000'000);
  check("9223372036854775807", std::numeric_limits<std::int64_t>::max());
  check("-9223372036854775808", std::numeric_limits<std::int64_t>::min());
  check("08", 8);  // no octal number, hence a float, as in yaml.v2
  check("5.0", 5);
  check("1e3", 1000);
  for (const char* text : {"5.5", "9223372036854775808", "'5'", "abc", "0x", "-", "1 2", "~", "--5",
                           "+-5", "0x-5", ".inf", "inf", "_"}) {
    EXPECT_FALSE(parse(text).as_int().ok()) << text;
  }
  EXPECT_EQ(message(parse("a: [x, '5']").find("a")->items()[1].as_int().status()),
            "f.yml:1:8: a[1]: expected an integer, got \"5\"");
}

TEST(Yaml, Doubles) {
  const auto check = [](std::string_view text, double want) {
    const StatusOr<double> value = parse(text).as_double();
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_EQ(*value, want) << text;
  };
  check("1", 1);
  check("-1.5e3", -1500);
  check("+.5", 0.5);
  check("0x10", 16);
  check("1_0.5", 10.5);
  check(".inf", std::numeric_limits<double>::infinity());
  check("-.Inf", -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*parse(".NaN").as_double()));
  for (const char* text : {"inf", "nan", "'1'", "1.5.5", "e5", ".", "0x1p3", "1e", "-nan"}) {
    EXPECT_FALSE(parse(text).as_double().ok()) << text;
  }
}

TEST(Yaml, StringLists) {
  EXPECT_EQ(*parse("[a, '~', 5, yes]").as_string_list(),
            (std::vector<std::string>{"a", "~", "5", "yes"}));
  EXPECT_TRUE(parse("").as_string_list()->empty());
  EXPECT_EQ(message(parse("a:\n- x\n- ~\n").find("a")->as_string_list().status()).substr(0, 8),
            "f.yml:3:");
  EXPECT_FALSE(parse("a").as_string_list().ok());
  EXPECT_FALSE(parse("[[a]]").as_string_list().ok());
}

TEST(Yaml, NodesKnowTheirPlace) {
  const YamlNode root =
      parse("scrape_configs:\n  - job_name: a\n  - static_configs:\n      - targets: [x, y]\n");
  const YamlNode& second = root.find("scrape_configs")->items()[1];
  const YamlNode y = second.find("static_configs")->items()[0].find("targets")->items()[1];
  EXPECT_EQ(y.path(), "scrape_configs[1].static_configs[0].targets[1]");
  EXPECT_EQ(y.line(), 4);
  EXPECT_EQ(y.column(), 22);
  EXPECT_EQ(y.file(), "f.yml");
  EXPECT_EQ(message(y.error("bad")),
            "f.yml:4:22: scrape_configs[1].static_configs[0].targets[1]: bad");
  EXPECT_EQ(root.path(), "");
  EXPECT_EQ(message(root.error("bad")), "f.yml:1:1: bad");
}

TEST(Yaml, ANodeOutlivesItsDocument) {
  YamlNode inner;
  {
    const YamlNode root = parse("a: {b: [c]}\n");
    inner = root.find("a")->find("b")->items()[0];
  }
  EXPECT_EQ(inner.scalar(), "c");
  EXPECT_EQ(inner.path(), "a.b[0]");
}

TEST(Yaml, NodesAreReadFromSeveralThreads) {
  const YamlNode root = parse("a: [1, 2, 3]\nb: {c: d}\n");
  ThreadPool pool({.name = "yaml", .threads = 3});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(pool.post([root] { EXPECT_EQ(flow(root), "{a: [1, 2, 3], b: {c: d}}"); }));
  }
}

TEST(Yaml, SurvivesHostileInput) {
  const std::vector<std::string> seeds = {
      "a: &x {p: 1}\nb: [*x, 'q', \"\\u00e9\"]\nc: |\n  text\n<<: *x\n",
      "- - - a\n  - {b: [c, d]}\n? k\n: v\n",
      "%TAG ! tag:x,2000:\n--- !!map\n!a b: !!str c\n...\n"};
  const std::string alphabet = "[]{}:,-?&*!|>'\"%@`#~\\ \n\t<aé0\x04\xFF";
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    std::string text = seeds[random() % seeds.size()];
    for (auto edits = 1 + random() % 6; edits > 0; --edits) {
      const std::size_t at = random() % (text.size() + 1);
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text.insert(at, 1 + random() % 3, c);
          break;
        case 1:
          text.erase(at, random() % 4);
          break;
        default:
          text.insert(at, text.substr(random() % (text.size() + 1), random() % 12));
      }
    }
    const StatusOr<YamlNode> node = parse_yaml(text, "f.yml", {.max_depth = 20, .max_nodes = 500});
    if (node.ok()) {
      flow(*node);
    } else {
      EXPECT_TRUE(message(node.status()).starts_with("f.yml:")) << seed << "\n" << text;
    }
  }
}

TEST(YamlMapping, ReadsTypedFields) {
  const YamlNode root = parse(
      "s: x\nb: on\ni: 0x10\nd: 1.5\nl: [a, b]\np: {k: 1, j: yes}\nempty:\nw: {inner: 1}\ne: [1, "
      "2]\n");
  std::string s;
  std::string empty = "default";
  std::string absent = "default";
  bool b = false;
  std::int64_t i = 0;
  double d = 0;
  std::vector<std::string> l;
  std::vector<std::pair<std::string, std::string>> p;
  std::int64_t sum = 0;
  YamlMapping m(root);
  m.string("s", &s, YamlMapping::kRequired);
  m.boolean("b", &b);
  m.integer("i", &i);
  m.number("d", &d);
  m.string_list("l", &l);
  m.string_pairs("p", &p);
  m.string("empty", &empty);
  m.string("absent", &absent);
  m.with("w", [&](const YamlNode& node) {
    YamlMapping inner(node);
    inner.integer("inner", &sum);
    return inner.finish();
  });
  m.each("e", [&](const YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(const std::int64_t value, item.as_int());
    sum += value;
    return ok();
  });
  EXPECT_TRUE(m.has("empty"));
  EXPECT_FALSE(m.has("absent"));
  ASSERT_TRUE(m.finish().ok());
  EXPECT_EQ(s, "x");
  EXPECT_TRUE(b);
  EXPECT_EQ(i, 16);
  EXPECT_EQ(d, 1.5);
  EXPECT_EQ(l, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(p, (std::vector<std::pair<std::string, std::string>>{{"k", "1"}, {"j", "yes"}}));
  EXPECT_EQ(empty, "default");
  EXPECT_EQ(absent, "default");
  EXPECT_EQ(sum, 4);
}

TEST(YamlMapping, KeepsTheFirstError) {
  const auto check = [](std::string_view text, std::string_view want,
                        const std::function<void(YamlMapping&)>& read) {
    const YamlNode root = parse(text);
    YamlMapping m(root);
    read(m);
    EXPECT_EQ(message(m.finish()), want) << text;
  };
  std::string s;
  bool b = false;
  std::vector<std::string> l;
  std::vector<std::pair<std::string, std::string>> p;
  const auto nothing = [](const YamlNode&) { return ok(); };
  check("known: 1\n  \nother: 2\n", "f.yml:3:1: field other not found in the top level",
        [&](YamlMapping& m) { m.string("known", &s); });
  check("s: [x]\nb: maybe\n", "f.yml:1:4: s: expected a string, got a list", [&](YamlMapping& m) {
    m.string("s", &s);
    m.boolean("b", &b);
  });
  check("{}", "f.yml:1:1: missing field s",
        [&](YamlMapping& m) { m.string("s", &s, YamlMapping::kRequired); });
  check("s: ~", "f.yml:1:4: s: missing value",
        [&](YamlMapping& m) { m.string("s", &s, YamlMapping::kRequired); });
  check("l: [a, ~]", "f.yml:1:8: l[1]: a list item must not be null",
        [&](YamlMapping& m) { m.string_list("l", &l); });
  check("l: [a, ~]", "f.yml:1:8: l[1]: a list item must not be null",
        [&](YamlMapping& m) { m.each("l", nothing); });
  check("l: {}", "f.yml:1:4: l: expected a list", [&](YamlMapping& m) { m.each("l", nothing); });
  check("p: [1]", "f.yml:1:4: p: expected a mapping",
        [&](YamlMapping& m) { m.string_pairs("p", &p); });
  check("p: {k: []}", "f.yml:1:8: p.k: expected a string, got a list",
        [&](YamlMapping& m) { m.string_pairs("p", &p); });
  check("[1]", "f.yml:1:1: expected a mapping", [&](YamlMapping&) {});
  check("s: x", "f.yml:1:4: s: is wrong", [&](YamlMapping& m) {
    m.string("s", &s);
    m.fail("s", "is wrong");
    m.fail("s", "second");
  });
  check("w: {a: 1, bad: 2}", "f.yml:1:11: field bad not found in w", [&](YamlMapping& m) {
    m.with("w", [&](const YamlNode& node) {
      YamlMapping inner(node);
      inner.string("a", &s);
      return inner.finish();
    });
  });
}

TEST(YamlMapping, SaysWhatIsNotBuiltYet) {
  const YamlNode root = parse("a: 1\nec2_sd_configs: []\n");
  YamlMapping m(root);
  std::string a;
  m.string("a", &a);
  m.unsupported({"gce_sd_configs", "ec2_sd_configs"});
  const Status status = m.finish();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(message(status), "f.yml:2:17: ec2_sd_configs: not supported yet: ec2_sd_configs");
}

TEST(YamlMapping, ANullNodeIsAnEmptyMapping) {
  YamlMapping m((YamlNode()));
  EXPECT_TRUE(m.finish().ok());
}

}  // namespace
}  // namespace tocsin::base
