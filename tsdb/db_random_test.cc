// SPDX-License-Identifier: Apache-2.0
//
// The database against a map: random appends by labels, reference and position, groups that come
// and go, seals and restarts; every answer must be the map's, bit for bit.
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using model::Labels;
using storage::GroupId;
using storage::SeriesRef;

// The lines in order, which is that of ids in an answer.
std::string sorted(const std::string& text) {
  std::set<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.insert(text.substr(at, end - at));
    at = end + 1;
  }
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

class Model {
 public:
  using Samples = std::map<std::int64_t, double>;

  StatusCode put(int series, std::int64_t t, double v) {
    Samples& samples = series_[series];
    if (samples.empty() || t > samples.rbegin()->first) {
      samples[t] = v;
      return StatusCode::kOk;
    }
    if (t < samples.rbegin()->first) return StatusCode::kOutOfRange;
    const bool same =
        std::bit_cast<std::uint64_t>(samples.rbegin()->second) == std::bit_cast<std::uint64_t>(v);
    return same ? StatusCode::kOk : StatusCode::kAlreadyExists;
  }
  void stale(int series, std::int64_t t) {
    const auto found = series_.find(series);
    if (found == series_.end() || found->second.empty()) return;
    const auto& [newest, value] = *found->second.rbegin();
    if (t > newest && !model::is_stale(value)) found->second[t] = model::stale_nan();
  }
  std::int64_t newest(int series) const {
    const auto found = series_.find(series);
    return found == series_.end() || found->second.empty() ? 0 : found->second.rbegin()->first;
  }
  const std::map<int, Samples>& all() const { return series_; }

 private:
  std::map<int, Samples> series_;
};

class DbRandomTest : public testing::DbTest {
 protected:
  static constexpr int kSeries = 24;
  // Further series that come as remote write brings them: by host, with the time of the host.
  static constexpr int kHosts = 3;
  static constexpr int kPerHost = 14;

  static Labels name(int series) {
    return labels(fmt::format("m{}", series % 5), fmt::format("i{}", series));
  }
  double value() {
    switch (random_() % 8) {
      case 0:
        return std::bit_cast<double>(random_());
      case 1:
        return model::stale_nan();
      case 2:
        return static_cast<double>(random_() % 1000) / 8;
      case 3:
        return -0.0;
      default:
        return static_cast<double>(random_() % 3);
    }
  }
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  void add_singles();
  void add_pushed();
  void define();
  void add_rows();
  void push_together();
  bool end_batch(storage::Appender& appender, Model staged);
  void check();
  void check_last();
  std::string expected(std::int64_t mint, std::int64_t maxt) const;

  std::mt19937_64 random_;
  Model model_;
  std::int64_t now_ = 1'000'000;
  std::map<int, SeriesRef> refs_;
  struct Group {
    GroupId id;
    std::vector<int> members;
    std::int64_t last_step = 0;
  };
  std::vector<Group> groups_;
  bool pushing_ = false;
};

bool DbRandomTest::end_batch(storage::Appender& appender, Model staged) {
  if (below(10) == 0) {
    appender.rollback();
    return false;
  }
  const Status committed = commit_and_wait(appender);
  EXPECT_TRUE(committed.ok()) << committed;
  model_ = std::move(staged);
  return true;
}

void DbRandomTest::add_singles() {
  const auto appender = db_->appender();
  Model staged = model_;
  for (std::uint64_t i = below(12); i < 12; ++i) {
    const int series = static_cast<int>(below(kSeries));
    const std::int64_t t = below(4) == 0
                               ? model_.newest(series) + static_cast<std::int64_t>(below(3)) - 1
                               : now_ - static_cast<std::int64_t>(below(3000));
    const double v = value();
    const bool by_ref = refs_.contains(series) && below(2) == 0;
    const auto result = by_ref ? appender->append(refs_[series], {}, from_ms(t), v, {})
                               : appender->append({}, name(series), from_ms(t), v, {});
    EXPECT_EQ(result.status().code(), staged.put(series, t, v))
        << result.status() << " " << series << "@" << t;
    if (result.ok()) refs_[series] = result->ref;
  }
  if (below(3) == 0 && !refs_.empty()) {
    std::vector<SeriesRef> members;
    Group group;
    for (const auto& [series, ref] : refs_) {
      if (below(2) == 0) continue;
      members.push_back(ref);
      group.members.push_back(series);
    }
    if (!members.empty()) {
      const bool redefine = !groups_.empty() && below(2) == 0;
      const auto id = appender->define_group(redefine ? groups_[0].id : GroupId(), members);
      ASSERT_TRUE(id.ok()) << id.status();
      group.id = *id;
      if (redefine) group.last_step = groups_[0].last_step;
      const Status committed = commit_and_wait(*appender);
      ASSERT_TRUE(committed.ok()) << committed;
      model_ = std::move(staged);
      if (redefine) groups_.erase(groups_.begin());
      groups_.push_back(std::move(group));
      return;
    }
  }
  static_cast<void>(end_batch(*appender, std::move(staged)));
}

