// SPDX-License-Identifier: Apache-2.0
//
// The language: what templates print and which errors they give.
#include "template/template.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "template/data.h"

namespace tocsin::tmpl {
namespace {

std::shared_ptr<const Type> named_type(std::string name) {
  auto type = std::make_shared<Type>();
  type->name = std::move(name);
  return type;
}

Value sample_data() {
  auto greeter = std::make_shared<Type>();
  greeter->name = "*test.Greeter";
  greeter->methods["Greet"] = [](const Value& self, std::span<const Value> a) -> StatusOr<Value> {
    if (a.size() != 1) return invalid_argument("want one name");
    return Value::of(self.find_field("Word")->string() + " " + a[0].to_text());
  };
  return Value::of(
      Fields{{"Name", Value::of("tocsin"), ""},
             {"Number", Value::of(7), ""},
             {"Float", Value::of(2.5), ""},
             {"Yes", Value::of(true), ""},
             {"Empty", Value::of(""), ""},
             {"Nil", Value(), ""},
             {"List", Value::of(List{Value::of("a"), Value::of("b"), Value::of("c")}), ""},
             {"None", Value::of(List{}), ""},
             {"Map", Value::of(Map{{"x", Value::of(1)}, {"a", Value::of(2)}}), ""},
             {"Labels", label_set(model::Labels::of({{"job", "api"}, {"alertname", "Down"}})), ""},
             {"Greeter", Value::of(Fields{{"Word", Value::of("hello"), ""}}, greeter), ""},
             {"Add", Value::of(Function([](std::span<const Value> a) -> StatusOr<Value> {
                return Value::of(a[0].integer() + a[1].integer());
              })),
              ""}},
      named_type("test.Data"));
}

std::string run(std::string_view text, const Options& options = {}) {
  const StatusOr<std::string> out = TemplateSet().execute_text(text, sample_data(), options, "t");
  return out.ok() ? *out : std::string(message(out.status()));
}

struct Row {
  std::string input;
  std::string expected;
};

void check_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(run(row.input), row.expected) << row.input;
}

TEST(Template, PrintsTextAndLiterals) {
  check_rows({
      {"plain } text", "plain } text"},
      {"{{1}} {{-2}} {{0x1F}} {{0b11}} {{0o17}} {{017}} {{1_000}}", "1 -2 31 3 15 15 1000"},
      {"{{1.5}} {{1e3}} {{.5}} {{1e20}} {{1e21}} {{0.000001}}", "1.5 1000 0.5 1e+20 1e+21 1e-06"},
      {R"({{'a'}} {{'\n'}} {{'\''}} {{'é'}})", "97 10 39 233"},
      {R"({{"a\t\"b\""}} {{`raw "\n"`}})", "a\t\"b\" raw \"\\n\""},
      {"{{true}} {{false}}", "true false"},
      {"{{/* comment }} */}}x{{- /* c */ -}} y", "xy"},
      {"a {{- 1 -}} b", "a1b"},
      {"a \n{{- 1}}\n b", "a1\n b"},
      {"{{\"a\"}}{{-1}}", "a-1"},
  });
}

TEST(Template, ReadsFieldsMapsAndMethods) {
  check_rows({
      {"{{.Name}} {{.Number}} {{.Float}} {{.Yes}}", "tocsin 7 2.5 true"},
      {"{{.List}} {{.Map}} {{.None}}", "[a b c] map[a:2 x:1] []"},
      {"{{.Map.x}} {{.Map.nope}} {{.Nil}} {{.Nil.a.b}}", "1 <no value> <no value> <no value>"},
      {"{{.Labels.job}}|{{.Labels.nope}}|{{.Labels}}", "api|<no value>|alertname=Down, job=api"},
      {"{{.Greeter.Greet \"you\"}} {{5 | .Greeter.Greet}} {{.Greeter.Word}}",
       "hello you hello 5 hello"},
      {"{{(.Greeter).Word}} {{(index .List 1)}} {{(.Greeter.Greet 1) | len}}", "hello b 7"},
      {"{{call .Add 1 2}} {{.Add 1 2}}",
       "template: t:1:20: executing \"t\" at <.Add>: Add has arguments but cannot be invoked as "
       "function"},
  });
}

TEST(Template, MissingKeysFollowTheOption) {
  Options zero;
  zero.missing_key = MissingKey::kZero;
  EXPECT_EQ(run("{{.Labels.nope}}|{{.Map.nope}}", zero), "|<no value>");
  Options error;
  error.missing_key = MissingKey::kError;
  EXPECT_EQ(
      run("{{.Labels.nope}}", error),
      "template: t:1:9: executing \"t\" at <.Labels.nope>: map has no entry for key \"nope\"");
}

