// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/proxies/haproxy_input.h"

#include <atomic>

#include "exporters/app/earlier_items.h"
#include "exporters/app/fields.h"
#include "exporters/app/proxies/haproxy_stats.h"
#include "exporters/app/proxies/http_source.h"

namespace tocsin::exporters::app {
namespace {

// A thousand servers are 0.5 MB.
constexpr std::uint64_t kMaxAnswer = 16 << 20;
constexpr std::size_t kReadBytes = 16 << 10;

struct HaproxyConfig {
  std::string name;
  LabelPairs labels;
  bool is_socket = false;  // commands and not HTTP
  HttpSource source;
};

// Asks a stats socket.
StatusOr<std::string> show_stat(const HttpSource& source, const InputServices& services) {
  const base::SteadyTime deadline = services.clock.steady_now() + source.timeout;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<net::Stream> stream,
      connect_to(source.url.host, source.url.port, source.unix_path, services, deadline));
  RETURN_IF_ERROR(stream->write("show stat\n", deadline));
  std::string answer;
  for (;;) {
    const std::size_t size = answer.size();
    if (size >= source.max_body) {
      return resource_exhausted("the answer has more than {} bytes", source.max_body);
    }
    answer.resize(size + kReadBytes);
    const StatusOr<std::size_t> got = stream->read(answer.data() + size, kReadBytes, deadline);
    RETURN_IF_ERROR(got.status());
    answer.resize(size + *got);
    if (*got == 0) return answer;
  }
}

class HaproxyInput final : public Input {
 public:
  HaproxyInput(HaproxyConfig config, const InputContext& context)
      : Input(source_name("haproxy", config.name, "")),
        config_(std::move(config)),
        services_(context.services),
        max_rows_(context.max_series) {}

  Status collect(std::vector<base::MetricFamily>* out) override {
    ++scrapes_;
    const Status status = ask(out);
    append_up(status.ok(), out);
    Families families(out);
    families.add({"haproxy_exporter_scrapes_total", "Current total HAProxy scrapes.",
                  base::MetricType::kCounter},
                 config_.labels, static_cast<double>(scrapes_));
    families.add({"haproxy_exporter_csv_parse_failures_total",
                  "Number of errors while parsing CSV.", base::MetricType::kCounter},
                 config_.labels, static_cast<double>(failures_));
    return status;
  }
  void append_late(std::vector<base::MetricFamily>* out) const override { append_up(false, out); }

  std::uint64_t dropped_series() const override {
    return left_out_.load(std::memory_order_relaxed);
  }

 private:
  void append_up(bool is_up, std::vector<base::MetricFamily>* out) const {
    Families(out).add({"haproxy_up", "Was the last scrape of HAProxy successful."}, config_.labels,
                      is_up);
  }

  Status ask(std::vector<base::MetricFamily>* out) {
    std::string csv;
    if (config_.is_socket) {
      ASSIGN_OR_RETURN(csv, show_stat(config_.source, services_));
    } else {
      ASSIGN_OR_RETURN(HttpDocument page, fetch(config_.source, services_));
      if (page.status != 200) return unavailable("the stats page answered {}", page.status);
      csv = std::move(page.body);
    }
    ASSIGN_OR_RETURN(const HaproxyRows rows,
                     append_haproxy_stats(csv, config_.labels, max_rows_, out));
    failures_ += rows.failures;
    left_out_.fetch_add(rows.left_out, std::memory_order_relaxed);
    return ok();
  }

  const HaproxyConfig config_;
  const InputServices services_;
  const std::size_t max_rows_;
  std::uint64_t scrapes_ = 0, failures_ = 0;
  std::atomic<std::uint64_t> left_out_ = 0;
};

// "unix:/PATH", "tcp://HOST:PORT".
Status parse_socket(std::string_view text, HttpSource* out) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    out->unix_path = text.substr(kUnix.size());
    return out->unix_path.starts_with('/') ? ok() : invalid_argument("expected unix:/PATH");
  }
  ASSIGN_OR_RETURN(out->url, net::Url::parse(text));
  if (!out->url.host.empty() && out->url.port != 0) return ok();
  return invalid_argument("expected tcp://HOST:PORT");
}

}  // namespace

StatusOr<std::unique_ptr<Input>> make_haproxy(const base::YamlNode& section,
                                              const InputContext& context) {
  HaproxyConfig config;
  config.source.max_body = kMaxAnswer;
  base::YamlMapping mapping(section);
  mapping.string("name", &config.name, base::YamlMapping::kRequired);
  read_labels(mapping, "labels", &config.labels);
  const std::string_view stats = text_of(section, "stats");
  config.is_socket = stats.starts_with("unix:") || stats.starts_with("tcp:");
  if (config.is_socket) {
    read_duration(mapping, "timeout", &config.source.timeout);
    mapping.with("stats", [&](const base::YamlNode& node) -> Status {
      const Status status = parse_socket(node.scalar(), &config.source);
      return status.ok() ? status : node.error(message(status));
    });
  } else {
    read_http_source(mapping, "stats", context, &config.source);
  }
  RETURN_IF_ERROR(mapping.finish());
  RETURN_IF_ERROR(check_labels_differ(section, context.root, "haproxy"));
  return std::make_unique<HaproxyInput>(std::move(config), context);
}

}  // namespace tocsin::exporters::app