// What a remote writer does: most series at one time, some of them with their own, sometimes in two
// requests, sometimes several times in one.
void DbRandomTest::push_together() {
  for (std::uint64_t request = below(2); request < 2; ++request) {
    const auto appender = db_->appender();
    Model staged = model_;
    std::int64_t t = now_;
    for (std::uint64_t times = below(3); times < 3;
         ++times, t += 1 + static_cast<std::int64_t>(below(9))) {
      const std::uint64_t missing = below(8) == 0 ? 2 : 12;
      for (int series = 0; series < kSeries; ++series) {
        if (below(missing) == 0) continue;
        const std::int64_t own = below(16) == 0 ? t - static_cast<std::int64_t>(below(40)) : t;
        const double v = value();
        const auto result = appender->append({}, name(series), from_ms(own), v, {});
        EXPECT_EQ(result.status().code(), staged.put(series, own, v))
            << result.status() << " " << series << "@" << own;
        if (result.ok()) refs_[series] = result->ref;
      }
    }
    static_cast<void>(end_batch(*appender, std::move(staged)));
  }
}

// Hosts with all their series at one time, so that they get groups; now and then a part of a host, an
// older time, times of its own for each series, two times in one batch.
void DbRandomTest::add_pushed() {
  const auto appender = db_->appender();
  Model staged = model_;
  const std::uint64_t mode = below(16);
  for (int host = 0; host < kHosts; ++host) {
    if (below(4) == 0) continue;
    const std::int64_t shared = now_ - static_cast<std::int64_t>(below(mode == 0 ? 3000 : 20));
    const std::uint64_t first = mode == 1 ? below(kPerHost) : 0;
    const std::uint64_t rows = mode == 2 ? 3 : 1;
    for (std::uint64_t i = first; i < kPerHost; ++i) {
      if (mode == 3 && below(2) == 0) continue;
      const int series = kSeries + host * kPerHost + static_cast<int>(i);
      for (std::uint64_t row = 0; row < rows; ++row) {
        const bool own = mode == 4 || (mode == 5 && below(3) == 0);
        const std::int64_t t = (own ? now_ - static_cast<std::int64_t>(below(900)) : shared) +
                               static_cast<std::int64_t>(row * 7);
        const double v = value();
        const bool by_ref = refs_.contains(series) && below(2) == 0;
        const auto result = by_ref ? appender->append(refs_[series], {}, from_ms(t), v, {})
                                   : appender->append({}, name(series), from_ms(t), v, {});
        EXPECT_EQ(result.status().code(), staged.put(series, t, v))
            << result.status() << " " << series << "@" << t;
        if (result.ok()) refs_[series] = result->ref;
      }
    }
  }
  static_cast<void>(end_batch(*appender, std::move(staged)));
}

void DbRandomTest::add_rows() {
  if (groups_.empty()) return add_singles();
  Group& group = groups_[below(groups_.size())];
  const auto appender = db_->appender();
  Model staged = model_;
  std::int64_t last_step = group.last_step;
  for (std::uint64_t row = below(3); row < 3; ++row) {
    const std::int64_t t = now_ - static_cast<std::int64_t>(below(2000));
    const Status stepped = appender->step(group.id, from_ms(t));
    if (t <= last_step) {
      EXPECT_EQ(stepped.code(), StatusCode::kOutOfRange);
      continue;
    }
    ASSERT_TRUE(stepped.ok()) << stepped;
    last_step = t;
    for (std::uint32_t i = 0; i < group.members.size(); ++i) {
      if (below(4) == 0) continue;
      const double v = value();
      // Another sample of this batch may be newer: then set() may accept what commit leaves out.
      const StatusCode verdict = staged.put(group.members[i], t, v);
      const Status set = appender->set(i, v);
      EXPECT_TRUE(set.code() == verdict || set.ok()) << set << " " << group.members[i] << "@" << t;
    }
  }
  if (below(4) == 0) {
    const std::int64_t t = now_ + static_cast<std::int64_t>(below(50));
    if (t > last_step) {
      ASSERT_TRUE(appender->stale_all(group.id, from_ms(t)).ok());
      for (const int member : group.members) staged.stale(member, t);
      last_step = t;
    }
  }
  if (end_batch(*appender, std::move(staged))) group.last_step = last_step;
}

