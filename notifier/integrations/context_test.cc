// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/context.h"

#include <gtest/gtest.h>

#include "notifier/testing/integration_fixture.h"

namespace tocsin::notifier {
namespace {

using testing::IntegrationFixture;
using testing::reply;

TEST(HttpReplies, DecideDeliveredRetryAndReason) {
  struct Case {
    StatusOr<net::ClientResponse> reply;
    bool ok, retry;
    std::string_view reason;
  };
  for (const Case& c : {
           Case{reply(200, ""), true, false, "other"},
           Case{reply(204, ""), true, false, "other"},
           Case{reply(302, ""), false, false, "other"},
           Case{reply(400, ""), false, false, "clientError"},
           Case{reply(401, ""), false, false, "authError"},
           Case{reply(403, ""), false, false, "authError"},
           Case{reply(429, ""), false, false, "rateLimited"},
           Case{reply(500, ""), false, true, "serverError"},
           Case{reply(503, ""), false, true, "serverError"},
           Case{unavailable("connection refused"), false, true, "other"},
           Case{deadline_exceeded("context deadline exceeded"), false, true,
                "contextDeadlineExceeded"},
           Case{cancelled("stopped"), false, true, "contextCanceled"},
       }) {
    const NotifyResult result = judge_reply(c.reply);
    EXPECT_EQ(result.status.ok(), c.ok);
    EXPECT_EQ(result.retry, c.retry);
    EXPECT_EQ(reason_text(result.reason), c.reason);
  }
  EXPECT_EQ(message(judge_reply(reply(500, "broken")).status),
            "unexpected status code 500: broken");
  EXPECT_LT(message(judge_reply(reply(500, std::string(5000, 'x'))).status).size(), 1100U);
}

TEST(Truncation, CountsCharactersNotBytes) {
  EXPECT_EQ(truncate_runes("abc", 3), "abc");
  EXPECT_EQ(truncate_runes("abcd", 3), "ab…");
  EXPECT_EQ(truncate_runes("äöüß", 4), "äöüß");
  EXPECT_EQ(truncate_runes("äöüßx", 4), "äöü…");
  EXPECT_EQ(truncate_runes("", 4), "");
}

TEST(Secrets, ComeFromTheValueOrFromTheFileAsItIsNow) {
  IntegrationFixture f;
  EXPECT_EQ(*read_secret(*f.files, {.value = " kept as is ", .file = ""}), " kept as is ");
  const net::Secret in_file{.value = "", .file = "secret"};
  EXPECT_FALSE(read_secret(*f.files, in_file).ok());
  ASSERT_TRUE(base::write_file_atomically(*f.files, "secret", " trimmed\n").ok());
  EXPECT_EQ(*read_secret(*f.files, in_file), "trimmed");
}

TEST(Timeouts, EndAtTheDeadline) {
  IntegrationFixture f;
  EXPECT_EQ(attempt_timeout(f.context, f.notification, base::Duration(0)), base::Duration(60'000));
  EXPECT_EQ(attempt_timeout(f.context, f.notification, base::Duration(500)), base::Duration(500));
  EXPECT_EQ(attempt_timeout(f.context, f.notification, base::Duration(70'000)),
            base::Duration(60'000));
  f.clock.advance(base::Duration(61'000));
  EXPECT_EQ(attempt_timeout(f.context, f.notification, base::Duration(0)), base::Duration(1));
}

}  // namespace
}  // namespace tocsin::notifier
