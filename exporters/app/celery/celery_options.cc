// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/celery/celery_options.h"

#include "base/file_system.h"

namespace tocsin::exporters::app {
namespace {

using base::YamlMapping;
using base::YamlNode;

constexpr std::size_t kMaxQueues = CeleryState::kMaxQueues;
constexpr std::size_t kMaxTasks = 10'000'000;

Status read_broker(const YamlNode& node, CeleryOptions* options) {
  const std::string_view text = node.scalar();
  if (text.starts_with("sentinel://")) return node.error("not supported yet: brokers of sentinel");
  if (text.starts_with("amqp") || text.starts_with("sqs:") || text.starts_with("kafka:")) {
    return node.error("not supported yet: brokers other than Redis");
  }
  const StatusOr<RedisTarget> target = RedisTarget::parse(text);
  if (!target.ok()) return node.error(message(target.status()));
  options->broker = *target;
  options->user = std::exchange(options->broker.user, "");
  options->password.value = std::exchange(options->broker.password, "");
  if (!target->database.empty()) options->database = target->database;
  return ok();
}

Status read_tls(const YamlNode& node, std::string_view directory, CeleryOptions* options) {
  bool insecure = false;
  YamlMapping m(node);
  m.string("ca_file", &options->tls.ca_file);
  m.string("cert_file", &options->tls.cert_file);
  m.string("key_file", &options->tls.key_file);
  m.string("server_name", &options->tls_server_name);
  m.boolean("insecure_skip_verify", &insecure);
  RETURN_IF_ERROR(m.finish());
  options->tls.verify = !insecure;
  for (std::string* file :
       {&options->tls.ca_file, &options->tls.cert_file, &options->tls.key_file}) {
    if (!file->empty()) *file = base::join_path(directory, *file);
  }
  if (!options->broker.tls) return node.error("the broker is not rediss://");
  return ok();
}

Status read_priorities(const YamlNode& node, std::vector<std::int64_t>* steps) {
  steps->clear();
  for (const YamlNode& item : node.items()) {
    ASSIGN_OR_RETURN(const std::int64_t step, item.as_int());
    if (step < 1 || step > 255) return item.error("a priority is from 1 to 255");
    steps->push_back(step);
  }
  if (!node.is_sequence() || steps->size() > 16) return node.error("expected up to 16 priorities");
  return ok();
}

Status read_queues(const YamlNode& node, std::vector<std::string>* queues) {
  ASSIGN_OR_RETURN(*queues, node.as_string_list());
  if (queues->size() > kMaxQueues) {
    return node.error(fmt::format("at most {} queues", kMaxQueues));
  }
  return ok();
}

void read_state(YamlMapping& m, CeleryState::Options* state) {
  read_duration_or_never(m, "worker_timeout", &state->worker_timeout);
  read_duration_or_never(m, "purge_after", &state->purge_after);
  read_count(m, "max_tasks", &state->max_tasks, kMaxTasks);
  read_count(m, "max_series", &state->max_series);
  m.string("default_queue", &state->default_queue);
  m.boolean("node_names", &state->node_names);
  m.boolean("generic_sender", &state->generic_sender);
  read_buckets(m, "buckets", &state->runtime_buckets);
  read_buckets(m, "wait_buckets", &state->wait_buckets);
}

// Labels for all series, none of which the input makes itself.
void read_own_labels(YamlMapping& m, LabelPairs* labels) {
  read_labels(m, "labels", labels);
  for (const auto& [name, value] : *labels) {
    for (const std::string_view taken : {"exception", "hostname", "le", "name", "queue_name"}) {
      if (name == taken) m.fail("labels", fmt::format("the label {} is taken", name));
    }
  }
}

}  // namespace

StatusOr<CeleryOptions> read_celery(const YamlNode& node, std::string_view directory,
                                    std::size_t max_series) {
  CeleryOptions options;
  options.state.max_series = max_series;
  YamlMapping m(node);
  m.string("name", &options.name);
  m.with(
      "broker", [&](const YamlNode& value) { return read_broker(value, &options); },
      YamlMapping::kRequired);
  std::int64_t database = -1;
  m.integer("database", &database);
  if (m.has("database") && (database < 0 || database > 1'000'000)) {
    m.fail("database", "no number of a database");
  }
  if (database >= 0) options.database = std::to_string(database);
  m.string("username", &options.user);
  Secret secret;
  read_secret(m, "password", directory, &secret);
  if (!secret.empty()) options.password = std::move(secret);
  m.with("tls_config", [&](const YamlNode& value) { return read_tls(value, directory, &options); });
  read_own_labels(m, &options.labels);
  m.string("key_prefix", &options.key_prefix);
  m.string("event_exchange", &options.event_exchange);
  m.with("queues", [&](const YamlNode& value) { return read_queues(value, &options.queues); });
  m.boolean("discover_queues", &options.discover_queues);
  m.with("priority_steps",
         [&](const YamlNode& value) { return read_priorities(value, &options.priority_steps); });
  read_duration(m, "poll_interval", &options.poll_interval);
  read_duration(m, "timeout", &options.timeout);
  read_state(m, &options.state);
  RETURN_IF_ERROR(m.finish());
  options.name = source_name("celery", options.name,
                             fmt::format("{}/{}", options.broker.address(), options.database));
  return options;
}

}  // namespace tocsin::exporters::app
