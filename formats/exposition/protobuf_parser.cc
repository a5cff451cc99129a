// SPDX-License-Identifier: Apache-2.0
//
//   MetricFamily  1 name  2 help  3 type  4 repeated Metric  5 unit
//   Metric        1 repeated LabelPair{1 name, 2 value}  2 Gauge{1 value}
//                 3 Counter{1 value, 2 Exemplar, 3 Timestamp of the start}
//                 4 Summary{1 count, 2 sum, 3 repeated Quantile{1 quantile, 2 value},
//                 4 Timestamp of the start}  5 Untyped{1 value}  6 timestamp_ms  7 Histogram
//   Exemplar      1 repeated LabelPair  2 value  3 Timestamp{1 seconds, 2 nanos}
//   Histogram     1 count u64  2 sum  3 repeated Bucket{1 cumulative u64, 2 upper bound,
//                 3 Exemplar, 4 cumulative double}  4 count double  5 schema sint  6 zero threshold
//                 7 zero count u64  8 zero count double  9, 12 repeated Span{1 offset sint,
//                 2 length u32}  10, 13 repeated delta sint  11, 14 repeated count double
//                 (9 to 11 negative, 12 to 14 positive)  15 Timestamp of the start
//                 16 repeated Exemplar
#include "formats/exposition/protobuf_parser.h"

#include <cmath>
#include <limits>

#include "model/value.h"

namespace tocsin::formats {
namespace exposition {
namespace {

using model::MetricKind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Status damaged(std::string_view what) { return invalid_argument("protobuf: damaged {}", what); }

// Numbers in labels always have a point or an exponent, as in OpenMetrics.
std::string label_number(double value) {
  std::string text = model::format_float_g(value);
  if (std::isfinite(value) && text.find_first_of("e.") == std::string::npos) text.append(".0");
  return text;
}

// A field with one double, of a message that has nothing else of interest.
bool read_double(std::string_view message, std::uint32_t field, double* value) {
  WireReader reader(message);
  while (reader.next()) {
    if (reader.field() == field) {
      reader.fixed64(value);
    } else {
      reader.skip();
    }
  }
  return reader.ok();
}

double normal(double value) { return std::isnan(value) ? model::normal_nan() : value; }

// A repeated number, packed or not.
bool read_deltas(WireReader* reader, std::vector<std::int64_t>* out) {
  std::int64_t value = 0;
  if (reader->type() != WireReader::kBytes) {
    if (!reader->sint(&value)) return false;
    out->push_back(value);
    return true;
  }
  std::string_view packed;
  if (!reader->bytes(&packed)) return false;
  WireReader values(packed);
  while (!values.at_end()) {
    std::uint64_t raw = 0;
    if (!values.raw_varint(&raw)) return reader->fail();
    out->push_back(static_cast<std::int64_t>((raw >> 1U) ^ (0 - (raw & 1U))));
  }
  return true;
}

bool read_counts(WireReader* reader, std::vector<double>* out) {
  double value = 0;
  if (reader->type() != WireReader::kBytes) {
    if (!reader->fixed64(&value)) return false;
    out->push_back(value);
    return true;
  }
  std::string_view packed;
  if (!reader->bytes(&packed)) return false;
  if (packed.size() % sizeof(double) != 0) return reader->fail();
  for (; !packed.empty(); packed.remove_prefix(sizeof(double))) {
    std::memcpy(&value, packed.data(), sizeof(value));
    out->push_back(value);
  }
  return true;
}

bool read_span(WireReader* reader, std::vector<model::HistogramSpan>* out) {
  std::string_view message;
  if (!reader->bytes(&message)) return false;
  WireReader span(message);
  std::int64_t offset = 0;
  std::uint64_t length = 0;
  while (span.next()) {
    switch (span.field()) {
      case 1:
        span.sint(&offset);
        break;
      case 2:
        span.varint(&length);
        break;
      default:
        span.skip();
    }
  }
  const bool fits = offset >= INT32_MIN && offset <= INT32_MAX && length <= UINT32_MAX;
  if (!span.ok() || !fits) return reader->fail();
  out->push_back({static_cast<std::int32_t>(offset), static_cast<std::uint32_t>(length)});
  return true;
}

bool read_time(std::string_view message, std::int64_t* ms) {
  WireReader reader(message);
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        reader.number(&seconds);
        break;
      case 2:
        reader.number(&nanos);
        break;
      default:
        reader.skip();
    }
  }
  constexpr std::int64_t kMaxSeconds = 9'000'000'000'000;
  constexpr std::int64_t kSecond = 1'000'000'000;
  const bool sound = seconds >= -kMaxSeconds && seconds <= kMaxSeconds && nanos >= 0 &&
                     nanos < kSecond && reader.ok();
  if (sound) *ms = seconds * 1000 + nanos / 1'000'000;
  return sound;
}

bool read_time(WireReader* reader, std::int64_t* ms) {
  std::string_view message;
  return reader->bytes(&message) && (read_time(message, ms) || reader->fail());
}

bool has_time(std::string_view exemplar) {
  WireReader reader(exemplar);
  while (reader.next()) {
    if (reader.field() == 3) return true;
    reader.skip();
  }
  return false;
}

bool read_pair(std::string_view message, std::string_view* name, std::string_view* value) {
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        reader.bytes(name);
        break;
      case 2:
        reader.bytes(value);
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok();
}

}  // namespace

