// SPDX-License-Identifier: Apache-2.0
//
// The reader must say exactly what the parsers say, whatever it remembers; most tests here compare
// the two.
#include "formats/page_reader.h"

#include <bit>
#include <map>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tocsin::formats {
namespace {

std::string describe(std::string_view series, double value, std::optional<std::int64_t> ms,
                     std::string_view exemplar) {
  return fmt::format("{}|{:x}|{}|{}\n", series, std::bit_cast<std::uint64_t>(value),
                     ms ? std::to_string(*ms) : "", exemplar);
}

std::string about(model::MetricKind kind, std::string_view unit) {
  return fmt::format("{} <{}>", model::kind_text(kind), unit);
}

class ParserSink final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& s) override {
    said_of.emplace(s.series, about(s.kind, s.unit));
    text += describe(s.series, s.value, s.timestamp_ms, s.exemplar);
    return ok();
  }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}

  std::string text;
  std::map<std::string, std::string, std::less<>> said_of;
};

// A target's reader, which checks itself against the parsers.
class Target final : public PageReader::Listener {
 public:
  explicit Target(LineTable& table, bool units = false)
      : units_(units), reader_(table, {.histograms = {}, .units = units}) {}

  Status added(std::uint32_t slot, const PageReader::Exposed& exposed) override {
    const std::string_view series = exposed.series;
    EXPECT_EQ(slot, series_.size());
    EXPECT_EQ(slot, reader_.slots());
    EXPECT_TRUE(slots_.emplace(series, slot).second) << series << " has a slot";
    series_.emplace_back(series);
    new_.emplace(series, about(exposed.kind, exposed.unit));
    return ok();
  }

  // Reads the page; returns false when it is malformed.
  bool read(const std::string& text, ExpositionFormat format = ExpositionFormat::kText) {
    // A copy of its own length, so that AddressSanitizer sees a read behind the end.
    const std::vector<char> copy(text.begin(), text.end());
    const std::string_view page(copy.data(), copy.size());
    ParserSink wanted;
    const Status status = format == ExpositionFormat::kText ? parse_text(page, wanted)
                                                            : parse_openmetrics(page, wanted);
    new_.clear();
    const Status got = reader_.read(format, page, *this, &page_);
    EXPECT_EQ(got.ok(), status.ok()) << message(got) << " / " << message(status);
    EXPECT_EQ(message(got), message(status));
    EXPECT_EQ(said(), wanted.text);
    for (const auto& [series, said] : new_) {
      const std::string& all = wanted.said_of.at(series);
      EXPECT_EQ(units_ ? all : all.substr(0, all.find('<')) + "<>", said) << series;
    }
    if (!status.ok()) return false;
    const bool same = page_.same_series;
    const std::string order = series_in_order();
    EXPECT_EQ(same, was_read_ && order == order_);
    order_ = order;
    was_read_ = true;
    return true;
  }

  void rearrange(const std::function<bool(std::uint32_t)>& keep) {
    std::vector<std::string> series;
    for (const std::uint32_t from : reader_.rearrange(keep)) series.push_back(series_[from]);
    series_ = std::move(series);
    slots_.clear();
    for (std::uint32_t slot = 0; slot < series_.size(); ++slot) {
      EXPECT_EQ(reader_.series(slot), series_[slot]);
      slots_.emplace(series_[slot], slot);
    }
    EXPECT_EQ(reader_.slots(), series_.size());
  }

  PageReader& reader() { return reader_; }
  const PageReader::Page& page() const { return page_; }

 private:
  std::string said() const {
    std::string text;
    auto time = page_.timestamps.begin();
    auto exemplar = page_.exemplars.begin();
    for (std::uint32_t i = 0; i < page_.values.size(); ++i) {
      std::optional<std::int64_t> ms;
      if (time != page_.timestamps.end() && time->sample == i) ms = time++->ms;
      std::string_view of_sample;
      if (exemplar != page_.exemplars.end() && exemplar->sample == i) of_sample = exemplar++->text;
      text += describe(reader_.series(page_.slot(i)), page_.values[i], ms, of_sample);
    }
    return text;
  }
  std::string series_in_order() const {
    std::string text;
    for (std::uint32_t i = 0; i < page_.values.size(); ++i) {
      text += std::string(reader_.series(page_.slot(i))) + "\x01";
    }
    return text;
  }

  const bool units_;
  PageReader reader_;
  PageReader::Page page_;
  std::vector<std::string> series_;
  std::map<std::string, std::uint32_t, std::less<>> slots_;
  std::map<std::string, std::string, std::less<>> new_;
  std::string order_;
  bool was_read_ = false;
};

