// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/page_writer.h"

#include <bit>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "collector/scrape/histogram_limits.h"
#include "model/value.h"
#include "storage/testing/mem_store.h"

namespace tocsin::collector {
namespace {

using Samples = std::map<std::string, std::map<std::int64_t, std::uint64_t>>;

// One target that is scraped into a store of its own.
class Target {
 public:
  explicit Target(const ScrapeOptions& options)
      : writer_(std::make_shared<const ScrapeOptions>(options),
                model::Labels::of({{"instance", "i"}}), {clock_, store_, shared_}) {}

  // Scrapes `text` at `ms`; returns the error, or "".
  std::string scrape(const std::string& text, std::int64_t ms, bool stored = true,
                     formats::ExpositionFormat format = formats::ExpositionFormat::kText) {
    figures = {};
    auto memory = shared_.memory.take();
    PageWriter::Page* const page = &memory->page;
    auto appender = store_.appender();
    Status status = writer_.read(format, text, page, &figures);
    const std::string error(message(status));
    if (status.ok()) {
      status = writer_.store(*appender, base::from_ms(ms), *page, &figures);
    } else {
      status = writer_.store_failure(*appender, base::from_ms(ms));
    }
    EXPECT_TRUE(status.ok()) << message(status);
    writer_.tidy(*page);
    shared_.memory.give_back(std::move(memory));
    if (stored) {
      EXPECT_TRUE(storage::commit_and_wait(*appender).ok());
    } else {
      appender->rollback();
      writer_.forget_places();
    }
    return error;
  }

  Samples samples() {
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    auto selection = store_.select({model::Matcher::equal("instance", "i")}, hints, {});
    Samples found;
    for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE((*selection)->read(b, &batch).ok());
      for (const storage::SeriesColumn& column : batch.series) {
        auto& values = found[(*selection)->labels(column.series).to_series_string()];
        for (std::uint32_t row = 0; row < column.rows; ++row) {
          if (!column.has(row)) continue;
          values[column.times->ms[column.first + row]] =
              std::bit_cast<std::uint64_t>(column.floats[row]);
        }
      }
    }
    return found;
  }

  // The counts of a series' histograms.
  std::vector<double> histogram_counts(const std::string& series) {
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    auto selection = store_.select({model::Matcher::equal("instance", "i")}, hints, {});
    std::vector<double> counts;
    for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE((*selection)->read(b, &batch).ok());
      for (const storage::SeriesColumn& column : batch.series) {
        if ((*selection)->labels(column.series).to_series_string() != series) continue;
        for (const auto& [row, histogram] : column.histograms) counts.push_back(histogram.count);
      }
    }
    return counts;
  }

  // "series: value{labels}@ms ..." for each series with exemplars.
  std::string exemplars() {
    std::string text;
    const auto found = store_.exemplars({{model::Matcher::equal("instance", "i")}}, model::kMinTime,
                                        model::kMaxTime);
    for (const storage::ExemplarSeries& series : *found) {
      text += series.labels.to_series_string() + ":";
      for (const model::Exemplar& e : series.exemplars) {
        text += fmt::format(" {}{}@{}", e.value, e.labels.to_string(), base::to_ms(*e.time));
      }
      text += "\n";
    }
    return text;
  }
  // "value@ms since start, ..." of a series; histograms by their count.
  std::string with_starts(const std::string& series) {
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    auto selection = store_.select({model::Matcher::equal("instance", "i")}, hints, {});
    std::map<std::int64_t, std::string> samples;
    for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE((*selection)->read(b, &batch).ok());
      for (const storage::SeriesColumn& c : batch.series) {
        if ((*selection)->labels(c.series).to_series_string() != series) continue;
        std::map<std::uint32_t, double> values;
        for (std::uint32_t row = 0; row < c.rows; ++row) {
          if (c.has(row)) values[row] = c.floats[row];
        }
        for (const auto& [row, histogram] : c.histograms) values[row] = histogram.count;
        for (const auto& [row, value] : values) {
          const std::int64_t ms = c.times->ms[c.first + row];
          const std::int64_t start = c.start_ms.empty() ? 0 : c.start_ms[row];
          const std::string number = model::is_stale(value) ? "stale" : fmt::format("{}", value);
          samples[ms] =
              fmt::format("{}@{}{}", number, ms, start != 0 ? fmt::format(" since {}", start) : "");
        }
      }
    }
    std::string text;
    for (const auto& [ms, sample] : samples) text += (text.empty() ? "" : ", ") + sample;
    return text;
  }
  storage::testing::MemStore& store() { return store_; }
  ScrapeShared& shared() { return shared_; }
  ScrapeFigures figures;

 private:
  base::testing::FakeClock clock_;
  base::Registry metrics_;
  storage::testing::MemStore store_;
  ScrapeShared shared_{metrics_};
  PageWriter writer_;
};

