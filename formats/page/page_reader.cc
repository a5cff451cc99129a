// SPDX-License-Identifier: Apache-2.0
//
// A page is remembered as the numbers of its lines in the line table: a sample line by its series
// text, a comment (HELP, TYPE, blank line ...) by all of it with the newline. A line at hand is
// the expected one when it begins with that text and, for a sample, goes on with one space and the
// value: the parser would then have read that very series. After a line that is not the expected
// one, the next twelve expected ones are tried (lines were removed); otherwise it is read by the
// parser (lines were added) and the same line is expected again.
#include "formats/page_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "formats/exposition/openmetrics_parser.h"
#include "formats/exposition/protobuf_parser.h"
#include "formats/exposition/text_parser.h"
#include "formats/page/family_comment.h"
#include "formats/page/quick_decimal.h"

namespace tocsin::formats {

using exposition::between;
using exposition::Dialect;

namespace {

constexpr std::uint32_t kComment = 1U << 31;  // in a coded line
constexpr std::uint32_t kLineMask = kComment - 1;
static_assert(LineTable::kMaxLines <= kLineMask);
constexpr std::uint32_t kNoSlot = UINT32_MAX;

constexpr std::size_t kLookAhead = 12;
// After so many lines in a row that were not expected, the whole rest of the order is searched.
constexpr std::uint32_t kSearchAfter = 4;
constexpr std::uint32_t kSearchEvery = 64;

// Tags of lines. The same comment means different things in the two formats.
constexpr std::uint8_t kSampleTag = 0;
constexpr std::uint8_t kCommentTag = 1;
constexpr std::uint8_t kSetsKind = 2;
constexpr std::uint8_t kOfOpenMetrics = 4;
constexpr unsigned kKindShift = 3;

// What the parser says about the one line it reads.
struct LineSink final : ExpositionSink {
  Status sample(const ExpositionSample& sample) override {
    taken = sample;
    has_sample = true;
    if (sample.histogram != nullptr) histogram = *sample.histogram;
    return ok();
  }
  void type(std::string_view metric, model::MetricKind kind) override {
    has_type = true;
    if (family != nullptr) family->begin(metric, kind);
  }
  void help(std::string_view, std::string_view text) override {
    if (family != nullptr) family->help = text;
  }
  void unit(std::string_view, std::string_view text) override {
    if (family != nullptr) family->unit = text;
  }

  ExpositionSample taken;
  NativeHistogram histogram;
  bool has_sample = false;
  bool has_type = false;
  page::FamilyComment* family = nullptr;  // filled in, for pages of protobuf
};

}  // namespace

// One read of one page.
template <typename Parser>
class PageReader::Run : Parser {
 public:
  struct Input {
    PageReader& reader;
    Listener& listener;
    Page& page;
    LineSink& sink;
  };
  // Whether its pages have lines to compare.
  static constexpr bool kHasLines = !std::is_same_v<Parser, exposition::ProtobufParser>;
  // Whether its comments mean what they mean there, and may say the unit of samples that follow.
  static constexpr bool kIsOpenMetrics = std::is_same_v<Parser, exposition::OpenMetricsParser>;

  Run(std::string_view text, const Input& input)
    requires kHasLines
      : Run(Parser(text, input.sink), input) {}
  Run(std::string_view text, const HistogramOptions& histograms, const Input& input)
    requires(!kHasLines)
      : Run(Parser(text, input.sink, histograms), input) {}
  Run(Parser parser, const Input& input)
      : Parser(std::move(parser)),
        reader_(input.reader),
        listener_(input.listener),
        page_(input.page),
        sink_(input.sink) {}

  Status read() {
    const Status status = read_lines();
    // What follows needs to know where the page differs, and an error shows only a part of it.
    if (!status.ok() || next_ != reader_.order_.size()) differ();
    return status;
  }
  bool differs() const { return differs_; }

 private:
  Status read_lines() {
    while (!this->finished()) {
      if constexpr (kHasLines) {
        const std::size_t first = next_;
        const std::uint32_t first_sample = sample_;
        const Status status = match_lines();
        if (differs_) note_matched(first, first_sample);
        RETURN_IF_ERROR(status);
        if (this->finished()) break;
        if (skip_missing_lines()) continue;
      }
      RETURN_IF_ERROR(read_unexpected_line());
    }
    return ok();
  }

