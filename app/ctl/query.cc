// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl query`: asks a server over the API, and prints as promtool does.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include <CLI/CLI.hpp>

#include "app/ctl/commands.h"
#include "app/ctl/histogram_usage.h"
#include "app/ctl/server_call.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/time.h"
#include "model/labels.h"
#include "model/timestamp.h"
#include "model/value.h"

namespace tocsin::app {

namespace {

using base::JsonValue;

constexpr base::Duration kDefaultRange{300'000};
constexpr base::Duration kAllTime{9'999LL * 3'600'000};
constexpr int kDefaultSteps = 250;

struct Given {
  std::string format = "promql";
  ServerAddress server;
  std::string expr, name, time, start, end, step, type, duration = "1h";
  std::vector<std::string> matchers;
  std::uint64_t id = 0;
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

// What the server has to say; its errors say so.
StatusOr<JsonValue> answer(const Given& given, std::string_view method, std::string_view path,
                           const Parameters& parameters) {
  StatusOr<JsonValue> data = ask(given.server, method, path, parameters);
  if (!data.ok()) return annotate(data.status(), "query error");
  return data;
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
    return invalid_argument("query error: bad_response: an answer without a result");
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
  ASSIGN_OR_RETURN(
      const JsonValue data,
      answer(given, "POST", "/api/v1/query", {{"query", given.expr}, {"time", seconds_text(at)}}));
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
  ASSIGN_OR_RETURN(const JsonValue data, answer(given, "POST", "/api/v1/query_range",
                                                {{"query", given.expr},
                                                 {"start", seconds_text(start)},
                                                 {"end", seconds_text(end)},
                                                 {"step", seconds_text(step)}}));
  return print_value(data, given, to.out);
}

// start, end and match[] of the queries for labels.
StatusOr<Parameters> label_parameters(const Given& given) {
  const base::Timestamp now = base::SystemClock().now();
  ASSIGN_OR_RETURN(const base::Timestamp start, moment(given.start, now - kAllTime, "start"));
  ASSIGN_OR_RETURN(const base::Timestamp end, moment(given.end, now + kAllTime, "end"));
  Parameters parameters = {{"start", seconds_text(start)}, {"end", seconds_text(end)}};
  for (const std::string& matcher : given.matchers) parameters.emplace_back("match[]", matcher);
  return parameters;
}

Status query_series(const Given& given, Streams to) {
  ASSIGN_OR_RETURN(const Parameters parameters, label_parameters(given));
  ASSIGN_OR_RETURN(const JsonValue data, answer(given, "POST", "/api/v1/series", parameters));
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
  ASSIGN_OR_RETURN(const Parameters parameters, label_parameters(given));
  const std::string path =
      fmt::format("/api/v1/label/{}/values", base::percent_encoded(given.name));
  ASSIGN_OR_RETURN(const JsonValue data, answer(given, "GET", path, parameters));
  if (given.format == "json") {
    fmt::print(to.out, "{}\n", json_text(data));
    return ok();
  }
  for (const JsonValue& value : data.items()) fmt::print(to.out, "{}\n", value.string());
  return ok();
}

Status query_analyze(const Given& given, Streams to) {
  if (given.type != "histogram") {
    return invalid_argument("analyze type is {}, must be 'histogram'", given.type);
  }
  ASSIGN_OR_RETURN(const base::Duration duration, model::parse_go_duration(given.duration));
  ASSIGN_OR_RETURN(const base::Timestamp at,
                   moment(given.time, base::SystemClock().now(), "evaluation"));
  HistogramUsage usage;
  for (const std::string& matcher : given.matchers) {
    const std::string range = fmt::format("{}[{}ms]", matcher, duration.count());
    ASSIGN_OR_RETURN(const JsonValue data, answer(given, "POST", "/api/v1/query",
                                                  {{"query", range}, {"time", seconds_text(at)}}));
    RETURN_IF_ERROR(usage.add(data));
  }
  fmt::print(to.out, "{}", usage.text());
  return ok();
}

std::string member_text(const JsonValue& object, std::string_view key) {
  const JsonValue* member = object.find(key);
  return member == nullptr ? "" : member->string();
}

Status query_list(const Given& given, Streams to) {
  ASSIGN_OR_RETURN(const JsonValue data, answer(given, "GET", "/api/x/queries", {}));
  if (given.format == "json") {
    fmt::print(to.out, "{}\n", json_text(data));
    return ok();
  }
  fmt::print(to.out, "{:>8}  {:<8}{:>9}{:>14}  {}\n", "ID", "STATE", "SECONDS", "BYTES", "QUERY");
  for (const JsonValue& query : data.items()) {
    const JsonValue* id = query.find("id");
    const JsonValue* seconds = query.find("seconds");
    const JsonValue* bytes = query.find("memoryBytes");
    fmt::print(to.out, "{:>8}  {:<8}{:>9.1f}{:>14}  {}\n", id == nullptr ? 0 : id->integer(),
               member_text(query, "state"), seconds == nullptr ? 0.0 : seconds->number(),
               bytes == nullptr ? 0 : bytes->integer(), member_text(query, "query"));
  }
  return ok();
}

Status query_kill(const Given& given, Streams) {
  return answer(given, "DELETE", fmt::format("/api/x/queries/{}", given.id), {}).status();
}

struct Command {
  CLI::App* cli;
  Status (*run)(const Given& given, Streams to);
};

CLI::App* add_command(CLI::App& cli, Given& given, const std::string& name,
                      const std::string& about) {
  CLI::App* command = cli.add_subcommand(name, about);
  command->add_option("server", given.server.url, "URL of the server.")->required();
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

CLI::App* add_analyze(CLI::App& cli, Given& given) {
  CLI::App* analyze = cli.add_subcommand(
      "analyze", "Say how many of their buckets histograms fill, native and classic ones.");
  analyze->add_option("--server", given.server.url, "URL of the server.")->required();
  analyze->add_option("--type", given.type, "Type of metric: histogram.")->required();
  analyze->add_option("--duration", given.duration, "Time to look at (Go duration).")
      ->capture_default_str();
  analyze->add_option("--time", given.time, "End of that time (RFC 3339 or seconds); now.");
  add_repeated(analyze, given.matchers, "--match",
               "Series selector; that of a classic histogram ends in _bucket.");
  analyze->get_option("--match")->required();
  return analyze;
}

std::vector<Command> add_commands(CLI::App& cli, Given& given) {
  CLI::App* instant = add_command(cli, given, "instant", "Evaluate an expression at one time.");
  CLI::App* range = add_command(cli, given, "range", "Evaluate an expression over a range.");
  for (CLI::App* command : {instant, range}) {
    command->add_option("expr", given.expr, "PromQL expression.")->required();
    add_repeated(command, given.server.headers, "--header", "KEY=VALUE to send to the server.");
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
  CLI::App* list = add_command(cli, given, "list", "List the queries that run or wait.");
  CLI::App* kill = add_command(cli, given, "kill", "End a query; needs --web.enable-admin-api.");
  kill->add_option("id", given.id, "Id of the query, as listed.")->required();
  return {{instant, query_instant},
          {range, query_range},
          {series, query_series},
          {labels, query_labels},
          {list, query_list},
          {kill, query_kill},
          {add_analyze(cli, given), query_analyze}};
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
  cli.add_option("--http.config.file", given.server.http_config_file,
                 "File with the options of the connection, as the http_config of a scrape "
                 "configuration: credentials, TLS, proxy.");
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
    fmt::print(err, "{}\n", message(status));
    return 1;
  }
  return 2;
}

int run_query(const std::vector<std::string>& arguments) {
  return run_query(arguments, stdout, stderr);
}

}  // namespace tocsin::app
