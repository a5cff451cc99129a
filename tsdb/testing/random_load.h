// SPDX-License-Identifier: Apache-2.0
//
// RandomLoad: random work for a database, and what it must hold after it (NaiveStore).
//
// next() makes a piece of work from the seed and the model alone, so that another process that knows
// the seed makes the same pieces; run() does it to a database and compares every answer. Work is
// appending by labels, reference and position, in order and not, duplicates, staleness markers,
// groups that come, change and go, many series at one time (of which the head makes groups), series
// that come and go, deleting, and upkeep.
// Threads: confined.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "storage/types.h"
#include "tsdb/db.h"
#include "tsdb/testing/naive_store.h"

namespace tocsin::tsdb::testing {

// TOCSIN_TEST_SEED, or a random one.
std::uint64_t make_seed();
// The environment variable as a number, or `fallback`.
std::uint64_t number_from_environment(const char* name, std::uint64_t fallback);

class RandomLoad {
 public:
  struct Options {
    std::size_t series = 64;     // alive at a time
    std::size_t max_batch = 40;  // appended one by one
    bool deletes = true;
    int replaced_percent = 5;       // of the series, at each churn
    int upkeep_percent = 0;         // of the work: seals, snapshots, retention, clean-ups
    std::int64_t retention_ms = 0;  // of the database; 0: none
    std::int64_t late_ms = 0;       // the out-of-order window of the database
    // Value of a label that all its series have and that deletions name; "": no such label. Several
    // loads can then share a database.
    std::string tag = {};
  };
  struct Single {
    std::size_t series;
    std::int64_t t;
    std::uint64_t bits;
    bool by_ref;
    StatusCode verdict;
  };
  struct Value {
    std::uint32_t position;
    std::uint64_t bits;
    StatusCode verdict;
  };
  struct Row {
    std::int64_t t;
    std::vector<Value> values;
  };
  struct Work {
    enum class Kind {
      kSingles,
      kDefine,
      kRows,
      kDrop,
      kDelete,
      kSeal,
      kMaintain,
      kSnapshot,
      kClean,
      kMerge,
      kCompact,
      kRestart,  // the caller's: run() does nothing
    } kind = Kind::kSingles;
    std::vector<Single> singles;
    std::size_t group = 0;             // a number of ours
    std::vector<std::size_t> members;  // of a new group
    bool redefines = false;
    std::vector<Row> rows;
    std::int64_t stale_ms = 0;  // a staleness marker for all at the end; 0: none
    bool rolled_back = false;
    model::Matchers matchers;  // of a deletion in the closed interval
    std::int64_t mint = 0;
    std::int64_t maxt = 0;
    std::size_t operations = 0;
  };

  RandomLoad(std::uint64_t seed, std::int64_t start_ms, Options options);

  // Makes the next piece of work and takes it into the model. Then call exactly one of keep() and
  // doubt(); both move on.
  const Work& next();
  // Does it. Returns the status of the commit, or of the deletion. What the database answers
  // otherwise than the model is put into trouble().
  Status run(Db& db);
  void keep();
  // The process died during run(): its samples may be there or not.
  void doubt();
  // The power went: also what came after the last synced change may be there or not.
  void doubt_unsynced();
  // run() failed, and the process lives on: nothing of it may be there.
  void undo();
  // The database, or the generator, is in a new process: groups and references are outdated.
  void reopened();

  std::int64_t now_ms() const { return now_ms_; }
  NaiveStore& model() { return model_; }
  const Work& work() const { return work_; }
  // That of the tag, if there is one.
  model::Matchers matchers() const;
  const std::string& trouble() const { return trouble_; }
  void forget_trouble() { trouble_.clear(); }
  // Matchers that some series of the model match.
  model::Matchers some_matchers();
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

 private:
  struct Group {
    std::vector<std::size_t> members;
    std::int64_t last_step = INT64_MIN;
  };

  std::size_t new_series();
  std::size_t alive() { return alive_[below(alive_.size())]; }
  std::uint64_t value(std::size_t series);
  // A time for a sample that may be late.
  std::int64_t late_time();
  // Whether nobody needs to agree on what a sample at `t` is, because others were deleted or lost.
  bool is_disputed(std::size_t series, std::int64_t t) const;
  std::int64_t oldest() const;
  Single single(std::size_t series, std::int64_t t);
  void make_singles();
  void make_pushed();
  void make_define();
  void make_rows();
  void make_delete();
  void make_upkeep();
  void churn();
  std::size_t any_group();

  Status run_appends(Db& db);
  void run_single(storage::Appender& appender, const Single& single);
  void run_rows(storage::Appender& appender);
  void expect(StatusCode expected, StatusCode other, const Status& status, std::size_t series,
              std::int64_t t);

  const Options options_;
  std::mt19937_64 random_;
  NaiveStore model_;
  std::int64_t now_ms_;
  Work work_;
  std::vector<std::size_t> alive_;
  std::uint64_t made_ = 0;  // series
  std::map<std::size_t, Group> groups_;
  std::size_t next_group_ = 1;

  // What the database calls them.
  std::map<std::size_t, storage::SeriesRef> refs_;
  std::map<std::size_t, storage::GroupId> group_ids_;
  std::string trouble_;
};

}  // namespace tocsin::tsdb::testing
