// SPDX-License-Identifier: Apache-2.0
#include "rules/result_writer.h"

#include <utility>

#include "model/value.h"

namespace tocsin::rules {

namespace {

RuleOutput stale(const model::Labels& labels) { return {labels, model::stale_nan(), nullptr}; }

}  // namespace

Status ResultWriter::append(storage::Appender& appender, const RuleOutput& output,
                            storage::SeriesRef* ref, model::Timestamp t) {
  storage::AppendOptions options;
  options.in_order_only = true;
  StatusOr<storage::AppendResult> result =
      output.histogram == nullptr
          ? appender.append(*ref, output.labels, t, output.value, options)
          : appender.append_histogram(*ref, output.labels, t, *output.histogram, options);
  if (result.ok()) {
    *ref = result->ref;
    return ok();
  }
  const StatusCode code = result.status().code();
  if (code == StatusCode::kAlreadyExists || code == StatusCode::kOutOfRange) {
    ++dropped_;
    return ok();
  }
  return result.status();
}

Status ResultWriter::write(std::size_t rule, const std::vector<RuleOutput>& outputs,
                           model::Timestamp t) {
  if (written_.size() <= rule) written_.resize(rule + 1);
  Written& before = written_[rule];
  Written now;
  std::unique_ptr<storage::Appender> appender = storage_.appender();
  for (const RuleOutput& output : outputs) {
    auto known = before.find(output.labels);
    storage::SeriesRef ref = known == before.end() ? storage::SeriesRef() : known->second;
    RETURN_IF_ERROR(append(*appender, output, &ref, t));
    now.emplace(output.labels, ref);
  }
  for (auto& [labels, ref] : before) {
    if (!now.contains(labels)) RETURN_IF_ERROR(append(*appender, stale(labels), &ref, t));
  }
  RETURN_IF_ERROR(storage::commit_and_wait(*appender));
  before = std::move(now);
  return ok();
}

Status ResultWriter::write_stale(model::Timestamp t) {
  std::unique_ptr<storage::Appender> appender = storage_.appender();
  for (Written& written : written_) {
    for (auto& [labels, ref] : written) RETURN_IF_ERROR(append(*appender, stale(labels), &ref, t));
  }
  written_.clear();
  return storage::commit_and_wait(*appender);
}

ResultWriter::Written ResultWriter::take(std::size_t rule) {
  return rule < written_.size() ? std::exchange(written_[rule], {}) : Written();
}

void ResultWriter::give(std::size_t rule, Written written) {
  if (written_.size() <= rule) written_.resize(rule + 1);
  written_[rule] = std::move(written);
}

}  // namespace tocsin::rules
