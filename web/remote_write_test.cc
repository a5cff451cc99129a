// SPDX-License-Identifier: Apache-2.0
#include "web/remote_write.h"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "formats/testing/remote_write_writer.h"
#include "storage/testing/mem_store.h"

namespace tocsin::web {
namespace {

using formats::testing::Pairs;
using formats::testing::sample;
using formats::testing::snappy_block;
using formats::testing::v1_labels;
using formats::testing::v1_series;
using formats::testing::WireWriter;
using ::testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::string_view kV2Type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

class RemoteWriteTest : public ::testing::Test {
 protected:
  RemoteWriteTest() { reset({.enabled = true, .accepts_v2 = true}); }

  void reset(RemoteWriteOptions options) {
    receiver_ =
        std::make_unique<RemoteWrite>(options, RemoteWrite::Services{clock_, metrics_, *store_});
  }

  net::HttpResponse post(const WireWriter& message, std::string_view type = "",
                         std::string_view encoding = "snappy") {
    return post_raw(snappy_block(message.text()), type, encoding);
  }
  net::HttpResponse post_raw(std::string body, std::string_view type, std::string_view encoding) {
    net::HttpRequest request;
    request.method = "POST";
    if (!type.empty()) request.headers.set("Content-Type", type);
    if (!encoding.empty()) request.headers.set("Content-Encoding", encoding);
    request.body = std::move(body);
    return receiver_->handle(request);
  }
  static std::string show(const net::HttpResponse& response) {
    return fmt::format("{} {}", response.status, response.body);
  }
  static std::string written(const net::HttpResponse& response) {
    const auto header = [&](std::string_view what) {
      return std::string(
          response.headers.get(fmt::format("X-Prometheus-Remote-Write-{}-Written", what)));
    };
    return header("Samples") + " " + header("Histograms") + " " + header("Exemplars");
  }

  // Everything stored, one "{labels} v@t ..." for each series.
  std::vector<std::string> stored() const {
    std::vector<std::string> out;
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    const auto selection = store_->select({}, hints, {});
    EXPECT_TRUE(selection.ok());
    storage::ColumnBatch batch;
    for (std::size_t b = 0; b * storage::kBatchSeries < (*selection)->series().size(); ++b) {
      EXPECT_EQ((*selection)->read(b, &batch), ok());
      for (const storage::SeriesColumn& column : batch.series)
        out.push_back(show(**selection, column));
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  static std::string show(const storage::Selection& selection,
                          const storage::SeriesColumn& column) {
    std::string line = selection.labels(column.series).to_series_string();
    for (std::uint32_t row = 0; row < column.rows; ++row) {
      const bool is_histogram =
          std::any_of(column.histograms.begin(), column.histograms.end(),
                      [&](const auto& histogram) { return histogram.first == row; });
      line += is_histogram ? " h" : fmt::format(" {}", column.floats[row]);
      line += fmt::format("@{}", column.times->ms[column.first + row]);
      const std::int64_t start = column.start_ms.empty() ? 0 : column.start_ms[row];
      if (start != 0) line += fmt::format("<{}", start);
    }
    return line;
  }
  double metric(std::string_view name) const {
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name == name) return family.samples.at(0).value;
    }
    return -1;
  }

