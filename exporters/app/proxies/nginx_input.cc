// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/proxies/nginx_input.h"

#include <array>
#include <charconv>

#include "exporters/app/earlier_items.h"
#include "exporters/app/fields.h"
#include "exporters/app/proxies/http_source.h"

namespace tocsin::exporters::app {
namespace {

using base::MetricType;

struct Number {
  std::string_view before;  // the text that stands before it, after the last one
  std::string_view name;
  std::string_view help;
  MetricType type;
};

// In the order of the page.
constexpr std::array<Number, 7> kNumbers = {{
    {"Active connections: ", "nginx_connections_active", "Active client connections",
     MetricType::kGauge},
    {"server accepts handled requests\n ", "nginx_connections_accepted",
     "Accepted client connections", MetricType::kCounter},
    {" ", "nginx_connections_handled", "Handled client connections", MetricType::kCounter},
    {" ", "nginx_http_requests_total", "Total http requests", MetricType::kCounter},
    {"Reading: ", "nginx_connections_reading",
     "Connections where NGINX is reading the request header", MetricType::kGauge},
    {"Writing: ", "nginx_connections_writing",
     "Connections where NGINX is writing the response back to the client", MetricType::kGauge},
    {"Waiting: ", "nginx_connections_waiting", "Idle client connections", MetricType::kGauge},
}};

class NginxInput final : public Input {
 public:
  NginxInput(std::string name, HttpSource source, LabelPairs labels, InputServices services)
      : Input(std::move(name)),
        source_(std::move(source)),
        labels_(std::move(labels)),
        services_(services) {}

  Status collect(std::vector<base::MetricFamily>* out) override {
    const Status status = ask(out);
    append_up(status.ok(), out);
    return status;
  }
  void append_late(std::vector<base::MetricFamily>* out) const override { append_up(false, out); }

 private:
  void append_up(bool is_up, std::vector<base::MetricFamily>* out) const {
    Families(out).add({"nginx_up", "Status of the last metric scrape"}, labels_, is_up);
  }
  Status ask(std::vector<base::MetricFamily>* out) const {
    ASSIGN_OR_RETURN(const HttpDocument page, fetch(source_, services_));
    if (page.status != 200) return unavailable("stub_status answered {}", page.status);
    return append_stub_status(page.body, labels_, out);
  }

  const HttpSource source_;
  const LabelPairs labels_;
  const InputServices services_;
};

}  // namespace

Status append_stub_status(std::string_view page, const LabelPairs& labels,
                          std::vector<base::MetricFamily>* out) {
  std::array<std::uint64_t, kNumbers.size()> values{};
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    const std::size_t at = page.find(kNumbers[i].before);
    if (at == std::string_view::npos) return data_loss("this is no page of stub_status");
    page.remove_prefix(at + kNumbers[i].before.size());
    const auto [end, error] = std::from_chars(page.data(), page.data() + page.size(), values[i]);
    if (error != std::errc()) return data_loss("this is no page of stub_status");
    page.remove_prefix(static_cast<std::size_t>(end - page.data()));
  }
  Families families(out);
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    const Number& number = kNumbers[i];
    families.add({number.name, number.help, number.type}, labels, static_cast<double>(values[i]));
  }
  return ok();
}

StatusOr<std::unique_ptr<Input>> make_nginx(const base::YamlNode& section,
                                            const InputContext& context) {
  std::string name;
  LabelPairs labels;
  HttpSource source;
  base::YamlMapping mapping(section);
  mapping.string("name", &name, base::YamlMapping::kRequired);
  read_labels(mapping, "labels", &labels);
  read_http_source(mapping, "stub_status", context, &source);
  RETURN_IF_ERROR(mapping.finish());
  RETURN_IF_ERROR(check_labels_differ(section, context.root, "nginx"));
  return std::make_unique<NginxInput>(source_name("nginx", name, ""), std::move(source),
                                      std::move(labels), context.services);
}

}  // namespace tocsin::exporters::app