// What a scrape stores, said simply.
class Model {
 public:
  explicit Model(const ScrapeOptions& options) : options_(options) {}

  void scrape(const std::string& text, std::int64_t ms, bool stored, const ScrapeFigures& figures) {
    class Sink final : public formats::ExpositionSink {
     public:
      Status sample(const formats::ExpositionSample& s) override {
        samples.push_back(s);
        return ok();
      }
      void type(std::string_view, model::MetricKind) override {}
      void help(std::string_view, std::string_view) override {}
      void unit(std::string_view, std::string_view) override {}
      std::vector<formats::ExpositionSample> samples;
    } sink;
    const bool good = formats::parse_text(text, sink).ok();
    std::map<std::string, double> row;
    std::set<std::string> seen;
    std::uint64_t kept = 0;
    for (const formats::ExpositionSample& s : sink.samples) {
      model::LabelsBuilder labels(*formats::parse_series(s.series, s.kind));
      labels.set("instance", "i");
      if (labels.get("__name__") == "dropped") continue;
      ++kept;
      const std::string name = labels.build().to_series_string();
      seen.insert(std::string(s.series));
      if (good && s.timestamp_ms && options_.honor_timestamps) {
        if (stored) append(name, *s.timestamp_ms, s.value);
        continue;
      }
      row.emplace(name, s.value);
    }
    EXPECT_EQ(figures.scraped, sink.samples.size());
    EXPECT_EQ(figures.after_relabel, kept);
    if (!good) {
      row.clear();
      seen.clear();
    } else {
      std::uint64_t added = 0;
      for (const std::string& series : seen) added += before_.contains(series) ? 0 : 1;
      EXPECT_EQ(figures.series_added, added);
    }
    before_ = seen;
    if (!stored) {
      // Nothing of it is there; what was current before still has to go stale.
      for (const auto& [name, value] : row) current_.insert(name);
      return;
    }
    for (const std::string& name : current_) {
      if (!row.contains(name)) append(name, ms, model::stale_nan());
    }
    current_.clear();
    for (const auto& [name, value] : row) {
      append(name, ms, value);
      current_.insert(name);
    }
  }
  const Samples& samples() const { return samples_; }

 private:
  void append(const std::string& name, std::int64_t ms, double value) {
    auto& values = samples_[name];
    if (!values.empty() && values.rbegin()->first >= ms) return;
    values[ms] = std::bit_cast<std::uint64_t>(value);
  }

  const ScrapeOptions options_;
  Samples samples_;
  std::set<std::string> current_;
  std::set<std::string> before_;
};

// The first series that is not the same in both, or "".
std::string difference(const Samples& got, const Samples& wanted) {
  static const std::map<std::int64_t, std::uint64_t> kNothing;
  std::set<std::string> names;
  for (const auto& [name, samples] : got) names.insert(name);
  for (const auto& [name, samples] : wanted) names.insert(name);
  for (const std::string& name : names) {
    const auto& left = got.contains(name) ? got.at(name) : kNothing;
    const auto& right = wanted.contains(name) ? wanted.at(name) : kNothing;
    if (left == right) continue;
    std::string text = name + ": got ";
    for (const auto& [t, bits] : left)
      text += fmt::format("{}@{} ", std::bit_cast<double>(bits), t);
    text += "wanted ";
    for (const auto& [t, bits] : right)
      text += fmt::format("{}@{} ", std::bit_cast<double>(bits), t);
    return text;
  }
  return "";
}