// The fields of a Histogram, before it is known what they make.
struct ProtobufParser::Buckets {
  bool read(std::string_view message);
  bool read_field(WireReader* reader);
  bool read_bucket(WireReader* reader);
  bool is_native() const {
    return !positive_spans.empty() || !negative_spans.empty() || zero_threshold != 0 ||
           zero_count != 0 || zero_count_float != 0;
  }
  double total() const { return count_float > 0 ? count_float : static_cast<double>(count); }
  NativeHistogram native(bool gauge) &&;

  std::uint64_t count = 0;
  double count_float = 0;
  double sum = 0;
  struct Classic {
    double bound = 0;
    double cumulative = 0;
    std::string_view exemplar;
  };
  std::vector<Classic> classic;
  std::vector<std::string_view> exemplars;
  std::int64_t start_ms = 0;
  std::int64_t schema = 0;
  double zero_threshold = 0;
  std::uint64_t zero_count = 0;
  double zero_count_float = 0;
  std::vector<model::HistogramSpan> positive_spans, negative_spans;
  std::vector<std::int64_t> positive_deltas, negative_deltas;
  std::vector<double> positive_counts, negative_counts;

 private:
  template <typename H>
  void move_common(bool gauge, H* to);
};

bool ProtobufParser::Buckets::read(std::string_view message) {
  WireReader reader(message);
  while (reader.next()) {
    if (!read_field(&reader)) return false;
  }
  return reader.ok() && schema >= INT32_MIN && schema <= INT32_MAX;
}

bool ProtobufParser::Buckets::read_field(WireReader* reader) {
  switch (reader->field()) {
    case 1:
      return reader->varint(&count);
    case 2:
      return reader->fixed64(&sum);
    case 3:
      return read_bucket(reader);
    case 4:
      return reader->fixed64(&count_float);
    case 5:
      return reader->sint(&schema);
    case 6:
      return reader->fixed64(&zero_threshold);
    case 7:
      return reader->varint(&zero_count);
    case 8:
      return reader->fixed64(&zero_count_float);
    case 9:
      return read_span(reader, &negative_spans);
    case 10:
      return read_deltas(reader, &negative_deltas);
    case 11:
      return read_counts(reader, &negative_counts);
    case 12:
      return read_span(reader, &positive_spans);
    case 13:
      return read_deltas(reader, &positive_deltas);
    case 14:
      return read_counts(reader, &positive_counts);
    case 15:
      return read_time(reader, &start_ms);
    case 16:
      return reader->bytes(&exemplars.emplace_back());
    default:
      return reader->skip();
  }
}

