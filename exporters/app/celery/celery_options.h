// SPDX-License-Identifier: Apache-2.0
//
// CeleryOptions: one broker as its item of the section `celery` of app.yml says.
//
// A value. Errors: those of base/yaml.h, with file, line and key; no text holds a password.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "base/yaml.h"
#include "exporters/app/celery/celery_state.h"
#include "exporters/app/fields.h"
#include "exporters/common/families.h"
#include "exporters/redis/target.h"
#include "net/stream.h"

namespace tocsin::exporters::app {

struct CeleryOptions {
  std::string name;    // of the source; host:port/database when none is given
  RedisTarget broker;  // without user and password
  std::string database = "0";
  std::string user;
  Secret password;
  std::string tls_server_name;
  net::StreamTlsOptions tls;
  LabelPairs labels;       // on every series; sorted
  std::string key_prefix;  // global_keyprefix of the transport
  std::string event_exchange = "celeryev";
  std::vector<std::string> queues;
  bool discover_queues = true;
  std::vector<std::int64_t> priority_steps = {3, 6, 9};
  base::Duration poll_interval{5'000};  // of the queues
  base::Duration timeout{5'000};        // of each step of talking to the broker
  CeleryState::Options state;
};

// `max_series` is the default. File names are relative to `directory`.
StatusOr<CeleryOptions> read_celery(const base::YamlNode& node, std::string_view directory,
                                    std::size_t max_series);

}  // namespace tocsin::exporters::app
