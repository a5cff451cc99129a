// SPDX-License-Identifier: Apache-2.0
#include "web/write/request_writer.h"

#include <algorithm>
#include <utility>

namespace tocsin::web {
namespace {

constexpr std::size_t kTogether = 64;  // series that are looked up at once
constexpr std::size_t kMaxWaitingSamples = 4096;
constexpr std::uint64_t kMaxErrorTexts = 100;  // in one answer
constexpr std::int64_t kOldestMs = model::to_ms(model::kMinTime);
constexpr std::int64_t kOldestZeroMs = 3600 * 1000;  // before its sample, as in scrapes

bool by_name(const model::LabelView& a, const model::LabelView& b) { return a.name < b.name; }

// Upstream's notation, also of labels that the store would not take.
std::string show(const std::vector<model::LabelView>& views) {
  std::string out = "{";
  for (const model::LabelView& label : views) {
    if (out.size() > 1) out += ", ";
    out += model::is_legacy_label_name(label.name) ? std::string(label.name)
                                                   : model::go_quote(label.name);
    out.append("=").append(model::go_quote(label.value));
  }
  return out + "}";
}

// Errors that concern one sample or series: repeating the request would not mend them, or (kAborted,
// above a rate) not now.
bool is_refusal(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOutOfRange:
    case StatusCode::kAlreadyExists:
    case StatusCode::kInvalidArgument:
    case StatusCode::kResourceExhausted:
    case StatusCode::kAborted:
    case StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

}  // namespace

Status RequestWriter::run() {
  worker_.found.clear();
  worker_.waiting.clear();
  worker_.samples.clear();
  worker_.known.clear();
  worker_.owners.clear();
  const formats::WriteRequestReader& reader = worker_.reader;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, worker_.reader.next());
    if (!more) return write_waiting();
    if (may_wait()) {
      known_.prefetch(reader.key());
      const auto samples = reader.samples();
      worker_.samples.insert(worker_.samples.end(), samples.begin(), samples.end());
      worker_.waiting.push_back({reader.key(), reader.series(), worker_.samples.size()});
      if (worker_.waiting.size() == kTogether || worker_.samples.size() > kMaxWaitingSamples) {
        RETURN_IF_ERROR(write_waiting());
      }
      continue;
    }
    const std::string_view series = reader.series();
    RETURN_IF_ERROR(write_waiting());
    RETURN_IF_ERROR(worker_.reader.revisit(series));
    RETURN_IF_ERROR(write_by_labels(known_.find(reader.key())));
  }
}

// In the order of the request: what waits is appended before a series that is not known.
Status RequestWriter::write_waiting() {
  for (std::size_t i = 0; i < worker_.waiting.size(); ++i) {
    if (const storage::SeriesRef ref = known_.find(worker_.waiting[i].key)) {
      add_known(i, ref);
      continue;
    }
    RETURN_IF_ERROR(write_known());
    RETURN_IF_ERROR(worker_.reader.revisit(worker_.waiting[i].series));
    RETURN_IF_ERROR(write_by_labels({}));
  }
  RETURN_IF_ERROR(write_known());
  worker_.waiting.clear();
  worker_.samples.clear();
  return ok();
}

void RequestWriter::add_known(std::size_t position, storage::SeriesRef ref) {
  const std::size_t begin = position == 0 ? 0 : worker_.waiting[position - 1].end;
  for (std::size_t i = begin; i < worker_.waiting[position].end; ++i) {
    const formats::WriteSample& sample = worker_.samples[i];
    worker_.known.push_back({ref, model::from_ms(sample.timestamp_ms), sample.value,
                             rules_.store_starts ? sample.start_ms : 0});
    worker_.owners.push_back(position);
  }
}

Status RequestWriter::check_time(std::int64_t time_ms) const {
  if (time_ms > newest_ms_)
    return out_of_range("out of bounds: timestamp is too far in the future");
  if (time_ms < kOldestMs) return out_of_range("out of bounds");
  return ok();
}

// Appends worker_.known. Samples whose time is out of bounds are taken out first; a series whose
// reference is outdated is written again by its labels.
Status RequestWriter::write_known() {
  Status failed;
  std::vector<std::size_t> outdated;
  const auto refused = [&](std::size_t i, const Status& error) {
    const std::size_t owner = worker_.owners[i];
    --outcome_.samples;
    if (error.code() != StatusCode::kNotFound) {
      if (const Status status = note_known(owner, error); failed.ok()) failed = status;
    } else if (outdated.empty() || outdated.back() != owner) {
      outdated.push_back(owner);
    }
  };
  std::size_t kept = 0;
  for (std::size_t i = 0; i < worker_.known.size(); ++i) {
    const Status time = check_time(model::to_ms(worker_.known[i].t));
    if (!time.ok()) {
      RETURN_IF_ERROR(note_known(worker_.owners[i], time));
      continue;
    }
    worker_.known[kept] = worker_.known[i];
    worker_.owners[kept++] = worker_.owners[i];
  }
  worker_.known.resize(kept);
  worker_.owners.resize(kept);
  outcome_.samples += kept;
  appender_.append_known(worker_.known, refused);
  worker_.known.clear();
  worker_.owners.clear();
  RETURN_IF_ERROR(failed);
  for (const std::size_t position : outdated) {
    RETURN_IF_ERROR(worker_.reader.revisit(worker_.waiting[position].series));
    RETURN_IF_ERROR(write_by_labels({}));
  }
  return ok();
}