TEST(PageReader, KnowsAPageAgain) {
  LineTable table({});
  Target target(table);
  const std::string page = "# HELP a help\n# TYPE a counter\na{l=\"1\"} 1\na{l=\"2\"} 2\n\nb 3\n";
  EXPECT_TRUE(target.read(page));
  EXPECT_FALSE(target.page().same_series);
  EXPECT_TRUE(
      target.read("# HELP a help\n# TYPE a counter\na{l=\"1\"} 4\na{l=\"2\"} 5 99\n\nb NaN\n"));
  EXPECT_TRUE(target.page().same_series);
  EXPECT_TRUE(
      target.read("# HELP a changed\n# TYPE a gauge\na{l=\"1\"} 4\na{l=\"2\"} 5\nb 1e400\n") ==
      false);
  EXPECT_TRUE(target.read("# HELP a changed\n# TYPE a gauge\na{l=\"1\"} 4\na{l=\"2\"} 5\nb 1e40"));
  EXPECT_TRUE(target.page().same_series) << "comments are not series";
  EXPECT_TRUE(target.read("a{l=\"2\"} 5\na{l=\"1\"} 4\nb 1\n"));
  EXPECT_FALSE(target.page().same_series);
  EXPECT_EQ(target.reader().slots(), 3U);
}

TEST(PageReader, IsNotFooledByTextThatOnlyBeginsAlike) {
  LineTable table({});
  Target target(table);
  for (const char* page : {"a 1\n",
                           "a {x=\"1\"} 1\n",
                           "a  {x=\"1\"} 1\n",
                           "a\t1\n",
                           "a  1\n",
                           "ab 1\n",
                           "a1\n",
                           "a 1\n",
                           "a{} 1\n",
                           "a{}1\n",
                           "a{} {} 1\n",
                           "a \n",
                           "a",
                           "a ",
                           "a 1",
                           "a 1\r\n",
                           "a 1 2\r\n",
                           " a 1\n",
                           "a 1 2 3\n",
                           "a 1{\n",
                           "a +1\n",
                           "a 1 \n",
                           "a 0x1\n",
                           "# TYPE a counter",
                           "# TYPE a counter\n",
                           "# TYPE a counter\na 1\n",
                           "# TYPE a counters\na 1\n",
                           "#\n",
                           "#",
                           ""}) {
    SCOPED_TRACE(page);
    target.read(page);
    target.read("a 1\n");
  }
}

TEST(PageReader, TellsTheFormatsApart) {
  LineTable table({});
  Target target(table);
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(target.read("# comment\n# TYPE a unknown\na 1 5\n") == false);
    EXPECT_TRUE(target.read("# comment\n# TYPE a untyped\na 1 5\n"));
    EXPECT_FALSE(target.read("# comment\na 1 5\n# EOF\n", ExpositionFormat::kOpenMetrics));
    EXPECT_TRUE(target.read("# TYPE a unknown\na 1 5 # {t=\"1\"} 2\n# EOF\n",
                            ExpositionFormat::kOpenMetrics));
    EXPECT_FALSE(target.read("# TYPE a unknown\na 1 5\n", ExpositionFormat::kOpenMetrics));
    EXPECT_FALSE(target.read("# TYPE a unknown\na 1 5\n# EOF\n\n", ExpositionFormat::kOpenMetrics));
  }
}

TEST(PageReader, GivesEverythingBack) {
  LineTable table({});
  {
    Target one(table);
    Target two(table);
    for (int i = 0; i < 50; ++i) {
      one.read(fmt::format("# HELP x {}\nx{{i=\"{}\"}} 1\ny 1\ny{{ 1\n", i % 7, i));
      one.read(fmt::format("# HELP x {}\nx{{i=\"{}\"}} 1\ny 1\n", i % 5, i));
      two.read(fmt::format("# HELP x {}\nx{{i=\"{}\"}} 1\nz 1\n", i % 5, i));
      if (i % 3 == 0) one.rearrange([](std::uint32_t) { return false; });
      if (i % 4 == 0) two.rearrange([](std::uint32_t slot) { return slot % 2 == 0; });
    }
    EXPECT_GT(table.stats().lines, 0U);
  }
  EXPECT_EQ(table.stats().lines, 0U);
  EXPECT_EQ(table.stats().bytes, 0U);
}

TEST(PageReader, CostsFewBytesForEachSeries) {
  LineTable table({});
  Target target(table);
  std::string page;
  for (int i = 0; i < 1000; ++i) page += fmt::format("m{} 1\n", i);
  target.read(page);
  target.rearrange([](std::uint32_t) { return true; });
  EXPECT_LE(target.reader().memory(), 9000U);
}