ScrapeOptions dropping() {
  ScrapeOptions options;
  model::RelabelOptions drop;
  drop.source_labels = {"__name__"};
  drop.regex = "dropped";
  drop.action = "drop";
  options.metric_relabel.push_back(*model::make_relabel_rule(drop));
  return options;
}

class Pages {
 public:
  explicit Pages(std::uint64_t seed, bool own_times) : random_(seed), own_times_(own_times) {
    for (int i = 0; i < 30; ++i) lines_.push_back(series());
  }
  std::string next(std::int64_t ms) {
    const std::uint64_t kind = random_() % 12;
    if (kind == 0) return text(ms) + "bad{ 1\n";
    for (std::uint64_t i = 0; kind > 5 && i < random_() % (kind == 11 ? 40 : 3); ++i) change();
    return text(ms);
  }

 private:
  std::string series() {
    const std::uint64_t n = random_() % 60;
    if (n % 20 == 7) return fmt::format("dropped{{i=\"{}\"}}", n);
    if (n % 20 == 9) return fmt::format("# TYPE m{} gauge", n);
    return n % 2 == 0 ? fmt::format("m{}", n) : fmt::format("m{{i=\"{}\"}}", n);
  }
  void change() {
    const auto at = lines_.begin() + static_cast<std::ptrdiff_t>(random_() % lines_.size());
    switch (random_() % 4) {
      case 0:
        lines_.insert(at, series());
        break;
      case 1:
        if (lines_.size() > 3) lines_.erase(at);
        break;
      case 2:
        std::swap(*at, lines_[random_() % lines_.size()]);
        break;
      default:
        *at = series();
    }
  }
  std::string text(std::int64_t ms) {
    std::string page;
    for (const std::string& line : lines_) {
      page += line;
      if (line[0] != '#') {
        page += fmt::format(" {}", random_() % 5);
        // A series has own timestamps or not, so that the model need not know the order of storing.
        if (own_times_ && line.size() == 3) page += fmt::format(" {}", ms - 50);
      }
      page += "\n";
    }
    return page;
  }

  std::mt19937_64 random_;
  const bool own_times_;
  std::vector<std::string> lines_;
};

TEST(PageWriter, StoresRandomPagesAsTheModelSays) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    ScrapeOptions options = dropping();
    options.honor_timestamps = seed % 3 != 0;
    Target target(options);
    Model model(options);
    Pages pages(seed, seed % 2 == 0);
    std::mt19937_64 random(seed);
    for (std::int64_t step = 1; step <= 150; ++step) {
      const std::string page = pages.next(step * 1000);
      const bool stored = random() % 25 != 0;
      target.scrape(page, step * 1000, stored);
      model.scrape(page, step * 1000, stored, target.figures);
      if (step % 15 != 0) continue;
      ASSERT_EQ(difference(target.samples(), model.samples()), "")
          << "seed " << seed << " step " << step << "\n"
          << page;
    }
  }
}

TEST(PageWriter, AFailedTargetGoesStaleOnce) {
  Target target({});
  target.scrape("x 1\ny 1 900\n", 1000);
  EXPECT_NE(target.scrape("x{\n", 2000), "");
  EXPECT_NE(target.scrape("x{\n", 3000), "");
  target.scrape("x 1\n", 4000);
  const Samples samples = target.samples();
  EXPECT_EQ(samples.at(R"(x{instance="i"})").size(), 3U);
  EXPECT_EQ(samples.at(R"(x{instance="i"})").at(2000), model::kStaleNanBits);
  EXPECT_EQ(samples.at(R"(y{instance="i"})").size(), 1U) << "own timestamps are not tracked";
}

