// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <random>

#include <gtest/gtest.h>

#include "formats/exposition/recording_sink.h"
#include "formats/page_reader.h"

namespace tocsin::formats {
namespace {

using exposition::RecordingSink;

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<char>(value | 0x80U));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string field(unsigned number, std::string_view bytes) {
  return varint(number << 3U | 2U) + varint(bytes.size()) + std::string(bytes);
}
std::string field(unsigned number, std::uint64_t value) {
  return varint(number << 3U) + varint(value);
}
std::string real(unsigned number, double value) {
  std::string out = varint(number << 3U | 1U);
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
  return out;
}
std::string zigzag(unsigned number, std::int64_t value) {
  return field(
      number, (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U));
}
std::string delimited(std::string_view message) {
  return varint(message.size()) + std::string(message);
}
std::string label(std::string_view name, std::string_view value) {
  return field(1, field(1, name) + field(2, value));
}
std::string family(std::string_view name, std::uint64_t type, std::string_view metrics) {
  return delimited(field(1, name) + field(2, "help") + field(3, type) + std::string(metrics));
}

std::string describe(const NativeHistogram& histogram) {
  return std::visit(
      [](const auto& h) {
        return fmt::format("schema {} count {} zero {}/{} sum {} spans {}/{}", h.schema, h.count,
                           h.zero_count, h.zero_threshold, h.sum, h.positive_spans.size(),
                           h.negative_spans.size());
      },
      histogram);
}

class Sink final : public RecordingSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    if (sample.histogram == nullptr) return RecordingSink::sample(sample);
    ++samples;
    text += fmt::format("{}|{}\n", sample.series, describe(*sample.histogram));
    last = *sample.histogram;
    return ok();
  }
  NativeHistogram last;
};

std::string parse(std::string_view page, const HistogramOptions& options = {}) {
  Sink sink;
  const Status status = parse_protobuf(page, options, sink);
  return status.ok() ? sink.text : sink.text + "! " + std::string(message(status));
}

TEST(ProtobufParser, ReadsCountersGaugesAndUntyped) {
  EXPECT_EQ(parse(""), "");
  EXPECT_EQ(parse(family("c_total", 0, field(4, label("a", "1") + field(3, real(1, 5))))),
            "type c_total counter\nhelp c_total <help>\nc_total{a=\"1\"}|5\n");
  EXPECT_EQ(parse(family("g", 1, field(4, field(2, real(1, -0.5)) + field(6, 1234)))),
            "type g gauge\nhelp g <help>\ng|-0.5@1234\n");
  EXPECT_EQ(parse(family("u", 3,
                         field(4, label("a", "x") + label("b", "q\"\\\n") + field(5, real(1, 1))))),
            "type u unknown\nhelp u <help>\nu{a=\"x\",b=\"q\\\"\\\\\\n\"}|1\n");
  EXPECT_EQ(parse(family("dotted.name", 1, field(4, label("d.l", "x") + field(2, real(1, 1))))),
            "type dotted.name gauge\nhelp dotted.name <help>\n{\"dotted.name\",\"d.l\"=\"x\"}|1\n");
}

TEST(ProtobufParser, TakesSummariesAndClassicHistogramsApart) {
  const std::string summary = field(1, 7) + real(2, 2.5) + field(3, real(1, 0.5) + real(2, 1)) +
                              field(3, real(1, 1) + real(2, 3));
  EXPECT_EQ(parse(family("s", 2, field(4, label("a", "1") + field(4, summary)))),
            "type s summary\nhelp s <help>\ns_count{a=\"1\"}|7\ns_sum{a=\"1\"}|2.5\n"
            "s{a=\"1\",quantile=\"0.5\"}|1\ns{a=\"1\",quantile=\"1.0\"}|3\n");
  const std::string histogram = field(1, 9) + real(2, 4) + field(3, field(1, 2) + real(2, 1)) +
                                field(3, real(4, 4.5) + real(2, 2.5));
  EXPECT_EQ(parse(family("h", 4, field(4, field(7, histogram)))),
            "type h histogram\nhelp h <help>\nh_count|9\nh_sum|4\nh_bucket{le=\"1.0\"}|2\n"
            "h_bucket{le=\"2.5\"}|4.5\nh_bucket{le=\"+Inf\"}|9\n");
}

