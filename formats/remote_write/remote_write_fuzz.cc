// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a remote-write request: reading ends, stays within the bytes, gives the same twice,
// and what is read is not more than was sent. Input: a digit that says how the rest is read.
#include "formats/remote_write.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::formats {
namespace {

// Returns how many bytes of labels there are.
std::size_t read_series(const WriteRequestReader& reader) {
  std::vector<model::LabelView> labels;
  std::size_t bytes = 0;
  if (reader.labels(&labels).ok()) {
    for (const model::LabelView& label : labels) bytes += label.name.size() + label.value.size();
  }
  model::Metadata metadata;
  static_cast<void>(reader.metadata(&metadata));
  for (const std::string_view encoded : reader.histograms()) {
    WriteHistogram histogram;
    static_cast<void>(reader.read_histogram(encoded, &histogram));
  }
  for (const std::string_view encoded : reader.exemplars()) {
    model::Exemplar exemplar;
    static_cast<void>(reader.read_exemplar(encoded, &labels, &exemplar));
  }
  return bytes;
}

// The keys of the series, in order.
std::vector<base::Hash128> read_all(WriteProtocol protocol, std::string_view request) {
  std::vector<base::Hash128> keys;
  WriteRequestReader reader;
  if (!reader.open(protocol, request, {1, 2}).ok()) return keys;
  std::size_t label_bytes = 0;
  for (;;) {
    const StatusOr<bool> more = reader.next();
    if (!more.ok() || !*more) break;
    keys.push_back(reader.key());
    label_bytes += read_series(reader);
  }
  CHECK(protocol == WriteProtocol::kV2 || label_bytes <= request.size());
  return keys;
}

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const char how = bytes.front();
  bytes.remove_prefix(1);
  const WriteProtocol protocol = how == '2' ? WriteProtocol::kV2 : WriteProtocol::kV1;
  std::string buffer;
  if (how == '3') {
    const StatusOr<std::string_view> request = decompress_snappy(bytes, 1U << 20, &buffer);
    if (!request.ok()) return;
    bytes = *request;
  }
  CHECK(read_all(protocol, bytes) == read_all(protocol, bytes));
}

}  // namespace

TOCSIN_FUZZ_TARGET(remote_write, fuzz)

}  // namespace tocsin::formats
