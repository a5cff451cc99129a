// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl tsdb`: the command line.
#include <cstdio>
#include <functional>

#include <CLI/CLI.hpp>

#include "app/ctl/commands.h"
#include "app/ctl/http_call.h"
#include "app/ctl/tsdb/tools.h"
#include "base/json.h"
#include "base/log.h"
#include "tsdb/snapshot_folder.h"

namespace tocsin::app {
namespace {

constexpr std::string_view kAbout =
    "Looks at the folder of a database, without changing it and without the right to write there.\n"
    "While a server has the folder open, ask the server (--url) or look at a snapshot.\n\n"
    "Exits with 0 on success, 1 on failure, 2 for a wrong command line.";
constexpr base::Duration kSnapshotTimeout{3'600'000};

struct Given {
  std::string directory = "data/";
  std::string second;
  bool human = false;
  DumpOptions dump;
  std::string format = "prom";
  std::string match;
  std::size_t limit = 20;
  std::string url;
  bool skip_head = false;
};

Status snapshot(const Given& given, std::FILE* out) {
  std::string url = given.url;
  while (url.ends_with('/')) url.pop_back();
  url += "/api/v1/admin/tsdb/snapshot";
  if (given.skip_head) url += "?skip_head=true";
  net::ClientRequest request;
  request.method = "POST";
  request.url = url;
  request.timeout = kSnapshotTimeout;
  ASSIGN_OR_RETURN(const net::ClientResponse response, call(std::move(request)));
  const StatusOr<base::JsonValue> parsed = base::parse_json(response.body);
  if (!parsed.ok()) {
    return unavailable("{}: status {} and no answer that can be read", url, response.status);
  }
  const base::JsonValue& answer = *parsed;
  const base::JsonValue* data = answer.find("data");
  const base::JsonValue* name = data != nullptr ? data->find("name") : nullptr;
  if (name == nullptr) {
    const base::JsonValue* error = answer.find("error");
    return unavailable("{}: {}", url, error != nullptr ? error->string() : std::string("no name"));
  }
  fmt::print(out, "{}\n", name->string());
  return ok();
}

void add_folder(CLI::App* command, Given& given) {
  command->add_option("folder", given.directory, "Folder of the database.")->capture_default_str();
}

void add_range(CLI::App* command, Given& given) {
  command->add_option("--min-time", given.dump.min_ms,
                      "Minimum timestamp to dump, in milliseconds since the Unix epoch.");
  command->add_option("--max-time", given.dump.max_ms,
                      "Maximum timestamp to dump, in milliseconds since the Unix epoch.");
  command
      ->add_option("--match", given.dump.matchers,
                   "Series selector. May be repeated; the series of all are dumped.")
      ->allow_extra_args(false);  // what follows is the folder
}

// The name of a command and what it does.
using Run = std::function<Status()>;
struct Command {
  CLI::App* cli;
  Run run;
};

class Commands {
 public:
  explicit Commands(CLI::App& cli) : cli_(cli) {}
  CLI::App* add(std::string name, std::string about, Run run) {
    all_.push_back({cli_.add_subcommand(std::move(name), std::move(about)), std::move(run)});
    return all_.back().cli;
  }
  const std::vector<Command>& all() const { return all_; }

 private:
  CLI::App& cli_;
  std::vector<Command> all_;
};

void add_looking(Commands& commands, Given& given, std::FILE* out) {
  CLI::App* list = commands.add("list", "List the runs (sealed parts) of a database.",
                                [&, out] { return list_runs(given.directory, given.human, out); });
  add_folder(list, given);
  list->add_flag("-r,--human-readable", given.human, "Print times and sizes for people.");

  CLI::App* analyzed =
      commands.add("analyze", "Count series and labels: what makes a database large.",
                   [&, out] { return analyze(given.directory, given.match, given.limit, out); });
  add_folder(analyzed, given);
  analyzed->add_option("--limit", given.limit, "How many items to show in each list.")
      ->capture_default_str();
  analyzed->add_option("--match", given.match, "Series selector to analyze.");

  CLI::App* dumped = commands.add("dump", "Print samples, one per line.", [&, out]() -> Status {
    if (given.format == "seriesjson") given.dump.format = DumpOptions::Format::kSeriesJson;
    return dump(given.directory, given.dump, out);
  });
  add_folder(dumped, given);
  add_range(dumped, given);
  dumped->add_option("--format", given.format, "prom: samples; seriesjson: labels only.")
      ->check(CLI::IsMember({"prom", "seriesjson"}))
      ->capture_default_str();

  CLI::App* metrics = commands.add(
      "dump-openmetrics",
      "Print samples in OpenMetrics format, without native histograms and staleness markers.",
      [&, out] {
        given.dump.format = DumpOptions::Format::kOpenMetrics;
        return dump(given.directory, given.dump, out);
      });
  add_folder(metrics, given);
  add_range(metrics, given);

  add_folder(commands.add("verify", "Read everything and say what is damaged.",
                          [&, out] { return verify(given.directory, out); }),
             given);
}

void add_making(Commands& commands, Given& given, std::FILE* out) {
  CLI::App* snap = commands.add("snapshot", "Make a snapshot on a running server; prints its name.",
                                [&, out] { return snapshot(given, out); });
  snap->add_option("--url", given.url, "The server, with --web.enable-admin-api.")->required();
  snap->add_flag("--skip-head", given.skip_head, "Leave out what is not sealed yet.");

  CLI::App* restored = commands.add("restore", "Copy a snapshot into an empty folder.", [&] {
    Progress progress(stderr, "copied");
    return tsdb::restore_snapshot(base::real_file_system(), given.directory, given.second,
                                  [&](std::uint64_t bytes) { progress.at(bytes, 0); });
  });
  restored->add_option("snapshot", given.directory, "Folder of the snapshot.")->required();
  restored->add_option("folder", given.second, "Folder of the new database.")->required();

  CLI::App* imported =
      commands.add("import-openmetrics", "Append the samples of an OpenMetrics file to a database.",
                   [&, out] { return import_openmetrics(given.directory, given.second, out); });
  imported->add_option("file", given.directory, "OpenMetrics file; every sample has a timestamp.")
      ->required();
  imported->add_option("folder", given.second, "Folder of the database; made when absent.")
      ->required();
}

}  // namespace

int run_tsdb(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err) {
  CLI::App cli{std::string(kAbout), "tocsinctl tsdb"};
  cli.require_subcommand(1);
  Given given;
  Commands commands(cli);
  add_looking(commands, given, out);
  add_making(commands, given, out);
  try {
    cli.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& success) {
    return cli.exit(success);  // help, which CLI11 prints
  } catch (const CLI::Error& error) {
    fmt::print(err, "tocsinctl tsdb: error: {}; --help says more\n", error.what());
    return 2;
  }
  base::log::configure({.level = base::log::Level::kError, .format = base::log::Format::kLogfmt});
  for (const Command& command : commands.all()) {
    if (!command.cli->parsed()) continue;
    const Status status = command.run();
    if (status.ok()) return 0;
    fmt::print(err, "tocsinctl tsdb {}: error: {}\n", command.cli->get_name(), message(status));
    return 1;
  }
  return 2;
}

int run_tsdb(const std::vector<std::string>& arguments) {
  return run_tsdb(arguments, stdout, stderr);
}

}  // namespace tocsin::app
