// SPDX-License-Identifier: Apache-2.0
//
// PageReader reads the pages of one target by position: line by line it compares the page with the
// lines of the page before, so that a line that was there costs a memcmp and its value.
//
// Pages of protobuf have no lines; their samples are matched by the series text that a text page
// would have. It gives each series text of its target a small number, the slot, and says for each sample line
// of a page which slot it is of. What it reads, refuses and says about errors is exactly what
// parse_text and parse_openmetrics do: a line that does not match is read by their code, and
// matching goes on with the next.
// Hides: order of lines, resynchronisation. Owns: its references to lines. Borrows: the line table.
// Memory: 4 bytes per line and 4 per slot. Threads: confined.
// Errors: those of the parsers; kResourceExhausted when the line table is full. An error leaves the
// remembered page as it was; slots that were added stay.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/exposition.h"
#include "formats/line_table.h"

namespace tocsin::formats {

class PageReader {
 public:
  // A series, with what the page says of its metric.
  struct Exposed {
    std::string_view series;  // parse_series reads it
    model::MetricKind kind = model::MetricKind::kUnknown;
    std::string_view unit;  // see Options
  };
  class Listener {
   public:
    virtual ~Listener() = default;
    // `series` is new and gets `slot`, the number of slots before. A status that is not OK ends the
    // read, which returns it as it is; there is no such slot then.
    virtual Status added(std::uint32_t slot, const Exposed& series) = 0;
  };

  // What a page said, by sample line, and working memory: use one for many reads.
  class Page {
   public:
    struct Timestamp {
      std::uint32_t sample;  // number of the sample line
      std::int64_t ms;
    };
    struct Exemplar {
      std::uint32_t sample;
      std::string_view text;  // in the page; exemplar() reads it
    };
    struct Start {
      std::uint32_t sample;
      std::int64_t ms;
    };
    struct Histogram {
      std::uint32_t sample;
      NativeHistogram histogram;
    };

    // The series, and their order, are those of the page before.
    bool same_series = false;
    std::vector<double> values;
    std::vector<std::uint32_t> slots;   // empty: 0, 1, 2, ...
    std::vector<Timestamp> timestamps;  // of lines that have one, ascending
    std::vector<Exemplar> exemplars;    // likewise, perhaps several of one; see Options
    std::vector<Start> starts;          // since when a sample counts, likewise; see Options
    std::vector<Histogram> histograms;  // likewise; the value of such a sample means nothing

    std::uint32_t slot(std::size_t sample) const {
      return slots.empty() ? static_cast<std::uint32_t>(sample) : slots[sample];
    }
    StatusOr<model::Exemplar> exemplar(const Exemplar& exemplar) const;
    // Bytes held, also while empty.
    std::size_t memory() const;

   private:
    friend class PageReader;
    void clear();
    ExpositionFormat format_ = ExpositionFormat::kText;
    std::vector<std::uint32_t> order_;             // of the page, when it is not the one before
    std::vector<LineTable::Id> extra_references_;  // to give back
    std::vector<std::uint32_t> slot_of_line_;      // hash table of slots, by line
    bool has_slot_table_ = false;
  };

  struct Options {
    HistogramOptions histograms;
    bool exemplars = true;  // fill in Page::exemplars
    bool starts = false;    // fill in Page::starts; only protobuf gives them beside the samples
    bool units = false;     // fill in Exposed::unit; comments of OpenMetrics are then always read
  };

  PageReader(LineTable& table, const Options& options) : table_(table), options_(options) {}
  explicit PageReader(LineTable& table) : PageReader(table, Options()) {}
  ~PageReader();
  PageReader(const PageReader&) = delete;
  PageReader& operator=(const PageReader&) = delete;

  // Reads `text` into `page`. After an error `page` has the values read until then, and the slots
  // of all but perhaps the last of them.
  Status read(ExpositionFormat format, std::string_view text, Listener& listener, Page* page);

  // The slot of a series that no line has to say, new or known; `page` was read last. Errors: those
  // of `listener`, kResourceExhausted when the line table is full.
  StatusOr<std::uint32_t> slot_of(const Exposed& series, Listener& listener, Page* page);

  // Numbers the slots anew: those of the last page come first, in its order, then the others that
  // `keep` wants; the rest is forgotten. Returns the old slot of each. Views of Page stay as they
  // were.
  std::vector<std::uint32_t> rearrange(const std::function<bool(std::uint32_t slot)>& keep);

  // What the HELP, TYPE and UNIT lines of the last good page say, by metric in order of the names.
  std::vector<model::MetricMetadata> metadata() const;

  std::uint32_t slots() const { return static_cast<std::uint32_t>(lines_.size()); }
  std::string_view series(std::uint32_t slot) const { return table_.line(lines_[slot]).view(); }
  std::size_t memory() const;

 private:
  template <typename Parser>
  class Run;

  std::uint32_t page_slot(std::uint32_t sample) const {
    return page_slots_.empty() ? sample : page_slots_[sample];
  }
  std::optional<std::uint32_t> find_slot(LineTable::Id line, Page* page) const;
  void add_to_slot_table(std::uint32_t slot, Page* page) const;
  bool is_sample(std::uint32_t coded, std::string_view series) const;
  bool is_comment(std::uint32_t coded, std::string_view text) const;
  void forget_order();
  void install(Page* page);

  LineTable& table_;
  const Options options_;
  std::optional<ExpositionFormat> format_;
  std::vector<std::uint32_t> order_;       // coded lines of the last page; holds its comments
  std::vector<LineTable::Id> lines_;       // by slot; holds a reference each
  std::vector<std::uint32_t> page_slots_;  // of the last page by sample line; empty: 0, 1, 2, ...
  std::uint32_t page_samples_ = 0;
};

}  // namespace tocsin::formats
