// SPDX-License-Identifier: Apache-2.0
//
// Pages of protobuf: a reader that saw a page before says of the next one what the parser says, histograms,
// exemplars and starts included, and each series text gives labels in order. Input: a digit, whose bits are the
// options; then pages, each behind two bytes that are its length, the low one first.
#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "formats/page_reader.h"
#include "formats/testing/checking_sink.h"

namespace tocsin::formats {
namespace {

std::string describe(const model::Histogram& h) {
  return fmt::format("i{} {} {:x} {}", h.schema, h.count, std::bit_cast<std::uint64_t>(h.sum),
                     h.positive_deltas.size() + h.negative_deltas.size());
}
std::string describe(const model::FloatHistogram& h) {
  return fmt::format("f{} {} {:x} {}", h.schema, h.count, std::bit_cast<std::uint64_t>(h.sum),
                     h.positive_buckets.size() + h.negative_buckets.size());
}
std::string describe(const NativeHistogram& histogram) {
  return std::visit([](const auto& h) { return describe(h); }, histogram);
}

struct Said {
  std::string text;
  void sample(std::string_view series, double value, const NativeHistogram* histogram) {
    text += fmt::format("\n{}|", series);
    text += histogram != nullptr ? describe(*histogram)
                                 : fmt::format("{:x}", std::bit_cast<std::uint64_t>(value));
  }
  void timestamp(std::int64_t ms) { text += fmt::format("|t {}", ms); }
  void start(std::int64_t ms) { text += fmt::format("|s {}", ms); }
  void exemplar(std::string_view bytes) { text.append("|e ").append(bytes); }
};

class Parsed final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& s) override {
    testing::check_labels(parse_series(s.series, s.kind));
    said.sample(s.series, s.value, s.histogram);
    if (s.timestamp_ms) said.timestamp(*s.timestamp_ms);
    if (s.start_ms != 0) said.start(s.start_ms);
    for (const std::string_view exemplar : s.encoded_exemplars) {
      said.exemplar(exemplar);
      static_cast<void>(parse_protobuf_exemplar(exemplar));
    }
    return ok();
  }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}
  Said said;
};

class Any final : public PageReader::Listener {
  Status added(std::uint32_t, const PageReader::Exposed&) override { return ok(); }
};

// Advances to the next of `all`, which are in the order of the samples, if it is of this sample.
template <typename T>
const T* take(const std::vector<T>& all, std::size_t* next, std::uint32_t sample) {
  if (*next == all.size() || all[*next].sample != sample) return nullptr;
  return &all[(*next)++];
}

std::string said_by(const PageReader& reader, const PageReader::Page& page) {
  Said said;
  std::size_t histograms = 0, timestamps = 0, starts = 0, exemplars = 0;
  for (std::uint32_t i = 0; i < page.values.size(); ++i) {
    const auto* histogram = take(page.histograms, &histograms, i);
    said.sample(reader.series(page.slot(i)), page.values[i],
                histogram != nullptr ? &histogram->histogram : nullptr);
    if (const auto* time = take(page.timestamps, &timestamps, i)) said.timestamp(time->ms);
    if (const auto* start = take(page.starts, &starts, i)) said.start(start->ms);
    while (const auto* exemplar = take(page.exemplars, &exemplars, i)) {
      said.exemplar(exemplar->text);
      CHECK(page.exemplar(*exemplar).ok() == parse_protobuf_exemplar(exemplar->text).ok());
    }
  }
  CHECK(histograms == page.histograms.size() && timestamps == page.timestamps.size());
  CHECK(starts == page.starts.size() && exemplars == page.exemplars.size());
  return said.text;
}

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto bits = static_cast<unsigned>(bytes.front());
  bytes.remove_prefix(1);
  LineTable table({});
  PageReader::Options options;
  options.histograms = {.native = (bits & 1U) != 0, .classic_too = (bits & 2U) != 0};
  options.starts = true;
  PageReader reader(table, options);
  PageReader::Page page;
  Any any;
  while (bytes.size() > 2) {
    const std::size_t size = static_cast<std::uint8_t>(bytes[0]) +
                             std::size_t{256} * static_cast<std::uint8_t>(bytes[1]);
    const std::vector<char> copy(
        bytes.begin() + 2,
        bytes.begin() + 2 + static_cast<std::ptrdiff_t>(std::min(size, bytes.size() - 2)));
    const std::string_view text(copy.data(), copy.size());
    bytes.remove_prefix(2 + text.size());
    Parsed wanted;
    const Status status = parse_protobuf(text, options.histograms, wanted);
    for (int round = 0; round < 2; ++round) {
      const Status got = reader.read(ExpositionFormat::kProtobuf, text, any, &page);
      CHECK(got.ok() == status.ok() && message(got) == message(status));
      CHECK(said_by(reader, page) == wanted.said.text);
      CHECK(round == 0 || !got.ok() || page.same_series);
    }
    static_cast<void>(reader.metadata());
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(protobuf, fuzz)

}  // namespace tocsin::formats