bool ProtobufParser::Buckets::read_bucket(WireReader* reader) {
  std::string_view message;
  if (!reader->bytes(&message)) return false;
  WireReader bucket(message);
  std::uint64_t cumulative = 0;
  double cumulative_float = 0;
  Classic parts;
  while (bucket.next()) {
    switch (bucket.field()) {
      case 1:
        bucket.varint(&cumulative);
        break;
      case 2:
        bucket.fixed64(&parts.bound);
        break;
      case 3:
        bucket.bytes(&parts.exemplar);
        break;
      case 4:
        bucket.fixed64(&cumulative_float);
        break;
      default:
        bucket.skip();
    }
  }
  if (!bucket.ok()) return reader->fail();
  parts.cumulative = cumulative_float > 0 ? cumulative_float : static_cast<double>(cumulative);
  classic.push_back(parts);
  return true;
}

template <typename H>
void ProtobufParser::Buckets::move_common(bool gauge, H* to) {
  if (gauge) to->reset_hint = model::CounterResetHint::kGauge;
  to->schema = static_cast<std::int32_t>(schema);
  to->zero_threshold = zero_threshold;
  to->sum = sum;
  to->positive_spans = std::move(positive_spans);
  to->negative_spans = std::move(negative_spans);
}

NativeHistogram ProtobufParser::Buckets::native(bool gauge) && {
  NativeHistogram result;
  if (count_float > 0 || zero_count_float > 0) {
    auto& h = result.emplace<model::FloatHistogram>();
    move_common(gauge, &h);
    h.count = count_float;
    h.zero_count = zero_count_float;
    h.positive_buckets = std::move(positive_counts);
    h.negative_buckets = std::move(negative_counts);
    return result;
  }
  auto& h = result.emplace<model::Histogram>();
  move_common(gauge, &h);
  h.count = count;
  h.zero_count = zero_count;
  h.positive_deltas = std::move(positive_deltas);
  h.negative_deltas = std::move(negative_deltas);
  return result;
}

Status ProtobufParser::read_line() {
  if (next_ != samples_.size()) {
    const bool is_native = next_ == 0 && histogram_;
    const Sample& sample = samples_[next_++];
    return emit(sample, is_native ? &*histogram_ : nullptr);
  }
  if (next_metric_ != metrics_.size()) return read_metric(metrics_[next_metric_++]);
  return read_family();
}

