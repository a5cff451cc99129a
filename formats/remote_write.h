// SPDX-License-Identifier: Apache-2.0
//
// WriteRequestReader: remote-write requests, 1.0 (prometheus.WriteRequest) and 2.0
// (io.prometheus.write.v2.Request), series by series.
//
// The protobuf message is read in place: labels, texts, histograms and exemplars are views into it,
// and what a receiver does not ask for is not decoded. Each series has a key, a hash of its labels
// (and metadata) as they stand in the message, so that a receiver that saw the series before need
// not look at them.
// Hides: the wire format (formats/remote_write/wire.h). See docs/decisions/0016-remote-write.md.
// Owns: nothing of the message; open()'s `message` must outlive every other call. Reusing one reader
// for many requests keeps its memory.
// Threads: confined.
// Errors: kDataLoss for a damaged message, and from open() and next() also kInvalidArgument for one
// above a limit; then nothing of the request should be kept. labels() and the others like it fail
// with kInvalidArgument or kResourceExhausted (a limit) for what concerns one series only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/metadata.h"

namespace tocsin::formats {

class WireReader;

enum class WriteProtocol { kV1, kV2 };

struct WriteSample {
  double value = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t start_ms = 0;  // 0: not given
};

struct WriteHistogram {
  std::variant<model::Histogram, model::FloatHistogram> histogram;
  std::int64_t timestamp_ms = 0;
  std::int64_t start_ms = 0;
};

class WriteRequestReader {
 public:
  struct Limits {
    std::size_t symbols = 1U << 20;            // per request
    std::size_t labels = 4096;                 // per series or exemplar
    std::size_t entries = 1U << 20;            // samples, histograms and exemplars of one series
    std::size_t histogram_buckets = 1U << 16;  // and spans, and custom bounds
  };

  explicit WriteRequestReader(Limits limits) : limits_(limits) {}
  WriteRequestReader() : WriteRequestReader(Limits()) {}

  // Begins a request. `seed` goes into every key: receivers choose one at random.
  Status open(WriteProtocol protocol, std::string_view message, base::Hash128 seed);
  // Moves to the next series; false behind the last one.
  StatusOr<bool> next();
  // The current series' bytes; revisit() makes them the current series again, until the next open().
  std::string_view series() const { return series_; }
  Status revisit(std::string_view series);

  // Of the current series; views are valid until next().
  base::Hash128 key() const { return key_; }
  std::span<const WriteSample> samples() const { return samples_; }
  std::span<const std::string_view> histograms() const { return histograms_; }  // encoded
  std::span<const std::string_view> exemplars() const { return exemplars_; }    // encoded
  // In the order of the message; names may repeat, values may be empty, texts may be any bytes.
  Status labels(std::vector<model::LabelView>* out) const;
  // False when the message has none for the series. Only 2.0 has it by series: the metadata of 1.0
  // names metric families and is left out.
  StatusOr<bool> metadata(model::Metadata* out) const;

  Status read_histogram(std::string_view encoded, WriteHistogram* out) const;
  // Fills value and timestamp of `out`; labels go to `labels` as labels() gives them.
  Status read_exemplar(std::string_view encoded, std::vector<model::LabelView>* labels,
                       model::Exemplar* out) const;

  // Releases memory above `bytes` that large requests left.
  void shrink(std::size_t bytes);

 private:
  Status read_symbols(std::string_view message);
  Status read_series();
  bool read_field(WireReader& reader);
  bool read_sample(std::string_view message);
  bool mix_references(WireReader& reader);
  void mix_metadata();
  Status label_pairs(std::string_view message, std::vector<model::LabelView>* out) const;
  Status symbol_pairs(std::string_view message, std::vector<model::LabelView>* out) const;

  const Limits limits_;
  WriteProtocol protocol_ = WriteProtocol::kV1;
  base::Hash128 seed_;
  std::string_view rest_;  // of the request
  std::vector<std::string_view> symbols_;
  std::vector<base::Hash128> symbol_keys_;

  // The current series.
  std::string_view series_;
  base::Hash128 key_;
  std::vector<WriteSample> samples_;
  std::vector<std::string_view> histograms_;
  std::vector<std::string_view> exemplars_;
  std::string_view metadata_;
  std::int64_t start_ms_ = 0;  // given for the series as a whole, by early senders of 2.0
};

// Decompresses a snappy block into `buffer`, which is made larger where needed and never smaller,
// and returns the part of it that holds the content. kInvalidArgument when the block is damaged or
// holds more than `limit` bytes.
StatusOr<std::string_view> decompress_snappy(std::string_view block, std::size_t limit,
                                             std::string* buffer);

}  // namespace tocsin::formats
