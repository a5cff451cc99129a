// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"

#include <gtest/gtest.h>

namespace tocsin::base {
namespace {

TEST(Escape, WhatUrlsDoNotTakeIsPercentEncoded) {
  EXPECT_EQ(percent_encoded("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(percent_encoded("a b/c?d=e&f+\xc3\xa9%"), "a%20b%2Fc%3Fd%3De%26f%2B%C3%A9%25");
  EXPECT_EQ(query_encoded("a b+c"), "a+b%2Bc");
  EXPECT_EQ(percent_encoded(std::string_view("\0\xff", 2)), "%00%FF");
  EXPECT_EQ(percent_encoded(""), "");
}

TEST(Escape, MarkupIsText) {
  EXPECT_EQ(markup_escaped("a<b>\"c\"'d'&amp;"), "a&lt;b&gt;&#34;c&#34;&#39;d&#39;&amp;amp;");
  EXPECT_EQ(markup_escaped("\n\t"), "\n\t");
}

}  // namespace
}  // namespace tocsin::base