TEST(PageWriter, TracksOwnTimestampsOnRequest) {
  ScrapeOptions options;
  options.track_timestamps_staleness = true;
  Target target(options);
  target.scrape("x 1 900\ny 1\n", 1000);
  target.scrape("y 1\n", 2000);
  EXPECT_EQ(target.samples().at(R"(x{instance="i"})").at(2000), model::kStaleNanBits);
}

TEST(PageWriter, TwoSpellingsOfOneSeriesAreDuplicates) {
  Target target({});
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(target.scrape("x{a=\"1\"} 1\nx{a=\"1\",} 2\ny 3\n", i * 1000), "");
  }
  EXPECT_EQ(target.samples().at(R"(x{a="1", instance="i"})").size(), 5U);
  EXPECT_EQ(target.samples().at(R"(y{instance="i"})").size(), 5U);
  EXPECT_EQ(target.shared().metrics.duplicate.value(), 5);
}

// A page of one gauge and one native histogram, `count` observations in its one bucket.
std::string protobuf_page(unsigned char count) {
  const std::string gauge("\x0a\x01g\x18\x01\x22\x0b\x12\x09\x09\0\0\0\0\0\0\xf0\x3f", 18);
  std::string histogram("\x0a\x01h\x18\x04\x22\x0d\x3a\x0b\x08", 10);
  histogram += static_cast<char>(count);
  histogram += std::string("\x28\x06\x62\x02\x10\x01\x6a\x01", 8);
  histogram += static_cast<char>(2 * count);
  return static_cast<char>(gauge.size()) + gauge + static_cast<char>(histogram.size()) + histogram;
}

TEST(PageWriter, LimitsTheBucketsOfNativeHistograms) {
  struct Row {
    std::int32_t schema;
    std::int32_t max_schema;
    std::uint64_t limit;
    std::string error;
    std::int32_t expected;
  };
  const std::string too_many = "histogram bucket limit exceeded";
  const Row rows[] = {{3, 8, 0, "", 3}, {12, 8, 0, "", 8},        {3, 1, 0, "", 1},
                      {3, 8, 8, "", 3}, {3, 8, 7, "", 2},         {3, 8, 2, "", 1},
                      {3, 8, 1, "", 0}, {3, -1, 1, "", -1},       {-4, 8, 7, too_many, 0},
                      {3, 1, 2, "", 1}, {-53, 8, 7, too_many, 0}, {-53, -4, 8, "", -53}};
  for (const Row& row : rows) {
    ScrapeOptions options;
    options.max_schema = row.max_schema;
    options.limits.native_buckets = row.limit;
    model::Histogram h;
    h.schema = row.schema;
    h.positive_spans = {{1, 8}};
    h.positive_deltas = {1, 0, 0, 0, 0, 0, 0, 0};
    formats::NativeHistogram histogram = h;
    const Status status = limit_histogram(options, &histogram);
    EXPECT_EQ(message(status), row.error) << row.schema << " " << row.limit;
    if (!status.ok()) continue;
    EXPECT_EQ(std::get<model::Histogram>(histogram).schema, row.expected)
        << row.schema << " " << row.max_schema << " " << row.limit;
  }
}

TEST(PageWriter, APageAboveTheBucketLimitFails) {
  // One observation above zero and one below: no resolution makes that one bucket.
  const std::string buckets(
      "\x08\x02\x28\x06\x62\x02\x10\x01\x6a\x01\x02\x4a\x02\x10\x01\x52\x01\x02", 18);
  const std::string metric = std::string("\x3a\x12") + buckets;
  const std::string family =
      std::string("\x0a\x01h\x18\x04\x22") + static_cast<char>(metric.size()) + metric;
  const std::string page = static_cast<char>(family.size()) + family;
  for (const std::uint64_t limit : {2, 1}) {
    ScrapeOptions options;
    options.histograms.native = true;
    options.limits.native_buckets = limit;
    Target target(options);
    EXPECT_EQ(target.scrape(page, 1000, true, formats::ExpositionFormat::kProtobuf),
              limit == 2 ? "" : "histogram bucket limit exceeded");
    EXPECT_EQ(target.histogram_counts(R"(h{instance="i"})").size(), limit == 2 ? 1U : 0U);
    EXPECT_EQ(target.shared().metrics.exceeded_bucket_limit.value(), limit == 2 ? 0 : 1);
  }
}