Status RequestWriter::note_known(std::size_t position, const Status& error) {
  if (!v1_) {
    RETURN_IF_ERROR(worker_.reader.revisit(worker_.waiting[position].series));
    RETURN_IF_ERROR(read_labels());
  }
  return note(error);
}

Status RequestWriter::write_by_labels(storage::SeriesRef known) {
  const formats::WriteRequestReader& reader = worker_.reader;
  if (const Status status = read_labels(); !status.ok()) {
    if (!is_refusal(status)) return status;
    outcome_.invalid_labels += v1_ ? 1 : reader.samples().size() + reader.histograms().size();
    // Upstream leaves out such series of 1.0 without a word to the sender.
    if (!v1_ || status.code() == StatusCode::kResourceExhausted) add_text(message(status));
    return ok();
  }
  if (!v1_ && reader.samples().empty() && reader.histograms().empty()) {
    add_text(fmt::format("TimeSeries must contain at least one sample or histogram for series {}",
                         worker_.labels.to_string()));
    return ok();
  }
  const std::uint64_t stored_before = outcome_.samples + outcome_.histograms;
  storage::SeriesRef ref = known;
  for (const formats::WriteSample& sample : reader.samples()) {
    const Status status = write_sample(sample, &ref);
    if (status.ok()) {
      ++outcome_.samples;
    } else {
      RETURN_IF_ERROR(note(status));
    }
  }
  RETURN_IF_ERROR(write_histograms(&ref));
  RETURN_IF_ERROR(write_exemplars(ref));
  if (!ref) return ok();
  if (ref != known) {
    ++outcome_.unknown_series;
    worker_.found.push_back({reader.key(), ref});
  }
  if (const Status status = write_metadata(ref); !status.ok()) {
    if (!is_refusal(status)) return status;
    outcome_.without_metadata += outcome_.samples + outcome_.histograms - stored_before;
  }
  return ok();
}

storage::AppendOptions RequestWriter::options_of(std::int64_t start_ms) const {
  storage::AppendOptions options;
  if (rules_.store_starts && start_ms != 0) options.start = model::from_ms(start_ms);
  return options;
}

bool RequestWriter::may_wait() const {
  const formats::WriteRequestReader& reader = worker_.reader;
  const auto has_start = [](const formats::WriteSample& sample) { return sample.start_ms != 0; };
  const auto samples = reader.samples();
  return reader.histograms().empty() && reader.exemplars().empty() && !samples.empty() &&
         !(rules_.zero_starts && std::any_of(samples.begin(), samples.end(), has_start));
}

Status RequestWriter::write_sample(const formats::WriteSample& sample, storage::SeriesRef* ref) {
  RETURN_IF_ERROR(check_time(sample.timestamp_ms));
  RETURN_IF_ERROR(write_zero(sample, nullptr, ref));
  ASSIGN_OR_RETURN(const storage::AppendResult result,
                   appender_.append(*ref, worker_.labels, model::from_ms(sample.timestamp_ms),
                                    sample.value, options_of(sample.start_ms)));
  *ref = result.ref;
  return ok();
}

Status RequestWriter::write_zero(const formats::WriteSample& sample,
                                 const formats::WriteHistogram* like, storage::SeriesRef* ref) {
  if (!rules_.zero_starts || sample.start_ms == 0 || sample.start_ms >= sample.timestamp_ms) {
    return ok();
  }
  if (sample.timestamp_ms - kOldestZeroMs > sample.start_ms) return ok();
  storage::AppendOptions options;
  options.in_order_only = options.tentative = true;
  const model::Timestamp start = model::from_ms(sample.start_ms);
  StatusOr<storage::AppendResult> result =
      like == nullptr
          ? appender_.append(*ref, worker_.labels, start, 0, options)
          : std::visit(
                [&](const auto& histogram) {
                  return appender_.append_histogram(*ref, worker_.labels, start,
                                                    model::zero_like(histogram), options);
                },
                like->histogram);
  // Out of order is the usual case: the series has had this start for long.
  if (!result.ok()) return is_refusal(result.status()) ? ok() : result.status();
  *ref = result->ref;
  return ok();
}

Status RequestWriter::write_histogram(const formats::WriteHistogram& sample,
                                      storage::SeriesRef* ref) {
  RETURN_IF_ERROR(write_zero({0, sample.timestamp_ms, sample.start_ms}, &sample, ref));
  ASSIGN_OR_RETURN(const storage::AppendResult result,
                   std::visit(
                       [&](const auto& histogram) {
                         return appender_.append_histogram(*ref, worker_.labels,
                                                           model::from_ms(sample.timestamp_ms),
                                                           histogram, options_of(sample.start_ms));
                       },
                       sample.histogram));
  *ref = result.ref;
  return ok();
}

