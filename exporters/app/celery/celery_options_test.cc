// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/celery_options.h"

#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

StatusOr<CeleryOptions> read(std::string_view yaml) {
  const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
  RETURN_IF_ERROR(node.status());
  return read_celery(*node, "/etc/app", 5000);
}

TEST(CeleryOptions, NeedsOnlyABroker) {
  const StatusOr<CeleryOptions> options = read("{broker: 'redis://10.0.0.1:6380/5'}");
  ASSERT_TRUE(options.ok()) << message(options.status());
  EXPECT_EQ(options->name, "celery/10.0.0.1:6380/5");
  EXPECT_EQ(options->broker.address(), "10.0.0.1:6380");
  EXPECT_EQ(options->database, "5");
  EXPECT_TRUE(options->discover_queues);
  EXPECT_EQ(options->state.worker_timeout, std::chrono::minutes(5));
  EXPECT_EQ(options->state.max_series, 5000U);
}

TEST(CeleryOptions, ReadsAllKeys) {
  const StatusOr<CeleryOptions> options = read(R"(
name: shop
broker: rediss://celery@broker:6379
database: 3
password_file: redis.pw
tls_config: {ca_file: ca.pem, server_name: redis.internal, insecure_skip_verify: true}
labels: {team: shop, broker: main}
key_prefix: 'shop:'
event_exchange: events
queues: [celery, mail]
discover_queues: false
priority_steps: [1, 2]
poll_interval: 10s
timeout: 1s
worker_timeout: 1m
purge_after: 0
max_tasks: 100
max_series: 200
default_queue: jobs
node_names: true
generic_sender: true
buckets: [1, 2]
wait_buckets: [3]
)");
  ASSERT_TRUE(options.ok()) << message(options.status());
  EXPECT_EQ(options->name, "celery/shop");
  EXPECT_EQ(options->user, "celery");
  EXPECT_EQ(options->database, "3");
  EXPECT_EQ(options->password.file, "/etc/app/redis.pw");
  EXPECT_EQ(options->tls.ca_file, "/etc/app/ca.pem");
  EXPECT_FALSE(options->tls.verify);
  EXPECT_EQ(options->tls_server_name, "redis.internal");
  EXPECT_EQ(options->labels, (LabelPairs{{"broker", "main"}, {"team", "shop"}}));
  EXPECT_EQ(options->key_prefix, "shop:");
  EXPECT_EQ(options->queues, (std::vector<std::string>{"celery", "mail"}));
  EXPECT_FALSE(options->discover_queues);
  EXPECT_EQ(options->priority_steps, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(options->state.purge_after.count(), 0);
  EXPECT_EQ(options->state.runtime_buckets, (std::vector<double>{1, 2}));
}

TEST(CeleryOptions, RefusesWhatIsWrong) {
  const auto check = [](std::string_view yaml, std::string_view reason) {
    const Status status = read(yaml).status();
    EXPECT_NE(message(status).find(reason), std::string_view::npos)
        << yaml << ": " << message(status);
    EXPECT_EQ(message(status).find("secret"), std::string_view::npos) << yaml;
  };
  check("{}", "broker");
  check("{broker: 'redis://h', brokers: x}", "app.yml:1:23: field brokers not found");
  check("{broker: 'amqp://h'}", "not supported yet: brokers other than Redis");
  check("{broker: 'sentinel://h:26379'}", "not supported yet");
  check("{broker: 'http://h'}", "unknown scheme");
  check("{broker: 'redis://u:secret@h:x'}", "invalid address");
  check("{broker: 'redis://u:secret@h', password_file: f, password: secret}", "at most one");
  check("{broker: 'redis://h', tls_config: {}}", "not rediss://");
  check("{broker: 'redis://h', database: -1}", "database");
  check("{broker: 'redis://h', labels: {hostname: x}}", "taken");
  check("{broker: 'redis://h', poll_interval: 0s}", "more than 0");
  check("{broker: 'redis://h', priority_steps: [0]}", "priority");
  check("{broker: 'redis://h', buckets: [2, 1]}", "ascend");
}

}  // namespace
}  // namespace tocsin::exporters::app
