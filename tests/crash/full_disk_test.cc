// SPDX-License-Identifier: Apache-2.0
//
// tocsin on a small disk that somebody fills: it lives on, answers queries, refuses samples, and
// takes them again when there is space. Everything it acknowledged is there, also after kill -9.
// Needs root, to mount the disk.
#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "formats/testing/remote_write_writer.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

using formats::testing::WireWriter;

constexpr std::uint64_t kReserve = 8U << 20;
constexpr int kSeries = 40;

// A file system of 64 MB: in memory, or ext4 on a loop device.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& type) {
    if (::geteuid() != 0) {
      trouble_ = "mounting a small file system needs root";
      return;
    }
    path_ = files_.file("disk");
    EXPECT_EQ(run({"mkdir", path_}).exit_code, 0);
    const std::string image = files_.file("image");
    const Finished made = type == "tmpfs"
                              ? run({"mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", path_})
                              : run({"sh", "-c",
                                     "truncate -s 64M " + image + " && mkfs.ext4 -q -m 0 " + image +
                                         " && mount -o loop " + image + " " + path_});
    is_mounted_ = made.exit_code == 0;
    if (!is_mounted_) trouble_ = "no " + type + " can be mounted here: " + made.err;
  }
  ~SmallDisk() {
    if (is_mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Why there is none; "" when there is one.
  const std::string& trouble() const { return trouble_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::uint64_t free() const {
    struct statvfs info{};
    EXPECT_EQ(::statvfs(path_.c_str(), &info), 0);
    return std::uint64_t{info.f_bavail} * info.f_frsize;
  }
  // Leaves at most so much with a file of somebody else.
  void leave(std::uint64_t bytes) const {
    std::ofstream ballast(file("ballast"), std::ios::binary | std::ios::app);
    const std::string block(4096, 'x');
    while (ballast.good() && free() >= bytes + block.size()) ballast << block << std::flush;
  }
  void make_space() const { ::unlink(file("ballast").c_str()); }

 private:
  const TempDir files_;
  std::string path_, trouble_;
  bool is_mounted_ = false;
};

class FullDiskTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!disk_.trouble().empty()) GTEST_SKIP() << disk_.trouble();
    start();
  }
  void start() {
    tocsin_ = std::make_unique<Tocsin>(
        Tocsin::Options{.config = files_.write("tocsin.yml", "global: {scrape_interval: 1h}\n"),
                        .data = disk_.file("data"),
                        .more = {"--web.enable-remote-write-receiver", "--web.enable-admin-api",
                                 fmt::format("--storage.tsdb.reserve={}B", kReserve)}});
    ASSERT_TRUE(tocsin_->wait_ready());
  }
  // Sends a row of all series with its own time and values; returns the status. The row counts when
  // that is a 2xx.
  int send() {
    WireWriter request;
    const std::int64_t t = begin_ms_ + 100 * (rows_ + refused_);
    for (int i = 0; i < kSeries; ++i) {
      request.message(1, formats::testing::v1_series(
                             {{"__name__", "full"}, {"i", fmt::format("{}", i)}}, value(i), t));
    }
    const std::string body = formats::testing::snappy_block(request.text());
    const Reply reply = net::testing::RawHttp(tocsin_->address())
                            .request(fmt::format("POST /api/v1/write HTTP/1.1\r\nHost: x\r\n"
                                                 "Content-Type: application/x-protobuf\r\n"
                                                 "Content-Encoding: snappy\r\n"
                                                 "Content-Length: {}\r\n\r\n",
                                                 body.size()) +
                                     body);
    if (reply.status / 100 != 2) {
      ++refused_;
      return reply.status;
    }
    for (int i = 0; i < kSeries; ++i) sums_[static_cast<std::size_t>(i)] += value(i);
    ++rows_;
    return reply.status;
  }
  // Whole numbers of eleven digits, so that sums are exact and runs are not small.
  double value(int series) const {
    const std::uint64_t mixed = (static_cast<std::uint64_t>(series) + 1) * 0x9e3779b97f4a7c15ULL *
                                (2 * static_cast<std::uint64_t>(rows_ + refused_) + 1);
    return static_cast<double>(mixed % 99'999'999'999);
  }
  void pour(int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(send() / 100, 2);
  }
  bool refuses() { return send() / 100 == 5; }
  bool takes() { return send() / 100 == 2; }

  // Every series has every acknowledged sample and no other.
  void check() {
    ASSERT_FALSE(tocsin_->process().has_ended());
    const base::JsonValue counts = tocsin_->query("count_over_time(full[2h])");
    const base::JsonValue sums = tocsin_->query("sum_over_time(full[2h])");
    std::size_t found = 0;
    for (const base::JsonValue& series : at(sums, "data.result").items()) {
      const auto i = static_cast<std::size_t>(std::stoi(text_at(series, "metric.i")));
      EXPECT_EQ(std::stod(text_at(series, "value.1")), sums_[i]) << "series " << i;
      ++found;
    }
    ASSERT_EQ(found, kSeries);
    for (const base::JsonValue& series : at(counts, "data.result").items()) {
      ASSERT_EQ(text_at(series, "value.1"), fmt::format("{}", rows_));
    }
  }
  // Seals and merges; whether that worked.
  bool compact() {
    return http_post(tocsin_->address(), "/api/x/admin/tsdb/compact").status / 100 == 2;
  }

  const SmallDisk disk_{GetParam()};
  const TempDir files_;
  std::unique_ptr<Tocsin> tocsin_;
  const std::int64_t begin_ms_ = base::to_ms(base::SystemClock().now()) - 3'600'000;
  std::int64_t rows_ = 0, refused_ = 0;
  std::array<double, kSeries> sums_{};
};

