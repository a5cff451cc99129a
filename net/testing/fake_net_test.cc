// SPDX-License-Identifier: Apache-2.0
#include "net/testing/fake_net.h"

#include <gtest/gtest.h>

namespace tocsin::net::testing {
namespace {

ClientRequest get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

ClientResponse body(std::string text) {
  ClientResponse response;
  response.status = 200;
  response.body = std::move(text);
  return response;
}

Mail from(std::string sender) {
  Mail mail;
  mail.from = std::move(sender);
  return mail;
}

TEST(FakeHttpClient, AnswersWaitingRequestsInOrder) {
  FakeHttpClient client;
  std::string log;
  for (const char* url : {"http://a/", "http://b/"}) {
    client.send(get(url), [&log, url](const StatusOr<ClientResponse>& response) {
      log += std::string(url) +
             (response.ok() ? response->body : std::string(message(response.status()))) + ";";
    });
  }
  EXPECT_EQ(client.pending(), 2u);
  EXPECT_EQ(client.front().url, "http://a/");
  client.respond(body("one"));
  client.respond(unavailable("down"));
  EXPECT_EQ(log, "http://a/one;http://b/down;");
  EXPECT_EQ(client.pending(), 0u);
  EXPECT_EQ(client.sent().size(), 2u);
}

TEST(FakeHttpClient, ResponderAnswersInsideSend) {
  FakeHttpClient client;
  client.set_responder([](const ClientRequest& request) { return body(request.url); });
  std::string answer;
  client.send(get("http://a/"),
              [&](const StatusOr<ClientResponse>& response) { answer = response->body; });
  EXPECT_EQ(answer, "http://a/");
  EXPECT_EQ(client.pending(), 0u);
}

TEST(FakeMailSender, RecordsMailsAndAnswersAsTold) {
  FakeMailSender sender;
  Status result = internal("not called");
  sender.send(from("a@x"), [&](const Status& status) { result = status; });
  EXPECT_EQ(result, ok());
  sender.set_result(unavailable("421 busy"));
  sender.send(from("b@x"), [&](const Status& status) { result = status; });
  EXPECT_EQ(message(result), "421 busy");
  ASSERT_EQ(sender.sent().size(), 2u);
  EXPECT_EQ(sender.sent()[1].from, "b@x");
}

}  // namespace
}  // namespace tocsin::net::testing
