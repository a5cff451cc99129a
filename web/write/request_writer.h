// SPDX-License-Identifier: Apache-2.0
//
// RequestWriter appends one remote-write request to the store.
//
// A WriteWorker is what is kept from request to request, so that a sample of a known series
// allocates nothing.
// Threads: confined; a WriteWorker serves one request at a time.
// Errors: run() fails when nothing of the request may be kept: kInvalidArgument and kDataLoss for a
// damaged request, otherwise the store's error. What single samples or series did wrong is in
// outcome().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/remote_write.h"
#include "storage/appender.h"
#include "web/write/series_cache.h"

namespace tocsin::web {

struct WriteWorker {
  // A series of samples only that waits to be looked up with others.
  struct Waiting {
    base::Hash128 key;
    std::string_view series;  // for the reader's revisit()
    std::size_t end = 0;      // of its samples in `samples`; they begin where those before end
  };

  formats::WriteRequestReader reader;
  std::vector<Waiting> waiting;
  std::vector<formats::WriteSample> samples;
  std::vector<storage::KnownSample> known;
  std::vector<std::size_t> owners;  // of `known`: positions in `waiting`

  std::string body;  // decompressed
  std::vector<model::LabelView> views;
  model::Labels labels;
  std::vector<SeriesCache::Entry> found;  // to put into the cache
};

struct WriteOutcome {
  std::uint64_t samples = 0;  // stored, as are the next two
  std::uint64_t histograms = 0;
  std::uint64_t exemplars = 0;
  std::uint64_t refused = 0;         // samples, histograms and exemplars
  std::uint64_t invalid_labels = 0;  // counted as upstream: of 1.0 series, of 2.0 samples
  std::uint64_t without_metadata = 0;
  std::uint64_t unknown_series = 0;  // looked up by labels
  std::uint64_t errors = 0;
  std::uint64_t rate_limited = 0;  // of the errors: repeating the request later would mend them
  std::string text;                // of the first error (1.0), of many of them (2.0)
};

struct WriteRules {
  model::Timestamp newest;     // samples after it are refused
  bool store_starts = false;   // start timestamps are kept
  bool zero_starts = false;    // a sample 0 is put at each start timestamp, where it is in order
  bool type_and_unit = false;  // metadata of a series is put into its labels, too
};

class RequestWriter {
 public:
  RequestWriter(formats::WriteProtocol protocol, WriteWorker& worker, const SeriesCache& cache,
                storage::Appender& appender, const WriteRules& rules)
      : v1_(protocol == formats::WriteProtocol::kV1),
        worker_(worker),
        known_(cache),
        appender_(appender),
        rules_(rules),
        newest_ms_(model::to_ms(rules.newest)) {}

  // Appends everything from the worker's reader, which is open; the caller commits.
  Status run();
  WriteOutcome& outcome() { return outcome_; }

 private:
  Status write_waiting();
  void add_known(std::size_t position, storage::SeriesRef ref);
  Status write_known();
  Status note_known(std::size_t position, const Status& error);
  // `known` may be outdated, or 0.
  Status write_by_labels(storage::SeriesRef known);
  storage::AppendOptions options_of(std::int64_t start_ms) const;
  // Whether the series at hand can wait to be looked up together with others.
  bool may_wait() const;
  Status write_sample(const formats::WriteSample& sample, storage::SeriesRef* ref);
  Status write_histograms(storage::SeriesRef* ref);
  Status write_histogram(const formats::WriteHistogram& sample, storage::SeriesRef* ref);
  Status write_exemplars(storage::SeriesRef ref);
  Status write_metadata(storage::SeriesRef ref);
  // Appends the 0 that a series began with, a float or a histogram like `like`.
  Status write_zero(const formats::WriteSample& sample, const formats::WriteHistogram* like,
                    storage::SeriesRef* ref);
  Status check_time(std::int64_t time_ms) const;
  // Reads, sorts and checks the series' labels into worker_.labels; kInvalidArgument for bad ones.
  Status read_labels();
  Status add_type_and_unit();
  Status sort_labels(std::vector<model::LabelView>* views) const;
  // Notes what is wrong with one sample or series; fails when it ends the request.
  Status note(const Status& error);
  void add_text(std::string_view text);

  const bool v1_;
  WriteWorker& worker_;
  SeriesCache::View known_;
  storage::Appender& appender_;
  const WriteRules rules_;
  const std::int64_t newest_ms_;
  WriteOutcome outcome_;
};

}  // namespace tocsin::web