TEST(ProtobufParser, HandsOnNativeHistogramsOnRequest) {
  const std::string spans = field(12, zigzag(1, -2) + field(2, 2)) + field(9, field(2, 1));
  const std::string integer = field(1, 9) + real(2, 4) + zigzag(5, 3) + real(6, 0.001) +
                              field(7, 2) + spans + field(13, varint(6) + varint(1)) +
                              zigzag(10, 4) + field(3, field(1, 2) + real(2, 1));
  const std::string page = family("h", 5, field(4, label("a", "1") + field(7, integer)));
  const std::string head = "type h gaugehistogram\nhelp h <help>\n";
  const std::string native = "h{a=\"1\"}|schema 3 count 9 zero 2/0.001 sum 4 spans 1/1\n";
  const std::string classic =
      "h_count{a=\"1\"}|9\nh_sum{a=\"1\"}|4\nh_bucket{a=\"1\",le=\"1.0\"}|2\n"
      "h_bucket{a=\"1\",le=\"+Inf\"}|9\n";
  EXPECT_EQ(parse(page), head + classic);
  EXPECT_EQ(parse(page, {.native = true}), head + native);
  EXPECT_EQ(parse(page, {.native = true, .classic_too = true}), head + native + classic);

  Sink sink;
  ASSERT_TRUE(parse_protobuf(page, {.native = true}, sink).ok());
  const auto& h = std::get<model::Histogram>(sink.last);
  EXPECT_EQ(h.reset_hint, model::CounterResetHint::kGauge);
  EXPECT_EQ(h.positive_spans, (std::vector<model::HistogramSpan>{{-2, 2}}));
  EXPECT_EQ(h.positive_deltas, (std::vector<std::int64_t>{3, -1}));
  EXPECT_EQ(h.negative_deltas, (std::vector<std::int64_t>{4}));

  const std::string floats = real(4, 9.5) + real(8, 1.5) + real(6, 0.5) + spans + real(14, 2) +
                             real(14, 6) + real(11, 0.5);
  ASSERT_TRUE(
      parse_protobuf(family("h", 4, field(4, field(7, floats))), {.native = true}, sink).ok());
  const auto& f = std::get<model::FloatHistogram>(sink.last);
  EXPECT_EQ(f.reset_hint, model::CounterResetHint::kUnknown);
  EXPECT_EQ(f.count, 9.5);
  EXPECT_EQ(f.positive_buckets, (std::vector<double>{2, 6}));
}

// Google's Timestamp.
std::string time_of(std::uint64_t seconds, std::uint64_t nanos) {
  return field(1, seconds) + field(2, nanos);
}
std::string exemplar(std::string_view trace, double value, std::string_view time) {
  return label("trace_id", trace) + real(2, value) + (time.empty() ? "" : field(3, time));
}

// "series [value{labels}@ms ...] since ms" of each sample.
class Extras final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& sample) override {
    text += sample.series;
    for (const std::string_view encoded : sample.encoded_exemplars) {
      const auto e = parse_protobuf_exemplar(encoded);
      text += e.ok() ? fmt::format(" {}{}", e->value, e->labels.to_string()) : " damaged";
      if (e.ok() && e->time) text += fmt::format("@{}", model::to_ms(*e->time));
    }
    if (sample.start_ms != 0) text += fmt::format(" since {}", sample.start_ms);
    text += "\n";
    return ok();
  }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}

  std::string text;
};

std::string extras(std::string_view page, const HistogramOptions& options) {
  Extras sink;
  const Status status = parse_protobuf(page, options, sink);
  return status.ok() ? sink.text : std::string(message(status));
}

TEST(ProtobufParser, HandsOnExemplarsAndStarts) {
  const std::string start = time_of(12, 345'000'000);
  const std::string counter =
      real(1, 5) + field(2, exemplar("a", 2, time_of(1, 500'000'000))) + field(3, start);
  EXPECT_EQ(extras(family("c_total", 0, field(4, field(3, counter))), {}),
            "c_total 2{trace_id=\"a\"}@1500 since 12345\n");
  EXPECT_EQ(extras(family("s", 2, field(4, field(4, field(1, 7) + field(4, start)))), {}),
            "s_count since 12345\ns_sum since 12345\n");

  const std::string head = field(1, 9) + real(2, 4) + field(7, 9) + field(15, start);
  const std::string buckets =
      field(3, field(1, 2) + real(2, 1) + field(3, exemplar("b", 0.5, ""))) +
      field(3, field(1, 9) + real(2, 2) + field(3, exemplar("c", 1.5, time_of(3, 0))));
  const auto histogram = [](const std::string& h) { return family("h", 4, field(4, field(7, h))); };
  const std::string classic =
      "h_count since 12345\nh_sum since 12345\n"
      "h_bucket{le=\"1.0\"} 0.5{trace_id=\"b\"} since 12345\n"
      "h_bucket{le=\"2.0\"} 1.5{trace_id=\"c\"}@3000 since 12345\n"
      "h_bucket{le=\"+Inf\"} since 12345\n";
  EXPECT_EQ(extras(histogram(head + buckets), {}), classic);
  // A native histogram takes those with a time, its own before those of the buckets.
  EXPECT_EQ(extras(histogram(head + buckets), {.native = true}),
            "h 1.5{trace_id=\"c\"}@3000 since 12345\n");
  const std::string own = field(16, exemplar("d", 1, time_of(4, 0))) +
                          field(16, exemplar("e", 2, "")) +
                          field(16, exemplar("f", 3, time_of(5, 0)));
  EXPECT_EQ(extras(histogram(head + buckets + own), {.native = true}),
            "h 1{trace_id=\"d\"}@4000 3{trace_id=\"f\"}@5000 since 12345\n");

  EXPECT_EQ(
      extras(family("c", 0, field(4, field(3, real(1, 5) + field(3, field(2, 1ULL << 40))))), {}),
      "protobuf: damaged value");
  EXPECT_EQ(extras(family("c", 0, field(4, field(3, field(2, field(1, "x"))))), {}), "c damaged\n");
}

