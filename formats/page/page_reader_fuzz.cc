// SPDX-License-Identifier: Apache-2.0
//
// Several pages of one target: the reader, which compares each with the one before, says of every page
// what the parser says. Input: the format, t or o; then pages, each behind a byte that tells
// what becomes of the slots before it: 0x1d rearranges them, 0x1e does not.
#include "formats/page_reader.h"

#include <bit>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::formats {
namespace {

constexpr std::string_view kBegins = "\x1d\x1e";

std::string describe(std::string_view series, double value, std::optional<std::int64_t> ms,
                     std::string_view exemplar) {
  return fmt::format("{}|{:x}|{}|{}\n", series, std::bit_cast<std::uint64_t>(value),
                     ms ? std::to_string(*ms) : "", exemplar);
}

using About = std::pair<model::MetricKind, std::string>;  // and the unit

class Parsed final : public ExpositionSink {
 public:
  Status sample(const ExpositionSample& s) override {
    said_of.emplace(s.series, About(s.kind, s.unit));
    text += describe(s.series, s.value, s.timestamp_ms, s.exemplar);
    order.append(s.series).push_back('\1');
    return ok();
  }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}

  std::string text, order;
  std::map<std::string, About, std::less<>> said_of;
};

class Target final : public PageReader::Listener {
 public:
  Target(LineTable& table, bool units)
      : units_(units), reader_(table, {.histograms = {}, .units = units}) {}

  Status added(std::uint32_t slot, const PageReader::Exposed& exposed) override {
    const std::string_view series = exposed.series;
    CHECK(slot == series_.size() && slot == reader_.slots());
    CHECK(slots_.emplace(series, slot).second);
    series_.emplace_back(series);
    new_.emplace(series, About(exposed.kind, exposed.unit));
    return ok();
  }

  void read(ExpositionFormat format, std::string_view text) {
    // A copy of its own length, so that a read behind the end is seen.
    const std::vector<char> copy(text.begin(), text.end());
    const std::string_view page(copy.data(), copy.size());
    Parsed wanted;
    const Status status = format == ExpositionFormat::kText ? parse_text(page, wanted)
                                                            : parse_openmetrics(page, wanted);
    new_.clear();
    const Status got = reader_.read(format, page, *this, &page_);
    CHECK(got.ok() == status.ok() && message(got) == message(status));
    CHECK(said() == wanted.text);
    for (const auto& [series, said] : new_) {
      const auto& [kind, unit] = wanted.said_of.at(series);
      CHECK(said == About(kind, units_ ? unit : ""));
    }
    if (!status.ok()) return;
    CHECK(page_.same_series == (order_ == wanted.order));
    order_ = wanted.order;
    check_exemplars();
  }

  void rearrange() {
    std::vector<std::string> series;
    const auto keep = [](std::uint32_t slot) { return slot % 3 != 0; };
    for (const std::uint32_t from : reader_.rearrange(keep)) series.push_back(series_[from]);
    series_ = std::move(series);
    CHECK(reader_.slots() == series_.size());
    slots_.clear();
    for (std::uint32_t slot = 0; slot < series_.size(); ++slot) {
      CHECK(reader_.series(slot) == series_[slot]);
      CHECK(slots_.emplace(series_[slot], slot).second);
    }
  }

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
  void check_exemplars() const {
    for (const PageReader::Page::Exemplar& one : page_.exemplars) {
      CHECK(page_.exemplar(one).ok() == parse_exemplar(one.text).ok());
    }
  }

  const bool units_;
  PageReader reader_;
  PageReader::Page page_;
  std::vector<std::string> series_;
  std::map<std::string, std::uint32_t, std::less<>> slots_;
  std::map<std::string, About, std::less<>> new_;
  std::string order_;  // of the last good page
};

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool text = bytes.front() == 't';
  const bool units = bytes.front() == 'u';
  bytes.remove_prefix(1);
  LineTable table({});
  {
    Target target(table, units);
    while (!bytes.empty()) {
      if (bytes.front() == kBegins[0]) target.rearrange();
      if (kBegins.find(bytes.front()) != kBegins.npos) bytes.remove_prefix(1);
      const std::string_view page = bytes.substr(0, bytes.find_first_of(kBegins));
      target.read(text ? ExpositionFormat::kText : ExpositionFormat::kOpenMetrics, page);
      bytes.remove_prefix(page.size());
    }
  }
  CHECK(table.stats().lines == 0 && table.stats().bytes == 0);
}

}  // namespace

TOCSIN_FUZZ_TARGET(page_reader, fuzz)

}  // namespace tocsin::formats
