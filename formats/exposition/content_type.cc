// SPDX-License-Identifier: Apache-2.0
//
// The negotiation of a scrape: what is asked for and what came.
#include <algorithm>

#include <fmt/format.h>

#include "formats/exposition.h"

namespace tocsin::formats {
namespace {

struct Protocol {
  ScrapeProtocol id;
  std::string_view name;
  std::string_view accept;
  ExpositionFormat format;
  bool knows_escaping;  // the media type has an "escaping" parameter
};

constexpr Protocol kProtocols[] = {
    {ScrapeProtocol::kOpenMetricsText0_0_1, "OpenMetricsText0.0.1",
     "application/openmetrics-text;version=0.0.1", ExpositionFormat::kOpenMetrics, false},
    {ScrapeProtocol::kOpenMetricsText1_0_0, "OpenMetricsText1.0.0",
     "application/openmetrics-text;version=1.0.0", ExpositionFormat::kOpenMetrics, true},
    {ScrapeProtocol::kPrometheusProto, "PrometheusProto",
     "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
     ExpositionFormat::kProtobuf, false},
    {ScrapeProtocol::kPrometheusText0_0_4, "PrometheusText0.0.4", "text/plain;version=0.0.4",
     ExpositionFormat::kText, false},
    {ScrapeProtocol::kPrometheusText1_0_0, "PrometheusText1.0.0", "text/plain;version=1.0.0",
     ExpositionFormat::kText, true},
};

const Protocol& find(ScrapeProtocol id) {
  return *std::find_if(std::begin(kProtocols), std::end(kProtocols),
                       [id](const Protocol& p) { return p.id == id; });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

struct MediaType {
  std::string type;  // lower case
  std::vector<std::pair<std::string, std::string>> parameters;

  std::string_view get(std::string_view name) const {
    for (const auto& [key, value] : parameters) {
      if (key == name) return value;
    }
    return {};
  }
};

// Takes "token" or a quoted string off the front of `rest`.
std::optional<std::string> take_value(std::string_view* rest) {
  std::string value;
  if (rest->empty() || rest->front() != '"') {
    value = std::string(trim(rest->substr(0, rest->find(';'))));
    rest->remove_prefix(std::min(rest->find(';'), rest->size()));
    return is_token(value) ? std::optional(value) : std::nullopt;
  }
  for (std::size_t i = 1; i < rest->size(); ++i) {
    if ((*rest)[i] == '"') {
      rest->remove_prefix(i + 1);
      return value;
    }
    if ((*rest)[i] == '\\' && i + 1 < rest->size()) ++i;
    value.push_back((*rest)[i]);
  }
  return std::nullopt;
}

std::optional<MediaType> parse_media_type(std::string_view text) {
  MediaType result;
  const std::size_t semicolon = std::min(text.find(';'), text.size());
  const std::string_view type = trim(text.substr(0, semicolon));
  const std::size_t slash = std::min(type.find('/'), type.size());
  if (!is_token(type.substr(0, slash))) return std::nullopt;
  if (slash != type.size() && !is_token(type.substr(slash + 1))) return std::nullopt;
  result.type = lower(type);
  std::string_view rest = trim(text.substr(semicolon));
  while (!rest.empty()) {
    if (rest.front() != ';') return std::nullopt;
    rest = trim(rest.substr(1));
    if (rest.empty()) break;  // one ";" at the end is tolerated
    const std::size_t equals = std::min(rest.find('='), rest.size());
    const std::string_view name = trim(rest.substr(0, equals));
    if (equals == rest.size() || !is_token(name)) return std::nullopt;
    rest = trim(rest.substr(equals + 1));
    auto value = take_value(&rest);
    if (!value) return std::nullopt;
    result.parameters.emplace_back(lower(name), std::move(*value));
    rest = trim(rest);
  }
  return result;
}

std::optional<ExpositionFormat> recognize(const MediaType& media) {
  if (media.type == "text/plain") return ExpositionFormat::kText;
  if (media.type == "application/openmetrics-text") return ExpositionFormat::kOpenMetrics;
  const bool delimited = media.get("proto") == "io.prometheus.client.MetricFamily" &&
                         media.get("encoding") == "delimited";
  if (media.type == "application/vnd.google.protobuf" && delimited)
    return ExpositionFormat::kProtobuf;
  return std::nullopt;
}

}  // namespace

StatusOr<ScrapeProtocol> parse_scrape_protocol(std::string_view name) {
  for (const Protocol& protocol : kProtocols) {
    if (protocol.name == name) return protocol.id;
  }
  std::string known;
  for (const Protocol& protocol : kProtocols) {
    if (!known.empty()) known.push_back(' ');
    known.append(protocol.name);
  }
  return invalid_argument("unknown scrape protocol {}, supported: [{}]", name, known);
}

std::string_view scrape_protocol_text(ScrapeProtocol protocol) { return find(protocol).name; }

std::span<const ScrapeProtocol> native_scrape_protocols() {
  static constexpr ScrapeProtocol kNative[] = {
      ScrapeProtocol::kPrometheusProto, ScrapeProtocol::kOpenMetricsText1_0_0,
      ScrapeProtocol::kOpenMetricsText0_0_1, ScrapeProtocol::kPrometheusText1_0_0,
      ScrapeProtocol::kPrometheusText0_0_4};
  return kNative;
}

std::span<const ScrapeProtocol> default_scrape_protocols() {
  return native_scrape_protocols().subspan(1);
}

StatusOr<ExpositionFormat> choose_format(std::string_view content_type,
                                         std::optional<ScrapeProtocol> fallback) {
  const auto media = parse_media_type(content_type);
  if (media) {
    if (const auto format = recognize(*media)) return *format;
  }
  if (fallback) return find(*fallback).format;
  if (content_type.empty()) {
    return invalid_argument(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
        "specified "
        "for target");
  }
  const std::string quoted = model::go_quote(content_type);
  if (!media) {
    return invalid_argument(
        "cannot parse Content-Type {} and no fallback_scrape_protocol for target", quoted);
  }
  return invalid_argument(
      "received unsupported Content-Type {} and no fallback_scrape_protocol specified for target",
      quoted);
}

std::string accept_header(std::span<const ScrapeProtocol> protocols, std::string_view escaping) {
  std::string out;
  std::size_t weight = std::size(kProtocols) + 1;
  for (const ScrapeProtocol id : protocols) {
    if (weight == 0) break;
    const Protocol& protocol = find(id);
    out.append(protocol.accept);
    if (protocol.knows_escaping) out.append(";escaping=").append(escaping);
    out.append(fmt::format(";q=0.{},", weight--));
  }
  return out + fmt::format("*/*;q=0.{}", weight);
}

}  // namespace tocsin::formats
