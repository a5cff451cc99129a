// SPDX-License-Identifier: Apache-2.0
//
// Sessions as text: "> " is what the client sends, "< " how the reply begins, "x" that the sink
// closes the connection.
#include "app/ctl/inbox/smtp_sink.h"

#include <gtest/gtest.h>

#include "base/mutex.h"
#include "net/testing/raw_socket.h"

namespace tocsin::app {
namespace {

using net::testing::RawSocket;

class SmtpSinkTest : public ::testing::Test {
 protected:
  SmtpSinkTest() { EXPECT_EQ(sink_.start("127.0.0.1:0"), ok()); }

  static std::string read_line(RawSocket& socket, std::string* buffer) {
    while (buffer->find("\r\n") == std::string::npos) {
      const std::string more = socket.read_some();
      if (more.empty()) return "(closed)";
      *buffer += more;
    }
    const std::size_t end = buffer->find("\r\n");
    std::string line = buffer->substr(0, end);
    buffer->erase(0, end + 2);
    return line;
  }

  void run(std::string_view script) {
    RawSocket socket = RawSocket::connect(sink_.address());
    std::string buffer;
    EXPECT_EQ(read_line(socket, &buffer).substr(0, 4), "220 ");
    while (!script.empty()) {
      const std::string line(script.substr(0, script.find('\n')));
      script.remove_prefix(std::min(script.size(), line.size() + 1));
      if (line.starts_with("> ")) {
        EXPECT_TRUE(socket.write(line.substr(2) + "\r\n")) << line;
      } else if (line.starts_with("< ")) {
        const std::string reply = read_line(socket, &buffer);
        EXPECT_EQ(reply.substr(0, line.size() - 2), line.substr(2)) << script;
      } else if (line == "x") {
        EXPECT_EQ(read_line(socket, &buffer), "(closed)");
      }
    }
  }

  std::vector<ReceivedMail> mails() { return *received_.lock(); }