TEST(PageReader, KnowsTheMetadataOfThePageAtHand) {
  LineTable table({});
  Target target(table);
  const auto said = [&] {
    std::string text;
    for (const auto& [metric, metadata] : target.reader().metadata()) {
      text += fmt::format("{}: {} <{}> <{}>\n", metric, model::kind_text(metadata.kind),
                          metadata.help, metadata.unit);
    }
    return text;
  };
  EXPECT_EQ(said(), "");
  EXPECT_TRUE(
      target.read("# HELP b two\\nlines\n# TYPE b counter\nb 1\n# a comment\n\n"
                  "# HELP a says\na 1\n# TYPE c untyped\nc 1\n"));
  EXPECT_EQ(said(), "a: unknown <says> <>\nb: counter <two\nlines> <>\nc: unknown <> <>\n");
  EXPECT_TRUE(target.read("# HELP a says more\na 1\n"));
  EXPECT_EQ(said(), "a: unknown <says more> <>\n");
  EXPECT_FALSE(target.read("# HELP a nothing\na 1 2 3\n"));
  EXPECT_EQ(said(), "a: unknown <says more> <>\n");
  EXPECT_TRUE(
      target.read("# TYPE a_seconds summary\n# UNIT a_seconds seconds\n"
                  "# HELP a_seconds \\\"quoted\\\"\na_seconds_count 1\n# EOF\n",
                  ExpositionFormat::kOpenMetrics));
  EXPECT_EQ(said(), "a_seconds: summary <\"quoted\"> <seconds>\n");
}

TEST(PageReader, SaysWhenTheLineTableIsFull) {
  class Any final : public PageReader::Listener {
    Status added(std::uint32_t, const PageReader::Exposed&) override { return ok(); }
  } any;
  LineTable table({.max_bytes = 300});
  PageReader reader(table);
  PageReader::Page page;
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("m{} 1\n", i);
  const Status status = reader.read(ExpositionFormat::kText, text, any, &page);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(message(status).find("full"), std::string_view::npos);
  EXPECT_TRUE(reader.read(ExpositionFormat::kText, "m0 1\nm1 2\n", any, &page).ok());
}

TEST(PageReader, AListenerThatRefusesEndsTheRead) {
  class Refusing final : public PageReader::Listener {
    Status added(std::uint32_t, const PageReader::Exposed& exposed) override {
      return exposed.series == "bad" ? resource_exhausted("no more") : ok();
    }
  } refusing;
  LineTable table({});
  PageReader reader(table);
  PageReader::Page page;
  for (int i = 0; i < 3; ++i) {
    const Status status =
        reader.read(ExpositionFormat::kText, "a 1\nbad 2\nb 3\n", refusing, &page);
    EXPECT_EQ(message(status), "no more");
    EXPECT_EQ(page.values.size(), 2U);
    EXPECT_EQ(page.slots.size(), 1U);
    EXPECT_EQ(reader.slots(), 1U);
    EXPECT_EQ(table.stats().lines, 1U);
  }
}

// Pages as lines, changed at random. --------------------------------------------------------------

class Pages {
 public:
  Pages(std::uint64_t seed, ExpositionFormat format) : random_(seed), format_(format) {
    for (int i = 0; i < 40; ++i) lines_.push_back(line());
  }

  std::string next() {
    if (chance(2)) std::erase_if(lines_, [](const Line& l) { return l.second == kDamage; });
    const std::uint64_t changes = chance(3) ? 0 : pick(chance(10) ? 60 : 4);
    for (std::uint64_t i = 0; i < changes; ++i) change();
    for (auto& [series, value] : lines_) {
      const bool sample = !series.empty() && series[0] != '#' && value != kDamage;
      if (sample && chance(3)) value = number();
    }
    std::string page;
    for (const auto& [series, value] : lines_) page += series + value + "\n";
    if (format_ == ExpositionFormat::kOpenMetrics && !chance(40)) page += "# EOF\n";
    if (chance(20) && !page.empty()) page.pop_back();
    if (chance(60)) page.resize(page.empty() ? 0 : pick(page.size()));
    return page;
  }

 private:
  using Line = std::pair<std::string, std::string>;
  static constexpr const char* kDamage = " ";

  std::uint64_t pick(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t n) { return pick(n) == 0; }
  std::size_t place() { return lines_.empty() ? 0 : pick(lines_.size()); }
  std::vector<Line>::iterator at(std::size_t i) {
    return lines_.begin() + static_cast<std::ptrdiff_t>(i);
  }