TEST(PageWriter, StoresNativeHistogramsBesideTheRow) {
  ScrapeOptions options;
  options.histograms.native = true;
  Target target(options);
  for (int i = 1; i <= 4; ++i) {
    ASSERT_EQ(target.scrape(protobuf_page(static_cast<unsigned char>(i)), i * 1000, true,
                            formats::ExpositionFormat::kProtobuf),
              "");
    EXPECT_EQ(target.figures.scraped, 2U);
    EXPECT_EQ(target.figures.series_added, i == 1 ? 2U : 0U);
  }
  EXPECT_NE(target.scrape("damage", 5000, true, formats::ExpositionFormat::kProtobuf), "");
  EXPECT_EQ(target.samples().at(R"(g{instance="i"})").size(), 5U);
  EXPECT_EQ(target.histogram_counts(R"(h{instance="i"})"), (std::vector<double>{1, 2, 3, 4}));
}

constexpr auto kOpenMetrics = formats::ExpositionFormat::kOpenMetrics;

TEST(PageWriter, StoresExemplarsWithTheirTimeOrTheSamples) {
  ScrapeOptions options;
  options.features.exemplars = true;
  Target target(options);
  const auto page = [](std::string_view of_a, std::string_view of_b) {
    return fmt::format(
        "# TYPE a counter\na_total 1{}\n# TYPE b counter\nb_total 1 0.5{}\nc 1\n# EOF\n", of_a,
        of_b);
  };
  const auto scrape = [&](std::string_view of_a, std::string_view of_b, std::int64_t ms) {
    EXPECT_EQ(target.scrape(page(of_a, of_b), ms, true, kOpenMetrics), "");
  };
  const auto& out_of_order = target.shared().metrics.exemplar_out_of_order;
  scrape(R"( # {t="x"} 2 0.9)", R"( # {t="y"} 3)", 1000);
  scrape(R"( # {t="x"} 2 0.9)", R"( # {t="y"} 3)", 2000);
  EXPECT_EQ(out_of_order.value(), 0);
  scrape(R"( # {t="z"} 2 1.9)", R"( # {t="w"} 3)", 3000);
  const std::string expected = R"(a_total{instance="i"}: 2{t="x"}@900 2{t="z"}@1900)"
                               "\n"
                               R"(b_total{instance="i"}: 3{t="y"}@500)"
                               "\n";
  // The second of b has the time of the same sample, and is "less" than what is there.
  EXPECT_EQ(target.exemplars(), expected);
  EXPECT_EQ(out_of_order.value(), 1);
  scrape(R"( # {t="x"} 2 0.9)", "", 4000);
  EXPECT_EQ(target.exemplars(), expected);
  EXPECT_EQ(out_of_order.value(), 2);
  // One that is an hour ahead would keep all others out.
  scrape(R"( # {t="x"} 2 99999999999)", "", 5000);
  EXPECT_EQ(target.exemplars(), expected);
}

TEST(PageWriter, StoresNoExemplarsUnlessAskedTo) {
  Target target({});
  EXPECT_EQ(
      target.scrape("# TYPE a counter\na_total 1 # {t=\"x\"} 2\n# EOF\n", 1000, true, kOpenMetrics),
      "");
  EXPECT_EQ(target.exemplars(), "");
}

TEST(PageWriter, ExemplarsOfDroppedSeriesAreDropped) {
  ScrapeOptions options = dropping();
  options.features.exemplars = true;
  Target target(options);
  const std::string page = "# TYPE dropped counter\ndropped 1 # {t=\"x\"} 2\n# EOF\n";
  EXPECT_EQ(target.scrape(page, 1000, true, kOpenMetrics), "");
  EXPECT_EQ(target.exemplars(), "");
}