Status ProtobufParser::read_family() {
  name_ = unit_ = {};
  kind_ = MetricKind::kCounter;  // what a family without a type field is
  metrics_.clear();
  next_metric_ = 0;
  WireReader length(rest_);
  std::uint64_t size = 0;
  if (!length.raw_varint(&size) || size > length.rest().size()) return damaged("length");
  WireReader reader(length.rest().substr(0, size));
  rest_ = length.rest().substr(size);
  std::string_view help;
  while (reader.next()) {
    std::string_view message;
    std::uint64_t type = 0;
    switch (reader.field()) {
      case 1:
        reader.bytes(&name_);
        break;
      case 2:
        reader.bytes(&help);
        break;
      case 3:
        if (reader.varint(&type)) RETURN_IF_ERROR(read_type(type));
        break;
      case 4:
        if (reader.bytes(&message)) metrics_.push_back(message);
        break;
      case 5:
        reader.bytes(&unit_);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return damaged("metric family");
  if (!model::is_metric_name(name_)) {
    return invalid_argument("invalid metric name: {}", model::go_quote(name_));
  }
  if (!model::is_utf8(help)) return invalid_argument("invalid help for metric {:?}", name_);
  sink_.type(name_, kind_);
  if (!help.empty()) sink_.help(name_, help);
  if (!unit_.empty()) sink_.unit(name_, unit_);
  return ok();
}

Status ProtobufParser::read_type(std::uint64_t type) {
  constexpr MetricKind kKinds[] = {MetricKind::kCounter,   MetricKind::kGauge,
                                   MetricKind::kSummary,   MetricKind::kUnknown,
                                   MetricKind::kHistogram, MetricKind::kGaugeHistogram};
  if (type >= std::size(kKinds)) {
    return invalid_argument("unknown metric type for metric {:?}: {}", name_, type);
  }
  kind_ = kKinds[type];
  return ok();
}

Status ProtobufParser::read_metric(std::string_view message) {
  labels_.clear();
  timestamp_ms_.reset();
  start_ms_ = 0;
  samples_.clear();
  exemplars_.clear();
  next_ = 0;
  histogram_.reset();
  WireReader reader(message);
  while (reader.next()) {
    std::string_view part;
    std::int64_t ms = 0;
    switch (reader.field()) {
      case 1:
        if (reader.bytes(&part)) RETURN_IF_ERROR(read_label(part));
        break;
      case 2:
      case 5:
        if (reader.bytes(&part)) RETURN_IF_ERROR(read_value(part));
        break;
      case 3:
        if (reader.bytes(&part)) RETURN_IF_ERROR(read_counter(part));
        break;
      case 4:
        if (reader.bytes(&part)) RETURN_IF_ERROR(read_summary(part));
        break;
      case 6:
        if (reader.number(&ms) && ms != 0) timestamp_ms_ = ms;
        break;
      case 7:
        if (reader.bytes(&part)) RETURN_IF_ERROR(read_histogram(part));
        break;
      default:
        reader.skip();
    }
  }
  return reader.ok() ? ok() : damaged("metric");
}

Status ProtobufParser::read_label(std::string_view message) {
  std::string_view name;
  std::string_view value;
  if (!read_pair(message, &name, &value)) return damaged("label");
  if (!model::is_label_name(name)) {
    return invalid_argument("invalid label name in metric {:?}: {}", name_, model::go_quote(name));
  }
  if (!model::is_utf8(value)) {
    return invalid_argument("invalid label value in metric {:?}: {}", name_,
                            model::go_quote(value));
  }
  if (!labels_.empty()) labels_.push_back(',');
  if (model::is_legacy_label_name(name)) {
    labels_.append(name);
  } else {
    append_quoted(name, &labels_);
  }
  labels_.push_back('=');
  append_quoted(value, &labels_);
  return ok();
}

Status ProtobufParser::read_value(std::string_view message) {
  double value = 0;
  if (!read_double(message, 1, &value)) return damaged("value");
  samples_.push_back({"", "", "", normal(value)});
  return ok();
}

Status ProtobufParser::read_counter(std::string_view message) {
  Sample sample;
  WireReader reader(message);
  while (reader.next()) {
    std::string_view exemplar;
    switch (reader.field()) {
      case 1:
        reader.fixed64(&sample.value);
        break;
      case 2:
        if (reader.bytes(&exemplar)) add_exemplar(exemplar, &sample);
        break;
      case 3:
        read_time(&reader, &start_ms_);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return damaged("value");
  sample.value = normal(sample.value);
  samples_.push_back(std::move(sample));
  return ok();
}

void ProtobufParser::add_exemplar(std::string_view encoded, Sample* sample) {
  if (sample->exemplars++ == 0) sample->first_exemplar = exemplars_.size();
  exemplars_.push_back(encoded);
}

Status ProtobufParser::read_summary(std::string_view message) {
  std::uint64_t count = 0;
  double sum = 0;
  std::vector<std::pair<double, double>> quantiles;
  WireReader reader(message);
  while (reader.next()) {
    std::string_view part;
    std::pair<double, double> quantile;
    switch (reader.field()) {
      case 1:
        reader.varint(&count);
        break;
      case 2:
        reader.fixed64(&sum);
        break;
      case 3:
        if (!reader.bytes(&part)) break;
        if (!read_double(part, 1, &quantile.first) || !read_double(part, 2, &quantile.second)) {
          return damaged("quantile");
        }
        quantiles.push_back(quantile);
        break;
      case 4:
        read_time(&reader, &start_ms_);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return damaged("summary");
  samples_.push_back({"_count", "", "", static_cast<double>(count)});
  samples_.push_back({"_sum", "", "", normal(sum)});
  for (const auto& [quantile, value] : quantiles) {
    samples_.push_back({"", model::kQuantileLabel, label_number(quantile), normal(value)});
  }
  return ok();
}

Status ProtobufParser::read_histogram(std::string_view message) {
  Buckets buckets;
  if (!buckets.read(message)) return damaged("histogram");
  const bool native = options_.native && buckets.is_native();
  start_ms_ = buckets.start_ms;
  if (native) add_native(buckets);
  if (!native || (options_.classic_too && !buckets.classic.empty())) add_classic(buckets);
  if (native) {
    histogram_ = std::move(buckets).native(kind_ == MetricKind::kGaugeHistogram);
  }
  return ok();
}

// Adds the sample of the native histogram. Its exemplars must have a time: without one nobody can
// tell a new one from one that is shown again.
void ProtobufParser::add_native(const Buckets& buckets) {
  Sample sample;
  for (const std::string_view exemplar : buckets.exemplars) {
    if (has_time(exemplar)) add_exemplar(exemplar, &sample);
  }
  if (buckets.exemplars.empty()) {
    for (const Buckets::Classic& bucket : buckets.classic) {
      if (has_time(bucket.exemplar)) add_exemplar(bucket.exemplar, &sample);
    }
  }
  samples_.push_back(std::move(sample));
}

void ProtobufParser::add_classic(const Buckets& buckets) {
  samples_.push_back({"_count", "", "", normal(buckets.total())});
  samples_.push_back({"_sum", "", "", normal(buckets.sum)});
  bool has_infinity = false;
  for (const auto& [bound, count, exemplar] : buckets.classic) {
    Sample sample{"_bucket", model::kBucketLabel, label_number(bound), normal(count)};
    if (!exemplar.empty()) add_exemplar(exemplar, &sample);
    samples_.push_back(std::move(sample));
    has_infinity = has_infinity || bound == kInfinity;
  }
  if (has_infinity) return;
  samples_.push_back({"_bucket", model::kBucketLabel, "+Inf", normal(buckets.total())});
}

Status ProtobufParser::emit(const Sample& sample, const NativeHistogram* histogram) {
  write_series(sample);
  ExpositionSample out;
  out.series = series_;
  out.value = sample.value;
  out.timestamp_ms = timestamp_ms_;
  out.kind = kind_;
  out.unit = unit_;
  out.histogram = histogram;
  out.start_ms = start_ms_;
  out.encoded_exemplars = std::span(exemplars_).subspan(sample.first_exemplar, sample.exemplars);
  return sink_.sample(out);
}

// Writes the series as a text page has it.
void ProtobufParser::write_series(const Sample& sample) {
  series_.clear();
  const bool plain = model::is_legacy_metric_name(name_);
  if (plain) {
    series_.append(name_).append(sample.suffix);
    if (labels_.empty() && sample.label.empty()) return;
    series_.push_back('{');
  } else {
    series_.push_back('{');
    append_quoted(std::string(name_).append(sample.suffix), &series_);
    if (!labels_.empty() || !sample.label.empty()) series_.push_back(',');
  }
  series_.append(labels_);
  if (!sample.label.empty()) {
    if (!labels_.empty()) series_.push_back(',');
    series_.append(sample.label).push_back('=');
    append_quoted(sample.label_value, &series_);
  }
  series_.push_back('}');
}

}  // namespace exposition

StatusOr<model::Exemplar> parse_protobuf_exemplar(std::string_view encoded) {
  using exposition::damaged;
  model::Exemplar exemplar;
  std::vector<std::pair<std::string, std::string>> labels;
  WireReader reader(encoded);
  while (reader.next()) {
    std::string_view part;
    std::int64_t ms = 0;
    switch (reader.field()) {
      case 1: {
        std::string_view name;
        std::string_view value;
        if (reader.bytes(&part) && !exposition::read_pair(part, &name, &value)) reader.fail();
        if (!model::is_label_name(name) || !model::is_utf8(value)) return damaged("exemplar");
        labels.emplace_back(name, value);
        break;
      }
      case 2:
        reader.fixed64(&exemplar.value);
        break;
      case 3:
        if (exposition::read_time(&reader, &ms)) exemplar.time = model::from_ms(ms);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return damaged("exemplar");
  exemplar.labels = model::Labels::from(std::move(labels));
  return exemplar;
}

Status parse_protobuf(std::string_view page, const HistogramOptions& options,
                      ExpositionSink& sink) {
  exposition::ProtobufParser parser(page, sink, options);
  while (!parser.finished()) RETURN_IF_ERROR(parser.read_line());
  return ok();
}

}  // namespace tocsin::formats