  std::string number() {
    static constexpr const char* kOdd[] = {
        "NaN",     "+Inf", "-Inf", "-0", "1e-7", "0.1234567890123456789", "1234567890123456789012",
        "1.5e+09", "3.",   "+7"};
    std::string text =
        chance(8) ? kOdd[pick(std::size(kOdd))]
                  : fmt::format("{}", static_cast<double>(pick(100'000)) / (chance(2) ? 1 : 1000));
    if (chance(20)) text += fmt::format(" {}", pick(100'000));
    if (format_ == ExpositionFormat::kOpenMetrics && chance(20)) text += " # {id=\"x\"} 1 2";
    if (format_ == ExpositionFormat::kText && chance(40)) text += chance(2) ? " " : "\t";
    return text;
  }

  Line line() {
    static constexpr const char* kLabels[] = {"",
                                              "{}",
                                              "{a=\"1\"}",
                                              "{a=\"\xc3\xa4\"}",
                                              "{a=\"q\\\"\\\\\\n\"}",
                                              "{a=\"1\",b=\"22222222\"}"};
    static constexpr const char* kTextOnly[] = {"{ a = \"1\" , }", " {a=\"1\"}",
                                                "{a=\"two\nlines\"}"};
    if (chance(4)) {
      const char* kind = chance(2) ? "counter" : "histogram";
      return {fmt::format("# {} m{} {}", chance(2) ? "HELP" : "TYPE", pick(20), kind), ""};
    }
    const bool text = format_ == ExpositionFormat::kText;
    if (chance(10)) {
      const char* const unit = chance(2) ? "s" : "a_s";
      return {fmt::format("# UNIT m{}_{} {}", pick(20), unit, unit), ""};
    }
    if (text && chance(15)) return {chance(2) ? "" : "# just a comment", ""};
    if (chance(15)) return {fmt::format("{{\"dotted.{}\",l=\"x\"}} ", pick(9)), number()};
    const bool odd = text && chance(8);
    return {
        fmt::format("{}m{}{}{}", odd && chance(3) ? " " : "", pick(30),
                    odd ? kTextOnly[pick(std::size(kTextOnly))] : kLabels[pick(std::size(kLabels))],
                    odd && chance(3) ? "  " : " "),
        number()};
  }

  void change() {
    switch (pick(chance(30) ? 8 : 6)) {
      case 0:
        lines_.insert(at(place()), line());
        break;
      case 1:
        if (lines_.size() > 5) lines_.erase(at(place()));
        break;
      case 2:
        if (!lines_.empty()) std::swap(lines_[place()], lines_[place()]);
        break;
      case 3:
        if (!lines_.empty() && chance(3)) lines_.insert(at(place()), Line(lines_[place()]));
        break;
      case 4:
        if (!lines_.empty()) lines_[place()] = line();
        break;
      case 5:
        if (lines_.size() > 60) lines_.erase(at(0), at(pick(50)));
        break;
      case 6:
        std::shuffle(lines_.begin(), lines_.end(), random_);
        break;
      default: {
        // Damage, for one page or a few.
        static constexpr const char* kBad[] = {
            "m1{ 1",          "m1",   "m1 1 x", "m1 1\r",  "m2{a=\"\xff\"} 1",
            "# TYPE m1 what", "m1 x", "{} 1",   "m1{a=\"1"};
        if (!lines_.empty()) lines_[place()] = {kBad[pick(std::size(kBad))], kDamage};
      }
    }
  }

  std::mt19937_64 random_;
  const ExpositionFormat format_;
  std::vector<Line> lines_;
};

TEST(PageReader, ReadsRandomPagesAsTheParsersDo) {
  for (const ExpositionFormat format : {ExpositionFormat::kText, ExpositionFormat::kOpenMetrics}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      LineTable table({});
      {
        Target target(table, seed % 2 == 0);
        Target neighbour(table, seed % 3 == 0);
        Pages pages(seed, format);
        int good = 0;
        for (int step = 0; step < 400; ++step) {
          const std::string page = pages.next();
          good += target.read(page, format) ? 1 : 0;
          if (step % 3 == 0) neighbour.read(page, format);
          if (step % 5 == 0)
            target.rearrange([&](std::uint32_t slot) { return (slot + step) % 3 != 0; });
          ASSERT_FALSE(HasFailure()) << "seed " << seed << " step " << step << "\n" << page;
        }
        EXPECT_GT(good, 100) << "seed " << seed;
      }
      ASSERT_EQ(table.stats().lines, 0U) << "seed " << seed;
    }
  }
}

TEST(PageReader, ReadsAPageOfManyLinesThatMove) {
  LineTable table({});
  Target target(table);
  std::vector<std::string> lines;
  for (int i = 0; i < 3000; ++i) lines.push_back(fmt::format("long_name_{}{{l=\"v\"}} {}\n", i, i));
  const auto page = [&] {
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
  };
  std::mt19937_64 random(3);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(target.read(page()));
    lines.erase(lines.begin() + 100, lines.begin() + 150);  // more than the reader looks ahead
    EXPECT_TRUE(target.read(page()));
    std::rotate(lines.begin(), lines.begin() + 700, lines.end());
    EXPECT_TRUE(target.read(page()));
    std::shuffle(lines.begin(), lines.end(), random);
  }
}

}  // namespace
}  // namespace tocsin::formats