// A counter, a classic histogram and a gauge, with lines that say since when.
std::string page_with_starts(double value, double start) {
  return fmt::format(
      "# TYPE c counter\nc_total{{a=\"1\"}} {0}\nc_created{{a=\"1\"}} {1}\n"
      "c_total{{a=\"2\"}} {0}\n"
      "# TYPE h histogram\nh_bucket{{le=\"1\"}} {0}\nh_bucket{{le=\"+Inf\"}} {0}\nh_count {0}\n"
      "h_sum {0}\nh_created {1}\n"
      "# TYPE g gauge\ng_created {0}\n# EOF\n",
      value, start);
}

TEST(PageWriter, TypeAndUnitAreLabelsWhenAskedFor) {
  ScrapeOptions options;
  options.features.type_and_unit = true;
  options.convert_classic = true;
  Target target(options);
  const auto page = [](std::string_view more) {
    return fmt::format(
        "plain{{__type__=\"own\"}} 1\n"
        "# TYPE c_bytes counter\n# UNIT c_bytes bytes\nc_bytes_total{{__type__=\"own\"}} 2\n{}"
        "# TYPE h_s histogram\n# UNIT h_s s\nh_s_bucket{{le=\"+Inf\"}} 3\nh_s_count 3\nh_s_sum 4\n"
        "# TYPE g gauge\ng 5\n# EOF\n",
        more);
  };
  EXPECT_EQ(target.scrape(page(""), 1000, true, kOpenMetrics), "");
  // A series that comes later, behind comments that are known.
  EXPECT_EQ(target.scrape(page("c_bytes_total{a=\"1\"} 2\n"), 2000, true, kOpenMetrics), "");
  const std::vector<std::string> all = {
      R"(c_bytes_total{__type__="counter", __unit__="bytes", a="1", instance="i"})",
      R"(c_bytes_total{__type__="counter", __unit__="bytes", instance="i"})",
      R"(g{__type__="gauge", instance="i"})",
      R"(h_s{__type__="histogram", __unit__="s", instance="i"})",
      R"(plain{__type__="own", instance="i"})"};
  const auto series = [&] {
    std::vector<std::string> found;
    for (const auto& [name, values] : target.samples()) found.push_back(name);
    return found;
  };
  EXPECT_EQ(series(), all);
  // What ends them is made of the same labels.
  EXPECT_NE(target.scrape("x{", 3000, true, kOpenMetrics), "");
  EXPECT_EQ(series(), all);
  for (const std::string& one : all) {
    EXPECT_TRUE(target.with_starts(one).ends_with("stale@3000")) << one;
  }
}

// More units than a target may have at a time, one after another.
TEST(PageWriter, UnitsThatAreGoneAreForgotten) {
  ScrapeOptions options;
  options.features.type_and_unit = true;
  Target target(options);
  constexpr int kUnits = 1000;
  for (int scrape = 0; scrape < 70; ++scrape) {
    std::string page;
    for (int i = 0; i < kUnits; ++i) {
      page += fmt::format("# UNIT m_{0} {0}\nm_{0} 1\n", scrape * kUnits + i);
    }
    ASSERT_EQ(target.scrape(page + "# EOF\n", scrape * 1000, true, kOpenMetrics), "") << scrape;
  }
  EXPECT_EQ(target.with_starts(R"(m_69001{__unit__="69001", instance="i"})"), "1@69000");
}

TEST(PageWriter, CreatedLinesAreSeriesUnlessAStartIsAskedFor) {
  Target target({});
  EXPECT_EQ(target.scrape(page_with_starts(1, 0.5), 1000, true, kOpenMetrics), "");
  EXPECT_EQ(target.figures.scraped, 9U);
  EXPECT_EQ(target.with_starts(R"(c_created{a="1", instance="i"})"), "0.5@1000");
  EXPECT_EQ(target.with_starts(R"(c_total{a="1", instance="i"})"), "1@1000");
}

