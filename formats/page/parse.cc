// SPDX-License-Identifier: Apache-2.0
#include "formats/exposition.h"
#include "formats/exposition/openmetrics_parser.h"
#include "formats/exposition/text_parser.h"

namespace tocsin::formats {
namespace {

template <typename Parser>
Status parse(Parser parser) {
  while (!parser.finished()) RETURN_IF_ERROR(parser.read_line());
  return ok();
}

}  // namespace

Status parse_text(std::string_view page, ExpositionSink& sink) {
  return parse(exposition::TextParser(page, sink));
}

Status parse_openmetrics(std::string_view page, ExpositionSink& sink) {
  return parse(exposition::OpenMetricsParser(page, sink));
}

}  // namespace tocsin::formats
