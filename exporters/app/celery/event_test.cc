// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/event.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace tocsin::exporters::app {
namespace {

using Type = CeleryEvent::Type;

// As Celery 5.2 published it.
constexpr std::string_view kHeartbeat =
    R"({"body": "eyJob3N0bmFtZSI6ICJ3MUBob3N0MSIsICJ1dGNvZmZzZXQiOiAwLCAicGlkIjogODEwOSwgImNsb2NrIjogNiwgImZyZXEiOiAyLjAsICJhY3RpdmUiOiAwLCAicHJvY2Vzc2VkIjogMCwgImxvYWRhdmciOiBbMi4zOSwgMi4zOCwgMS40OF0sICJzd19pZGVudCI6ICJweS1jZWxlcnkiLCAic3dfdmVyIjogIjUuMi42IiwgInN3X3N5cyI6ICJMaW51eCIsICJ0aW1lc3RhbXAiOiAxNzk1MjIwMjU4LjE5ODcxNywgInR5cGUiOiAid29ya2VyLWhlYXJ0YmVhdCJ9", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"hostname": "w1@host1"}, "properties": {"delivery_mode": 1, "delivery_info": {"exchange": "celeryev", "routing_key": "worker.heartbeat"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "40c8c05e-1447-4271-bfc1-62a18c4aa73c"}})";
constexpr std::string_view kBatch =
    R"({"body": "W3siaG9zdG5hbWUiOiAidzFAaG9zdDEiLCAidXRjb2Zmc2V0IjogMCwgInBpZCI6IDgxMDksICJjbG9jayI6IDgsICJ1dWlkIjogIjdmYmRmNjUyLTYwNWUtNDNlMC04YjI2LTY1YTNmNTg3ZDBhMSIsICJuYW1lIjogInRhc2tzLmFkZCIsICJhcmdzIjogIigwLCAwKSIsICJrd2FyZ3MiOiAie30iLCAicm9vdF9pZCI6ICI3ZmJkZjY1Mi02MDVlLTQzZTAtOGIyNi02NWEzZjU4N2QwYTEiLCAicGFyZW50X2lkIjogbnVsbCwgInJldHJpZXMiOiAwLCAiZXRhIjogbnVsbCwgImV4cGlyZXMiOiBudWxsLCAidGltZXN0YW1wIjogMTc5NTIyMDI1OS4xNDcxNzkxLCAidHlwZSI6ICJ0YXNrLXJlY2VpdmVkIn1d", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"hostname": "w1@host1"}, "properties": {"delivery_mode": 1, "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "49333d51-b5aa-44bd-9a11-ac5b4606376c"}})";

// One event in an envelope.
CeleryEvent read_one(std::string_view json) {
  const std::string message = fmt::format(R"({{"body": "{}", "content-type": "application/json",
                      "properties": {{"body_encoding": "base64"}}}})",
                                          base::base64_encode(json));
  const StatusOr<std::vector<CeleryEvent>> events = decode_celery_message(message);
  EXPECT_TRUE(events.ok()) << json << ": " << tocsin::message(events.status());
  return events.ok() && events->size() == 1 ? events->front() : CeleryEvent();
}

TEST(CeleryMessage, IsReadAsCeleryPublishesIt) {
  const auto heartbeat = decode_celery_message(kHeartbeat);
  ASSERT_TRUE(heartbeat.ok()) << message(heartbeat.status());
  ASSERT_EQ(heartbeat->size(), 1U);
  EXPECT_EQ(heartbeat->front().type, Type::kHeartbeat);
  EXPECT_EQ(heartbeat->front().node, "w1@host1");
  EXPECT_TRUE(heartbeat->front().is_about_worker());

  const auto batch = decode_celery_message(kBatch);
  ASSERT_TRUE(batch.ok()) << message(batch.status());
  ASSERT_EQ(batch->size(), 1U);
  const CeleryEvent& received = batch->front();
  EXPECT_EQ(received.type, Type::kReceived);
  EXPECT_EQ(received.uuid, "7fbdf652-605e-43e0-8b26-65a3f587d0a1");
  EXPECT_EQ(received.task, "tasks.add");
  EXPECT_EQ(received.queue, "");
  EXPECT_FALSE(received.eta);
  EXPECT_DOUBLE_EQ(received.timestamp, 1795220259.1471791);
}