TEST(PageWriter, KeepsStartsWithTheSamples) {
  ScrapeOptions options;
  options.features.store_starts = true;
  Target target(options);
  for (int i = 1; i <= 3; ++i) {
    const double start = i < 3 ? 0.25 : 2.5;
    EXPECT_EQ(target.scrape(page_with_starts(i, start), i * 1000, true, kOpenMetrics), "");
    EXPECT_EQ(target.figures.scraped, 7U);
    EXPECT_EQ(target.figures.after_relabel, 7U);
    EXPECT_EQ(target.figures.series_added, i == 1 ? 7U : 0U);
  }
  const std::string with = "1@1000 since 250, 2@2000 since 250, 3@3000 since 2500";
  for (const std::string series :
       {R"(c_total{a="1", instance="i"})", R"(h_bucket{instance="i", le="1.0"})",
        R"(h_count{instance="i"})", R"(h_sum{instance="i"})"}) {
    EXPECT_EQ(target.with_starts(series), with) << series;
  }
  const std::string without = "1@1000, 2@2000, 3@3000";
  EXPECT_EQ(target.with_starts(R"(c_total{a="2", instance="i"})"), without);
  EXPECT_EQ(target.with_starts(R"(g_created{instance="i"})"), without);
  EXPECT_EQ(target.with_starts(R"(c_created{a="1", instance="i"})"), "");
  EXPECT_NE(target.scrape("x{", 4000, true, kOpenMetrics), "");
  EXPECT_EQ(target.with_starts(R"(h_count{instance="i"})"), with + ", stale@4000");
}

TEST(PageWriter, PutsAZeroAtEachStart) {
  ScrapeOptions options;
  options.features.zero_starts = true;
  Target target(options);
  for (int i = 1; i <= 4; ++i) {
    // At last a start that is no later than what is there.
    const double start = i < 3 ? 0.25 : i == 3 ? 2.5 : 2;
    EXPECT_EQ(target.scrape(page_with_starts(i, start), i * 1000, true, kOpenMetrics), "");
  }
  const std::string with = "0@250, 1@1000, 2@2000, 0@2500, 3@3000, 4@4000";
  EXPECT_EQ(target.with_starts(R"(c_total{a="1", instance="i"})"), with);
  EXPECT_EQ(target.with_starts(R"(h_sum{instance="i"})"), with);
  EXPECT_EQ(target.with_starts(R"(c_total{a="2", instance="i"})"),
            "1@1000, 2@2000, 3@3000, 4@4000");
  EXPECT_EQ(target.shared().metrics.out_of_order.value(), 0);
}

TEST(PageWriter, AStartLongAgoGetsNoZero) {
  ScrapeOptions options;
  options.features.zero_starts = true;
  Target target(options);
  const std::int64_t now = 2 * 3'600'000;
  EXPECT_EQ(target.scrape(page_with_starts(1, 3599), now, true, kOpenMetrics), "");
  EXPECT_EQ(target.with_starts(R"(h_sum{instance="i"})"), "1@7200000");
  EXPECT_EQ(target.scrape(page_with_starts(1, 9999999), now + 1, true, kOpenMetrics), "");
  EXPECT_EQ(target.with_starts(R"(h_sum{instance="i"})"), "1@7200000, 1@7200001");
}

TEST(PageWriter, ABatchThatIsLostTakesItsZeroAlong) {
  ScrapeOptions options;
  options.features.zero_starts = true;
  Target target(options);
  EXPECT_EQ(target.scrape(page_with_starts(1, 0.25), 1000, false, kOpenMetrics), "");
  EXPECT_EQ(target.scrape(page_with_starts(2, 0.25), 2000, true, kOpenMetrics), "");
  EXPECT_EQ(target.with_starts(R"(h_sum{instance="i"})"), "0@250, 2@2000");
}