TEST(Template, KeepsVariablesInTheirScope) {
  check_rows({
      {"{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"},
      {"{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$y}}{{end}}{{$x}}", "32"},
      {"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"},
      {"{{with $x := .Name}}{{$x}} {{.}} {{$.Number}}{{end}}", "tocsin tocsin 7"},
      {"{{$x := .Greeter}}{{$x.Word}} {{$x.Greet 1}}", "hello hello 1"},
      {"{{if true}}{{$y := 3}}{{end}}{{$y}}", "template: t:1: undefined variable \"$y\""},
      {"{{$y = 3}}", "template: t:1: undefined variable \"$y\""},
  });
}

TEST(Template, BranchesAndLoops) {
  check_rows({
      {"{{if .Empty}}a{{else if .None}}b{{else if .Name}}c{{else}}d{{end}}", "c"},
      {"{{if 0}}a{{else}}b{{end}}{{if 0.0}}a{{end}}{{if .Nil}}a{{end}}{{if .Map}}m{{end}}", "bm"},
      {"{{with .Empty}}a{{else with .Name}}{{.}}{{else}}c{{end}}", "tocsin"},
      {"{{with .Nil}}a{{else}}{{.Name}}{{end}}", "tocsin"},
      {"{{range .List}}<{{.}}>{{end}}", "<a><b><c>"},
      {"{{range $i, $e := .List}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "},
      {"{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "a=2;x=1;"},
      {"{{range .None}}x{{else}}none{{end}}{{range .Nil}}x{{else}}nil{{end}}", "nonenil"},
      {"{{range 3}}{{.}}{{end}} {{range $i := 2}}{{$i}}{{end}}", "012 01"},
      {"{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"},
      {"{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}!", "a!"},
      {"{{$n := 0}}{{range .List}}{{$n = len $n | printf \"%d\"}}{{end}}",
       "template: t:1:33: executing \"t\" at <len $n>: error calling len: len of type int"},
      {"{{range .Float}}{{end}}",
       "template: t:1:8: executing \"t\" at <{{range .Float}}{{end}}>: range can't iterate over "
       "2.5"},
  });
}

TEST(Template, CallsTemplates) {
  check_rows({
      {"{{define \"a\"}}<{{.}}>{{end}}{{template \"a\" .Name}}{{template \"a\"}}",
       "<tocsin><<no value>>"},
      {"{{block \"b\" .Number}}[{{.}} {{$}}]{{end}}", "[7 7]"},
      {"{{$x := 1}}{{define \"a\"}}{{$x := 2}}{{$x}}{{end}}{{template \"a\"}}{{$x}}", "21"},
      {"{{template \"nope\" .}}",
       "template: t:1:11: executing \"t\" at <{{template \"nope\" .}}>: template \"nope\" not "
       "defined"},
      {"{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}",
       "template: t:1:25: executing \"r\" at <{{template \"r\"}}>: exceeded maximum template depth "
       "(100)"},
      {"{{define \"a\"}}\n{{.Foo.Bar}}{{end}}{{template \"a\" 5}}",
       "template: t:2:6: executing \"a\" at <.Foo.Bar>: can't evaluate field Foo in type int"},
  });
}

TEST(Template, ComparesAsGo) {
  check_rows({
      {"{{eq 1 1}} {{eq 1 2 1}} {{eq 1 2 3}} {{ne \"a\" \"b\"}}", "true true false true"},
      {"{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}}", "true true true false"},
      {"{{eq .Nil nil}} {{eq .Yes true}}", "true true"},
      {"{{and 1 0 2}} {{or 0 \"\" 3}} {{not 0}} {{and true .Name}} {{1 | and 2}}",
       "0 3 true tocsin 1"},
      {"{{or .Yes (index .List 9)}} {{and false (index .List 9)}}", "true false"},
      {"{{eq 1 1.0}}",
       "template: t:1:2: executing \"t\" at <eq 1 1.0>: error calling eq: incompatible types for "
       "comparison"},
      {"{{lt true false}}",
       "template: t:1:2: executing \"t\" at <lt true false>: error calling lt: invalid type for "
       "comparison"},
      {"{{eq 1}}",
       "template: t:1:2: executing \"t\" at <eq 1>: error calling eq: missing argument for "
       "comparison"},
      {"{{eq .List .List}}",
       "template: t:1:2: executing \"t\" at <eq .List .List>: error calling eq: non-comparable "
       "type [a b c]: "
       "[]interface {}"},
  });
}

TEST(Template, IndexesSlicesAndEscapes) {
  check_rows({
      {"{{index .List 1}} {{index .Map \"x\"}} {{index .Labels \"nope\"}}|{{index .Map \"n\"}}",
       "b 1 |<no value>"},
      {"{{index \"abc\" 1}} {{len .List}} {{len \"héé\"}} {{len .Map}}", "98 3 5 2"},
      {"{{slice .List 1}} {{slice .List 1 2}} {{slice \"abcdef\" 2 4}}", "[b c] [b] cd"},
      {"{{html \"<a b='c'>&\"}} {{js \"it's <b>\"}} {{urlquery \"a b&c/d\"}}",
       "&lt;a b=&#39;c&#39;&gt;&amp; it\\'s \\u003Cb\\u003E a+b%26c%2Fd"},
      {"{{index .List 3}}",
       "template: t:1:2: executing \"t\" at <index .List 3>: error calling index: index out of "
       "range: 3"},
      {"{{slice .List 2 1}}",
       "template: t:1:2: executing \"t\" at <slice .List 2 1>: error calling slice: invalid slice "
       "index: 2 > 1"},
      {"{{index 5 1}}",
       "template: t:1:2: executing \"t\" at <index 5 1>: error calling index: can't index item of "
       "type int"},
  });
}

TEST(Template, ReportsExecutionErrors) {
  check_rows({
      {"{{.Foo}}",
       "template: t:1:2: executing \"t\" at <.Foo>: can't evaluate field Foo in type test.Data"},
      {"a\n  {{ .Name.Foo }}",
       "template: t:2:10: executing \"t\" at <.Name.Foo>: can't evaluate field Foo in type string"},
      {"{{.Map.x 1}}",
       "template: t:1:6: executing \"t\" at <.Map.x>: x is not a method but has arguments"},
      {"{{nil}}", "template: t:1:2: executing \"t\" at <nil>: nil is not a command"},
      {"{{1 2}}", "template: t:1:2: executing \"t\" at <1>: can't give argument to non-function 1"},
      {"{{printf 5}}",
       "template: t:1:9: executing \"t\" at <5>: wrong type for value; expected string; got int"},
      {"{{len}}",
       "template: t:1:2: executing \"t\" at <len>: wrong number of args for len: want 1 got 0"},
      {"{{printf}}",
       "template: t:1:2: executing \"t\" at <printf>: wrong number of args for printf: want at "
       "least 1 got 0"},
      {"{{.Greeter.Greet}}",
       "template: t:1:10: executing \"t\" at <.Greeter.Greet>: error calling Greet: want one name"},
  });
}

TEST(Template, ReportsSyntaxErrors) {
  check_rows({
      {"{{", "template: t:1: unclosed action"},
      {"a\n{{ .X", "template: t:2: unclosed action"},
      {"{{nope .X}}", "template: t:1: function \"nope\" not defined"},
      {"{{$x}}", "template: t:1: undefined variable \"$x\""},
      {"{{if .X}}", "template: t:1: unexpected EOF"},
      {"{{end}}", "template: t:1: unexpected {{end}}"},
      {"{{else}}", "template: t:1: unexpected {{else}}"},
      {"{{if}}x{{end}}", "template: t:1: missing value for if"},
      {"{{}}", "template: t:1: missing value for command"},
      {"{{.X | 5}}", "template: t:1: non executable command in pipeline stage 2"},
      {"{{\"abc}}", "template: t:1: unterminated quoted string"},
      {"{{/* abc", "template: t:1: unclosed comment"},
      {"{{(1}}", "template: t:1: unclosed left paren"},
      {"{{1)}}", "template: t:1: unexpected right paren"},
      {"{{break}}", "template: t:1: {{break}} outside {{range}}"},
      {"{{range $i, 5 := .X}}{{end}}", "template: t:1: range can only initialize variables"},
      {"{{$a, $b := .X}}", "template: t:1: too many declarations in command"},
      {"{{.X!}}", "template: t:1: bad character U+0021 '!'"},
      {"{{!}}", "template: t:1: unrecognized character in action: U+0021 '!'"},
      {"{{1a}}", "template: t:1: bad number syntax: \"1a\""},
      {"{{1.Foo}}", "template: t:1: bad number syntax: \"1.Foo\""},
      {"{{nil.Foo}}", "template: t:1: unexpected . after term \"nil\""},
      {"{{template foo}}", "template: t:1: unexpected \"foo\" in template clause"},
      {"{{define \"a\"}}x", "template: t:1: unexpected EOF"},
      {"{{if true}}{{define \"a\"}}{{end}}{{end}}",
       "template: t:1: unexpected <define> in command"},
      {"{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}",
       "template: t:1: template: multiple definition of template \"a\""},
  });
}

TEST(Template, SharesDefinitionsAcrossFiles) {
  TemplateSet set;
  ASSERT_TRUE(set.parse("a.tmpl",
                        "{{define \"greet\"}}hi {{.}}{{end}}{{define \"both\"}}{{template "
                        "\"greet\" .}}!{{end}}")
                  .ok());
  ASSERT_TRUE(set.parse("b.tmpl", "{{define \"greet\"}}hello {{.}}{{end}}").ok());
  EXPECT_EQ(set.execute("both", Value::of("you")).value(), "hello you!");
  // An empty definition does not replace one.
  ASSERT_TRUE(set.parse("c.tmpl", "{{define \"greet\"}} {{end}}").ok());
  EXPECT_EQ(set.execute_text("{{template \"greet\" .}}", Value::of("you")).value(), "hello you");
  // A bad file changes nothing.
  EXPECT_FALSE(set.parse("d.tmpl", "{{define \"greet\"}}bye{{end}}{{").ok());
  EXPECT_EQ(set.execute("greet", Value::of("you")).value(), "hello you");
  // Definitions of a text stay in it.
  EXPECT_EQ(set.execute_text("{{define \"greet\"}}yo {{.}}{{end}}{{template \"both\" .}}",
                             Value::of("you"))
                .value(),
            "yo you!");
  EXPECT_EQ(set.execute("greet", Value::of("you")).value(), "hello you");
  EXPECT_EQ(message(set.execute("nope", Value()).status()),
            "template: no template \"nope\" associated with template \"\"");
  EXPECT_EQ(set.names(), (std::vector<std::string>{"a.tmpl", "b.tmpl", "both", "c.tmpl", "greet"}));
}

TEST(Template, ErrorsNameTheFileOfTheDefinition) {
  TemplateSet set;
  ASSERT_TRUE(set.parse("a.tmpl", "\n{{define \"x\"}}{{.Foo}}{{end}}").ok());
  EXPECT_EQ(
      message(set.execute_text("{{template \"x\" .}}", Value::of(1)).status()),
      "template: a.tmpl:2:16: executing \"x\" at <.Foo>: can't evaluate field Foo in type int");
}

TEST(Template, StopsAtItsLimits) {
  Options options;
  options.limits.output_bytes = 100;
  options.limits.iterations = 50;
  EXPECT_THAT(run("{{range 20}}0123456789{{end}}", options),
              testing::HasSubstr("output is longer than 100 bytes"));
  EXPECT_THAT(run("{{range 20}}{{range 20}}{{end}}{{end}}", options),
              testing::HasSubstr("more than 50 iterations"));
  EXPECT_THAT(run("{{printf \"%101d\" 1}}", options),
              testing::HasSubstr("text is longer than 100 bytes"));
  EXPECT_THAT(run("{{$x := \"0123456789\"}}{{range 40}}{{$x = print $x $x}}{{end}}", options),
              testing::HasSubstr("text is longer than 100 bytes"));
  std::string deep = "1";
  for (int i = 0; i < 300; ++i) deep = "(" + deep + ")";
  EXPECT_THAT(run("{{" + deep + "}}"), testing::HasSubstr("more than 200 levels deep"));
  std::string blocks;
  for (int i = 0; i < 100000; ++i) blocks += "{{if true}}";
  EXPECT_THAT(run(blocks), testing::HasSubstr("more than 200 levels deep"));
}

TEST(Template, SurvivesMutations) {
  const std::vector<std::string> seeds = {
      "{{define \"a\"}}{{range $i, $e := .List}}{{$i}}{{- $e "
      "-}}{{else}}none{{end}}{{end}}{{template \"a\" .}}",
      "{{with $x := .Greeter}}{{$x.Greet (printf \"%5.2f\" 1.5) | html}}{{else with "
      ".Name}}{{.}}{{end}}",
      "{{if and (eq .Number 7) (not .Nil)}}{{index .Map `x`}}{{else if 'a'}}{{slice .List 1 "
      "2}}{{end}}{{/* c */}}"};
  const std::vector<std::string> pieces = {"{{", "}}",  "(", ")", ".",  "$x", "|",     "\"",
                                           "`",  "end", " ", "-", ":=", "'",  "range", "\xff"};
  std::mt19937 random(1);
  const auto pick = [&random](std::size_t count) { return random() % count; };
  for (int i = 0; i < 20000; ++i) {
    std::string text = seeds[pick(seeds.size())];
    for (std::size_t changes = 1 + pick(3); changes > 0; --changes) {
      const std::size_t position = pick(text.size() + 1);
      if (pick(2) == 0) {
        text.erase(position, 1 + pick(4));
      } else {
        text.insert(position, pieces[pick(pieces.size())]);
      }
    }
    run(text);
    Options html;
    html.mode = Mode::kHtml;
    run(text, html);
  }
}

}  // namespace
}  // namespace tocsin::tmpl