TEST(CeleryMessage, HasWhatEachKindOfEventTells) {
  const CeleryEvent sent = read_one(
      R"({"type": "task-sent", "uuid": "u", "name": "t", "queue": "mail", "timestamp": 5,
          "eta": "2026-11-21T12:00:00.500000+00:00"})");
  EXPECT_EQ(sent.type, Type::kSent);
  EXPECT_EQ(sent.queue, "mail");
  EXPECT_DOUBLE_EQ(sent.eta.value_or(0), 1795262400.5);
  const CeleryEvent naive =
      read_one(R"({"type": "task-received", "uuid": "u", "eta": "2026-11-21T12:00:00"})");
  EXPECT_DOUBLE_EQ(naive.eta.value_or(0), 1795262400);
  const CeleryEvent failed =
      read_one(R"J({"type": "task-failed", "uuid": "u", "exception": "ValueError('x')"})J");
  EXPECT_EQ(failed.type, Type::kFailed);
  EXPECT_EQ(exception_class(failed.exception), "ValueError");
  EXPECT_DOUBLE_EQ(read_one(R"({"type": "task-succeeded", "runtime": 1.5})").runtime, 1.5);
  EXPECT_DOUBLE_EQ(read_one(R"({"type": "worker-heartbeat", "active": 3})").active, 3);
  EXPECT_EQ(read_one(R"({"type": "order-paid"})").type, Type::kOther);
  // What has another type than it should counts as absent.
  const CeleryEvent odd = read_one(R"({"type": 7, "uuid": [], "timestamp": "x", "active": null})");
  EXPECT_EQ(odd.type, Type::kOther);
  EXPECT_EQ(odd.uuid, "");
}

TEST(CeleryMessage, MayHaveItsBodyAsItIs) {
  const auto events = decode_celery_message(
      R"({"body": "{\"type\": \"worker-online\", \"hostname\": \"a@b\"}", "properties": {}})");
  ASSERT_TRUE(events.ok());
  EXPECT_EQ(events->front().type, Type::kOnline);
}

TEST(CeleryMessage, ThatIsNoneIsRefused) {
  const auto check = [](std::string_view text, StatusCode code, std::string_view reason) {
    const Status status = decode_celery_message(text).status();
    EXPECT_EQ(status.code(), code) << text;
    EXPECT_NE(message(status).find(reason), std::string_view::npos) << text << message(status);
  };
  check("", StatusCode::kInvalidArgument, "");
  check("[]", StatusCode::kInvalidArgument, "no body");
  check(R"({"body": 5})", StatusCode::kInvalidArgument, "no body");
  check(R"({"body": "%%", "properties": {"body_encoding": "base64"}})",
        StatusCode::kInvalidArgument, "no base64");
  check(R"({"body": "7"})", StatusCode::kInvalidArgument, "no event");
  check(R"({"body": "[7]"})", StatusCode::kInvalidArgument, "no event");
  check(R"({"body": "gAI=", "content-type": "application/x-python-serialize"})",
        StatusCode::kUnimplemented, "application/x-python-serialize");
  check(R"({"body": "eA==", "headers": {"compression": "application/x-gzip"}})",
        StatusCode::kUnimplemented, "compressed");
}

TEST(CeleryMessage, NamesOfExceptionsAndHosts) {
  EXPECT_EQ(exception_class("KeyError('(')"), "KeyError");
  EXPECT_EQ(exception_class("My_Error2()"), "My_Error2");
  EXPECT_EQ(exception_class("<unprintable>"), "UnknownException");
  EXPECT_EQ(exception_class("(1, 2)"), "UnknownException");
  EXPECT_EQ(exception_class(""), "UnknownException");
  EXPECT_EQ(host_of_node("celery@web-1"), "web-1");
  EXPECT_EQ(host_of_node("web-1"), "web-1");
}

}  // namespace
}  // namespace tocsin::exporters::app
