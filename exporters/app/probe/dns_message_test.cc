// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/dns_message.h"

#include <gtest/gtest.h>

#include "exporters/app/probe/dns_names.h"

namespace tocsin::exporters::app {
namespace {

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}
std::string header(unsigned flags, unsigned questions, unsigned answers, unsigned more = 0) {
  return u16(7) + u16(flags) + u16(questions) + u16(answers) + u16(0) + u16(more);
}
// A record of the name at offset 12.
std::string record(unsigned type, const std::string& data, unsigned ttl = 300) {
  return u16(0xC00C) + u16(type) + u16(1) + u16(0) + u16(ttl) +
         u16(static_cast<unsigned>(data.size())) + data;
}
std::string question(std::string_view name, unsigned type) {
  return *dns_name_bytes(name) + u16(type) + u16(1);
}

TEST(DnsMessage, PrintsRecordsAsZoneFilesDo) {
  const auto check = [](unsigned type, const std::string& data, std::string_view want) {
    const auto answer = decode_dns_answer(header(0x8180, 1, 1) + question("Example.com", type) +
                                          record(type, data));
    ASSERT_TRUE(answer.ok()) << want << answer.status();
    ASSERT_EQ(answer->answer.size(), 1U);
    EXPECT_EQ(answer->answer[0].text, "Example.com.\t300\tIN\t" + std::string(want));
  };
  using namespace std::string_literals;
  check(1, "\xC0\x00\x02\x01"s, "A\t192.0.2.1");
  check(28, "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01", "AAAA\t2001:db8::1");
  check(5, "\x03www\xC0\x0C"s, "CNAME\twww.Example.com.");
  check(2, "\x00"s, "NS\t.");
  check(15, u16(10) + "\x04mail\xC0\x0C", "MX\t10 mail.Example.com.");
  check(33, u16(1) + u16(2) + u16(443) + "\x01s\xC0\x0C", "SRV\t1 2 443 s.Example.com.");
  check(16, "\x05v=\"x\\\x02\x01z"s, "TXT\t\"v=\\\"x\\\\\" \"\\001z\"");
  check(257, "\x00\x05issueca.test"s, "CAA\t0 issue \"ca.test\"");
  check(43, u16(7) + "\x0d\x02\xAB\xCD", "DS\t7 13 2 ABCD");
  check(65, "\x01\x02"s, "HTTPS\t\\# 2 0102");
  check(65280, ""s, "TYPE65280\t\\# 0 ");
  check(6,
        "\x02ns\xC0\x0C\x01m\xC0\x0C"s + u16(0x7735) + u16(0x9400) + u16(0) + u16(1) + u16(0) +
            u16(2) + u16(0) + u16(3) + u16(0) + u16(4),
        "SOA\tns.Example.com. m.Example.com. 2000000000 1 2 3 4");
}

TEST(DnsMessage, KnowsItsQuestionAgain) {
  DnsQuestion asked{.id = 7, .name = *dns_name_bytes("example.COM."), .type = 1, .qclass = 1};
  const auto is_mine = [&](const std::string& message) {
    const auto answer = decode_dns_answer(message);
    return answer.ok() && answers(*answer, asked);
  };
  EXPECT_EQ(encode_dns_question(asked),
            u16(7) + u16(0x0100) + u16(1) + u16(0) + u16(0) + u16(0) + question("example.COM", 1));
  EXPECT_TRUE(is_mine(header(0x8180, 1, 0) + question("EXAMPLE.com", 1)));
  EXPECT_TRUE(is_mine(header(0x8181, 0, 0))) << "FORMERR without the question";
  EXPECT_FALSE(is_mine(header(0x8180, 0, 0)));
  EXPECT_FALSE(is_mine(header(0x0100, 1, 0) + question("example.com", 1))) << "a question";
  EXPECT_FALSE(is_mine(header(0x8180, 1, 0) + question("example.org", 1)));
  EXPECT_FALSE(is_mine(header(0x8180, 1, 0) + question("example.com", 28)));
  asked.id = 8;
  EXPECT_FALSE(is_mine(header(0x8180, 1, 0) + question("example.com", 1)));
}

TEST(DnsMessage, RefusesWhatIsMalformed) {
  using namespace std::string_literals;
  const std::string one = header(0x8180, 1, 1) + question("a", 1);
  const std::string good = one + record(1, "\xC0\x00\x02\x01"s);
  ASSERT_TRUE(decode_dns_answer(good).ok());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_dns_answer(good.substr(0, size)).ok()) << size;
  }
  const auto refuses = [](const std::string& message, std::string_view why) {
    EXPECT_FALSE(decode_dns_answer(message).ok()) << why;
  };
  refuses(header(0x8180, 1, 0) + "\xC0\x0C"s + u16(1) + u16(1), "a name that points to itself");
  refuses(header(0x8180, 1, 0) + "\xC0\x10"s + u16(1) + u16(1), "a name that points forward");
  refuses(header(0x8180, 1, 0) + "\x40x"s, "a label of an unknown kind");
  refuses(one + record(1, "\x01\x02\x03"s), "an address that is too short");
  refuses(one + record(16, "\x09short"s), "a string longer than its record");
  refuses(one + record(5, "\x03www"s), "a name longer than its record");
  std::string longest;
  for (int i = 0; i < 5; ++i) longest += "\x3F"s + std::string(63, 'x');
  refuses(header(0x8180, 1, 0) + longest + '\0' + u16(1) + u16(1), "a name of 320 bytes");
}

TEST(DnsMessage, TakesWhatIsLeftOfATruncatedAnswer) {
  const auto answer = decode_dns_answer(header(0x8380, 1, 9) + question("a", 16));
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->is_truncated);
  EXPECT_TRUE(answer->answer.empty());
}

TEST(DnsMessage, JoinsTheTwoPartsOfTheCode) {
  using namespace std::string_literals;
  const std::string opt = "\0"s + u16(41) + u16(1232) + "\x01\0\0\0"s + u16(0);
  const auto answer = decode_dns_answer(header(0x8180, 0, 0, 1) + opt);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->rcode, 16);
  EXPECT_EQ(answer->additional.size(), 1U);
}

TEST(DnsNames, AreBytesAndBack) {
  using namespace std::string_literals;
  EXPECT_EQ(dns_name_bytes("a.bc"), "\1a\2bc\0"s);
  EXPECT_EQ(dns_name_bytes("a.bc."), "\1a\2bc\0"s);
  EXPECT_EQ(dns_name_bytes("."), "\0"s);
  EXPECT_EQ(dns_name_bytes("a\\.b\\001"), "\4a.b\1\0"s);
  for (const std::string_view bad : {"a..b", ".a", "a\\", "a\\300", "a\\1"}) {
    EXPECT_FALSE(dns_name_bytes(bad)) << bad;
  }
  EXPECT_FALSE(dns_name_bytes(std::string(64, 'x')));
  EXPECT_EQ(dns_type_number("AAAA"), 28);
  EXPECT_EQ(dns_type_number("TYPE65280"), 65280);
  EXPECT_FALSE(dns_type_number("TYPE65536"));
  EXPECT_FALSE(dns_type_number("aaaa"));
  EXPECT_EQ(dns_rcode_number("NXDOMAIN"), 3);
  EXPECT_EQ(dns_class_name(1), "IN");
  EXPECT_EQ(dns_type_name(9999), "TYPE9999");
}

}  // namespace
}  // namespace tocsin::exporters::app