  base::Guarded<std::vector<ReceivedMail>> received_;
  SmtpSink sink_{[this](ReceivedMail mail) { received_.lock()->push_back(std::move(mail)); }};
};

TEST_F(SmtpSinkTest, TakesAMailWithSeveralRecipients) {
  run(R"(
> EHLO client
< 250-localhost
< 250-8BITMIME
< 250-SIZE 1048576
< 250 AUTH PLAIN LOGIN
> MAIL FROM:<from@example.org> SIZE=100
< 250
> RCPT TO:<a@example.org>
< 250
> rcpt to:<b@example.org>
< 250
> DATA
< 354
> Subject: x
> 
> line
> .
< 250
> QUIT
< 221
x
)");
  ASSERT_EQ(mails().size(), 1U);
  EXPECT_EQ(mails()[0].from, "from@example.org");
  EXPECT_EQ(mails()[0].recipients, (std::vector<std::string>{"a@example.org", "b@example.org"}));
  EXPECT_EQ(mails()[0].data, "Subject: x\r\n\r\nline\r\n");
}

TEST_F(SmtpSinkTest, DotsAreUnstuffed) {
  run(R"(
> HELO client
< 250
> MAIL FROM:<>
< 250
> RCPT TO:<a@example.org>
< 250
> DATA
< 354
> ..
> ...two
> .one
> a.b
> .
< 250
)");
  ASSERT_EQ(mails().size(), 1U);
  EXPECT_EQ(mails()[0].data, ".\r\n..two\r\none\r\na.b\r\n");
}

TEST_F(SmtpSinkTest, SeveralMailsShareAConnection) {
  run(R"(
> MAIL FROM:<1@x>
< 250
> RCPT TO:<a@x>
< 250
> DATA
< 354
> one
> .
< 250
> MAIL FROM:<2@x>
< 250
> RCPT TO:<b@x>
< 250
> DATA
< 354
> two
> .
< 250
)");
  ASSERT_EQ(mails().size(), 2U);
  EXPECT_EQ(mails()[1].from, "2@x");
  EXPECT_EQ(mails()[1].recipients, std::vector<std::string>{"b@x"});
  EXPECT_EQ(mails()[1].data, "two\r\n");
}

TEST_F(SmtpSinkTest, EveryAuthIsTaken) {
  run(R"(
> EHLO client
< 250-
< 250-
< 250-
< 250 AUTH
> AUTH PLAIN AHVzZXIAcGFzcw==
< 235
> AUTH PLAIN
< 334 
> AHVzZXIAcGFzcw==
< 235
> AUTH LOGIN
< 334 VXNlcm5hbWU6
> dXNlcg==
< 334 UGFzc3dvcmQ6
> cGFzcw==
< 235
> AUTH LOGIN dXNlcg==
< 334 UGFzc3dvcmQ6
> cGFzcw==
< 235
)");
}

TEST_F(SmtpSinkTest, CommandsOutOfOrderAreRefused) {
  run(R"(
> DATA
< 503
> RCPT TO:<a@x>
< 503
> MAIL FROM:<1@x>
< 250
> DATA
< 503
> RCPT TO:
< 501
> RCPT TO:<a@x>
< 250
> RSET
< 250
> DATA
< 503
> RCPT TO:<a@x>
< 503
> NOOP
< 250
> STARTTLS
< 502
> VRFY a
< 502
)");
  EXPECT_TRUE(mails().empty());
}

TEST_F(SmtpSinkTest, RecipientsAreLimited) {
  std::string script = "> MAIL FROM:<1@x>\n< 250\n";
  for (std::size_t i = 0; i < SmtpSink::kMaxRecipients; ++i) script += "> RCPT TO:<a@x>\n< 250\n";
  run(script + "> RCPT TO:<a@x>\n< 452\n");
}

TEST_F(SmtpSinkTest, AMessageThatIsTooLargeIsRefused) {
  std::string script = "> MAIL FROM:<1@x>\n< 250\n> RCPT TO:<a@x>\n< 250\n> DATA\n< 354\n";
  const std::string line = "> " + std::string(60'000, 'a') + "\n";
  for (std::size_t sent = 0; sent <= SmtpSink::kMaxMessageBytes; sent += 60'002) script += line;
  run(script + "< 552\nx\n");
  EXPECT_TRUE(mails().empty());
}

TEST_F(SmtpSinkTest, AnEndlessLineEndsTheConnection) {
  RawSocket socket = RawSocket::connect(sink_.address());
  socket.read_until("\r\n");
  socket.write(std::string(128U << 10, 'x'));
  EXPECT_EQ(socket.read_all(), "");
}

TEST_F(SmtpSinkTest, AMailCutShortIsNotDelivered) {
  {
    RawSocket socket = RawSocket::connect(sink_.address());
    socket.write("MAIL FROM:<1@x>\r\nRCPT TO:<a@x>\r\nDATA\r\nhalf of a mai");
    socket.read_until("354");
  }
  run("> NOOP\n< 250\n");
  sink_.stop();
  EXPECT_TRUE(mails().empty());
}

TEST(SmtpSink, StartNamesABadOrTakenAddress) {
  const auto start = [](const std::string& address) {
    SmtpSink sink([](const ReceivedMail&) {});
    return std::string(message(sink.start(address)));
  };
  EXPECT_EQ(start("localhost"), "address localhost: missing port");
  EXPECT_EQ(start("127.0.0.1:x"), "address 127.0.0.1:x: bad port");
  EXPECT_EQ(start("127.0.0.1:70000"),
            "address 127.0.0.1:70000: an IPv4 address and a port are needed");
  EXPECT_EQ(start("here:0"), "address here:0: an IPv4 address and a port are needed");
  const net::testing::RawListener taken;
  EXPECT_TRUE(start(taken.address()).starts_with("listen on " + taken.address()))
      << start(taken.address());
}

TEST(SmtpSink, StopsWithClientsConnected) {
  SmtpSink sink([](const ReceivedMail&) {});
  ASSERT_EQ(sink.start(":0"), ok());
  RawSocket socket = RawSocket::connect(sink.address());
  socket.read_until("\r\n");
  sink.stop();
  sink.stop();
  EXPECT_EQ(socket.read_all(), "");
}

}  // namespace
}  // namespace tocsin::app
