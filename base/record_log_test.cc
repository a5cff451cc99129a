// SPDX-License-Identifier: Apache-2.0
#include "base/record_log.h"

#include <random>

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::base {
namespace {

using testing::FaultFs;
using OpenMode = FileSystem::OpenMode;
using Records = std::vector<std::string>;  // "type:payload"

constexpr const char* kPath = "dir/log";

std::string record_text(std::uint8_t type, std::string_view payload) {
  return fmt::format("{}:{}", type, payload);
}

struct Opened {
  std::unique_ptr<RecordLog> log;
  Records records;
};

StatusOr<Opened> open(FileSystem& files) {
  Opened opened;
  ASSIGN_OR_RETURN(opened.log, RecordLog::open(files, kPath, [&](std::uint8_t type, auto payload) {
                     opened.records.push_back(record_text(type, payload));
                     return ok();
                   }));
  return opened;
}

Opened must_open(FileSystem& files) {
  StatusOr<Opened> opened = open(files);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : Opened();
}

std::string bytes_of(FileSystem& files) { return *files.read_file(kPath, 100 << 20); }

void set_bytes(FileSystem& files, std::string_view bytes) {
  ASSERT_TRUE((*files.open_writable(kPath, OpenMode::kTruncate))->append(bytes).ok());
}

TEST(RecordLog, ReadsBackWhatWasAppended) {
  const auto files = testing::make_mem_fs();
  Opened first = must_open(*files);
  EXPECT_TRUE(first.records.empty());
  const std::string large(700'000, 'x');
  EXPECT_TRUE(first.log->append(1, "one").ok());
  EXPECT_TRUE(first.log->append(255, "").ok());
  EXPECT_TRUE(first.log->append(2, large).ok());
  EXPECT_TRUE(first.log->append(0, std::string("a\0b", 3)).ok());
  EXPECT_TRUE(first.log->sync().ok());
  const Opened second = must_open(*files);
  EXPECT_EQ(second.records, (Records{"1:one", "255:", "2:" + large, std::string("0:a\0b", 5)}));
  EXPECT_EQ(second.log->replay().records, 4U);
  EXPECT_EQ(second.log->replay().damaged_bytes, 0U);
  EXPECT_EQ(second.log->size_bytes(), first.log->size_bytes());
  EXPECT_EQ(second.log->size_bytes(), bytes_of(*files).size());
}

TEST(RecordLog, BytesAreThoseOfTheFormat) {
  const auto files = testing::make_mem_fs();
  EXPECT_TRUE(must_open(*files).log->append(7, "abc").ok());
  const std::uint32_t crc = crc32c(
      "\x07"
      "abc");
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
  std::string want = "TCSNLOG1";
  want += std::string("\x03\0\0\0", 4);
  for (int shift = 0; shift < 32; shift += 8) want += static_cast<char>(masked >> shift & 0xFF);
  want +=
      "\x07"
      "abc";
  EXPECT_EQ(bytes_of(*files), want);
}

TEST(RecordLog, RefusesForeignFilesAndLeavesThemAlone) {
  const auto files = testing::make_mem_fs();
  for (const char* content : {"hello, I am a text", "TCSNLOG2", "x"}) {
    set_bytes(*files, content);
    EXPECT_EQ(open(*files).status().code(), StatusCode::kDataLoss) << content;
    EXPECT_EQ(bytes_of(*files), content);
  }
}

TEST(RecordLog, AnEmptyFileOrATornMagicIsAnEmptyLog) {
  const auto files = testing::make_mem_fs();
  for (const char* content : {"", "TCSN"}) {
    set_bytes(*files, content);
    EXPECT_TRUE(must_open(*files).log->append(1, "a").ok());
    EXPECT_EQ(must_open(*files).records, Records{"1:a"});
  }
}

TEST(RecordLog, AReadersErrorFailsOpening) {
  const auto files = testing::make_mem_fs();
  EXPECT_TRUE(must_open(*files).log->append(1, "a").ok());
  const auto opened = RecordLog::open(
      *files, kPath, [](std::uint8_t, std::string_view) { return invalid_argument("no"); });
  EXPECT_EQ(message(opened.status()), "record log dir/log: no");
}

TEST(RecordLog, RefusesPayloadsAboveTheLimit) {
  const auto files = testing::make_mem_fs();
  const Opened opened = must_open(*files);
  const std::string huge(RecordLog::kMaxPayload + 1, 'x');
  EXPECT_EQ(opened.log->append(1, huge).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(opened.log->append(1, "a").ok());
  EXPECT_EQ(must_open(*files).records, Records{"1:a"});
}

TEST(RecordLog, EveryCutOfTheFileKeepsTheWholeRecordsBeforeIt) {
  const auto files = testing::make_mem_fs();
  std::vector<std::size_t> ends;
  {
    const Opened opened = must_open(*files);
    for (const char* payload : {"a", "", "ccc"}) {
      ends.push_back(static_cast<std::size_t>(opened.log->size_bytes()));
      EXPECT_TRUE(opened.log->append(1, payload).ok());
    }
    ends.push_back(static_cast<std::size_t>(opened.log->size_bytes()));
  }
  const std::string whole = bytes_of(*files);
  const Records all = {"1:a", "1:", "1:ccc"};
  for (std::size_t cut = 8; cut <= whole.size(); ++cut) {
    set_bytes(*files, whole.substr(0, cut));
    std::size_t kept = 0;
    while (kept < all.size() && ends[kept + 1] <= cut) ++kept;
    const Opened opened = must_open(*files);
    EXPECT_EQ(opened.records,
              Records(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept)));
    EXPECT_EQ(opened.log->replay().damaged_bytes, cut - ends[kept]) << cut;
    EXPECT_EQ(bytes_of(*files).size(), ends[kept]) << "the tail must be cut off";
  }
}

TEST(RecordLog, RandomDamageKeepsTheRecordsBeforeItAndTheLogUsable) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto files = testing::make_mem_fs();
    Records written;
    std::vector<std::uint64_t> ends;
    {
      const Opened opened = must_open(*files);
      for (unsigned i = 0; i < 10; ++i) {
        const std::string payload(random() % 50, static_cast<char>('a' + i));
        ASSERT_TRUE(opened.log->append(static_cast<std::uint8_t>(i), payload).ok());
        written.push_back(record_text(static_cast<std::uint8_t>(i), payload));
        ends.push_back(opened.log->size_bytes());
      }
    }
    std::string bytes = bytes_of(*files);
    const std::size_t at = 8 + random() % (bytes.size() - 8);
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 1:
        bytes.replace(at, std::string::npos, bytes.size() - at, '\0');
        break;
      case 2:
        for (std::size_t i = at; i < bytes.size(); ++i) bytes[i] = static_cast<char>(random());
        break;
      default:
        bytes.insert(at, 1 + random() % 100, '\xFF');
    }
    set_bytes(*files, bytes);
    const auto safe =
        static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), at) - ends.begin());
    Records after;
    {
      const Opened opened = must_open(*files);
      after = opened.records;
      ASSERT_GE(after.size(), safe);
      ASSERT_LE(after.size(), written.size());
      EXPECT_TRUE(std::equal(after.begin(), after.end(), written.begin()));
      ASSERT_TRUE(opened.log->append(9, "more").ok());
    }
    after.push_back("9:more");
    EXPECT_EQ(must_open(*files).records, after);
  }
}

