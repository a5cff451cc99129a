// SPDX-License-Identifier: Apache-2.0
#include "tsdb/kv/kv_store.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "tsdb/testing/run_test_data.h"

namespace tocsin::tsdb {
namespace {

std::unique_ptr<KvStore> must_open_kv(const TestDirectory& directory) {
  EXPECT_TRUE(base::real_file_system().create_directories(directory.path("")).ok());
  auto store = KvStore::open(directory.path());
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

std::string value_of(const KvStore& store, std::string_view key) {
  const auto value = store.get(Family::kMeta, key);
  return value.ok() ? *value : std::string(message(value.status()));
}

Status ingest(KvStore& store, const std::string& path, const std::vector<std::string>& keys) {
  ASSIGN_OR_RETURN(const auto file, SampleFile::create(path));
  for (const std::string& key : keys) RETURN_IF_ERROR(file->put(key, "value of " + key));
  RETURN_IF_ERROR(file->finish().status());
  return store.ingest(path);
}

TEST(KvStore, BatchesAreThereAfterReopening) {
  const TestDirectory directory;
  {
    const auto store = must_open_kv(directory);
    KvBatch batch;
    batch.put(Family::kMeta, "a", "1");
    batch.put(Family::kMeta, "b", "2");
    batch.put(Family::kSeries, "a", "series");
    ASSERT_TRUE(store->commit(batch).ok());
    KvBatch second;
    second.erase(Family::kMeta, "b");
    ASSERT_TRUE(store->commit(second).ok());
  }
  const auto store = must_open_kv(directory);
  EXPECT_EQ(value_of(*store, "a"), "1");
  EXPECT_EQ(store->get(Family::kMeta, "b").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*store->get(Family::kSeries, "a"), "series");
  EXPECT_GT(store->bytes_on_disk(), 0U);
}

TEST(KvStore, ScanKeepsToThePrefixAndStopsAtAnError) {
  const TestDirectory directory;
  const auto store = must_open_kv(directory);
  KvBatch batch;
  for (const char* key : {"a/1", "a/2", "a/3", "b/1"}) batch.put(Family::kMeta, key, key);
  ASSERT_TRUE(store->commit(batch).ok());
  std::string seen;
  const auto visit = [&](std::string_view key, std::string_view) {
    seen.append(key).append(" ");
    return key == "a/2" ? cancelled("enough") : ok();
  };
  EXPECT_EQ(store->scan(Family::kMeta, "a/", visit).code(), StatusCode::kCancelled);
  EXPECT_EQ(seen, "a/1 a/2 ");
  seen.clear();
  EXPECT_TRUE(store->scan(Family::kMeta, "b/", visit).ok());
  EXPECT_EQ(seen, "b/1 ");
}

TEST(KvStore, IngestedFilesAreReadAndDroppedAsAWhole) {
  const TestDirectory directory;
  const auto store = must_open_kv(directory);
  ASSERT_TRUE(ingest(*store, directory.path("one.sst"), {"1a", "1b"}).ok());
  ASSERT_TRUE(ingest(*store, directory.path("two.sst"), {"2a", "2b"}).ok());
  EXPECT_FALSE(base::real_file_system().info(directory.path("one.sst")).ok())
      << "moved, not copied";
  EXPECT_EQ(store->sample_files().size(), 2U);

  const std::vector<std::string> keys = {"1a", "1x", "2b"};
  std::string seen;
  const auto visit = [&](std::size_t i, const Status& status, std::string_view value) {
    seen += keys[i] + ":" + (status.ok() ? std::string(value) : "none") + " ";
  };
  store->get_samples(keys, visit);
  EXPECT_EQ(seen, "1a:value of 1a 1x:none 2b:value of 2b ");

  ASSERT_TRUE(store->drop_sample_files("1", "2").ok());
  const auto files = store->sample_files();
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].smallest, "2a");
  seen.clear();
  store->get_samples(keys, visit);
  EXPECT_EQ(seen, "1a:none 1x:none 2b:value of 2b ");
}

TEST(KvStore, OverlappingFilesAreRefused) {
  const TestDirectory directory;
  const auto store = must_open_kv(directory);
  ASSERT_TRUE(ingest(*store, directory.path("one.sst"), {"1a", "1z"}).ok());
  EXPECT_FALSE(ingest(*store, directory.path("two.sst"), {"1b", "2"}).ok());
  EXPECT_EQ(store->sample_files().size(), 1U);
}

TEST(KvStore, ManyKeysAreReadInOrder) {
  const TestDirectory directory;
  const auto store = must_open_kv(directory);
  std::vector<std::string> keys;
  for (int i = 100; i < 200; ++i) keys.push_back(std::to_string(i));
  ASSERT_TRUE(ingest(*store, directory.path("one.sst"), keys).ok());
  std::size_t next = 0;
  store->get_samples(keys, [&](std::size_t i, const Status& status, std::string_view value) {
    EXPECT_EQ(i, next++);
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(value, "value of " + keys[i]);
  });
  EXPECT_EQ(next, keys.size());
}

TEST(KvStore, ASecondOwnerIsRefused) {
  const TestDirectory directory;
  const auto store = must_open_kv(directory);
  EXPECT_EQ(KvStore::open(directory.path()).status().code(), StatusCode::kFailedPrecondition);
}

TEST(KvStore, CheckpointIsACopyThatOpens) {
  const TestDirectory directory;
  {
    const auto store = must_open_kv(directory);
    KvBatch batch;
    batch.put(Family::kMeta, "a", "1");
    ASSERT_TRUE(store->commit(batch).ok());
    ASSERT_TRUE(ingest(*store, directory.path("one.sst"), {"1a"}).ok());
    ASSERT_TRUE(store->checkpoint(directory.path("copy")).ok());
    EXPECT_FALSE(store->checkpoint(directory.path("copy")).ok()) << "exists";
  }
  const auto copy = KvStore::open(directory.path("copy"));
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(value_of(**copy, "a"), "1");
  EXPECT_EQ((*copy)->sample_files().size(), 1U);
}

}  // namespace
}  // namespace tocsin::tsdb