  // Whether the line at `p` begins as expected.
  static bool begins(const char* p, const char* end, std::uint32_t coded,
                     const LineTable::Line& line) {
    const std::ptrdiff_t left = end - p;
    if (left < std::ptrdiff_t{line.size} || std::memcmp(p, line.text, line.size) != 0) return false;
    if ((coded & kComment) != 0) return true;
    if (left < std::ptrdiff_t{line.size} + 2 || p[line.size] != ' ') return false;
    const char value = p[line.size + 1];
    // More blanks, or braces after them, might belong to another series.
    return value != ' ' && value != '\t' && value != '{';
  }

  // Reads lines for as long as they are the expected ones.
  Status match_lines() {
    const std::uint32_t* const order = reader_.order_.data();
    const std::size_t size = reader_.order_.size();
    const char* p = this->p_;
    std::size_t next = next_;
    for (; next != size; ++next) {
      const std::uint32_t coded = order[next];
      const LineTable::Line& line = reader_.table_.line(coded & kLineMask);
      if (!begins(p, this->end_, coded, line)) break;
      if ((coded & kComment) != 0) {
        if (kIsOpenMetrics && reader_.options_.units) {
          this->p_ = p;
          RETURN_IF_ERROR(this->read_line());
        } else if ((line.tag & kSetsKind) != 0) {
          this->kind_ = static_cast<model::MetricKind>(line.tag >> kKindShift);
        }
        p += line.size;
        continue;
      }
      const char* const value = p + line.size + 1;
      double number = 0;
      const char* const after = this->end_ - value > page::kQuickDecimalReach
                                    ? page::read_quick_decimal(value, &number)
                                    : nullptr;
      if (after != nullptr && *after == '\n') [[likely]] {
        page_.values.push_back(number);
        p = after + 1;
      } else {
        ExpositionSample sample;
        sample.series = between(p, value - 1);
        sample.kind = this->kind_;
        this->p_ = value - 1;
        RETURN_IF_ERROR(this->read_rest(&sample));
        take_sample();
        p = this->p_;
      }
      ++sample_;
      misses_ = 0;
    }
    this->p_ = p;
    next_ = next;
    return ok();
  }

  // Skips expected lines that are not on the page when one of the next ones is at hand.
  bool skip_missing_lines() {
    const std::vector<std::uint32_t>& order = reader_.order_;
    std::uint32_t skipped_samples = 0;
    const std::size_t stop = std::min(order.size(), next_ + kLookAhead + 1);
    for (std::size_t at = next_ + 1; at < stop; ++at) {
      skipped_samples += (order[at - 1] & kComment) == 0 ? 1 : 0;
      const LineTable::Line& line = reader_.table_.line(order[at] & kLineMask);
      if (!begins(this->p_, this->end_, order[at], line)) continue;
      differ();
      next_ = at;
      sample_ += skipped_samples;
      return true;
    }
    return false;
  }

  Status read_unexpected_line() {
    sink_.has_sample = sink_.has_type = false;
    if constexpr (kHasLines) {
      const char* const begin = this->p_;
      RETURN_IF_ERROR(this->read_line());
      if (!sink_.has_sample) return note_comment(between(begin, this->p_));
    } else {
      RETURN_IF_ERROR(this->read_line());
      if (!sink_.has_sample) return sink_.has_type ? note_family() : ok();
    }
    take_sample();
    const std::string_view series = sink_.taken.series;
    if (next_ < reader_.order_.size() && reader_.is_sample(reader_.order_[next_], series)) {
      note_line(reader_.order_[next_], reader_.page_slot(sample_));
      return ok();
    }
    const auto line = reader_.table_.acquire(series, kSampleTag);
    if (!line) return table_is_full();
    std::uint32_t slot = kNoSlot;
    if (!line->created) slot = reader_.find_slot(line->id, &page_).value_or(kNoSlot);
    if (slot != kNoSlot) {
      page_.extra_references_.push_back(line->id);
    } else {
      slot = reader_.slots();
      const std::string_view unit = reader_.options_.units ? sink_.taken.unit : std::string_view();
      const Status status = listener_.added(slot, {series, sink_.taken.kind, unit});
      if (!status.ok()) {
        page_.extra_references_.push_back(line->id);
        return status;
      }
      reader_.lines_.push_back(line->id);
      reader_.add_to_slot_table(slot, &page_);
    }
    note_line(line->id, slot);
    return ok();
  }

