// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/temporary_store.h"

#include <cstdlib>

#include "base/file_system.h"
#include "tsdb/db.h"

namespace tocsin::app {

namespace {

class DatabaseStore final : public promql::ScriptStore {
 public:
  enum class After { kNothing, kReopen };  // a load

  static StatusOr<std::unique_ptr<promql::ScriptStore>> make(After after) {
    std::string directory = "/tmp/tocsinctl-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) return errno_status(errno, "mkdtemp");
    std::unique_ptr<DatabaseStore> store(new DatabaseStore(directory, after));
    RETURN_IF_ERROR(store->open());
    return std::unique_ptr<promql::ScriptStore>(std::move(store));
  }
  ~DatabaseStore() override {
    db_.reset();
    static_cast<void>(base::real_file_system().remove_recursively(directory_));
  }
  storage::Appendable& appendable() override { return *db_; }
  storage::Queryable& queryable() override { return *db_; }

  Status pause() override { return after_ == After::kReopen ? db_->seal_all() : ok(); }
  Status loaded() override {
    if (after_ == After::kNothing) return ok();
    RETURN_IF_ERROR(db_->seal_all());
    RETURN_IF_ERROR(db_->compact());
    for (const tsdb::RunReport& run : db_->runs()) {
      if (run.tier != kOldestTier) return internal("run {} is of tier {}", run.id, run.tier);
    }
    db_->stop();
    db_.reset();
    return open();
  }

 private:
  static constexpr std::uint8_t kOldestTier = 2;

  DatabaseStore(std::string directory, After after)
      : directory_(std::move(directory)), after_(after) {}

  Status open() {
    tsdb::Options options;
    options.background = false;
    options.retention = base::Duration(0);
    // Its metrics register themselves.
    metrics_ = std::make_unique<base::Registry>();
    ASSIGN_OR_RETURN(
        db_, tsdb::Db::open(directory_, options, {clock_, base::real_file_system(), *metrics_}));
    return ok();
  }

  const std::string directory_;
  base::SystemClock clock_;
  const After after_;
  std::unique_ptr<base::Registry> metrics_;
  std::unique_ptr<tsdb::Db> db_;
};

}  // namespace

StatusOr<std::unique_ptr<promql::ScriptStore>> make_temporary_store() {
  return DatabaseStore::make(DatabaseStore::After::kNothing);
}

StatusOr<std::unique_ptr<promql::ScriptStore>> make_reopened_store() {
  return DatabaseStore::make(DatabaseStore::After::kReopen);
}

}  // namespace tocsin::app