Status RequestWriter::write_histograms(storage::SeriesRef* ref) {
  for (const std::string_view encoded : worker_.reader.histograms()) {
    formats::WriteHistogram sample;
    RETURN_IF_ERROR(worker_.reader.read_histogram(encoded, &sample));
    Status status = check_time(sample.timestamp_ms);
    if (status.ok()) {
      status = std::visit(
          [](auto& h) { return model::reduce_resolution(model::kMaxExponentialSchema, &h); },
          sample.histogram);
    }
    if (status.ok()) status = write_histogram(sample, ref);
    if (status.ok()) {
      ++outcome_.histograms;
    } else {
      RETURN_IF_ERROR(note(status));
    }
  }
  return ok();
}

// Exemplars need a series: one whose samples were all refused has none yet.
Status RequestWriter::write_exemplars(storage::SeriesRef ref) {
  for (const std::string_view encoded : worker_.reader.exemplars()) {
    model::Exemplar exemplar;
    std::vector<model::LabelView> views;
    Status status = worker_.reader.read_exemplar(encoded, &views, &exemplar);
    if (status.code() == StatusCode::kDataLoss) return status;
    if (status.ok()) status = sort_labels(&views);
    if (status.ok()) status = check_time(model::to_ms(*exemplar.time));
    if (status.ok()) {
      exemplar.labels.assign_sorted(views);
      status = appender_.append_exemplar(ref, worker_.labels, exemplar);
    }
    if (status.ok()) {
      ++outcome_.exemplars;
    } else if (v1_ && status.code() != StatusCode::kUnimplemented && is_refusal(status)) {
      ++outcome_.refused;  // as upstream, without a word to the sender
    } else {
      RETURN_IF_ERROR(note(status));
    }
  }
  return ok();
}

Status RequestWriter::write_metadata(storage::SeriesRef ref) {
  model::Metadata metadata;
  ASSIGN_OR_RETURN(const bool given, worker_.reader.metadata(&metadata));
  return given ? appender_.update_metadata(ref, worker_.labels, metadata) : ok();
}

Status RequestWriter::sort_labels(std::vector<model::LabelView>* views) const {
  if (!std::is_sorted(views->begin(), views->end(), by_name)) {
    std::stable_sort(views->begin(), views->end(), by_name);
  }
  const auto twice = std::adjacent_find(
      views->begin(), views->end(), [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != views->end()) {
    return invalid_argument("invalid labels for series, labels {}, duplicated label {}",
                            show(*views), twice->name);
  }
  std::erase_if(*views, [](const model::LabelView& label) { return label.value.empty(); });
  return ok();
}

Status RequestWriter::read_labels() {
  std::vector<model::LabelView>& views = worker_.views;
  if (const Status status = worker_.reader.labels(&views); !status.ok()) {
    return annotate(status, "parsing labels for series");
  }
  bool has_name = false;
  bool is_valid = true;
  for (const model::LabelView& label : views) {
    if (label.name == model::kMetricName) has_name = !label.value.empty();
    is_valid = is_valid && model::is_label_name(label.name) && model::is_utf8(label.value);
  }
  if (!has_name || !is_valid) {
    std::stable_sort(views.begin(), views.end(), by_name);
    return invalid_argument("invalid metric name or labels, got {}", show(views));
  }
  RETURN_IF_ERROR(sort_labels(&views));
  worker_.labels.assign_sorted(views);
  return rules_.type_and_unit ? add_type_and_unit() : ok();
}

Status RequestWriter::add_type_and_unit() {
  model::Metadata metadata;
  RETURN_IF_ERROR(worker_.reader.metadata(&metadata).status());
  if (metadata.kind == model::MetricKind::kUnknown && metadata.unit.empty()) return ok();
  if (!model::is_utf8(metadata.unit)) {
    return invalid_argument("invalid unit {} for series {}", model::go_quote(metadata.unit),
                            worker_.labels.to_string());
  }
  // As upstream: what the sender says of both goes when the metadata says one of them.
  static const std::string kNames[] = {std::string(model::kTypeLabel),
                                       std::string(model::kUnitLabel)};
  worker_.labels =
      model::with_type_and_unit(worker_.labels.drop(kNames), metadata.kind, metadata.unit);
  return ok();
}

Status RequestWriter::note(const Status& error) {
  if (!is_refusal(error)) return error;
  ++outcome_.refused;
  outcome_.rate_limited += error.code() == StatusCode::kAborted ? 1 : 0;
  if (v1_) {
    add_text(message(error));
  } else {
    add_text(fmt::format("{} for series {}", message(error), worker_.labels.to_string()));
  }
  return ok();
}

void RequestWriter::add_text(std::string_view text) {
  ++outcome_.errors;
  if (v1_ ? outcome_.errors > 1 : outcome_.errors > kMaxErrorTexts) return;
  if (!outcome_.text.empty()) outcome_.text += '\n';
  outcome_.text += text;
}

}  // namespace tocsin::web
