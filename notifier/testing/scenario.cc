// SPDX-License-Identifier: Apache-2.0
#include "notifier/testing/scenario.h"

#include <charconv>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "net/http.h"
#include "notifier/matchers.h"

namespace tocsin::notifier::testing {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;

double number(const std::string& text) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  CHECK(end.ec == std::errc());
  return value;
}

std::string take(std::map<std::string, std::string>* arguments, const std::string& key) {
  auto node = arguments->extract(key);
  return node.empty() ? "" : node.mapped();
}

std::string relative(const std::string& rfc3339) {
  const base::Timestamp t = *model::parse_rfc3339(rfc3339);
  if (t == model::kNoTime) return "";
  return fmt::format("{}", static_cast<double>(base::to_ms(t) - kStart) / 1000.0);
}

std::string alert_text(const base::JsonValue& alert) {
  std::string text = "{";
  for (const auto& [name, value] : alert.find("labels")->entries()) {
    if (text.size() > 1) text += ",";
    text += name + "=" + value.string();
  }
  text += "} " + relative(alert.find("startsAt")->string()) + "-" +
          relative(alert.find("endsAt")->string());
  if (const auto* note = alert.find("annotations")->find("note")) text += " " + note->string();
  return text;
}

}  // namespace

Scenario::Scenario(NotifierConfig config)
    : config_(std::move(config)),
      clock_(base::from_ms(kStart)),
      files_(base::testing::make_mem_fs([this] { return clock_.now(); })) {
  http_.set_responder([this](const net::ClientRequest& request) { return answer(request); });
  open();
}

base::Timestamp Scenario::at(double seconds) {
  return base::from_ms(kStart + static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

void Scenario::open() {
  notifier_.reset();
  metrics_ = std::make_unique<base::Registry>();
  NotifierOptions options;
  options.directory = "state";
  options.external_url = "http://am.example:9093";
  auto opened = Notifier::open(options, {.clock = clock_,
                                         .timers = clock_,
                                         .workers = workers_,
                                         .files = *files_,
                                         .metrics = *metrics_,
                                         .http = http_,
                                         .mail = mail_,
                                         .events = events});
  CHECK(opened.ok());
  notifier_ = *std::move(opened);
  CHECK(notifier_->apply(config_).ok());
}

StatusOr<net::ClientResponse> Scenario::answer(const net::ClientRequest& request) {
  const std::string host = net::Url::parse(request.url)->host;
  net::ClientResponse response;
  response.status = answers_.contains(host) ? answers_[host] : 200;
  response.body = "ok";
  if (response.status / 100 != 2) return response;
  const auto body = base::parse_json(request.body);
  CHECK(body.ok());
  const double now = static_cast<double>(base::to_ms(clock_.now()) - kStart) / 1000.0;
  std::string line = fmt::format("{} {} ", now, host);
  bool first = true;
  for (const base::JsonValue& alert : body->find("alerts")->items()) {
    if (!std::exchange(first, false)) line += " | ";
    line += alert_text(alert);
  }
  transcript_ += line + "\n";
  return response;
}

void Scenario::act(const std::string& action, std::map<std::string, std::string> arguments) {
  if (action == "reload") {
    CHECK(notifier_->apply(config_).ok());
  } else if (action == "restart") {
    open();
  } else if (action == "answer") {
    const std::string host = take(&arguments, "1");
    answers_[host] = static_cast<int>(number(take(&arguments, "2")));
  } else if (action == "expire") {
    CHECK(notifier_->expire_silence(silence_ids_.at(take(&arguments, "1"))).ok());
  } else if (action == "silence") {
    Silence silence;
    const std::string id = take(&arguments, "1");
    silence.starts_at = at(number(take(&arguments, "from")));
    silence.ends_at = at(number(take(&arguments, "to")));
    for (const auto& [name, value] : arguments)
      silence.matchers.push_back(model::Matcher::equal(name, value));
    silence_ids_[id] = *notifier_->set_silence(silence);
  } else if (action == "alert") {
    model::Alert alert;
    if (const std::string start = take(&arguments, "start"); !start.empty())
      alert.starts_at = at(number(start));
    if (const std::string end = take(&arguments, "end"); !end.empty())
      alert.ends_at = at(number(end));
    alert.annotations = model::Labels::of({{"note", take(&arguments, "note")}});
    alert.labels = model::Labels::from({arguments.begin(), arguments.end()});
    CHECK(notifier_->post({alert}).ok());
  } else {
    CHECK(action == "end");
  }
}

std::string Scenario::run(std::string_view script) {
  std::istringstream lines{std::string(script)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string time, action;
    if (!(words >> time >> action)) continue;
    std::map<std::string, std::string> arguments;
    int position = 0;
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) {
        arguments[fmt::format("{}", ++position)] = word;
      } else {
        arguments[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
    advance_to(number(time));
    act(action, std::move(arguments));
  }
  return transcript_;
}

NotifierConfig webhook_config(double group_wait, double group_interval, double repeat_interval,
                              int webhooks) {
  const auto duration = [](double seconds) {
    return base::Duration(static_cast<std::int64_t>(std::llround(seconds * 1000)));
  };
  NotifierConfig config;
  config.route.receiver = "team";
  config.route.group_by = {"alertname"};
  config.route.group_wait = duration(group_wait);
  config.route.group_interval = duration(group_interval);
  config.route.repeat_interval = duration(repeat_interval);
  ReceiverOptions receiver{.name = "team", .integrations = {}};
  for (int i = 1; i <= webhooks; ++i) {
    WebhookOptions webhook;
    webhook.url.value = fmt::format("http://w{}/hook", i);
    receiver.integrations.emplace_back(webhook);
  }
  config.receivers.push_back(receiver);
  return config;
}

double metric_value(const base::Registry& registry, std::string_view name,
                    const std::vector<std::string>& labels) {
  for (const base::MetricFamily& family : registry.gather()) {
    if (family.name != name) continue;
    for (const base::MetricSample& sample : family.samples) {
      std::vector<std::string> values;
      for (const auto& label : sample.labels) values.push_back(label.second);
      if (values == labels) return sample.value;
    }
  }
  return 0;
}

}  // namespace tocsin::notifier::testing
