// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/email/mime.h"

#include <gtest/gtest.h>

#include "notifier/integrations/email/address.h"

namespace tocsin::notifier {
namespace {

TEST(Mime, HeadersAreEncodedWhenTheyMustBe) {
  struct Case {
    std::string_view text, encoded;
  };
  for (const Case& c : {
           Case{"plain =?_ text", "plain =?_ text"},
           Case{"", ""},
           Case{"tab\tstays", "tab\tstays"},
           Case{"hällo wörld?", "=?utf-8?q?h=C3=A4llo_w=C3=B6rld=3F?="},
           Case{"a\r\nBcc: x@y", "=?utf-8?q?a=0D=0ABcc:_x@y?="},
           Case{"🙂🙂🙂🙂🙂🙂",
                "=?utf-8?q?=F0=9F=99=82=F0=9F=99=82=F0=9F=99=82=F0=9F=99=82=F0=9F=99=82?=\r\n"
                " =?utf-8?q?=F0=9F=99=82?="},
       }) {
    EXPECT_EQ(encode_header(c.text), c.encoded);
  }
}

TEST(Mime, BodiesAreQuotedPrintable) {
  struct Case {
    std::string text, encoded;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{"a=b\nc\r\nd", "a=3Db\r\nc\r\nd"},
           Case{"trailing \ntab\t", "trailing=20\r\ntab=09"},
           Case{"ü", "=C3=BC"},
           Case{std::string(76, 'x'), std::string(76, 'x')},
           Case{std::string(77, 'x'), std::string(75, 'x') + "=\r\nxx"},
           Case{std::string(74, 'x') + "=", std::string(74, 'x') + "=\r\n=3D"},
           Case{std::string(73, 'x') + "=", std::string(73, 'x') + "=3D"},
           Case{".\n", ".\r\n"},
       }) {
    EXPECT_EQ(quoted_printable(c.text), c.encoded) << c.text;
  }
}

TEST(Mime, DatesAreInUtc) {
  EXPECT_EQ(format_mail_date(base::from_ms(1'136'214'245'678)), "Mon, 02 Jan 2006 15:04:05 +0000");
}

TEST(Addresses, AreReadFromLists) {
  struct Case {
    std::string_view text, addresses;
  };
  for (const Case& c : {
           Case{"a@b.c", "a@b.c"},
           Case{" a@b , c@d ", "a@b c@d"},
           Case{"Alice Smith <a@b>, \"Smith, Bob\" <c@d>", "a@b c@d"},
           Case{"a@b (the boss, really), (x) c@d", "a@b c@d"},
           Case{"<a@b>,,c@d,", "a@b c@d"},
           Case{"=?utf-8?q?J=C3=B6rg?= <j@x>", "j@x"},
           Case{R"("odd"@example.com)", R"("odd"@example.com)"},
       }) {
    const auto list = parse_address_list(c.text);
    ASSERT_TRUE(list.ok()) << c.text << ": " << message(list.status());
    std::string joined;
    for (const std::string& address : *list) joined += (joined.empty() ? "" : " ") + address;
    EXPECT_EQ(joined, c.addresses) << c.text;
  }
}

TEST(Addresses, BrokenListsAreErrors) {
  for (std::string_view text : {"", " ", ",", "nobody", "a@", "@b", "Alice <a@b", "\"a <a@b>",
                                "(a@b", "a b@c", "<a@b> c", "<a@b\r\nRCPT TO:<x@y>>", ">"}) {
    const auto list = parse_address_list(text);
    EXPECT_FALSE(list.ok()) << text;
    if (!list.ok()) {
      EXPECT_TRUE(message(list.status()).starts_with("mail: ")) << message(list.status());
    }
  }
}

}  // namespace
}  // namespace tocsin::notifier
