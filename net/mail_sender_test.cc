// SPDX-License-Identifier: Apache-2.0
//
// The server is a script: each line is what it expects ("> EHLO" = a command with that beginning)
// or what it answers ("< 250 ok").
#include "net/mail_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/curl.h"
#include "net/testing/raw_socket.h"

namespace tocsin::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawListener;
using testing::RawSocket;
using testing::Waiter;

constexpr std::string_view kAccept =
    "< 250 sender ok\n> RCPT TO:<a@x.org>\n< 250 ok\n> RCPT TO:<b@x.org>\n< 250 ok\n"
    "> DATA\n< 354 go\n>> \n< 250 queued\n> QUIT\n< 221 bye\n";

class MailSenderTest : public ::testing::Test {
 protected:
  MailSenderTest() {
    mail_.server.host = "127.0.0.1";
    mail_.server.port = listener_.port();
    mail_.server.hello = "client.example.org";
    mail_.server.require_tls = false;
    mail_.from = "from@x.org";
    mail_.recipients = {"a@x.org", "b@x.org"};
    mail_.data = "Subject: test\r\n\r\n.dot\r\nline\r\n";
    mail_.timeout = base::Duration(10'000);
  }

  // Plays `script` with one client; returns the transcript of what the client sent.
  std::string play(std::string script, RawSocket socket) {
    std::string buffer;
    std::string transcript;
    const auto read_to = [&](std::string_view mark) {
      while (buffer.find(mark) == std::string::npos) {
        const std::string more = socket.read_some();
        if (more.empty()) return std::string();
        buffer += more;
      }
      const std::size_t end = buffer.find(mark) + mark.size();
      std::string text = buffer.substr(0, end);
      buffer.erase(0, end);
      return text;
    };
    while (!script.empty()) {
      const std::string line = script.substr(0, script.find('\n'));
      script.erase(0, line.size() + 1);
      if (line.starts_with("< ")) {
        socket.write(line.substr(2) + "\r\n");
      } else {
        const bool is_data = line.starts_with(">>");
        const std::string got = read_to(is_data ? "\r\n.\r\n" : "\r\n");
        if (!is_data && !got.starts_with(line.substr(2))) {
          return transcript + "expected " + line + " but got " + got;
        }
        transcript += got;
      }
    }
    return transcript;
  }

  Status send(const Mail& mail) {
    Waiter<Status> done;
    sender_->send(mail, [&](Status status) { done.set(std::move(status)); });
    return done.wait().value_or(internal("no answer"));
  }
  Status send_to(std::string script) {
    EXPECT_TRUE(player_.post(
        [this, script = std::move(script)] { transcript_.set(play(script, listener_.accept())); }));
    return send(mail_);
  }

  base::SystemClock clock_;
  IoLoop loop_{clock_};
  base::ThreadPool blocking_{{.name = "blocking", .threads = 1}};
  std::unique_ptr<MailSender> sender_ = make_mail_sender(loop_, blocking_);
  RawListener listener_;
  Waiter<std::string> transcript_;
  Mail mail_;
  base::ThreadPool player_{{.name = "player", .threads = 1}};  // ends before what it uses
};

TEST_F(MailSenderTest, DeliversTheBytes) {
  EXPECT_EQ(send_to("< 220 hi\n> EHLO client.example.org\n< 250 hi\n> MAIL FROM:<from@x.org>\n" +
                    std::string(kAccept)),
            ok());
  const std::string sent = transcript_.wait().value_or("");
  EXPECT_THAT(sent, HasSubstr("Subject: test\r\n\r\n..dot\r\nline\r\n.\r\n"));
  EXPECT_THAT(sent, Not(HasSubstr("expected")));
}

TEST_F(MailSenderTest, RequiredTlsThatIsNotOfferedIsAnError) {
  mail_.server.require_tls = true;
  const Status status = send_to("< 220 hi\n> EHLO\n< 250-hi\n< 250 SIZE 1000\n> QUIT\n< 221 bye\n");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(message(status)), HasSubstr("does not advertise the STARTTLS extension"));
}

TEST_F(MailSenderTest, RequiredTlsComesBeforeAnyCredentials) {
  mail_.server.require_tls = true;
  mail_.server.username = "user";
  mail_.server.password = {"pa55", ""};
  const Status status = send_to(
      "< 220 hi\n> EHLO\n< 250-hi\n< 250-AUTH PLAIN LOGIN\n< 250 STARTTLS\n> STARTTLS\n< 454 not "
      "now\n");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(transcript_.wait().value_or(""), Not(HasSubstr("AUTH")));
}

