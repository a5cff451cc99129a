// SPDX-License-Identifier: Apache-2.0
//
// Escaping by place in a page.
#include <gtest/gtest.h>

#include "template/functions.h"
#include "template/template.h"

namespace tocsin::tmpl {
namespace {

std::string html(const std::string& text) {
  Options options;
  options.mode = Mode::kHtml;
  const auto functions = std::make_shared<const FunctionMap>(notification_functions({}));
  const Value data = Value::of(Map{{"Tag", Value::of("<i>&\"'+")},
                                   {"Url", Value::of("http://h/p?q=a b&c=<d>")},
                                   {"Bad", Value::of("javascript:alert(1)")},
                                   {"Nil", Value()}});
  const StatusOr<std::string> out = TemplateSet(functions).execute_text(text, data, options, "t");
  return out.ok() ? *out : std::string(message(out.status()));
}

struct Row {
  std::string input;
  std::string expected;
};

TEST(Html, EscapesForThePlace) {
  const std::vector<Row> rows = {
      {"<b>{{.Tag}}</b>", "<b>&lt;i&gt;&amp;&#34;&#39;&#43;</b>"},
      {"{{safeHtml .Tag}} {{.Tag | html}} {{.Nil}}|", "<i>&\"'+ &lt;i&gt;&amp;&#34;&#39;+ |"},
      {"<a title=\"{{.Tag}}\" data-x='{{.Tag}}'>",
       "<a title=\"&lt;i&gt;&amp;&#34;&#39;&#43;\" data-x='&lt;i&gt;&amp;&#34;&#39;&#43;'>"},
      {"<a title={{.Tag}}>", "<a title=&lt;i&gt;&amp;&#34;&#39;&#43;>"},
      {"<a title={{\"a b=c\"}} x>", "<a title=a&#32;b&#61;c x>"},
      {"<a title={{\"\"}}>", "<a title=ZgotmplZ>"},
      {"<a href=\"{{.Url}}\">", "<a href=\"http://h/p?q=a%20b&amp;c=%3cd%3e\">"},
      {"<a href=\"/x/{{.Url}}\">", "<a href=\"/x/http://h/p?q=a%20b&amp;c=%3cd%3e\">"},
      {"<a href='/search?{{\"q=test%20foo\"}}'>", "<a href='/search?q%3dtest%2520foo'>"},
      {"<a href='/search?{{\"q=test%20foo\" | safeUrl}}'>", "<a href='/search?q=test%20foo'>"},
      {"<a href=\"{{.Bad}}\">", "<a href=\"#ZgotmplZ\">"},
      {"<a href=\"{{.Bad | safeUrl}}\">", "<a href=\"javascript:alert%281%29\">"},
      {"<a href=\"/?r={{\"a b/c\" | urlquery}}\">", "<a href=\"/?r=a&#43;b%2Fc\">"},
      {"<title>{{.Tag}}</title><p>{{\"<\"}}</p>",
       "<title>&lt;i&gt;&amp;&#34;&#39;&#43;</title><p>&lt;</p>"},
      {"a<!-- c {{.Tag}} -->b", "ab"},
      {"<!DOCTYPE html><br/>1 < 2", "<!DOCTYPE html><br/>1 &lt; 2"},
      {"<style>p { color: red } /* note */ b {}</style>{{\"<\"}}",
       "<style>p { color: red }   b {}</style>&lt;"},
      {"<script>if (a < b) {}</script>{{\"<\"}}", "<script>if (a < b) {}</script>&lt;"},
      {"<p style=\"color:red\">{{\"<\"}}</p>", "<p style=\"color:red\">&lt;</p>"},
      // The place is followed through templates and branches.
      {"{{define \"u\"}}{{.}}{{end}}<a href=\"{{template \"u\" .Bad}}\">{{template \"u\" "
       "\"<\"}}</a>",
       "<a href=\"#ZgotmplZ\">&lt;</a>"},
      {"<a {{if true}}href='{{else}}title='{{end}}{{.Bad}}'>", "<a href='#ZgotmplZ'>"},
  };
  for (const Row& row : rows) EXPECT_EQ(html(row.input), row.expected) << row.input;
}

TEST(Html, RefusesPlacesItCannotEscape) {
  const std::vector<Row> rows = {
      {"<script>var x = {{.Tag}}</script>",
       "template: t:1:18: executing \"t\" at <{{.Tag}}>: not supported yet: an action inside a "
       "script element"},
      {"<style>{{.Tag}}</style>",
       "template: t:1:9: executing \"t\" at <{{.Tag}}>: not supported yet: an action inside a "
       "style element"},
      {"<a onclick=\"f({{.Tag}})\">",
       "template: t:1:16: executing \"t\" at <{{.Tag}}>: not supported yet: an action in the "
       "attribute onclick"},
      {"<p style='{{.Tag}}'>",
       "template: t:1:12: executing \"t\" at <{{.Tag}}>: not supported yet: an action in the "
       "attribute style"},
      {"<p {{.Tag}}>",
       "template: t:1:5: executing \"t\" at <{{.Tag}}>: not supported yet: an action inside an "
       "HTML tag"},
  };
  for (const Row& row : rows) EXPECT_EQ(html(row.input), row.expected) << row.input;
  EXPECT_NE(html("<a href=\"{{.Url}}").find("ends in a non-text context"), std::string::npos);
}

}  // namespace
}  // namespace tocsin::tmpl