TEST(RecordLog, RewriteReplacesTheRecordsAndAppendsGoOn) {
  const auto files = testing::make_mem_fs();
  const Opened opened = must_open(*files);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(opened.log->append(1, "old").ok());
  const std::uint64_t before = opened.log->size_bytes();
  EXPECT_TRUE(opened.log->rewrite([](const auto& append) { return append(2, "kept"); }).ok());
  EXPECT_LT(opened.log->size_bytes(), before);
  EXPECT_TRUE(opened.log->append(3, "new").ok());
  EXPECT_EQ(must_open(*files).records, (Records{"2:kept", "3:new"}));
  EXPECT_EQ(*files->list("dir"), std::vector<std::string>{"log"});
}

TEST(RecordLog, AFailingRewriteKeepsTheOldLog) {
  const auto files = testing::make_mem_fs();
  const Opened opened = must_open(*files);
  EXPECT_TRUE(opened.log->append(1, "old").ok());
  const Status status = opened.log->rewrite([](const auto& append) -> Status {
    RETURN_IF_ERROR(append(2, "half"));
    return unavailable("changed my mind");
  });
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(opened.log->append(1, "more").ok());
  EXPECT_EQ(must_open(*files).records, (Records{"1:old", "1:more"}));
  EXPECT_EQ(*files->list("dir"), std::vector<std::string>{"log"});
}