  base::testing::FakeClock clock_{base::from_ms(kNow)};
  base::Registry metrics_;
  std::unique_ptr<storage::testing::MemStore> store_ =
      std::make_unique<storage::testing::MemStore>();
  std::unique_ptr<RemoteWrite> receiver_;
  int refused_before_ = 0;
};

using Strings = std::vector<std::string>;

TEST_F(RemoteWriteTest, StoresSamples) {
  for (int round = 0; round < 3; ++round) {
    const std::int64_t t = 1000 + round;
    EXPECT_EQ(show(post(WireWriter()
                            .message(1, v1_series({{"__name__", "up"}, {"job", "a"}}, round, t))
                            .message(1, v1_series({{"zone", "z"}, {"__name__", "x"}}, 5, t)))),
              "204 ");
  }
  EXPECT_EQ(stored(), (Strings{R"(up{job="a"} 0@1000 1@1001 2@1002)",
                               R"(x{zone="z"} 5@1000 5@1001 5@1002)"}));
  EXPECT_EQ(metric("tocsin_remote_write_stored_total"), 6);
  EXPECT_EQ(metric("tocsin_remote_write_unknown_series_total"), 2);
  EXPECT_EQ(metric("tocsin_remote_write_cached_series"), 2);
}

TEST_F(RemoteWriteTest, DifferentBytesOfOneLabelSetAreOneSeries) {
  EXPECT_EQ(post(WireWriter().message(1, v1_series({{"__name__", "a"}, {"b", "c"}}, 1, 1))).status,
            204);
  EXPECT_EQ(post(WireWriter().message(1, v1_series({{"b", "c"}, {"__name__", "a"}}, 2, 2))).status,
            204);
  EXPECT_EQ(
      post(WireWriter().message(1, v1_series({{"b", "c"}, {"d", ""}, {"__name__", "a"}}, 3, 3)))
          .status,
      204);
  EXPECT_EQ(stored(), Strings{R"(a{b="c"} 1@1 2@2 3@3)"});
}

// More series than are looked up at once, some known, some new, some refused, in the order sent.
TEST_F(RemoteWriteTest, ManySeriesKeepTheirOrder) {
  const auto series = [](int n, double value, std::int64_t t) {
    return v1_series({{"__name__", "m"}, {"n", std::to_string(1000 + n)}}, value, t);
  };
  std::vector<std::string> want;
  for (int n = 0; n < 300; ++n) want.push_back(fmt::format("m{{n=\"{}\"}}", 1000 + n));
  for (int round = 1; round <= 4; ++round) {
    WireWriter request;
    int refused = 0;
    for (int n = 0; n < round * 75; ++n) {
      const std::int64_t t = 1000 * round;
      request.message(1, series(n, round, t));
      // The same series again, later in the request: the order decides which one is refused.
      if (n % 7 == 0) request.message(1, series(n, 9, t + 1));
      if (n % 11 == 0) request.message(1, series(n, 8, t - 1)), ++refused;
      std::string& line = want[static_cast<std::size_t>(n)];
      line += fmt::format(" {}@{}", round, t);
      if (n % 7 == 0) line += fmt::format(" 9@{}", t + 1);
    }
    EXPECT_EQ(show(post(request)), "400 out of order sample\n");
    EXPECT_EQ(metric("tocsin_remote_write_refused_total"), refused_before_ += refused);
  }
  EXPECT_EQ(stored(), want);
}

TEST_F(RemoteWriteTest, NegotiatesAsUpstream) {
  const WireWriter empty;
  const auto check = [&](std::string_view type, std::string_view encoding, std::string_view want) {
    EXPECT_EQ(show(post(empty, type, encoding)), want) << type << " / " << encoding;
  };
  check("", "", "204 ");
  check("", "snappy", "204 ");
  check("application/x-protobuf", "Snappy", "204 ");
  check("application/x-protobuf;proto=prometheus.WriteRequest", "snappy", "204 ");
  check(kV2Type, "snappy", "204 ");
  check("text/plain", "snappy",
        "415 expected application/x-protobuf as the first (media) part, got text/plain "
        "content-type\n");
  check("application/x-protobuf;proto=yolo", "snappy",
        "415 got application/x-protobuf;proto=yolo content type; unknown type for remote write "
        "protobuf message yolo, supported: prometheus.WriteRequest, "
        "io.prometheus.write.v2.Request\n");
  check("application/x-protobuf;yolo", "snappy",
        "415 as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be "
        "key-values, got yolo in application/x-protobuf;yolo content-type\n");
  check("", "zstd",
        "415 zstd encoding (compression) is not accepted by this server; only snappy is "
        "acceptable\n");
  reset({.enabled = true});
  check(kV2Type, "snappy",
        "415 io.prometheus.write.v2.Request protobuf message is not accepted by this server; only "
        "accepts prometheus.WriteRequest\n");
  reset({.enabled = true, .accepts_v1 = false, .accepts_v2 = true});
  check("", "snappy",
        "415 prometheus.WriteRequest protobuf message is not accepted by this server; only "
        "accepts io.prometheus.write.v2.Request\n");
}

TEST_F(RemoteWriteTest, DamageStoresNothing) {
  EXPECT_EQ(show(post_raw("\xff\xff", "", "")), "400 snappy: corrupt input\n");
  const WireWriter good = v1_series({{"__name__", "a"}}, 1, 1);
  EXPECT_EQ(show(post(WireWriter().message(1, good).raw("\x0a"))),
            "400 proto: damaged remote write request: request\n");
  const WireWriter bad_histogram = v1_labels({{"__name__", "b"}}).bytes(4, "\x08");
  EXPECT_EQ(show(post(WireWriter().message(1, good).message(1, bad_histogram))),
            "400 proto: damaged remote write request: histogram\n");
  EXPECT_EQ(stored(), Strings{});
  reset({.enabled = true, .max_decoded_bytes = 10});
  EXPECT_EQ(show(post(WireWriter().message(1, good))),
            "400 snappy: decoded block of 30 bytes is larger than 10 bytes\n");
}

TEST_F(RemoteWriteTest, RefusedSamplesOfV1CostOnlyThemselves) {
  const Pairs a = {{"__name__", "a"}};
  const Pairs b = {{"__name__", "b"}};
  const auto request = [&](std::int64_t t, double value) {
    return WireWriter().message(1, v1_series(a, value, t)).message(1, v1_series(b, 1, t + 500));
  };
  EXPECT_EQ(show(post(request(1000, 1))), "204 ");
  EXPECT_EQ(show(post(request(1000, 1))), "204 ") << "the same samples again are no error";
  EXPECT_EQ(show(post(WireWriter()
                          .message(1, v1_series(a, 2, 1000))
                          .message(1, v1_series(a, 2, 900))
                          .message(1, v1_series(b, 2, 2000)))),
            "400 duplicate sample for timestamp\n");
  EXPECT_EQ(show(post(WireWriter().message(1, v1_series(a, 2, 900)))), "400 out of order sample\n");
  EXPECT_EQ(show(post(WireWriter()
                          .message(1, v1_series(a, 2, kNow + 600'001))
                          .message(1, v1_series(a, 3, kNow + 600'000)))),
            "400 out of bounds: timestamp is too far in the future\n");
  EXPECT_EQ(show(post(WireWriter().message(1, v1_series(a, 2, INT64_MIN)))), "400 out of bounds\n");
  EXPECT_EQ(stored(), (Strings{"a 1@1000 3@1700000600000", "b 1@1500 2@2000"}));
  EXPECT_EQ(metric("tocsin_remote_write_refused_total"), 5);
}

TEST_F(RemoteWriteTest, InvalidLabelsOfV1AreLeftOutSilently) {
  const std::string not_utf8 = "\xff";
  EXPECT_EQ(show(post(WireWriter()
                          .message(1, v1_series({{"job", "a"}}, 1, 1))
                          .message(1, v1_series({{"__name__", ""}}, 1, 1))
                          .message(1, v1_series({{"__name__", "a"}, {"", "x"}}, 1, 1))
                          .message(1, v1_series({{"__name__", "a"}, {"x", not_utf8}}, 1, 1))
                          .message(1, v1_series({{"__name__", "a"}, {"x", "1"}, {"x", "1"}}, 1, 1))
                          .message(1, v1_series({{"__name__", "ok"}}, 1, 1)))),
            "204 ");
  EXPECT_EQ(stored(), Strings{"ok 1@1"});
  EXPECT_EQ(metric("prometheus_api_remote_write_invalid_labels_samples_total"), 5);
}

// A store in which series leave memory when it is told so.
class ForgetfulStore final : public storage::Appendable {
 public:
  class Batch final : public storage::Appender {
   public:
    explicit Batch(ForgetfulStore& store) : store_(store), inner_(store.inner_.appender()) {}
    StatusOr<storage::AppendResult> append(storage::SeriesRef ref, const model::Labels& labels,
                                           model::Timestamp t, double value,
                                           const storage::AppendOptions& options) override {
      if (ref && labels.empty() && store_.forgets) return not_found("unknown series reference");
      if (!labels.empty()) ++store_.by_labels;
      return inner_->append({}, labels.empty() ? store_.labels_.at(ref.value()) : labels, t, value,
                            options)
                     .ok()
                 ? store_.remember(labels, ref)
                 : StatusOr<storage::AppendResult>(out_of_range("out of order sample"));
    }
    StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                     model::Timestamp, const model::FloatHistogram&,
                                                     const storage::AppendOptions&) override {
      return internal("not here");
    }
    StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                     model::Timestamp, const model::Histogram&,
                                                     const storage::AppendOptions&) override {
      return internal("not here");
    }
    Status append_exemplar(storage::SeriesRef, const model::Labels&,
                           const model::Exemplar&) override {
      return internal("not here");
    }
    Status update_metadata(storage::SeriesRef, const model::Labels&,
                           const model::Metadata&) override {
      return internal("not here");
    }
    StatusOr<storage::GroupId> define_group(storage::GroupId,
                                            std::span<const storage::SeriesRef>) override {
      return internal("not here");
    }
    Status step(storage::GroupId, model::Timestamp) override { return internal("not here"); }
    Status set(std::uint32_t, double) override { return internal("not here"); }
    Status stale_all(storage::GroupId, model::Timestamp) override { return internal("not here"); }
    void commit(CommitCallback done) override { inner_->commit(std::move(done)); }
    void rollback() override { inner_->rollback(); }

   private:
    ForgetfulStore& store_;
    std::unique_ptr<storage::Appender> inner_;
  };

  explicit ForgetfulStore(storage::testing::MemStore& inner) : inner_(inner) {}
  std::unique_ptr<storage::Appender> appender() override { return std::make_unique<Batch>(*this); }
  void drop_group(storage::GroupId) override {}

  bool forgets = false;
  int by_labels = 0;

 private:
  storage::AppendResult remember(const model::Labels& labels, storage::SeriesRef ref) {
    if (labels.empty()) return {ref, false};
    labels_[++last_ref_] = labels;
    return {storage::SeriesRef(last_ref_), true};
  }

  storage::testing::MemStore& inner_;
  std::map<std::uint64_t, model::Labels> labels_;
  std::uint64_t last_ref_ = 0;
};

TEST_F(RemoteWriteTest, OutdatedReferencesAreLookedUpAgain) {
  ForgetfulStore store(*store_);
  receiver_ = std::make_unique<RemoteWrite>(RemoteWriteOptions{.enabled = true},
                                            RemoteWrite::Services{clock_, metrics_, store});
  const auto request = [](std::int64_t t) {
    return WireWriter()
        .message(1, v1_series({{"__name__", "a"}}, 1, t).message(2, sample(2, t + 1)))
        .message(1, v1_series({{"__name__", "b"}}, 1, t));
  };
  EXPECT_EQ(show(post(request(1000))), "204 ");
  EXPECT_EQ(store.by_labels, 3);
  EXPECT_EQ(show(post(request(2000))), "204 ");
  EXPECT_EQ(store.by_labels, 3) << "known now";
  store.forgets = true;
  EXPECT_EQ(show(post(request(3000))), "204 ");
  EXPECT_EQ(store.by_labels, 6);
  store.forgets = false;
  EXPECT_EQ(show(post(request(4000))), "204 ");
  EXPECT_EQ(store.by_labels, 6) << "known again";
  EXPECT_EQ(stored(), (Strings{"a 1@1000 2@1001 1@2000 2@2001 1@3000 2@3001 1@4000 2@4001",
                               "b 1@1000 1@2000 1@3000 1@4000"}));
  EXPECT_EQ(metric("tocsin_remote_write_stored_total"), 12);
}

class RemoteWriteV2Test : public RemoteWriteTest {
 protected:
  static WireWriter symbols(std::initializer_list<std::string_view> texts) {
    WireWriter request;
    for (const std::string_view text : texts) request.bytes(4, text);
    return request;
  }
};

TEST_F(RemoteWriteV2Test, TypeAndUnitAreLabelsOnRequest) {
  const WireWriter request =
      symbols({"", "__name__", "c", "d", "__type__", "own", "bytes", "\xff"})
          .message(5, WireWriter()
                          .packed(1, {1, 2, 4, 5})
                          .message(2, sample(1, 1000))
                          .message(5, WireWriter().varint(1, 1).varint(4, 6)))
          .message(5, WireWriter().packed(1, {1, 3, 4, 5}).message(2, sample(2, 1000)));
  reset({.enabled = true, .accepts_v2 = true, .type_and_unit = true});
  EXPECT_EQ(show(post(request, kV2Type)), "204 ");
  EXPECT_EQ(stored(), (Strings{R"(c{__type__="counter", __unit__="bytes"} 1@1000)",
                               R"(d{__type__="own"} 2@1000)"}));
  const WireWriter bad = symbols({"", "__name__", "c", "\xff"})
                             .message(5, WireWriter()
                                             .packed(1, {1, 2})
                                             .message(2, sample(1, 2000))
                                             .message(5, WireWriter().varint(4, 3)));
  EXPECT_EQ(show(post(bad, kV2Type)), "400 invalid unit \"\\xff\" for series {__name__=\"c\"}\n");
  EXPECT_EQ(stored().size(), 2U);
}

TEST_F(RemoteWriteV2Test, StartsAreKeptOrMadeZerosOnRequest) {
  const auto request = [&](double value, std::int64_t t, std::int64_t start) {
    return symbols({"", "__name__", "c", "g", "h"})
        .message(5, WireWriter().packed(1, {1, 2}).message(2, sample(value, t).number(3, start)))
        .message(5, WireWriter().packed(1, {1, 3}).message(2, sample(value, t)))
        .message(5, WireWriter().packed(1, {1, 4}).message(
                        3, WireWriter().varint(1, 0).number(15, t).number(17, start)));
  };
  const struct {
    bool store_starts, zero_starts;
    Strings stored;
  } cases[] = {
      {false,
       false,
       {"c 1@1000 2@2000 3@3000", "g 1@1000 2@2000 3@3000", "h h@1000 h@2000 h@3000"}},
      {true,
       false,
       {"c 1@1000<500 2@2000<500 3@3000<2500", "g 1@1000 2@2000 3@3000",
        "h h@1000<500 h@2000<500 h@3000<2500"}},
      {false,
       true,
       {"c 0@500 1@1000 2@2000 0@2500 3@3000", "g 1@1000 2@2000 3@3000",
        "h h@500 h@1000 h@2000 h@2500 h@3000"}},
  };
  for (const auto& c : cases) {
    store_ = std::make_unique<storage::testing::MemStore>();
    reset({.enabled = true,
           .accepts_v2 = true,
           .store_starts = c.store_starts,
           .zero_starts = c.zero_starts});
    for (int i = 1; i <= 3; ++i) {
      const net::HttpResponse response = post(request(i, i * 1000, i < 3 ? 500 : 2500), kV2Type);
      EXPECT_EQ(show(response), "204 ");
      EXPECT_EQ(written(response), "2 1 0") << "zeros are not what was sent";
    }
    EXPECT_EQ(stored(), c.stored);
  }
}

TEST_F(RemoteWriteV2Test, HistogramsOfFineSchemasAreReduced) {
  const auto request = [&](std::int64_t schema) {
    const WireWriter spans = WireWriter().sint(1, 1).varint(2, 4);
    return symbols({"", "__name__", "h"})
        .message(5, WireWriter().packed(1, {1, 2}).message(3, WireWriter()
                                                                  .varint(1, 4)
                                                                  .sint(4, schema)
                                                                  .message(11, spans)
                                                                  .packed_sint(12, {1, 0, 0, 0})
                                                                  .number(15, 1000 + schema)));
  };
  for (const std::int64_t schema : {8, 9, 52}) {
    EXPECT_EQ(show(post(request(schema), kV2Type)), "204 ") << schema;
  }
  for (const std::int64_t schema : {-5, 53}) {
    EXPECT_THAT(show(post(request(schema), kV2Type)), HasSubstr("invalid schema")) << schema;
  }
  EXPECT_EQ(stored(), Strings{"h h@1008 h@1009 h@1052"});
}

TEST_F(RemoteWriteV2Test, StoresAndCounts) {
  const auto request = [&](std::int64_t t) {
    return symbols({"", "__name__", "up", "job", "a", "h"})
        .message(5, WireWriter()
                        .packed(1, {1, 2, 3, 4})
                        .message(2, sample(1, t).number(3, 500))
                        .message(2, sample(2, t + 1))
                        .message(4, WireWriter().packed(1, {3, 4}).fixed64(2, 1).number(3, t))
                        .message(5, WireWriter().varint(1, 1).varint(3, 4)))
        .message(
            5, WireWriter().packed(1, {1, 5}).message(3, WireWriter().varint(1, 0).number(15, t)));
  };
  for (const std::int64_t t : {1000, 2000}) {
    const net::HttpResponse response = post(request(t), kV2Type);
    EXPECT_EQ(show(response), "204 ");
    EXPECT_EQ(written(response), "2 1 1");
  }
  EXPECT_EQ(stored(), (Strings{"h h@1000 h@2000", R"(up{job="a"} 1@1000 2@1001 1@2000 2@2001)"}));
  EXPECT_EQ(metric("tocsin_remote_write_unknown_series_total"), 2);
  EXPECT_EQ(metric("tocsin_remote_write_stored_total"), 8);
}

TEST_F(RemoteWriteV2Test, EveryErrorIsNamedAndTheRestStored) {
  const WireWriter first =
      symbols({"", "__name__", "a"})
          .message(5, WireWriter().packed(1, {1, 2}).message(2, sample(1, 1000)));
  ASSERT_EQ(post(first, kV2Type).status, 204);
  const auto series = [](std::initializer_list<std::uint64_t> references, double value,
                         std::int64_t t) {
    return WireWriter().packed(1, references).message(2, sample(value, t));
  };
  const net::HttpResponse response = post(symbols({"", "__name__", "a", "b"})
                                              .message(5, series({1, 2}, 2, 1000))
                                              .message(5, series({1, 2}, 2, 900))
                                              .message(5, series({3, 2}, 2, 900))
                                              .message(5, series({1, 2, 3, 2, 3, 2}, 2, 900))
                                              .message(5, series({1, 9}, 2, 900))
                                              .message(5, WireWriter().packed(1, {1, 3}))
                                              .message(5, series({1, 3}, 7, 5000)),
                                          kV2Type);
  EXPECT_EQ(
      show(response),
      "400 duplicate sample for timestamp for series {__name__=\"a\"}\n"
      "out of order sample for series {__name__=\"a\"}\n"
      "invalid metric name or labels, got {b=\"a\"}\n"
      "invalid labels for series, labels {__name__=\"a\", b=\"a\", b=\"a\"}, duplicated label b\n"
      "parsing labels for series: labelRefs 1 (name) = 9 (value) outside of symbols table "
      "(size 4)\n"
      "TimeSeries must contain at least one sample or histogram for series {__name__=\"b\"}\n");
  EXPECT_EQ(written(response), "1 0 0");
  EXPECT_EQ(stored(), (Strings{"a 1@1000", "b 7@5000"}));
  EXPECT_EQ(metric("prometheus_api_remote_write_invalid_labels_samples_total"), 3);
}

TEST_F(RemoteWriteV2Test, TheListOfErrorsIsBounded) {
  WireWriter request = symbols({"", "__name__", "a"});
  for (int i = 0; i < 1000; ++i) request.message(5, WireWriter().packed(1, {1, 2}));
  const net::HttpResponse response = post(request, kV2Type);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(std::count(response.body.begin(), response.body.end(), '\n'), 100);
}

// A store that says no in a chosen way.
class RefusingStore final : public storage::Appendable {
 public:
  class Batch final : public storage::Appender {
   public:
    explicit Batch(RefusingStore& store) : store_(store) {}
    StatusOr<storage::AppendResult> append(storage::SeriesRef, const model::Labels&,
                                           model::Timestamp, double,
                                           const storage::AppendOptions&) override {
      return result();
    }
    StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                     model::Timestamp, const model::FloatHistogram&,
                                                     const storage::AppendOptions&) override {
      return result();
    }
    StatusOr<storage::AppendResult> append_histogram(storage::SeriesRef, const model::Labels&,
                                                     model::Timestamp, const model::Histogram&,
                                                     const storage::AppendOptions&) override {
      return result();
    }
    Status append_exemplar(storage::SeriesRef, const model::Labels&,
                           const model::Exemplar&) override {
      return store_.on_append;
    }
    Status update_metadata(storage::SeriesRef, const model::Labels&,
                           const model::Metadata&) override {
      return unimplemented("not supported yet: metadata");
    }
    StatusOr<storage::GroupId> define_group(storage::GroupId,
                                            std::span<const storage::SeriesRef>) override {
      return internal("no groups");
    }
    Status step(storage::GroupId, model::Timestamp) override { return internal("no groups"); }
    Status set(std::uint32_t, double) override { return internal("no groups"); }
    Status stale_all(storage::GroupId, model::Timestamp) override { return internal("no groups"); }
    void commit(CommitCallback done) override {
      ++store_.commits;
      done(store_.on_commit);
    }
    void rollback() override { ++store_.rollbacks; }

   private:
    StatusOr<storage::AppendResult> result() {
      if (!store_.on_append.ok()) return store_.on_append;
      return storage::AppendResult{storage::SeriesRef(1), true};
    }
    RefusingStore& store_;
  };

  std::unique_ptr<storage::Appender> appender() override { return std::make_unique<Batch>(*this); }
  void drop_group(storage::GroupId) override {}

  Status on_append, on_commit;
  int commits = 0, rollbacks = 0;
};

TEST(RemoteWriteErrors, DecideBetweenRefusalAndRepeat) {
  base::testing::FakeClock clock(base::from_ms(kNow));
  base::Registry metrics;
  RefusingStore store;
  RemoteWrite receiver({.enabled = true}, {clock, metrics, store});
  net::HttpRequest request;
  request.method = "POST";
  request.body = snappy_block(WireWriter()
                                  .message(1, v1_series({{"__name__", "a"}}, 1, 1))
                                  .message(1, v1_series({{"__name__", "b"}}, 1, 1))
                                  .text());
  const auto check = [&](Status on_append, Status on_commit, std::string_view want, bool commits) {
    store.on_append = std::move(on_append);
    store.on_commit = std::move(on_commit);
    store.commits = store.rollbacks = 0;
    const net::HttpResponse response = receiver.handle(request);
    EXPECT_EQ(fmt::format("{} {}", response.status, response.body), want);
    EXPECT_EQ(store.commits, commits ? 1 : 0) << want;
    EXPECT_EQ(store.rollbacks, commits ? 0 : 1) << want;
    EXPECT_EQ(response.headers.has("Retry-After"), response.status == 503 || response.status == 429)
        << want;
  };
  check(resource_exhausted("too many active series (limit 5)"), ok(),
        "400 too many active series (limit 5)\n", true);
  check(unimplemented("not supported yet: X"), ok(), "400 not supported yet: X\n", true);
  check(invalid_argument("labels too long"), ok(), "400 labels too long\n", true);
  check(unavailable("stopping"), ok(), "503 stopping\n", false);
  check(internal("broken"), ok(), "500 broken\n", false);
  check(make_status(StatusCode::kAborted, "too many new series"), ok(), "429 too many new series\n",
        true);
  check(ok(), unavailable("stopping"), "503 stopping\n", true);
  check(ok(), resource_exhausted("no space left"), "503 no space left\n", true);
  check(ok(), invalid_argument("broken"), "500 broken\n", true);
  check(ok(), ok(), "204 ", true);
  for (const base::MetricFamily& family : metrics.gather()) {
    if (family.name != "tocsin_remote_write_failed_requests_total") continue;
    EXPECT_EQ(family.samples.at(0).value, 5);
  }
}

TEST(RemoteWriteErrors, MetadataThatIsNotKeptIsCountedOnly) {
  base::testing::FakeClock clock(base::from_ms(kNow));
  base::Registry metrics;
  RefusingStore store;
  RemoteWrite receiver({.enabled = true, .accepts_v2 = true}, {clock, metrics, store});
  net::HttpRequest request;
  request.headers.set("Content-Type", kV2Type);
  request.body = snappy_block(WireWriter()
                                  .bytes(4, "")
                                  .bytes(4, "__name__")
                                  .bytes(4, "a")
                                  .message(5, WireWriter()
                                                  .packed(1, {1, 2})
                                                  .message(2, sample(1, 1))
                                                  .message(5, WireWriter().varint(1, 1)))
                                  .text());
  EXPECT_EQ(receiver.handle(request).status, 204);
  for (const base::MetricFamily& family : metrics.gather()) {
    if (family.name.find("without_metadata") == std::string::npos) continue;
    EXPECT_EQ(family.samples.at(0).value, 1);
  }
}

TEST(RemoteWriteRoute, SaysHowToTurnItOn) {
  net::Router router;
  add_remote_write(router, nullptr);
  net::HttpRequest request;
  request.method = "POST";
  ASSERT_EQ(request.set_target("/api/v1/write"), ok());
  const net::HttpResponse response = router.route(request);
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body,
            "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n");
  EXPECT_EQ(response.headers.get("X-Content-Type-Options"), "nosniff");
}

}  // namespace
}  // namespace tocsin::web
