// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/annotations.h"

namespace tocsin::promql::eval {

void AnnotationSet::warn(std::string_view text, PositionRange position) {
  add(true, text, position);
}

void AnnotationSet::info(std::string_view text, PositionRange position) {
  add(false, text, position);
}

void AnnotationSet::add(bool warning, std::string_view text, PositionRange position) {
  if (!seen_.insert(fmt::format("{}{} {}", warning ? 'w' : 'i', position.start, text)).second) {
    return;
  }
  entries_.push_back({warning, std::string(text), position});
}

}  // namespace tocsin::promql::eval