  void take_sample() {
    const auto number = static_cast<std::uint32_t>(page_.values.size());
    page_.values.push_back(sink_.taken.value);
    if (sink_.taken.timestamp_ms) page_.timestamps.push_back({number, *sink_.taken.timestamp_ms});
    if (sink_.taken.histogram != nullptr) {
      page_.histograms.push_back({number, std::move(sink_.histogram)});
    }
    if (sink_.taken.start_ms != 0 && reader_.options_.starts) {
      page_.starts.push_back({number, sink_.taken.start_ms});
    }
    if (!reader_.options_.exemplars) return;
    if (!sink_.taken.exemplar.empty()) page_.exemplars.push_back({number, sink_.taken.exemplar});
    for (const std::string_view encoded : sink_.taken.encoded_exemplars) {
      page_.exemplars.push_back({number, encoded});
    }
  }

  // Notes what a family of protobuf says about its metric, as the comment that a text page has.
  Status note_family() {
    const std::string_view text = sink_.family->encode();
    if (next_ < reader_.order_.size() && reader_.is_comment(reader_.order_[next_], text)) {
      note_line(reader_.order_[next_], kNoSlot);
      return ok();
    }
    const auto line = reader_.table_.acquire(text, kCommentTag);
    if (!line) return table_is_full();
    page_.extra_references_.push_back(line->id);
    note_line(line->id | kComment, kNoSlot);
    return ok();
  }

  // A comment at the end of the page is not remembered: it may lack its newline, or be the end mark.
  Status note_comment(std::string_view text) {
    if (this->finished()) return ok();
    std::uint8_t tag = kCommentTag;
    if constexpr (kIsOpenMetrics) tag |= kOfOpenMetrics;
    if (sink_.has_type) {
      tag |=
          static_cast<std::uint8_t>(kSetsKind | static_cast<unsigned>(this->kind_) << kKindShift);
    }
    const auto line = reader_.table_.acquire(text, tag);
    if (!line) return table_is_full();
    page_.extra_references_.push_back(line->id);
    note_line(line->id | kComment, kNoSlot);
    return ok();
  }

  // Notes a line that the parser read. It may be the expected one, written in another way.
  void note_line(std::uint32_t coded, std::uint32_t slot) {
    const std::vector<std::uint32_t>& order = reader_.order_;
    std::size_t at = next_;
    const bool expected = at < order.size() && order[at] == coded;
    ++misses_;
    if (!expected && (misses_ == kSearchAfter || misses_ % kSearchEvery == 0)) {
      const auto begin = order.begin() + static_cast<std::ptrdiff_t>(next_);
      at = static_cast<std::size_t>(std::find(begin, order.end(), coded) - order.begin());
    }
    if (!expected) {
      differ();
      page_.order_.push_back(coded);
      if (slot != kNoSlot) page_.slots.push_back(slot);
      if (at == next_ || at >= order.size()) return;
    } else if (differs_) {
      page_.order_.push_back(coded);
      if (slot != kNoSlot) page_.slots.push_back(slot);
    }
    for (; next_ <= at; ++next_) sample_ += (order[next_] & kComment) == 0 ? 1 : 0;
  }

  // From here on the page is another than the one before: writes down what it is.
  void differ() {
    if (std::exchange(differs_, true)) return;
    const std::vector<std::uint32_t>& order = reader_.order_;
    page_.order_.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(next_));
    page_.slots.clear();
    for (std::uint32_t i = 0; i < sample_; ++i) page_.slots.push_back(reader_.page_slot(i));
  }

  void note_matched(std::size_t first, std::uint32_t first_sample) {
    const auto begin = reader_.order_.begin();
    page_.order_.insert(page_.order_.end(), begin + static_cast<std::ptrdiff_t>(first),
                        begin + static_cast<std::ptrdiff_t>(next_));
    for (std::uint32_t i = first_sample; i < sample_; ++i) {
      page_.slots.push_back(reader_.page_slot(i));
    }
  }

  Status table_is_full() const {
    return resource_exhausted("the table of metric page lines is full");
  }