TEST(ProtobufParser, SaysWhatIsWrong) {
  EXPECT_EQ(parse("\x05xy"), "! protobuf: damaged length");
  EXPECT_EQ(parse(delimited("\x0a\x09x")), "! protobuf: damaged metric family");
  EXPECT_EQ(parse(family("", 0, "")), "! invalid metric name: \"\"");
  EXPECT_EQ(parse(family("x", 9, "")), "! unknown metric type for metric \"x\": 9");
  const std::string head = "type x gauge\nhelp x <help>\n! ";
  EXPECT_EQ(parse(family("x", 1, field(4, label("", "1")))),
            head + "invalid label name in metric \"x\": \"\"");
  EXPECT_EQ(parse(family("x", 1, field(4, label("a", "\xff")))),
            head + "invalid label value in metric \"x\": \"\\xff\"");
}

TEST(ProtobufParser, HandsOnTheUnitOfTheFamily) {
  struct Units final : RecordingSink {
    Status sample(const ExpositionSample& sample) override {
      units += fmt::format("{}<{}> ", sample.series, sample.unit);
      return ok();
    }
    std::string units;
  } sink;
  const std::string gauge = field(4, field(2, real(1, 1)));
  const std::string page = family("a", 1, gauge + field(5, "bytes")) + family("b", 1, gauge);
  ASSERT_TRUE(parse_protobuf(page, {}, sink).ok());
  EXPECT_EQ(sink.units, "a<bytes> b<> ");
}

TEST(ProtobufParser, SurvivesDamageAndKnowsPagesAgain) {
  std::string page;
  for (int i = 0; i < 20; ++i) {
    page += family(fmt::format("m{}", i), 1,
                   field(4, label("a", "1") + field(2, real(1, i))) +
                       field(4, label("a", "2") + field(2, real(1, i))));
  }
  class Any final : public PageReader::Listener {
    Status added(std::uint32_t, const PageReader::Exposed& exposed) override {
      return parse_series(exposed.series, exposed.kind).status();
    }
  } any;
  LineTable table({});
  PageReader reader(table, {.histograms = {.native = true}});
  PageReader::Page read;
  ASSERT_TRUE(reader.read(ExpositionFormat::kProtobuf, page, any, &read).ok());
  EXPECT_FALSE(read.same_series);
  EXPECT_EQ(read.values.size(), 40U);
  ASSERT_TRUE(reader.read(ExpositionFormat::kProtobuf, page, any, &read).ok());
  EXPECT_TRUE(read.same_series);
  EXPECT_EQ(reader.series(39), "m19{a=\"2\"}");
  ASSERT_EQ(reader.metadata().size(), 20U);
  EXPECT_EQ(reader.metadata()[1].metric, "m1");
  EXPECT_EQ(reader.metadata()[1].metadata,
            (model::Metadata{model::MetricKind::kGauge, "help", ""}));
  std::mt19937_64 random(4);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = page.substr(0, random() % page.size());
    for (int j = 0; j < 3 && !bad.empty(); ++j)
      bad[random() % bad.size()] = static_cast<char>(random());
    // A copy of its own length, so that AddressSanitizer sees a read behind the end.
    const std::vector<char> copy(bad.begin(), bad.end());
    const Status status =
        reader.read(ExpositionFormat::kProtobuf, {copy.data(), copy.size()}, any, &read);
    Sink sink;
    const Status plain = parse_protobuf({copy.data(), copy.size()}, {.native = true}, sink);
    EXPECT_TRUE(plain.ok() || !status.ok());
  }
  ASSERT_TRUE(reader.read(ExpositionFormat::kProtobuf, page, any, &read).ok());
  EXPECT_EQ(read.values.size(), 40U);
}

}  // namespace
}  // namespace tocsin::formats