TEST_P(FullDiskTest, SamplesAreRefusedQueriesGoOnAndItEndsByItself) {
  pour(200);
  check();
  // Less than the reserve: ingestion stops, sealing still works.
  disk_.leave(kReserve - 65536);
  ASSERT_TRUE(eventually([&] { return refuses(); }));
  check();
  EXPECT_EQ(tocsin_->metric("tocsin_tsdb_ingestion_stopped"), 1);
  EXPECT_TRUE(compact());
  check();
  disk_.make_space();
  ASSERT_TRUE(eventually([&] { return takes(); }));
  check();
  // Nothing is left at all, between two looks of the guard.
  for (int round = 0; round < 2; ++round) {
    pour(100);
    disk_.leave(0);
    ASSERT_TRUE(eventually([&] { return refuses(); }));
    for (int i = 0; i < 5; ++i) {
      EXPECT_FALSE(compact());
      EXPECT_TRUE(refuses());
    }
    check();
    disk_.make_space();
    ASSERT_TRUE(eventually([&] { return takes(); }));
    check();
    ASSERT_TRUE(eventually([&] { return compact(); }));
    check();
  }
  // kill -9 with a full disk, and a start when it is not full any more.
  pour(100);
  disk_.leave(0);
  ASSERT_TRUE(eventually([&] { return refuses(); }));
  EXPECT_FALSE(compact());
  tocsin_->process().kill();
  disk_.make_space();
  start();
  check();
  pour(10);
  check();
  tocsin_->stop();
  std::printf("%lld rows taken, %lld refused\n", static_cast<long long>(rows_),
              static_cast<long long>(refused_));
}

// Containers rarely have loop devices; the disk in memory then has to do.
std::vector<const char*> disks() {
  if (::access("/dev/loop-control", F_OK) != 0) return {"tmpfs"};
  return {"tmpfs", "ext4"};
}

INSTANTIATE_TEST_SUITE_P(Disks, FullDiskTest, ::testing::ValuesIn(disks()),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace tocsin::tests
