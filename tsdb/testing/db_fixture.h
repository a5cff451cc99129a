// SPDX-License-Identifier: Apache-2.0
//
// DbTest: a database in a temporary directory with a clock that tests move, and its content as
// text.
//
// The journal is on `files_`, in memory unless a test says otherwise; RocksDB uses the system's
// files.
// Threads: confined, as its members say.
#pragma once

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "model/value.h"
#include "tsdb/db.h"

namespace tocsin::tsdb::testing {

inline std::string temporary_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "tocsin_db_XXXXXX").string();
  return ::mkdtemp(path.data());
}

class DbTest : public ::testing::Test {
 protected:
  DbTest() : directory_(temporary_directory()) { options_.background = false; }
  ~DbTest() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    db_.reset();
    StatusOr<std::unique_ptr<Db>> db = Db::open(directory_, options_, {clock_, *files_, metrics_});
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  static model::Labels labels(std::string_view name, std::string_view instance = "a") {
    return model::Labels::of({{"__name__", name}, {"instance", instance}});
  }
  Status append(const model::Labels& l, std::int64_t t, double v) {
    const auto appender = db_->appender();
    RETURN_IF_ERROR(appender->append({}, l, base::from_ms(t), v).status());
    return commit_and_wait(*appender);
  }
  // Numbers that print shortly as such, everything else by its bits.
  static std::string value_text(double v) {
    if (model::is_stale(v)) return "stale";
    const std::string text = model::format_float(v);
    return text.size() < 8 && std::isfinite(v)
               ? text
               : fmt::format("{:x}", std::bit_cast<std::uint64_t>(v));
  }
  // Series and samples as text: "{labels} t:v t:v".
  std::string query(std::int64_t mint = INT64_MIN / 8, std::int64_t maxt = INT64_MAX / 8) {
    storage::SelectHints hints;
    hints.mint = base::from_ms(mint);
    hints.maxt = base::from_ms(maxt);
    const auto selection = *db_->select({}, hints, {});
    std::string out;
    for (std::size_t b = 0; b < selection->batch_count(); ++b) {
      storage::ColumnBatch batch;
      const Status status = selection->read(b, &batch);
      EXPECT_TRUE(status.ok()) << status;
      for (const storage::SeriesColumn& column : batch.series) {
        out += selection->labels(column.series).to_series_string();
        for (std::uint32_t i = 0; i < column.rows; ++i) {
          if (!column.has(i)) continue;
          out += fmt::format(" {}:{}", column.times->ms[column.first + i],
                             value_text(column.floats[i]));
        }
        out += "\n";
      }
    }
    return out;
  }

  const std::string directory_;
  Options options_;
  base::testing::FakeClock clock_;
  std::unique_ptr<base::FileSystem> memory_ = base::testing::make_mem_fs();
  base::FileSystem* files_ = memory_.get();
  base::Registry metrics_;
  std::unique_ptr<Db> db_;
};

}  // namespace tocsin::tsdb::testing