TEST_F(MailSenderTest, LogsInWithTheOfferedMechanism) {
  mail_.server.username = "user";
  mail_.server.password = {"pa55", ""};
  const auto session = [](std::string_view mechanisms, std::string_view login) {
    return fmt::format("< 220 hi\n> EHLO\n< 250-hi\n< 250 AUTH {}\n{}> MAIL FROM:<from@x.org>\n{}",
                       mechanisms, login, kAccept);
  };
  EXPECT_EQ(send_to(session("PLAIN", "> AUTH PLAIN\n< 334 \n> AHVzZXIAcGE1NQ==\n< 235 ok\n")),
            ok());
  EXPECT_THAT(transcript_.wait().value_or(""), Not(HasSubstr("expected")));
  EXPECT_EQ(send_to(session(
                "LOGIN",
                "> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> dXNlcg==\n< 334 UGFzc3dvcmQ6\n> cGE1NQ==\n"
                "< 235 ok\n")),
            ok());
  EXPECT_THAT(transcript_.wait().value_or(""), Not(HasSubstr("expected")));
  mail_.server.cram_secret = {"shared", ""};
  mail_.server.password = {};
  EXPECT_EQ(send_to(session("CRAM-MD5", "> AUTH CRAM-MD5\n< 334 PDFAeD4=\n> dXNlci\n< 235 ok\n")),
            ok());
  EXPECT_THAT(transcript_.wait().value_or(""), Not(HasSubstr("expected")));
}

TEST_F(MailSenderTest, PasswordIsRefusedWithoutTlsExceptToLocalhost) {
  mail_.server.username = "user";
  mail_.server.password = {"pa55", ""};
  mail_.server.host = "127.0.0.2";  // also this machine, but not by a name that is known to be
  const Status status = send(mail_);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(message(status)), HasSubstr("unencrypted connection"));
  EXPECT_THAT(std::string(message(status)), Not(HasSubstr("pa55")));
}

TEST_F(MailSenderTest, RepliesMapToCodesAndKeepTheirText) {
  const auto check = [&](std::string_view script, StatusCode code, std::string_view reply) {
    const Status status = send_to("< 220 hi\n> EHLO\n< 250 hi\n" + std::string(script));
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(message(status)), HasSubstr(reply));
    transcript_.wait();
  };
  check("> MAIL\n< 451 try later\n", StatusCode::kUnavailable, "451 try later");
  check("> MAIL\n< 550 bad sender\n", StatusCode::kFailedPrecondition, "550 bad sender");
  check("> MAIL\n< 250 ok\n> RCPT\n< 550 no such user\n", StatusCode::kFailedPrecondition,
        "550 no such user");
  check("> MAIL\n< 250 ok\n> RCPT\n< 250 ok\n> RCPT\n< 250 ok\n> DATA\n< 354 go\n>> \n< 554 spam\n",
        StatusCode::kFailedPrecondition, "554 spam");
}

TEST_F(MailSenderTest, WrongPasswordIsUnauthenticated) {
  mail_.server.username = "user";
  mail_.server.password = {"pa55", ""};
  const Status status = send_to(
      "< 220 hi\n> EHLO\n< 250-hi\n< 250 AUTH PLAIN\n> AUTH PLAIN\n< 334 \n> AHVz\n< 535 5.7.8 go "
      "away\n");
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << status;
  EXPECT_THAT(std::string(message(status)), HasSubstr("535 5.7.8 go away"));
  EXPECT_THAT(std::string(message(status)), Not(HasSubstr("pa55")));
}

TEST_F(MailSenderTest, UnusableMechanismsAreAnError) {
  mail_.server.username = "user";
  mail_.server.password = {"pa55", ""};
  const Status status =
      send_to("< 220 hi\n> EHLO\n< 250 AUTH CRAM-MD5 XOAUTH2\n> QUIT\n< 221 bye\n");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(message(status)), HasSubstr("no usable AUTH mechanism"));
}

TEST_F(MailSenderTest, AddressesThatWouldBeCommandsAreRefused) {
  Mail mail = mail_;
  mail.recipients = {"a@x.org>\r\nRCPT TO:<evil@x.org"};
  EXPECT_EQ(send(mail).code(), StatusCode::kInvalidArgument);
  mail = mail_;
  mail.from = "a\nb";
  EXPECT_EQ(send(mail).code(), StatusCode::kInvalidArgument);
  mail = mail_;
  mail.server.hello = "a b";
  EXPECT_EQ(send(mail).code(), StatusCode::kInvalidArgument);
  mail = mail_;
  mail.recipients.clear();
  EXPECT_EQ(send(mail).code(), StatusCode::kInvalidArgument);
}

TEST_F(MailSenderTest, SilentServerEndsInTheDeadline) {
  Waiter<bool> over;
  ASSERT_TRUE(player_.post([&] {
    const RawSocket socket = listener_.accept();
    over.wait();
  }));
  mail_.timeout = base::Duration(50);
  EXPECT_EQ(send(mail_).code(), StatusCode::kDeadlineExceeded);
  over.set(true);
  player_.stop();  // it uses `over`
}

TEST_F(MailSenderTest, RefusedConnectionIsUnavailable) {
  listener_.close();
  const Status status = send(mail_);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(message(status)), HasSubstr("connect: connection refused"));
}

}  // namespace
}  // namespace tocsin::net