TEST(RecordLog, ARewriterCannotSwallowAnError) {
  const auto files = testing::make_mem_fs();
  const Opened opened = must_open(*files);
  EXPECT_TRUE(opened.log->append(1, "old").ok());
  const std::string huge(RecordLog::kMaxPayload + 1, 'x');
  EXPECT_FALSE(opened.log
                   ->rewrite([&](const auto& append) {
                     static_cast<void>(append(2, huge));
                     static_cast<void>(append(2, "x"));
                     return ok();
                   })
                   .ok());
  EXPECT_EQ(must_open(*files).records, Records{"1:old"});
}

TEST(RecordLog, AfterAFailedSyncOnlyARewriteHelps) {
  const auto memory = testing::make_mem_fs();
  FaultFs files(*memory);
  const Opened opened = must_open(files);
  EXPECT_TRUE(opened.log->append(1, "a").ok());
  files.fail_at(1, FaultFs::Fault::kError, false);
  EXPECT_FALSE(opened.log->sync().ok());
  EXPECT_FALSE(opened.log->append(1, "b").ok());
  EXPECT_FALSE(opened.log->sync().ok());
  EXPECT_TRUE(opened.log->rewrite([](const auto& append) { return append(1, "a"); }).ok());
  EXPECT_TRUE(opened.log->append(1, "c").ok());
  EXPECT_TRUE(opened.log->sync().ok());
  files.power_cut();
  EXPECT_EQ(must_open(*memory).records, (Records{"1:a", "1:c"}));
}

// What the log acknowledged so far: `live` survives a crash of the process, `durable` a power cut.
struct Promised {
  Records live;
  Records durable;
};

void append_and_sync(RecordLog& log, const std::string& payload, Promised* promised) {
  if (log.append(1, payload).ok()) promised->live.push_back(record_text(1, payload));
  if (log.sync().ok()) promised->durable = promised->live;
}

// Appends, compacts, appends again. Goes on after errors, as a program would.
void exercise(FileSystem& files, Promised* promised) {
  StatusOr<Opened> opened = open(files);
  if (!opened.ok()) return;
  RecordLog& log = *opened->log;
  for (const char* payload : {"a", "bb", "ccc"}) append_and_sync(log, payload, promised);
  Records kept(promised->live.begin() + (promised->live.empty() ? 0 : 1), promised->live.end());
  const Status rewritten = log.rewrite([&](const auto& append) -> Status {
    for (const std::string& record : kept) RETURN_IF_ERROR(append(1, record.substr(2)));
    return ok();
  });
  if (rewritten.ok()) promised->live = promised->durable = kept;
  for (const char* payload : {"dddd", "eeeee"}) append_and_sync(log, payload, promised);
}

// True when `records` begins with `promised`.
bool holds(const Records& records, const Records& promised) {
  return records.size() >= promised.size() &&
         std::equal(promised.begin(), promised.end(), records.begin());
}

TEST(RecordLog, NoFaultLosesWhatWasAcknowledged) {
  std::uint64_t operations = 0;
  {
    const auto memory = testing::make_mem_fs();
    FaultFs files(*memory);
    Promised promised;
    exercise(files, &promised);
    operations = files.operations();
    EXPECT_EQ(promised.live, (Records{"1:bb", "1:ccc", "1:dddd", "1:eeeee"}));
    EXPECT_EQ(promised.durable, promised.live);
  }
  for (const auto fault :
       {FaultFs::Fault::kError, FaultFs::Fault::kDiskFull, FaultFs::Fault::kTornWrite}) {
    for (const bool sticky : {false, true}) {
      for (std::uint64_t n = 1; n <= operations + 1; ++n) {
        SCOPED_TRACE(
            fmt::format("operation {} fault {} sticky {}", n, static_cast<int>(fault), sticky));
        const auto memory = testing::make_mem_fs();
        FaultFs files(*memory);
        files.fail_at(n, fault, sticky);
        Promised promised;
        exercise(files, &promised);
        files.clear();
        const Records after_crash = must_open(*memory).records;
        EXPECT_TRUE(holds(after_crash, promised.live)) << ::testing::PrintToString(after_crash);
        files.power_cut();
        const Records after_cut = must_open(*memory).records;
        EXPECT_TRUE(holds(after_cut, promised.durable)) << ::testing::PrintToString(after_cut);
      }
    }
  }
}

}  // namespace
}  // namespace tocsin::base
