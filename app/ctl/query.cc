// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl query`: asks a server over the API, and prints as promtool does.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include <CLI/CLI.hpp>

#include "app/ctl/commands.h"
#include "app/ctl/http_call.h"
#include "base/json.h"
#include "base/time.h"
#include "model/labels.h"
#include "model/timestamp.h"
#include "model/value.h"

namespace tocsin::app {

namespace {

using base::JsonValue;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr base::Duration kTimeout{120'000};
constexpr base::Duration kDefaultRange{300'000};
constexpr base::Duration kAllTime{9'999LL * 3'600'000};
constexpr int kDefaultSteps = 250;

struct Given {
  std::string format = "promql";
  std::string server, expr, name, time, start, end, step;
  std::vector<std::string> headers, matchers;
};

struct Streams {
  std::FILE* out;
  std::FILE* err;
};

StatusOr<base::Timestamp> moment(const std::string& text, base::Timestamp otherwise,
                                 std::string_view what) {
  if (text.empty()) return otherwise;
  const StatusOr<base::Timestamp> time = model::parse_timestamp(text);
  if (time.ok()) return time;
  return invalid_argument("error parsing {} time: cannot parse {} to a valid timestamp", what,
                          model::go_quote(text));
}

std::string seconds_text(double seconds) {
  return model::format_float_f(static_cast<double>(std::llround(seconds * 1000)) / 1000);
}
std::string seconds_text(base::Timestamp time) {
  return seconds_text(static_cast<double>(base::to_ms(time)) / 1000);
}

// The URL of an endpoint.
std::string endpoint(const Given& given, std::string_view path) {
  std::string url = given.server;
  if (url.find("://") == std::string::npos) url = "http://" + url;
  while (url.ends_with('/')) url.pop_back();
  return fmt::format("{}/api/v1/{}", url, path);
}

// What the server says is wrong, in promtool's words.
Status refused(const net::ClientResponse& response, const StatusOr<JsonValue>& body) {
  if (body.ok()) {
    const JsonValue* type = body->find("errorType");
    const JsonValue* error = body->find("error");
    if (type != nullptr && error != nullptr) {
      return invalid_argument("{}: {}", type->string(), error->string());
    }
  }
  std::string detail = response.body;
  while (!detail.empty() && std::isspace(static_cast<unsigned char>(detail.back())) != 0) {
    detail.pop_back();
  }
  const bool server = response.status / 100 == 5;
  const std::string_view kind = server ? "server" : "client";
  if (response.status / 100 == 2) {
    return invalid_argument("bad_response: no answer that can be read (detail: {})", detail);
  }
  return invalid_argument("{}_error: {} error: {} (detail: {})", kind, kind, response.status,
                          detail);
}

// The "data" of an answer.
StatusOr<JsonValue> ask(const Given& given, std::string_view method, std::string_view path,
                        const Pairs& parameters) {
  std::string form;
  for (const auto& [name, value] : parameters) {
    form += fmt::format("{}{}={}", form.empty() ? "" : "&", percent_encoded(name),
                        percent_encoded(value));
  }
  net::ClientRequest request;
  request.method = std::string(method);
  request.url = endpoint(given, path);
  request.timeout = kTimeout;
  if (method == "POST") {
    request.body = form;
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  } else if (!form.empty()) {
    request.url += "?" + form;
  }
  for (const std::string& header : given.headers) {
    const std::size_t equals = header.find('=');
    if (equals == std::string::npos) {
      return invalid_argument("expected KEY=VALUE got '{}'", header);
    }
    request.headers.set(header.substr(0, equals), header.substr(equals + 1));
  }
  ASSIGN_OR_RETURN(const net::ClientResponse response, call(std::move(request)));
  StatusOr<JsonValue> body = base::parse_json(response.body);
  const JsonValue* data = body.ok() ? body->find("data") : nullptr;
  if (response.status / 100 != 2 || data == nullptr) return refused(response, body);
  return *data;
}

void write_json(const JsonValue& value, base::JsonWriter* out) {
  switch (value.kind()) {
    case JsonValue::Kind::kNull:
      out->null();
      return;
    case JsonValue::Kind::kBoolean:
      out->boolean(value.boolean());
      return;
    case JsonValue::Kind::kInteger:
      out->integer(value.integer());
      return;
    case JsonValue::Kind::kNumber:
      out->number(value.number());
      return;
    case JsonValue::Kind::kString:
      out->string(value.string());
      return;
    case JsonValue::Kind::kArray:
      out->begin_array();
      for (const JsonValue& item : value.items()) write_json(item, out);
      out->end_array();
      return;
    case JsonValue::Kind::kObject:
      out->begin_object();
      for (const auto& [key, item] : value.entries()) {
        out->key(key);
        write_json(item, out);
      }
      out->end_object();
  }
}

std::string json_text(const JsonValue& value) {
  std::string text;
  base::JsonWriter writer(&text, base::JsonWriter::kGo);
  write_json(value, &writer);
  return text;
}

model::Labels labels_of(const JsonValue* object) {
  model::LabelsBuilder labels;
  if (object == nullptr) return {};
  for (const auto& [name, value] : object->entries()) labels.set(name, value.string());
  return labels.build();
}

// "VALUE @[TIME]" of [time, "value"]; a histogram as it came.
std::string point_text(const JsonValue& point) {
  if (point.items().size() != 2) return "";
  const JsonValue& value = point.items()[1];
  const bool text = value.is(JsonValue::Kind::kString);
  return fmt::format("{} @[{}]", text ? value.string() : json_text(value),
                     seconds_text(point.items()[0].number()));
}

std::string vector_text(const JsonValue& result) {
  std::string text;
  for (const JsonValue& sample : result.items()) {
    const JsonValue* point = sample.find("value");
    if (point == nullptr) point = sample.find("histogram");
    text += fmt::format("{}{} => {}", text.empty() ? "" : "\n",
                        labels_of(sample.find("metric")).to_series_string(),
                        point == nullptr ? "" : point_text(*point));
  }
  return text;
}

std::string matrix_text(const JsonValue& result) {
  std::string text;
  for (const JsonValue& series : result.items()) {
    text += fmt::format("{}{} =>", text.empty() ? "" : "\n",
                        labels_of(series.find("metric")).to_series_string());
    for (std::string_view key : {"values", "histograms"}) {
      const JsonValue* points = series.find(key);
      if (points == nullptr) continue;
      for (const JsonValue& point : points->items()) text += "\n" + point_text(point);
    }
  }
  return text;
}

Status print_value(const JsonValue& data, const Given& given, std::FILE* out) {
  const JsonValue* type = data.find("resultType");
  const JsonValue* result = data.find("result");
  if (type == nullptr || result == nullptr) {
    return invalid_argument("bad_response: an answer without a result");
  }
  if (given.format == "json") {
    fmt::print(out, "{}\n", json_text(*result));
  } else if (type->string() == "vector") {
    fmt::print(out, "{}\n", vector_text(*result));
  } else if (type->string() == "matrix") {
    fmt::print(out, "{}\n", matrix_text(*result));
  } else if (type->string() == "scalar") {
    fmt::print(out, "scalar: {}\n", point_text(*result));
  } else {
    fmt::print(out, "{}\n", result->items().size() == 2 ? result->items()[1].string() : "");
  }
  return ok();
}

Status query_instant(const Given& given, Streams to) {
  ASSIGN_OR_RETURN(const base::Timestamp at,
                   moment(given.time, base::SystemClock().now(), "evaluation"));
  ASSIGN_OR_RETURN(const JsonValue data, ask(given, "POST", "query",
                                             {{"query", given.expr}, {"time", seconds_text(at)}}));
  return print_value(data, given, to.out);
}

Status query_range(const Given& given, Streams to) {
  ASSIGN_OR_RETURN(const base::Timestamp end, moment(given.end, base::SystemClock().now(), "end"));
  ASSIGN_OR_RETURN(const base::Timestamp start, moment(given.start, end - kDefaultRange, "start"));
  if (start >= end) return invalid_argument("start time is not before end time");
  double step =
      std::max(1.0, std::floor(std::chrono::duration<double>(end - start).count() / kDefaultSteps));
  if (!given.step.empty()) {
    ASSIGN_OR_RETURN(const base::Duration wanted, model::parse_go_duration(given.step));
    if (wanted.count() != 0) step = std::chrono::duration<double>(wanted).count();
  }
  ASSIGN_OR_RETURN(const JsonValue data, ask(given, "POST", "query_range",
                                             {{"query", given.expr},
                                              {"start", seconds_text(start)},
                                              {"end", seconds_text(end)},
                                              {"step", seconds_text(step)}}));
  return print_value(data, given, to.out);
}

// start, end and match[] of the queries for labels.
StatusOr<Pairs> label_parameters(const Given& given) {
  const base::Timestamp now = base::SystemClock().now();
  ASSIGN_OR_RETURN(const base::Timestamp start, moment(given.start, now - kAllTime, "start"));
  ASSIGN_OR_RETURN(const base::Timestamp end, moment(given.end, now + kAllTime, "end"));
  Pairs parameters = {{"start", seconds_text(start)}, {"end", seconds_text(end)}};
  for (const std::string& matcher : given.matchers) parameters.emplace_back("match[]", matcher);
  return parameters;
}

Status query_series(const Given& given, Streams to) {
  ASSIGN_OR_RETURN(const Pairs parameters, label_parameters(given));
  ASSIGN_OR_RETURN(const JsonValue data, ask(given, "POST", "series", parameters));
  if (given.format == "json") {
    fmt::print(to.out, "{}\n", json_text(data));
    return ok();
  }
  for (const JsonValue& labels : data.items()) {
    fmt::print(to.out, "{}\n", labels_of(&labels).to_string());
  }
  return ok();
}

Status query_labels(const Given& given, Streams to) {
  ASSIGN_OR_RETURN(const Pairs parameters, label_parameters(given));
  const std::string path = fmt::format("label/{}/values", percent_encoded(given.name));
  ASSIGN_OR_RETURN(const JsonValue data, ask(given, "GET", path, parameters));
  if (given.format == "json") {
    fmt::print(to.out, "{}\n", json_text(data));
    return ok();
  }
  for (const JsonValue& value : data.items()) fmt::print(to.out, "{}\n", value.string());
  return ok();
}

struct Command {
  CLI::App* cli;
  Status (*run)(const Given& given, Streams to);
};

CLI::App* add_command(CLI::App& cli, Given& given, const std::string& name,
                      const std::string& about) {
  CLI::App* command = cli.add_subcommand(name, about);
  command->add_option("server", given.server, "URL of the server.")->required();
  return command;
}

void add_bounds(CLI::App* command, Given& given) {
  command->add_option("--start", given.start, "Start time (RFC 3339 or seconds).");
  command->add_option("--end", given.end, "End time (RFC 3339 or seconds).");
}

void add_repeated(CLI::App* command, std::vector<std::string>& list, const std::string& name,
                  const std::string& about) {
  command->add_option(name, list, about + " May be repeated.")->allow_extra_args(false);
}

std::vector<Command> add_commands(CLI::App& cli, Given& given) {
  CLI::App* instant = add_command(cli, given, "instant", "Evaluate an expression at one time.");
  CLI::App* range = add_command(cli, given, "range", "Evaluate an expression over a range.");
  for (CLI::App* command : {instant, range}) {
    command->add_option("expr", given.expr, "PromQL expression.")->required();
    add_repeated(command, given.headers, "--header", "KEY=VALUE to send to the server.");
  }
  instant->add_option("--time", given.time, "Evaluation time (RFC 3339 or seconds); now.");
  add_bounds(range, given);
  range->add_option("--step", given.step, "Step, as in 30s; one for about 250 points.");
  CLI::App* series = add_command(cli, given, "series", "List series.");
  CLI::App* labels = add_command(cli, given, "labels", "List the values of a label.");
  labels->add_option("name", given.name, "Name of the label.")->required();
  for (CLI::App* command : {series, labels}) {
    add_repeated(command, given.matchers, "--match", "Series selector.");
    add_bounds(command, given);
  }
  series->get_option("--match")->required();
  return {{instant, query_instant},
          {range, query_range},
          {series, query_series},
          {labels, query_labels}};
}

}  // namespace

int run_query(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err) {
  CLI::App cli{
      "Asks a server.\n\nExits with 0 on success, 1 on failure, 2 for a wrong command line.",
      "tocsinctl query"};
  Given given;
  cli.require_subcommand(1);
  cli.fallthrough();
  cli.add_option("-o,--format", given.format, "promql or json.")
      ->check(CLI::IsMember({"promql", "json"}))
      ->capture_default_str();
  const std::vector<Command> commands = add_commands(cli, given);
  try {
    cli.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& success) {
    return cli.exit(success);
  } catch (const CLI::Error& error) {
    fmt::print(err, "tocsinctl query: error: {}; --help says more\n", error.what());
    return 2;
  }
  for (const Command& command : commands) {
    if (!command.cli->parsed()) continue;
    const Status status = command.run(given, {out, err});
    if (status.ok()) return 0;
    const std::string_view text = message(status);
    const bool own = text.starts_with("error parsing") || text.starts_with("start time is not");
    fmt::print(err, "{}{}\n", own ? "" : "query error: ", text);
    return 1;
  }
  return 2;
}

int run_query(const std::vector<std::string>& arguments) {
  return run_query(arguments, stdout, stderr);
}

}  // namespace tocsin::app