  PageReader& reader_;
  Listener& listener_;
  Page& page_;
  LineSink& sink_;
  std::size_t next_ = 0;      // expected line
  std::uint32_t sample_ = 0;  // number of the next expected sample line
  std::uint32_t misses_ = 0;  // unexpected lines in a row
  bool differs_ = false;
};

std::size_t PageReader::Page::memory() const {
  return values.capacity() * sizeof(double) + timestamps.capacity() * sizeof(Timestamp) +
         exemplars.capacity() * sizeof(Exemplar) + starts.capacity() * sizeof(Start) +
         sizeof(std::uint32_t) * (slots.capacity() + order_.capacity() + slot_of_line_.capacity() +
                                  extra_references_.capacity());
}

void PageReader::Page::clear() {
  same_series = false;
  values.clear();
  slots.clear();
  timestamps.clear();
  exemplars.clear();
  starts.clear();
  histograms.clear();
  order_.clear();
  extra_references_.clear();
  has_slot_table_ = false;
}

PageReader::~PageReader() {
  forget_order();
  table_.release(lines_);
}

Status PageReader::read(ExpositionFormat format, std::string_view text, Listener& listener,
                        Page* page) {
  // The same bytes may mean something else in the other format.
  if (format_ != format) forget_order();
  format_ = format;
  page->clear();
  page->format_ = format;
  page->values.reserve(page_samples_);
  LineSink sink;
  Status status;
  bool differs = false;
  const auto run = [&](auto&& reading) {
    status = reading.read();
    differs = reading.differs();
  };
  switch (format) {
    case ExpositionFormat::kText:
      run(Run<exposition::TextParser>(text, {*this, listener, *page, sink}));
      break;
    case ExpositionFormat::kOpenMetrics:
      run(Run<exposition::OpenMetricsParser>(text, {*this, listener, *page, sink}));
      break;
    case ExpositionFormat::kProtobuf: {
      page::FamilyComment family;
      sink.family = &family;
      run(Run<exposition::ProtobufParser>(text, options_.histograms,
                                          {*this, listener, *page, sink}));
      break;
    }
  }
  if (status.ok()) {
    if (differs) {
      install(page);
    } else {
      page->same_series = true;
      page->slots = page_slots_;
    }
  }
  table_.release(page->extra_references_);
  page->extra_references_.clear();
  return status;
}

StatusOr<std::uint32_t> PageReader::slot_of(const Exposed& series, Listener& listener, Page* page) {
  const auto line = table_.acquire(series.series, kSampleTag);
  if (!line) return resource_exhausted("the table of metric page lines is full");
  std::optional<std::uint32_t> known;
  if (!line->created) known = find_slot(line->id, page);
  const Status status = known ? ok() : listener.added(slots(), series);
  if (known || !status.ok()) {
    table_.release({&line->id, 1});
    if (!status.ok()) return status;
    return *known;
  }
  lines_.push_back(line->id);
  add_to_slot_table(slots() - 1, page);
  return slots() - 1;
}

bool PageReader::is_sample(std::uint32_t coded, std::string_view series) const {
  return (coded & kComment) == 0 && table_.line(coded).view() == series;
}

bool PageReader::is_comment(std::uint32_t coded, std::string_view text) const {
  return (coded & kComment) != 0 && table_.line(coded & kLineMask).view() == text;
}

StatusOr<model::Exemplar> PageReader::Page::exemplar(const Exemplar& exemplar) const {
  return format_ == ExpositionFormat::kProtobuf ? parse_protobuf_exemplar(exemplar.text)
                                                : parse_exemplar(exemplar.text);
}

std::vector<model::MetricMetadata> PageReader::metadata() const {
  page::MetadataSink sink;
  for (const std::uint32_t coded : order_) {
    if ((coded & kComment) == 0) continue;
    // The same text was read before, so that it cannot be an error.
    const std::string_view text = table_.line(coded & kLineMask).view();
    switch (*format_) {
      case ExpositionFormat::kText:
        static_cast<void>(exposition::TextParser(text, sink).read_line());
        break;
      case ExpositionFormat::kOpenMetrics:
        static_cast<void>(exposition::OpenMetricsParser(text, sink).read_line());
        break;
      case ExpositionFormat::kProtobuf:
        page::FamilyComment::decode(text, sink);
        break;
    }
  }
  std::vector<model::MetricMetadata> out;
  for (auto& [metric, metadata] : sink.metrics) out.push_back({metric, std::move(metadata)});
  return out;
}

