// SPDX-License-Identifier: Apache-2.0
#include <snappy.h>

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "formats/remote_write.h"
#include "formats/testing/remote_write_writer.h"
#include "model/value.h"

namespace tocsin::formats {
namespace {

using testing::sample;
using testing::v1_labels;
using testing::v1_series;
using testing::WireWriter;

constexpr base::Hash128 kSeed{11, 22};

// A request as text, one line per series: labels, then v=samples, h=histograms, e=exemplars.
std::string describe(WriteRequestReader& reader) {
  std::string out;
  for (;;) {
    const StatusOr<bool> more = reader.next();
    if (!more.ok()) return out + "error: " + std::string(message(more.status()));
    if (!*more) return out;
    std::vector<model::LabelView> labels;
    if (const Status status = reader.labels(&labels); !status.ok()) {
      out += "labels: " + std::string(message(status));
    }
    for (const auto& [name, value] : labels) out += fmt::format("{}={} ", name, value);
    for (const WriteSample& s : reader.samples()) {
      out += fmt::format("v={}@{}", s.value, s.timestamp_ms);
      if (s.start_ms != 0) out += fmt::format("^{}", s.start_ms);
      out += ' ';
    }
    for (const std::string_view encoded : reader.exemplars()) {
      model::Exemplar exemplar;
      const Status status = reader.read_exemplar(encoded, &labels, &exemplar);
      out += "e{";
      for (const auto& [name, value] : labels) out += fmt::format("{}={}", name, value);
      out += status.ok() ? fmt::format("}}={}@{} ", exemplar.value, model::to_ms(*exemplar.time))
                         : std::string(message(status));
    }
    model::Metadata metadata;
    const StatusOr<bool> has = reader.metadata(&metadata);
    if (!has.ok()) out += "metadata: " + std::string(message(has.status()));
    if (has.ok() && *has) {
      out +=
          fmt::format("m={},{},{} ", model::kind_text(metadata.kind), metadata.help, metadata.unit);
    }
    out += fmt::format("h={}\n", reader.histograms().size());
  }
}

std::string describe(WriteProtocol protocol, std::string_view text) {
  WriteRequestReader reader;
  if (const Status status = reader.open(protocol, text, kSeed); !status.ok()) {
    return "error: " + std::string(message(status));
  }
  return describe(reader);
}
std::string v1(const WireWriter& request) { return describe(WriteProtocol::kV1, request.text()); }
std::string v2(const WireWriter& request) { return describe(WriteProtocol::kV2, request.text()); }

TEST(WriteRequestReader, ReadsSeriesOfV1) {
  const WireWriter exemplar = v1_labels({{"trace_id", "t"}}).fixed64(2, 3.5).number(3, 99);
  const WireWriter two = v1_labels({{"__name__", "up"}, {"job", "a"}})
                             .message(2, sample(1, 1000))
                             .message(2, sample(-2.5, -5))
                             .message(3, exemplar)
                             .message(4, WireWriter());
  EXPECT_EQ(v1(WireWriter()), "");
  EXPECT_EQ(v1(WireWriter().message(1, WireWriter())), "h=0\n");
  EXPECT_EQ(v1(WireWriter()
                   .message(1, two)
                   .message(3, WireWriter().varint(1, 1).bytes(2, "up"))
                   .message(1, v1_series({{"b", "c"}}, 7, 8))),
            "__name__=up job=a v=1@1000 v=-2.5@-5 e{trace_id=t}=3.5@99 h=1\n"
            "b=c v=7@8 h=0\n");
}

TEST(WriteRequestReader, DefaultsAreNotOnTheWire) {
  const WireWriter series = WireWriter()
                                .message(1, WireWriter().bytes(1, "a"))
                                .message(1, WireWriter().bytes(2, "v"))
                                .message(2, WireWriter())
                                .message(3, WireWriter());
  EXPECT_EQ(v1(WireWriter().message(1, series)), "a= =v v=0@0 e{}=0@0 h=0\n");
}

TEST(WriteRequestReader, TakesFieldsInAnyOrderAndSkipsUnknownOnes) {
  const WireWriter series = WireWriter()
                                .message(2, WireWriter().number(2, 5).varint(9, 1).fixed64(1, 4))
                                .message(1, WireWriter().bytes(2, "v").bytes(7, "?").bytes(1, "n"))
                                .raw("\x7d\x01\x02\x03\x04")  // field 15, fixed32
                                .message(1, WireWriter().bytes(1, "m").bytes(2, "w"));
  EXPECT_EQ(v1(WireWriter().varint(2, 1).message(1, series).fixed64(77, 1)), "n=v m=w v=4@5 h=0\n");
}

WireWriter v2_symbols(std::initializer_list<std::string_view> symbols) {
  WireWriter request;
  for (const std::string_view symbol : symbols) request.bytes(4, symbol);
  return request;
}

TEST(WriteRequestReader, ReadsSeriesOfV2) {
  const WireWriter series =
      WireWriter()
          .packed(1, {1, 2, 3, 4})
          .message(2, sample(1, 1000).number(3, 900))
          .message(2, sample(2, 2000))
          .message(3, WireWriter())
          .message(4, WireWriter().packed(1, {5, 6}).fixed64(2, 9).number(3, 7))
          .message(5, WireWriter().varint(1, 1).varint(3, 6).varint(4, 5));
  WireWriter request = v2_symbols({"", "__name__", "up", "job", "a", "id", "text"});
  request.message(5, series);
  const std::string want =
      "__name__=up job=a v=1@1000^900 v=2@2000 e{id=text}=9@7 m=counter,text,id h=1\n";
  EXPECT_EQ(v2(request), want);
  // The table may stand behind the series, and references need not be packed.
  WireWriter reordered;
  reordered.message(5, WireWriter().varint(1, 1).packed(1, {2}).message(2, sample(1, 2)));
  reordered.raw(v2_symbols({"", "n", "v"}).text());
  EXPECT_EQ(v2(reordered), "n=v v=1@2 h=0\n");
}

TEST(WriteRequestReader, ASeriesCanBeRevisited) {
  const WireWriter request = WireWriter()
                                 .message(1, v1_series({{"a", "b"}}, 1, 2))
                                 .message(1, v1_series({{"c", "d"}}, 3, 4))
                                 .message(1, v1_series({{"e", "f"}}, 5, 6));
  WriteRequestReader reader;
  ASSERT_EQ(reader.open(WriteProtocol::kV1, request.text(), kSeed), ok());
  ASSERT_TRUE(*reader.next());
  const std::string_view first = reader.series();
  const base::Hash128 key = reader.key();
  ASSERT_TRUE(*reader.next());
  ASSERT_EQ(reader.revisit(first), ok());
  EXPECT_EQ(reader.key(), key);
  EXPECT_EQ(reader.samples()[0].value, 1);
  std::vector<model::LabelView> labels;
  ASSERT_EQ(reader.labels(&labels), ok());
  EXPECT_EQ(labels, (std::vector<model::LabelView>{{"a", "b"}}));
  EXPECT_EQ(describe(reader), "e=f v=5@6 h=0\n");
}

TEST(WriteRequestReader, StartOfEarlySendersCountsForEverySample) {
  const WireWriter series = WireWriter()
                                .packed(1, {1, 1})
                                .message(2, sample(1, 50))
                                .message(2, sample(1, 60).number(3, 55))
                                .number(6, 40);
  EXPECT_EQ(v2(v2_symbols({"", "n"}).message(5, series)), "n=n v=1@50^40 v=1@60^55 h=0\n");
}

TEST(WriteRequestReader, BadReferencesConcernOneSeries) {
  WireWriter request = v2_symbols({"", "n", "v"});
  request.message(5, WireWriter().packed(1, {1, 3}));
  request.message(5, WireWriter().packed(1, {1, 2, 1}));
  request.message(5, WireWriter().packed(1, {1, 2}).message(5, WireWriter().varint(3, 9)));
  request.message(5, WireWriter().packed(1, {1, 2}).message(4, WireWriter().packed(1, {8, 0})));
  EXPECT_EQ(v2(request),
            "labels: labelRefs 1 (name) = 3 (value) outside of symbols table (size 3)h=0\n"
            "labels: invalid labelRefs length 3n=v h=0\n"
            "n=v metadata: proto: damaged remote write request: metadatah=0\n"
            "n=v e{labelRefs 8 (name) = 0 (value) outside of symbols table (size 3)h=0\n");
}

std::vector<base::Hash128> keys(WriteProtocol protocol, const WireWriter& request,
                                base::Hash128 seed = kSeed) {
  WriteRequestReader reader;
  EXPECT_EQ(reader.open(protocol, request.text(), seed), ok());
  std::vector<base::Hash128> out;
  for (;;) {
    const StatusOr<bool> more = reader.next();
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return out;
    out.push_back(reader.key());
  }
}

TEST(WriteRequestReader, KeysNameLabelsAndNothingElse) {
  const std::string long_value(300, 'x');
  WireWriter request;
  request.message(1, v1_series({{"a", "b"}, {"c", "d"}}, 1, 2));
  request.message(1, v1_series({{"a", "b"}, {"c", "d"}}, 7, 9));
  request.message(1, v1_series({{"a", "b"}, {"c", "e"}}, 1, 2));
  request.message(1, v1_series({{"a", long_value}, {"c", "d"}}, 1, 2));
  request.message(1, v1_series({{"a", long_value}, {"c", "d"}}, 2, 2));
  request.message(1, v1_series({{"a", long_value}, {"c", "e"}}, 1, 2));
  request.message(1, v1_series({}, 1, 2));
  const std::vector<base::Hash128> of_v1 = keys(WriteProtocol::kV1, request);
  ASSERT_EQ(of_v1.size(), 7U);
  EXPECT_EQ(of_v1[0], of_v1[1]);
  EXPECT_EQ(of_v1[3], of_v1[4]);
  for (const auto& [a, b] : {std::pair(0, 2), {0, 3}, {2, 3}, {3, 5}, {0, 6}, {5, 6}}) {
    EXPECT_NE(of_v1[static_cast<std::size_t>(a)], of_v1[static_cast<std::size_t>(b)]) << a << b;
  }
  EXPECT_NE(keys(WriteProtocol::kV1, request, {11, 23}), of_v1);
}

TEST(WriteRequestReader, KeysOfV2NameTextsNotReferences) {
  const auto key = [](std::initializer_list<std::string_view> symbols,
                      std::initializer_list<std::uint64_t> references) {
    return keys(WriteProtocol::kV2,
                v2_symbols(symbols).message(5, WireWriter().packed(1, references)))[0];
  };
  EXPECT_EQ(key({"", "a", "b"}, {1, 2}), key({"", "x", "b", "a"}, {3, 2}));
  EXPECT_NE(key({"", "a", "b"}, {1, 2}), key({"", "a", "b"}, {2, 1}));
  EXPECT_NE(key({"", "a", "b"}, {1, 2}), key({"", "a", "b"}, {1, 2, 1, 2}));
  EXPECT_NE(key({"", "a", "b"}, {1, 2}), key({"", "a", "b"}, {1, 3}));
  const auto with_help = [](std::uint64_t kind, std::uint64_t help) {
    const WireWriter metadata = WireWriter().varint(1, kind).varint(3, help);
    return keys(WriteProtocol::kV2,
                v2_symbols({"", "a", "b", "c"})
                    .message(5, WireWriter().packed(1, {1, 2}).message(5, metadata)))[0];
  };
  EXPECT_EQ(with_help(1, 2), with_help(1, 2));
  EXPECT_NE(with_help(1, 2), with_help(1, 3));
  EXPECT_NE(with_help(1, 2), with_help(2, 2));
}

TEST(WriteRequestReader, ReadsHistograms) {
  const auto span = [](std::int64_t offset, std::uint64_t length) {
    return WireWriter().sint(1, offset).varint(2, length);
  };
  const WireWriter ints = WireWriter()
                              .varint(1, 10)
                              .fixed64(3, 2.5)
                              .sint(4, -4)
                              .fixed64(5, 0.001)
                              .varint(6, 3)
                              .message(8, span(-1, 1))
                              .packed_sint(9, {-1, 2})
                              .message(11, span(2, 3))
                              .message(11, span(1, 1))
                              .sint(12, 5)
                              .sint(12, -6)
                              .varint(14, 2)
                              .number(15, 777)
                              .number(17, 700);
  WriteRequestReader reader;
  ASSERT_EQ(reader.open(WriteProtocol::kV2, "", kSeed), ok());
  WriteHistogram got;
  ASSERT_EQ(reader.read_histogram(ints.text(), &got), ok());
  model::Histogram want;
  want.count = 10;
  want.sum = 2.5;
  want.schema = -4;
  want.zero_threshold = 0.001;
  want.zero_count = 3;
  want.negative_spans = {{-1, 1}};
  want.negative_deltas = {-1, 2};
  want.positive_spans = {{2, 3}, {1, 1}};
  want.positive_deltas = {5, -6};
  want.reset_hint = model::CounterResetHint::kNotReset;
  EXPECT_EQ(std::get<model::Histogram>(got.histogram), want);
  EXPECT_EQ(got.timestamp_ms, 777);
  EXPECT_EQ(got.start_ms, 700);

  const WireWriter floats = WireWriter()
                                .fixed64(2, 1.5)
                                .fixed64(3, model::stale_nan())
                                .sint(4, -53)
                                .fixed64(7, 0.5)
                                .packed_double(10, {0.25})
                                .packed_double(13, {1, 2})
                                .fixed64(13, 3)
                                .varint(14, 3)
                                .packed_double(16, {0.1, 10});
  ASSERT_EQ(reader.read_histogram(floats.text(), &got), ok());
  const auto& h = std::get<model::FloatHistogram>(got.histogram);
  EXPECT_EQ(h.count, 1.5);
  EXPECT_TRUE(model::is_stale(h.sum));
  EXPECT_EQ(h.schema, model::kCustomBucketsSchema);
  EXPECT_EQ(h.zero_count, 0.5);
  EXPECT_EQ(h.negative_buckets, std::vector<double>{0.25});
  EXPECT_EQ(h.positive_buckets, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(h.custom_values, (std::vector<double>{0.1, 10}));
  EXPECT_EQ(h.reset_hint, model::CounterResetHint::kGauge);
  EXPECT_EQ(got.timestamp_ms, 0);
}

TEST(WriteRequestReader, RefusesDamage) {
  const auto check = [](std::string_view bytes, std::string_view want) {
    EXPECT_EQ(describe(WriteProtocol::kV1, bytes),
              "error: proto: damaged remote write request: " + std::string(want))
        << bytes.size();
  };
  using std::string_literals::operator""s;
  check("\x0a"s, "request");                                          // no length
  check("\x0a\x05\x01"s, "request");                                  // longer than the message
  check("\x00\x01"s, "request");                                      // field 0
  check("\x08\x80"s, "request");                                      // varint without its end
  check("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s, "request");  // 65 bits
  check("\x0b\x0c"s, "request");                                      // a group
  check("\x0a\x01\x0a"s, "time series");                              // half a label
  check("\x0a\x02\x10\x01"s, "time series");                          // a sample that is a varint
  check("\x0a\x04\x12\x02\x09\x01"s, "time series");                  // half a double
  check("\x88\x80\x80\x80\x80\x01\x01"s, "request");                  // a tag of more than 32 bits
}

TEST(WriteRequestReader, LimitsEndTheRequest) {
  WriteRequestReader reader({.symbols = 2, .labels = 1, .entries = 2, .histogram_buckets = 2});
  EXPECT_EQ(message(reader.open(WriteProtocol::kV2, v2_symbols({"", "a", "b"}).text(), kSeed)),
            "the request has more than 2 symbols");
  const WireWriter labels = WireWriter().message(1, v1_labels({{"a", "b"}, {"c", "d"}}));
  ASSERT_EQ(reader.open(WriteProtocol::kV1, labels.text(), kSeed), ok());
  EXPECT_EQ(describe(reader), "labels: more than 1 labelsa=b h=0\n");
  WireWriter series;
  for (int i = 0; i < 3; ++i) series.message(2, sample(1, i));
  const WireWriter samples = WireWriter().message(1, series);
  ASSERT_EQ(reader.open(WriteProtocol::kV1, samples.text(), kSeed), ok());
  EXPECT_EQ(describe(reader), "error: a series has more than 2 samples");
  WriteHistogram histogram;
  const Status status =
      reader.read_histogram(WireWriter().packed_sint(12, {1, 2, 3}).text(), &histogram);
  EXPECT_EQ(message(status), "a histogram has more than 2 buckets");
}

// Every cut and many flipped bytes: no crash, no reading beyond the end (under ASan), and a message
// that is not damaged reads the same each time.
TEST(WriteRequestReader, SurvivesDamagedBytes) {
  WireWriter request = v2_symbols({"", "__name__", "up", "job", std::string_view("\xff\x00", 2)});
  request.message(5, WireWriter()
                         .packed(1, {1, 2, 3, 4})
                         .message(2, sample(1.5, 12345))
                         .message(3, WireWriter().varint(1, 7).packed_sint(12, {1, -1}))
                         .message(4, WireWriter().packed(1, {3, 4}).fixed64(2, 1))
                         .message(5, WireWriter().varint(1, 2).varint(3, 1)));
  request.message(1, v1_series({{"a", "b"}, {"c", "d"}}, 1, 2));
  const std::string good = request.text();
  const std::uint64_t seed = 20261121;
  std::mt19937_64 random(seed);
  const auto read_all = [](const std::string& bytes) {
    const std::string exact(bytes.data(), bytes.size());
    describe(WriteProtocol::kV1, exact);
    describe(WriteProtocol::kV2, exact);
    WriteRequestReader reader;
    WriteHistogram histogram;
    reader.read_histogram(exact, &histogram).IgnoreError();
  };
  for (std::size_t size = 0; size <= good.size(); ++size) read_all(good.substr(0, size));
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (std::uint64_t n = random() % 4; n != UINT64_MAX; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    read_all(bytes);
  }
}

TEST(DecompressSnappy, GrowsTheBufferAndKeepsIt) {
  std::string buffer;
  const std::string text(10'000, 'a');
  std::string block;
  snappy::Compress(text.data(), text.size(), &block);
  StatusOr<std::string_view> got = decompress_snappy(block, text.size(), &buffer);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(*got, text);
  snappy::Compress("abc", 3, &block);
  got = decompress_snappy(block, text.size(), &buffer);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(*got, "abc");
  EXPECT_EQ(buffer.size(), text.size());
}

TEST(DecompressSnappy, RefusesDamageAndBombs) {
  std::string buffer;
  std::string block;
  const std::string text(1000, 'a');
  snappy::Compress(text.data(), text.size(), &block);
  EXPECT_EQ(message(decompress_snappy(block, 999, &buffer).status()),
            "snappy: decoded block of 1000 bytes is larger than 999 bytes");
  EXPECT_TRUE(buffer.empty());
  for (const std::string& bad : {std::string(), std::string("\xff\xff\xff\xff\xff"),
                                 block.substr(0, block.size() - 1), block + "x"}) {
    EXPECT_EQ(message(decompress_snappy(bad, 1 << 20, &buffer).status()), "snappy: corrupt input");
  }
}

}  // namespace
}  // namespace tocsin::formats
