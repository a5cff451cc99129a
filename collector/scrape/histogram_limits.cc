// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/histogram_limits.h"

namespace tocsin::collector {

namespace {

std::size_t buckets(const model::Histogram& h) {
  return h.positive_deltas.size() + h.negative_deltas.size();
}
std::size_t buckets(const model::FloatHistogram& h) {
  return h.positive_buckets.size() + h.negative_buckets.size();
}

template <typename H>
Status limit(const ScrapeOptions& options, H* h) {
  RETURN_IF_ERROR(model::reduce_resolution(options.max_schema, h));
  const std::uint64_t most = options.limits.native_buckets;
  while (most != 0 && buckets(*h) > most) {
    const bool reducible =
        h->schema > model::kMinExponentialSchema && h->schema <= model::kMaxExponentialSchema;
    if (!reducible) return resource_exhausted("histogram bucket limit exceeded");
    RETURN_IF_ERROR(model::reduce_resolution(h->schema - 1, h));
  }
  return ok();
}

}  // namespace

Status limit_histogram(const ScrapeOptions& options, formats::NativeHistogram* histogram) {
  return std::visit([&](auto& h) { return limit(options, &h); }, *histogram);
}

}  // namespace tocsin::collector