void PageReader::forget_order() {
  std::vector<LineTable::Id> comments;
  for (const std::uint32_t coded : order_) {
    if ((coded & kComment) != 0) comments.push_back(coded & kLineMask);
  }
  table_.release(comments);
  order_.clear();
}

// Makes `page` the page to expect.
void PageReader::install(Page* page) {
  std::vector<LineTable::Id> comments;
  for (const std::uint32_t coded : page->order_) {
    if ((coded & kComment) != 0) comments.push_back(coded & kLineMask);
  }
  table_.retain(comments);
  forget_order();
  order_ = page->order_;
  order_.shrink_to_fit();
  bool same = page->slots.size() == page_samples_;
  for (std::uint32_t i = 0; same && i < page_samples_; ++i) same = page->slots[i] == page_slot(i);
  page->same_series = same;
  if (same) {
    page->slots = page_slots_;
  } else {
    page_slots_ = page->slots;
    page_samples_ = static_cast<std::uint32_t>(page_slots_.size());
  }
}

// Slots by line are looked up only on pages with unexpected lines, so the table is made for each.
std::optional<std::uint32_t> PageReader::find_slot(LineTable::Id line, Page* page) const {
  if (!page->has_slot_table_) {
    page->has_slot_table_ = true;
    page->slot_of_line_.assign(std::bit_ceil(lines_.size() * 2 + 64), kNoSlot);
    for (std::uint32_t slot = 0; slot < lines_.size(); ++slot) add_to_slot_table(slot, page);
  }
  const std::size_t mask = page->slot_of_line_.size() - 1;
  for (std::size_t at = line * std::size_t{0x9e3779b9} & mask;; at = (at + 1) & mask) {
    const std::uint32_t slot = page->slot_of_line_[at];
    if (slot == kNoSlot) return std::nullopt;
    if (lines_[slot] == line) return slot;
  }
}

void PageReader::add_to_slot_table(std::uint32_t slot, Page* page) const {
  if (!page->has_slot_table_) return;
  if (lines_.size() * 2 > page->slot_of_line_.size()) {
    page->has_slot_table_ = false;  // made again, larger, by the next look-up
    return;
  }
  const std::size_t mask = page->slot_of_line_.size() - 1;
  std::size_t at = lines_[slot] * std::size_t{0x9e3779b9} & mask;
  while (page->slot_of_line_[at] != kNoSlot) at = (at + 1) & mask;
  page->slot_of_line_[at] = slot;
}

std::vector<std::uint32_t> PageReader::rearrange(
    const std::function<bool(std::uint32_t slot)>& keep) {
  std::vector<std::uint32_t> from;
  std::vector<std::uint32_t> moved_to(slots(), kNoSlot);
  from.reserve(slots());
  const auto place = [&](std::uint32_t slot) {
    if (moved_to[slot] != kNoSlot) return;
    moved_to[slot] = static_cast<std::uint32_t>(from.size());
    from.push_back(slot);
  };
  for (std::uint32_t i = 0; i < page_samples_; ++i) place(page_slot(i));
  const bool each_once = from.size() == page_samples_;
  std::vector<LineTable::Id> gone;
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    if (moved_to[slot] != kNoSlot) continue;
    if (keep(slot)) {
      place(slot);
    } else {
      gone.push_back(lines_[slot]);
    }
  }
  std::vector<LineTable::Id> lines;
  lines.reserve(from.size());
  for (const std::uint32_t slot : from) lines.push_back(lines_[slot]);
  lines_ = std::move(lines);
  if (each_once) {
    std::vector<std::uint32_t>().swap(page_slots_);
  } else {
    for (std::uint32_t& slot : page_slots_) slot = moved_to[slot];
    page_slots_.shrink_to_fit();
  }
  table_.release(gone);
  return from;
}

std::size_t PageReader::memory() const {
  return sizeof(*this) +
         sizeof(std::uint32_t) * (order_.capacity() + lines_.capacity() + page_slots_.capacity());
}

}  // namespace tocsin::formats
