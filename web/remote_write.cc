// SPDX-License-Identifier: Apache-2.0
#include "web/remote_write.h"

#include <optional>
#include <utility>

#include "base/log.h"
#include "formats/remote_write.h"
#include "web/write/request_writer.h"
#include "web/write/series_cache.h"

namespace tocsin::web {
namespace {

using formats::WriteProtocol;

constexpr base::Duration kLogInterval{10'000};
constexpr base::Duration kMaxAhead{10LL * 60 * 1000};
constexpr int kBusySeconds = 5;               // after which a sender may try again
constexpr std::size_t kKeptBytes = 4U << 20;  // of a worker's buffers, between requests
constexpr std::string_view kMediaType = "application/x-protobuf";
constexpr std::string_view kV1 = "prometheus.WriteRequest";
constexpr std::string_view kV2 = "io.prometheus.write.v2.Request";

net::HttpResponse plain_error(int status, std::string_view text) {
  net::HttpResponse response = net::HttpResponse::text(status, fmt::format("{}\n", text));
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_snappy(std::string_view encoding) {
  constexpr std::string_view kSnappy = "snappy";
  return std::equal(encoding.begin(), encoding.end(), kSnappy.begin(), kSnappy.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

// Which message a Content-Type announces; the errors are upstream's.
StatusOr<WriteProtocol> parse_content_type(std::string_view header) {
  const std::string_view text = trim(header);
  if (text.empty()) return WriteProtocol::kV1;
  std::size_t end = text.find(';');
  if (text.substr(0, end) != kMediaType) {
    return invalid_argument("expected {} as the first (media) part, got {} content-type",
                            kMediaType, text);
  }
  while (end != std::string_view::npos) {
    const std::size_t begin = end + 1;
    end = text.find(';', begin);
    const std::string_view parameter = text.substr(begin, end - begin);
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos || parameter.find('=', equals + 1) != std::string::npos) {
      return invalid_argument(
          "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be "
          "key-values, got {} in {} content-type",
          parameter, text);
    }
    if (trim(parameter.substr(0, equals)) != "proto") continue;
    const std::string_view value = parameter.substr(equals + 1);
    if (value == kV1) return WriteProtocol::kV1;
    if (value == kV2) return WriteProtocol::kV2;
    return invalid_argument(
        "got {} content type; unknown type for remote write protobuf message {}, supported: {}, "
        "{}",
        text, value, kV1, kV2);
  }
  return WriteProtocol::kV1;
}

}  // namespace

struct RemoteWrite::Impl {
  Impl(RemoteWriteOptions given, const Services& with)
      : options(given),
        services(with),
        seed{base::random_u64(), base::random_u64()},
        cache({.max_series = given.max_cached_series},
              [&store = with.store](storage::SeriesRef ref) { return store.is_active(ref); }),
        invalid_labels(with.metrics.counter(
            "prometheus_api_remote_write_invalid_labels_samples_total",
            "The total number of received remote write samples and histogram samples which were "
            "rejected due to invalid labels.")),
        without_metadata(with.metrics.counter(
            "prometheus_api_remote_write_without_metadata_appended_samples_total",
            "The total number of received remote write samples (and histogram samples) which were "
            "ingested without corresponding metadata.")),
        stored(with.metrics.counter("tocsin_remote_write_stored_total",
                                    "Samples, histograms and exemplars stored by remote write.")),
        refused(with.metrics.counter(
            "tocsin_remote_write_refused_total",
            "Samples, histograms and exemplars of remote write that the store refused.")),
        failed(with.metrics.counter("tocsin_remote_write_failed_requests_total",
                                    "Remote write requests that the store could not take.")),
        unknown(with.metrics.counter("tocsin_remote_write_unknown_series_total",
                                     "Series of remote write requests looked up by labels.")),
        cached(with.metrics.gauge("tocsin_remote_write_cached_series",
                                  "Series that remote write finds without their labels.")),
        cache_bytes(with.metrics.gauge("tocsin_remote_write_cache_bytes",
                                       "Memory of the table of these series.")) {}

  // A protocol, or the answer 415.
  StatusOr<WriteProtocol> negotiate(const net::HttpRequest& request) const;
  net::HttpResponse write(WriteProtocol protocol, std::string_view body, WriteWorker& worker);
  net::HttpResponse answer(WriteProtocol protocol, const Status& status,
                           const WriteOutcome& outcome);
  void count(const WriteOutcome& outcome);
  // A sender repeats what failed, so this comes again and again.
  void log_failure(const Status& status);

  std::unique_ptr<WriteWorker> take_worker();
  void give_back(std::unique_ptr<WriteWorker> worker);

  const RemoteWriteOptions options;
  const Services services;
  const base::Hash128 seed;
  SeriesCache cache;
  // As many as requests ran at once: the server limits them.
  base::Guarded<std::vector<std::unique_ptr<WriteWorker>>> idle_workers;
  base::Guarded<base::SteadyTime> next_log;
  base::Counter& invalid_labels;
  base::Counter& without_metadata;
  base::Counter& stored;
  base::Counter& refused;
  base::Counter& failed;
  base::Counter& unknown;
  base::Gauge& cached;
  base::Gauge& cache_bytes;
};

StatusOr<WriteProtocol> RemoteWrite::Impl::negotiate(const net::HttpRequest& request) const {
  ASSIGN_OR_RETURN(const WriteProtocol protocol,
                   parse_content_type(request.headers.get("Content-Type")));
  const bool accepted = protocol == WriteProtocol::kV1 ? options.accepts_v1 : options.accepts_v2;
  if (!accepted) {
    return invalid_argument("{} protobuf message is not accepted by this server; only accepts {}",
                            protocol == WriteProtocol::kV1 ? kV1 : kV2,
                            options.accepts_v1 ? kV1 : kV2);
  }
  const std::string_view encoding = request.headers.get("Content-Encoding");
  if (!encoding.empty() && !is_snappy(encoding)) {
    return invalid_argument(
        "{} encoding (compression) is not accepted by this server; only snappy is acceptable",
        encoding);
  }
  return protocol;
}

std::unique_ptr<WriteWorker> RemoteWrite::Impl::take_worker() {
  auto idle = idle_workers.lock();
  if (idle->empty()) return std::make_unique<WriteWorker>();
  std::unique_ptr<WriteWorker> worker = std::move(idle->back());
  idle->pop_back();
  return worker;
}

void RemoteWrite::Impl::give_back(std::unique_ptr<WriteWorker> worker) {
  worker->reader.shrink(kKeptBytes);
  if (worker->body.size() > kKeptBytes) worker->body = std::string();
  if (worker->samples.capacity() * sizeof(formats::WriteSample) > kKeptBytes) worker->samples = {};
  if (worker->known.capacity() * sizeof(storage::KnownSample) > kKeptBytes) {
    worker->known = {};
    worker->owners = {};
  }
  if (worker->found.capacity() * sizeof(SeriesCache::Entry) > kKeptBytes) worker->found = {};
  idle_workers.lock()->push_back(std::move(worker));
}

void RemoteWrite::Impl::count(const WriteOutcome& outcome) {
  stored.inc(static_cast<double>(outcome.samples + outcome.histograms + outcome.exemplars));
  refused.inc(static_cast<double>(outcome.refused));
  unknown.inc(static_cast<double>(outcome.unknown_series));
  invalid_labels.inc(static_cast<double>(outcome.invalid_labels));
  without_metadata.inc(static_cast<double>(outcome.without_metadata));
}

void RemoteWrite::Impl::log_failure(const Status& status) {
  failed.inc();
  const base::SteadyTime now = services.clock.steady_now();
  {
    auto next = next_log.lock();
    if (now < *next) return;
    *next = now + kLogInterval;
  }
  base::log::warn("remote write failed", {{"error", message(status)}});
}

net::HttpResponse RemoteWrite::Impl::answer(WriteProtocol protocol, const Status& status,
                                            const WriteOutcome& outcome) {
  net::HttpResponse response;
  response.status = 204;
  if (!status.ok()) {
    const bool is_damage =
        status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kInvalidArgument;
    const int code = is_damage ? 400 : status.code() == StatusCode::kUnavailable ? 503 : 500;
    if (!is_damage) log_failure(status);
    response = plain_error(code, message(status));
    if (code == 503) response.headers.set("Retry-After", std::to_string(kBusySeconds));
  } else if (outcome.errors != 0 && outcome.rate_limited == outcome.errors) {
    const std::int64_t in_minute_ms = base::to_ms(services.clock.now()) % 60'000;
    response = plain_error(429, outcome.text);
    response.headers.set("Retry-After", std::to_string(60 - in_minute_ms / 1000));
  } else if (outcome.errors != 0) {
    response = plain_error(400, outcome.text);
  }
  if (protocol == WriteProtocol::kV1) return response;
  const auto written = [&](std::string_view what, std::uint64_t n) {
    response.headers.set(fmt::format("X-Prometheus-Remote-Write-{}-Written", what),
                         std::to_string(status.ok() ? n : 0));
  };
  written("Samples", outcome.samples);
  written("Histograms", outcome.histograms);
  written("Exemplars", outcome.exemplars);
  return response;
}

net::HttpResponse RemoteWrite::Impl::write(WriteProtocol protocol, std::string_view body,
                                           WriteWorker& worker) {
  const StatusOr<std::string_view> decoded =
      formats::decompress_snappy(body, options.max_decoded_bytes, &worker.body);
  if (!decoded.ok()) return answer(protocol, decoded.status(), {});
  if (const Status status = worker.reader.open(protocol, *decoded, seed); !status.ok()) {
    return answer(protocol, status, {});
  }
  const std::unique_ptr<storage::Appender> appender = services.store.appender();
  RequestWriter writer(protocol, worker, cache, *appender,
                       {services.clock.now() + kMaxAhead, options.store_starts, options.zero_starts,
                        options.type_and_unit});
  Status status = writer.run();
  if (status.ok()) {
    status = storage::commit_and_wait(*appender);
    // Whatever the store says now, it is not the request's fault: a full disk, most likely.
    const bool is_busy = status.code() == StatusCode::kUnavailable ||
                         status.code() == StatusCode::kResourceExhausted;
    if (!status.ok()) {
      status =
          make_status(is_busy ? StatusCode::kUnavailable : StatusCode::kInternal, message(status));
    }
  } else {
    appender->rollback();
  }
  if (!worker.found.empty()) {
    cache.put(worker.found, services.clock.steady_now());
    cached.set(static_cast<double>(cache.size()));
    cache_bytes.set(static_cast<double>(cache.memory_bytes()));
  }
  if (status.ok()) count(writer.outcome());
  return answer(protocol, status, writer.outcome());
}

RemoteWrite::RemoteWrite(RemoteWriteOptions options, const Services& services)
    : impl_(std::make_unique<Impl>(options, services)) {}
RemoteWrite::~RemoteWrite() = default;

net::HttpResponse RemoteWrite::handle(const net::HttpRequest& request) {
  const StatusOr<WriteProtocol> protocol = impl_->negotiate(request);
  if (!protocol.ok()) return plain_error(415, message(protocol.status()));
  std::unique_ptr<WriteWorker> worker = impl_->take_worker();
  net::HttpResponse response = impl_->write(*protocol, request.body, *worker);
  impl_->give_back(std::move(worker));
  return response;
}

void add_remote_write(net::Router& router, std::shared_ptr<RemoteWrite> receiver) {
  router.add("POST", "/api/v1/write",
             [receiver = std::move(receiver)](const net::HttpRequest& request) {
               if (receiver != nullptr) return receiver->handle(request);
               return plain_error(404,
                                  "remote write receiver needs to be enabled with "
                                  "--web.enable-remote-write-receiver");
             });
}

}  // namespace tocsin::web
