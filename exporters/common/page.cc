// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/page.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "formats/text_writer.h"

namespace tocsin::exporters {
namespace {

bool is_plain(const base::MetricFamily& family) {
  return family.type == base::MetricType::kCounter || family.type == base::MetricType::kGauge ||
         family.type == base::MetricType::kUntyped;
}

std::size_t sort_samples(base::MetricFamily* family) {
  if (!is_plain(*family)) return 0;
  std::vector<base::MetricSample>& samples = family->samples;
  std::stable_sort(samples.begin(), samples.end(),
                   [](const auto& a, const auto& b) { return a.labels < b.labels; });
  const auto rest = std::unique(samples.begin(), samples.end(),
                                [](const auto& a, const auto& b) { return a.labels == b.labels; });
  const auto dropped = static_cast<std::size_t>(samples.end() - rest);
  samples.erase(rest, samples.end());
  return dropped;
}

struct MediaRange {
  std::string_view type;
  std::string_view version;
  double quality = 1;
};

std::string_view without_blanks(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "text/plain; version=0.0.4; q=0.5"
MediaRange parse_media_range(std::string_view text) {
  MediaRange media{.type = without_blanks(text.substr(0, text.find(';'))), .version = {}};
  while (text.find(';') != std::string_view::npos) {
    text.remove_prefix(text.find(';') + 1);
    const std::string_view parameter = without_blanks(text.substr(0, text.find(';')));
    if (parameter.starts_with("version=")) media.version = parameter.substr(8);
    if (!parameter.starts_with("q=")) continue;
    const char* end = parameter.data() + parameter.size();
    if (std::from_chars(parameter.data() + 2, end, media.quality).ec != std::errc()) {
      media.quality = 0;
    }
  }
  return media;
}

}  // namespace

std::size_t tidy_families(std::vector<base::MetricFamily>* families) {
  std::stable_sort(families->begin(), families->end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<base::MetricFamily> merged;
  merged.reserve(families->size());
  for (base::MetricFamily& family : *families) {
    if (family.samples.empty()) continue;
    if (!merged.empty() && merged.back().name == family.name) {
      std::move(family.samples.begin(), family.samples.end(),
                std::back_inserter(merged.back().samples));
    } else {
      merged.push_back(std::move(family));
    }
  }
  std::size_t dropped = 0;
  for (base::MetricFamily& family : merged) dropped += sort_samples(&family);
  *families = std::move(merged);
  return dropped;
}

PageFormat choose_format(std::string_view accept) {
  double text = -1, open = -1;
  while (!accept.empty()) {
    const std::string_view range = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(range.size() + 1, accept.size()));
    const MediaRange media = parse_media_range(range);
    if (media.type == "application/openmetrics-text" &&
        (media.version.empty() || media.version == "1.0.0" || media.version == "0.0.1")) {
      open = std::max(open, media.quality);
    } else if (media.type == "text/plain" || media.type == "text/*" || media.type == "*/*") {
      text = std::max(text, media.quality);
    }
  }
  return open > 0 && open >= text ? PageFormat::kOpenMetrics : PageFormat::kText;
}

net::HttpResponse page_response(const std::vector<base::MetricFamily>& families,
                                PageFormat format) {
  net::HttpResponse response;
  if (format == PageFormat::kOpenMetrics) {
    response.headers.set("Content-Type", formats::kOpenMetricsContentType);
    formats::write_openmetrics(families, &response.body);
  } else {
    response.headers.set("Content-Type", formats::kTextContentType);
    formats::write_text(families, &response.body);
  }
  return response;
}

}  // namespace tocsin::exporters
