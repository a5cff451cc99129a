// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "app/ctl/commands.h"
#include "base/file_system.h"
#include "base/log.h"
#include "promql/script.h"
#include "tsdb/db.h"

namespace tocsin::app {

namespace {

constexpr std::string_view kHelp =
    "usage: tocsinctl promqltest [-v] FILE...\n\n"
    "Runs scripts in the PromQL test language (load, clear, eval) against the store. Every instant "
    "evaluation is run\n"
    "in three forms: as given, re-printed with @ at other times, and as the middle step of a range "
    "query.\n"
    "Prints passed and total for each file and overall. -v prints each failed evaluation.\n"
    "Exits with 1 when an evaluation failed.\n";

// A database of its own in a temporary directory, removed in the end.
class DatabaseStore final : public promql::ScriptStore {
 public:
  static StatusOr<std::unique_ptr<promql::ScriptStore>> make() {
    std::string directory = "/tmp/tocsin-promqltest-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) return errno_status(errno, "mkdtemp");
    std::unique_ptr<DatabaseStore> store(new DatabaseStore(directory));
    tsdb::Options options;
    options.background = false;
    options.retention = base::Duration(0);
    ASSIGN_OR_RETURN(store->db_,
                     tsdb::Db::open(directory, options,
                                    {store->clock_, base::real_file_system(), store->metrics_}));
    return std::unique_ptr<promql::ScriptStore>(std::move(store));
  }
  ~DatabaseStore() override {
    db_.reset();
    static_cast<void>(base::real_file_system().remove_recursively(directory_));
  }
  storage::Appendable& appendable() override { return *db_; }
  storage::Queryable& queryable() override { return *db_; }

 private:
  explicit DatabaseStore(std::string directory) : directory_(std::move(directory)) {}

  const std::string directory_;
  base::SystemClock clock_;
  base::Registry metrics_;
  std::unique_ptr<tsdb::Db> db_;
};

struct Totals {
  int passed = 0;
  int total = 0;
  bool broken = false;
};

void run_file(const std::string& file, bool verbose, Totals* totals) {
  constexpr std::uint64_t kMaxBytes = 64ULL << 20;
  StatusOr<std::string> text = base::real_file_system().read_file(file, kMaxBytes);
  StatusOr<promql::ScriptResult> result = text.ok()
                                              ? promql::run_script(*text, file, DatabaseStore::make)
                                              : StatusOr<promql::ScriptResult>(text.status());
  if (!result.ok()) {
    fmt::print("{}: {}\n", file, message(result.status()));
    totals->broken = true;
    return;
  }
  fmt::print("{}: {} of {} passed\n", file, result->passed, result->total);
  if (verbose) {
    for (const promql::ScriptFailure& failure : result->failures) {
      fmt::print("  line {}{}{}: {}\n", failure.line,
                 failure.histogram ? " (native histograms)" : "",
                 failure.experimental ? " (experimental)" : "", failure.text);
    }
  }
  totals->passed += result->passed;
  totals->total += result->total;
}

}  // namespace

int run_promqltest(const std::vector<std::string>& arguments) {
  bool verbose = false;
  Totals totals;
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", kHelp);
      return 0;
    }
    if (argument == "-v") {
      verbose = true;
    } else {
      files.push_back(argument);
    }
  }
  if (files.empty()) {
    fmt::print(stderr, "{}", kHelp);
    return 2;
  }
  base::log::configure({.level = base::log::Level::kWarn, .format = base::log::Format::kLogfmt});
  for (const std::string& file : files) run_file(file, verbose, &totals);
  fmt::print("overall: {} of {} passed\n", totals.passed, totals.total);
  return totals.broken || totals.passed != totals.total ? 1 : 0;
}

}  // namespace tocsin::app