std::string classic_page(int observations, bool broken = false) {
  return fmt::format(
      "# TYPE h histogram\nh_bucket{{le=\"1\"}} {0}\nh_bucket{{le=\"+Inf\"}} {1}\nh_sum {0}\n"
      "h_count {1}\ng 1\n",
      observations, broken ? observations - 1 : observations + 1);
}

TEST(PageWriter, FoldsClassicHistogramsOnRequest) {
  for (const bool classic_too : {false, true}) {
    ScrapeOptions options;
    options.convert_classic = true;
    options.histograms.classic_too = classic_too;
    Target target(options);
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(target.scrape(classic_page(i), i * 1000), "");
      EXPECT_EQ(target.figures.scraped, classic_too ? 6U : 2U);
      EXPECT_EQ(target.figures.after_relabel, classic_too ? 6U : 2U);
      EXPECT_EQ(target.figures.series_added, i != 1 ? 0U : classic_too ? 6U : 2U);
    }
    const std::string h = R"(h{instance="i"})";
    EXPECT_EQ(target.with_starts(h), "2@1000, 3@2000, 4@3000");
    EXPECT_EQ(target.with_starts(R"(g{instance="i"})"), "1@1000, 1@2000, 1@3000");
    EXPECT_EQ(target.with_starts(R"(h_count{instance="i"})"),
              classic_too ? "2@1000, 3@2000, 4@3000" : "");
    // Counts that do not grow make no histogram, so the series ends, and comes back.
    EXPECT_EQ(target.scrape(classic_page(4, true), 4000), "");
    EXPECT_EQ(target.scrape(classic_page(4, true), 5000), "");
    EXPECT_EQ(target.scrape("new 1\n" + classic_page(6), 6000), "");
    EXPECT_EQ(target.scrape(classic_page(7), 7000), "");
    EXPECT_EQ(target.with_starts(h), "2@1000, 3@2000, 4@3000, stale@4000, 7@6000, 8@7000");
  }
}

TEST(PageWriter, ADamagedPageLeavesTheFiguresOfTheNextAlone) {
  ScrapeOptions options;
  options.features.store_starts = true;
  Target target(options);
  EXPECT_EQ(target.scrape(page_with_starts(1, 0.25), 1000, true, kOpenMetrics), "");
  const std::string next = page_with_starts(2, 0.25);
  EXPECT_NE(
      target.scrape(next.substr(0, next.find("c_total{a=\"2\"") + 5), 2000, true, kOpenMetrics),
      "");
  EXPECT_EQ(target.scrape(next, 3000, true, kOpenMetrics), "");
  EXPECT_EQ(target.figures.scraped, 7U);
  EXPECT_EQ(target.figures.after_relabel, 7U);
  EXPECT_EQ(target.with_starts(R"(h_sum{instance="i"})"),
            "1@1000 since 250, stale@2000, 2@3000 since 250");
}

TEST(PageWriter, GoesOnWhenTheStoreForgotTheGroup) {
  Target target({});
  target.scrape("x 1\ny 1\n", 1000);
  target.scrape("x 1\ny 1\n", 2000);
  target.store().drop_group(storage::GroupId(1));
  EXPECT_EQ(target.scrape("x 1\ny 1\n", 3000), "");
  target.scrape("x 1\ny 1\n", 4000);
  target.store().drop_group(storage::GroupId(2));
  EXPECT_NE(target.scrape("x{\n", 5000), "");
  EXPECT_EQ(target.samples().at(R"(x{instance="i"})").size(), 5U);
}

TEST(PageWriter, ForgetsTheLinesOfSeriesThatAreGone) {
  Target target({});
  for (int i = 1; i <= 100; ++i) {
    std::string page;
    for (int j = 0; j < 100; ++j) page += fmt::format("x{{pod=\"{}-{}\"}} 1\n", i, j);
    target.scrape(page, i * 1000);
  }
  EXPECT_LT(target.shared().lines.stats().lines, 1400U);
  EXPECT_EQ(target.shared().metrics.line_table_lines.value(),
            static_cast<double>(target.shared().lines.stats().lines));
}

}  // namespace
}  // namespace tocsin::collector