std::string DbRandomTest::expected(std::int64_t mint, std::int64_t maxt) const {
  std::string out;
  for (const auto& [series, samples] : model_.all()) {
    std::string line;
    for (auto at = samples.lower_bound(mint); at != samples.end() && at->first <= maxt; ++at) {
      line += fmt::format(" {}:{}", at->first, value_text(at->second));
    }
    if (!line.empty()) out += name(series).to_series_string() + line + "\n";
  }
  return sorted(out);
}

void DbRandomTest::check_last() {
  storage::SelectHints hints;
  const auto selection = *db_->select({}, hints, {});
  const std::int64_t at = now_ - static_cast<std::int64_t>(below(20000));
  const auto lookback = static_cast<std::int64_t>(below(30000) + 1);
  std::vector<storage::LastValue> last;
  for (std::size_t b = 0; b < selection->batch_count(); ++b) {
    ASSERT_TRUE(selection->last(b, from_ms(at), base::Duration(lookback), &last).ok());
    for (std::size_t i = 0; i < last.size(); ++i) {
      const Labels found = selection->labels(b * storage::kBatchSeries + i);
      for (const auto& [series, samples] : model_.all()) {
        if (!(name(series) == found)) continue;
        auto newest = samples.upper_bound(at);
        const bool any = newest != samples.begin() && (--newest)->first > at - lookback;
        ASSERT_EQ(last[i].found, any)
            << found.to_series_string() << " at " << at << " - " << lookback;
        if (!any) continue;
        ASSERT_EQ(value_text(last[i].value), value_text(newest->second));
        ASSERT_EQ(last[i].time_ms, newest->first);
      }
    }
  }
}

void DbRandomTest::check() {
  ASSERT_EQ(sorted(query()), expected(INT64_MIN, INT64_MAX));
  const std::int64_t mint = now_ - static_cast<std::int64_t>(below(60000));
  const std::int64_t maxt = mint + static_cast<std::int64_t>(below(30000));
  ASSERT_EQ(sorted(query(mint, maxt)), expected(mint, maxt));
  check_last();
}

TEST_F(DbRandomTest, EveryAnswerIsThatOfAMap) {
  const char* fixed = std::getenv("TOCSIN_TEST_SEED");
  const std::uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  random_.seed(seed);
  options_.seal_rows = 7;
  options_.journal_segment_bytes = 700;
  open();
  for (int round = 0; round < 400 && !HasFatalFailure(); ++round) {
    now_ += static_cast<std::int64_t>(below(1500));
    SCOPED_TRACE(fmt::format("round {}", round));
    switch (below(24)) {
      case 0:
        ASSERT_TRUE(db_->seal_all().ok());
        // It may let go of series without samples: their batch was rolled back, and a group that
        // had them is gone.
        std::erase_if(refs_, [&](const auto& ref) { return model_.newest(ref.first) == 0; });
        break;
      case 1:
        open();
        groups_.clear();
        refs_.clear();  // they are for one run of the process
        break;
      case 2:
        if (!groups_.empty()) {
          db_->drop_group(groups_.back().id);
          groups_.pop_back();
        }
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        pushing_ = true;
        push_together();
        break;
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
        add_pushed();
        break;
      default:
        // For a while nothing but pushes, so that groups live long enough to be broken up.
        if (pushing_ && below(12) != 0) {
          push_together();
          break;
        }
        pushing_ = false;
        below(2) == 0 ? add_singles() : add_rows();
    }
    if (below(3) == 0) check();
  }
  check();
}

}  // namespace
}  // namespace tocsin::tsdb
