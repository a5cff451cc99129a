// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/executor.h"

namespace tocsin::base {
namespace {

// One line per sample, as the text format would print it.
std::string text(const std::vector<MetricFamily>& families) {
  std::string out;
  for (const MetricFamily& family : families) {
    for (const MetricSample& sample : family.samples) {
      out += family.name + sample.suffix;
      if (!sample.labels.empty()) {
        std::string labels;
        for (const auto& [name, value] : sample.labels) {
          labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", name, value);
        }
        out += "{" + labels + "}";
      }
      out += fmt::format(" {}\n", sample.value);
    }
  }
  return out;
}

std::string text(const Summary& summary) {
  MetricFamily family{"s", "", MetricType::kSummary, {}};
  summary.append_samples({}, &family.samples);
  return text(std::vector<MetricFamily>{family});
}

TEST(Registry, GathersSortedByNameAndLabels) {
  Registry registry;
  GaugeVec& z = registry.gauge("z", "help", {"b", "a"});
  z.with({"2", "x"}).set(1);
  z.with({"1", "y"}).add(2.5);
  registry.counter("m", "help").inc();
  registry.collector([](std::vector<MetricFamily>* out) {
    out->push_back({"k", "", MetricType::kGauge, {{"", {{"l", "2"}}, 2}, {"", {{"l", "1"}}, 1}}});
  });
  EXPECT_EQ(text(registry.gather()), "k{l=1} 1\nk{l=2} 2\nm 1\nz{a=x,b=2} 1\nz{a=y,b=1} 2.5\n");
}

TEST(Registry, ReturnsTheExistingMetricAndChecksItsType) {
  Registry registry;
  registry.counter("c", "help", {"l"}).with({"x"}).inc(2);
  registry.counter("c", "help", {"l"}).with({"x"}).inc();
  EXPECT_EQ(text(registry.gather()), "c{l=x} 3\n");
  EXPECT_DEATH(registry.gauge("c", "help", {"l"}), "check failed");
  EXPECT_DEATH(registry.counter("c", "help", {"other"}), "check failed");
}

TEST(Registry, CollectorsMayUseTheRegistry) {
  Registry registry;
  registry.collector([&](std::vector<MetricFamily>*) { registry.counter("c", "").inc(); });
  registry.gather();
  EXPECT_EQ(text(registry.gather()), "c 1\n");
}

TEST(Histogram, CountsCumulativelyWithInclusiveBounds) {
  Registry registry;
  Histogram& h = registry.histogram("h", "help", {0.005, 1, 2.5e6});
  for (double value : {0.005, 0.5, 1.0, 3.0, 1e9}) h.observe(value);
  EXPECT_EQ(text(registry.gather()),
            "h_bucket{le=0.005} 1\nh_bucket{le=1} 3\nh_bucket{le=2.5e+06} 4\nh_bucket{le=+Inf} 5\n"
            "h_sum 1000000004.505\nh_count 5\n");
}

TEST(Histogram, NanBelongsToTheLastBucket) {
  Histogram h({1});
  h.observe(std::nan(""));
  std::vector<MetricSample> samples;
  h.append_samples({}, &samples);
  EXPECT_EQ(samples[0].value, 0);
  EXPECT_EQ(samples[1].value, 1);
}

TEST(Summary, ForgetsAfterTenMinutesButKeepsItsCount) {
  std::int64_t now_ms = 1'000'000'000;
  Summary summary({0.5, 0.9, 1}, [&] { return now_ms; });
  EXPECT_EQ(text(summary),
            "s{quantile=0.5} nan\ns{quantile=0.9} nan\ns{quantile=1} nan\ns_sum 0\ns_count 0\n");
  for (int i = 1; i <= 100; ++i) summary.observe(i);
  EXPECT_EQ(text(summary),
            "s{quantile=0.5} 50\ns{quantile=0.9} 90\ns{quantile=1} 100\ns_sum 5050\ns_count 100\n");
  now_ms += 5 * 60'000;
  summary.observe(1000);
  EXPECT_EQ(
      text(summary),
      "s{quantile=0.5} 51\ns{quantile=0.9} 91\ns{quantile=1} 1000\ns_sum 6050\ns_count 101\n");
  now_ms += 6 * 60'000;
  EXPECT_EQ(
      text(summary),
      "s{quantile=0.5} 1000\ns{quantile=0.9} 1000\ns{quantile=1} 1000\ns_sum 6050\ns_count 101\n");
  now_ms += 60 * 60'000;
  EXPECT_EQ(
      text(summary),
      "s{quantile=0.5} nan\ns{quantile=0.9} nan\ns{quantile=1} nan\ns_sum 6050\ns_count 101\n");
}

TEST(Summary, AFullReservoirStaysAFairSample) {
  Summary summary({0.5}, [] { return 0; });
  for (int i = 0; i < 100'000; ++i) summary.observe(i);
  std::vector<MetricSample> samples;
  summary.append_samples({}, &samples);
  EXPECT_NEAR(samples[0].value, 50'000, 8'000);
  EXPECT_EQ(samples[2].value, 100'000);
}

TEST(MetricVec, RemovedChildrenAreGone) {
  Registry registry;
  CounterVec& vec = registry.counter("c", "", {"l"});
  vec.with({"a"}).inc();
  vec.with({"b"}).inc();
  vec.remove({"a"});
  vec.remove({"absent"});
  EXPECT_EQ(text(registry.gather()), "c{l=b} 1\n");
}

TEST(MetricVec, ChildrenAboveTheLimitShareOne) {
  GaugeVec vec({"l"}, [] { return std::make_unique<Gauge>(); });
  for (std::size_t i = 0; i < GaugeVec::kMaxChildren; ++i) vec.with({fmt::format("{:05}", i)});
  vec.with({"x"}).add(1);
  vec.with({"y"}).add(1);
  vec.with({"00001"}).add(7);
  EXPECT_EQ(vec.with({"overflow"}).value(), 2);
  EXPECT_EQ(vec.with({"00001"}).value(), 7);
  std::size_t children = 0;
  vec.for_each([&](const auto&, const Gauge&) { ++children; });
  EXPECT_EQ(children, GaugeVec::kMaxChildren + 1);
}

TEST(MetricVec, CountsFromSeveralThreads) {
  Registry registry;
  CounterVec& counters = registry.counter("c", "", {"l"});
  Histogram& histogram = registry.histogram("h", "", {10});
  {
    ThreadPool pool({.name = "count", .threads = 4});
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(pool.post([&, i] {
        counters.with({std::to_string(i % 3)}).inc();
        histogram.observe(i);
        if (i % 100 == 0) registry.gather();
      }));
    }
  }
  EXPECT_EQ(text(registry.gather()),
            "c{l=0} 334\nc{l=1} 333\nc{l=2} 333\n"
            "h_bucket{le=10} 11\nh_bucket{le=+Inf} 1000\nh_sum 499500\nh_count 1000\n");
}

TEST(ProcessMetrics, DescribeThisProcess) {
  std::vector<MetricFamily> families;
  collect_process_metrics(&families);
  const auto value = [&](std::string_view name) {
    for (const MetricFamily& family : families) {
      if (family.name == name) return family.samples.at(0).value;
    }
    ADD_FAILURE() << name << " is missing";
    return -1.0;
  };
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 100'000);
  EXPECT_GE(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GT(value("process_start_time_seconds"), 1.6e9);
  EXPECT_GT(value("process_virtual_memory_max_bytes"), 0);
  EXPECT_GT(value("process_max_fds"), 3);
  EXPECT_GE(value("process_network_receive_bytes_total"), 0);
  EXPECT_GE(value("process_network_transmit_bytes_total"), 0);
  const double before = value("process_open_fds");
  const int copy = ::dup(0);
  families.clear();
  collect_process_metrics(&families);
  EXPECT_EQ(value("process_open_fds"), before + (copy >= 0 ? 1 : 0));
  if (copy >= 0) ::close(copy);
}

}  // namespace
}  // namespace tocsin::base
