// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/temporary_store.h"

#include <cstdlib>

#include "base/file_system.h"
#include "tsdb/db.h"

namespace tocsin::app {

namespace {

class DatabaseStore final : public promql::ScriptStore {
 public:
  static StatusOr<std::unique_ptr<promql::ScriptStore>> make() {
    std::string directory = "/tmp/tocsinctl-XXXXXX";
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

}  // namespace

StatusOr<std::unique_ptr<promql::ScriptStore>> make_temporary_store() {
  return DatabaseStore::make();
}

}  // namespace tocsin::app
