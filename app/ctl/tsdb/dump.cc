// SPDX-License-Identifier: Apache-2.0
//
// dump, analyze, list and verify: reading a folder.
#include <algorithm>
#include <map>
#include <set>

#include "app/ctl/tsdb/tools.h"
#include "base/json.h"
#include "formats/exposition.h"
#include "model/histogram_buckets.h"
#include "model/value.h"
#include "promql/parser.h"

namespace tocsin::app {
namespace {

using Columns = std::vector<storage::SeriesColumn>;

StatusOr<std::vector<model::Matchers>> parse_matchers(const std::vector<std::string>& texts) {
  std::vector<model::Matchers> sets;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(model::Matchers matchers, promql::parse_metric_selector(text));
    sets.push_back(std::move(matchers));
  }
  if (sets.empty()) sets.emplace_back();
  return sets;
}

// Calls visit(labels, column) for each series with samples in the range, once.
template <typename Visit>
Status each_series(tsdb::Db& db, const DumpOptions& options, Visit visit) {
  ASSIGN_OR_RETURN(const std::vector<model::Matchers> sets, parse_matchers(options.matchers));
  std::set<storage::SeriesId> seen;
  for (const model::Matchers& matchers : sets) {
    storage::SelectHints hints;
    hints.mint = base::from_ms(options.min_ms);
    hints.maxt = base::from_ms(options.max_ms);
    ASSIGN_OR_RETURN(const auto selection, db.select(matchers, hints, {}));
    for (std::size_t b = 0; b < selection->batch_count(); ++b) {
      storage::ColumnBatch batch;
      RETURN_IF_ERROR(selection->read(b, &batch));
      for (const storage::SeriesColumn& column : batch.series) {
        if (sets.size() > 1 && !seen.insert(selection->series()[column.series].id).second) continue;
        visit(selection->labels(column.series), column);
      }
    }
    for (const std::string& warning : selection->warnings()) {
      fmt::print(stderr, "tocsinctl: warning: {}\n", warning);
    }
  }
  return ok();
}

// name{a="b",c="d"}, without spaces; {"a name",...} for a name of other characters.
std::string openmetrics_name(const model::Labels& labels) {
  const std::string_view metric = labels.metric_name();
  std::string out;
  if (model::is_legacy_metric_name(metric)) {
    out += metric;
  } else {
    out += '{';
    formats::append_quoted(metric, &out);
  }
  char separator = out.starts_with('{') ? ',' : '{';
  for (const model::LabelView& label : labels) {
    if (label.name == model::kMetricName) continue;
    out += separator;
    separator = ',';
    if (model::is_legacy_label_name(label.name)) {
      out += label.name;
    } else {
      formats::append_quoted(label.name, &out);
    }
    out += '=';
    formats::append_quoted(label.value, &out);
  }
  if (separator == ',') out += '}';
  return out;
}

std::string series_json(const model::Labels& labels) {
  std::string out;
  base::JsonWriter json(&out);
  json.begin_object();
  for (const model::LabelView& label : labels) json.field(label.name, label.value);
  json.end_object();
  return out + "\n";
}

class Dumper {
 public:
  Dumper(DumpOptions::Format format, std::FILE* out) : format_(format), out_(out) {}

  void operator()(const model::Labels& labels, const storage::SeriesColumn& column) {
    if (format_ == DumpOptions::Format::kSeriesJson) {
      write(series_json(labels));
      return;
    }
    const bool prom = format_ == DumpOptions::Format::kProm;
    const std::string name = prom ? labels.to_string() : openmetrics_name(labels);
    auto histogram = column.histograms.begin();
    for (std::uint32_t row = 0; row < column.rows; ++row) {
      while (histogram != column.histograms.end() && histogram->first < row) ++histogram;
      if (!column.has(row)) continue;
      const bool is_histogram = histogram != column.histograms.end() && histogram->first == row;
      const std::int64_t ms = column.times->ms[column.first + row];
      if (prom) {
        write(fmt::format("{} {} {}\n", name,
                          is_histogram ? model::to_string(histogram->second)
                                       : model::format_float_g(column.floats[row]),
                          ms));
      } else if (is_histogram) {
        ++histograms_;
      } else if (!model::is_stale(column.floats[row])) {
        write(fmt::format("{} {} {:.3f}\n", name, model::format_float_g(column.floats[row]),
                          static_cast<double>(ms) / 1000));
      }
    }
  }

  Status finish() {
    if (format_ == DumpOptions::Format::kOpenMetrics) write("# EOF\n");
    if (std::fflush(out_) != 0 || failed_) return errno_status(errno, "writing the dump");
    if (histograms_ != 0) {
      fmt::print(stderr, "tocsinctl: {} histograms left out: OpenMetrics cannot hold them\n",
                 histograms_);
    }
    return ok();
  }

 private:
  void write(std::string_view text) {
    failed_ = std::fwrite(text.data(), 1, text.size(), out_) != text.size() || failed_;
  }

  const DumpOptions::Format format_;
  std::FILE* const out_;
  std::uint64_t histograms_ = 0;  // left out
  bool failed_ = false;
};

std::string size_text(std::uint64_t bytes, bool human) {
  return human ? model::format_size(bytes) : fmt::format("{}", bytes);
}

std::string time_text(std::int64_t ms, bool human) {
  return human ? model::format_rfc3339(base::from_ms(ms)) : fmt::format("{}", ms);
}

}  // namespace

Status list_runs(const std::string& directory, bool human, std::FILE* out) {
  ASSIGN_OR_RETURN(const auto folder, OpenFolder::open(directory, OpenFolder::Mode::kLook));
  constexpr auto* kLine = "{:<10} {:<5} {:<24} {:<24} {:<15} {:<12} {:<10} {}\n";
  fmt::print(out, fmt::runtime(kLine), "RUN", "TIER", "MIN TIME", "MAX TIME", "DURATION",
             "NUM SAMPLES", "NUM SERIES", "SIZE");
  for (const tsdb::RunReport& run : folder->db().runs()) {
    fmt::print(out, fmt::runtime(kLine), run.id, run.tier, time_text(run.min_ms, human),
               time_text(run.max_ms, human),
               model::format_go_duration(base::Duration(run.max_ms - run.min_ms)), run.samples,
               run.series, size_text(run.bytes, human));
  }
  return ok();
}

Status dump(const std::string& directory, const DumpOptions& options, std::FILE* out) {
  ASSIGN_OR_RETURN(const auto folder, OpenFolder::open(directory, OpenFolder::Mode::kLook));
  Dumper dumper(options.format, out);
  RETURN_IF_ERROR(each_series(folder->db(), options, std::ref(dumper)));
  return dumper.finish();
}

// Analysis --------------------------------------------------------------------------------------

namespace {

using Counts = std::map<std::string, std::uint64_t>;

void print_largest(std::string_view title, const Counts& counts, std::size_t limit,
                   std::FILE* out) {
  std::vector<std::pair<std::uint64_t, std::string>> rows;
  for (const auto& [name, count] : counts) rows.emplace_back(count, name);
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (rows.size() > limit) rows.resize(limit);
  fmt::print(out, "\n{}:\n", title);
  for (const auto& [count, name] : rows) fmt::print(out, "{} {}\n", count, name);
}

}  // namespace

Status analyze(const std::string& directory, const std::string& matchers, std::size_t limit,
               std::FILE* out) {
  ASSIGN_OR_RETURN(const auto folder, OpenFolder::open(directory, OpenFolder::Mode::kLook));
  DumpOptions options;
  if (!matchers.empty()) options.matchers.push_back(matchers);
  Counts pairs, value_bytes, metrics;
  std::map<std::string, std::set<std::string>> values;
  std::uint64_t series = 0, samples = 0, entries = 0;
  std::int64_t min_ms = INT64_MAX, max_ms = INT64_MIN;
  RETURN_IF_ERROR(each_series(
      folder->db(), options, [&](const model::Labels& labels, const storage::SeriesColumn& column) {
        ++series;
        for (std::uint32_t row = 0; row < column.rows; ++row) {
          if (!column.has(row)) continue;
          ++samples;
          min_ms = std::min(min_ms, column.times->ms[column.first + row]);
          max_ms = std::max(max_ms, column.times->ms[column.first + row]);
        }
        for (const model::LabelView& label : labels) {
          ++entries;
          ++pairs[fmt::format("{}={}", label.name, label.value)];
          if (label.name == "__name__") ++metrics[std::string(label.value)];
          const bool is_new = values[std::string(label.name)].emplace(label.value).second;
          if (is_new) value_bytes[std::string(label.name)] += label.value.size();
        }
      }));
  Counts cardinality;
  for (const auto& [name, of_name] : values) cardinality[name] = of_name.size();
  if (series != 0) {
    fmt::print(out, "Duration: {}\n", model::format_go_duration(base::Duration(max_ms - min_ms)));
  }
  fmt::print(out, "Total Series: {}\nTotal Samples: {}\nLabel names: {}\n", series, samples,
             values.size());
  fmt::print(out, "Postings (unique label pairs): {}\nPostings entries (total label pairs): {}\n",
             pairs.size(), entries);
  print_largest("Most common label pairs", pairs, limit, out);
  print_largest("Label names with highest cumulative label value length", value_bytes, limit, out);
  print_largest("Highest cardinality labels", cardinality, limit, out);
  print_largest("Highest cardinality metric names", metrics, limit, out);
  return ok();
}

Status verify(const std::string& directory, std::FILE* out) {
  ASSIGN_OR_RETURN(const auto folder, OpenFolder::open(directory, OpenFolder::Mode::kLook));
  StatusOr<tsdb::VerifyReport> report = [&] {
    Progress progress(stderr, "verifying");
    return folder->db().verify(
        [&](std::uint64_t done, std::uint64_t total) { progress.at(done, total); });
  }();
  RETURN_IF_ERROR(report.status());
  for (const std::string& damage : report->damage) fmt::print(out, "DAMAGED: {}\n", damage);
  if (report->damaged > report->damage.size())
    fmt::print(out, "and {} more\n", report->damaged - report->damage.size());
  fmt::print(out,
             "{} runs, {} series, {} samples, {} and {} journal records in {} finished segments "
             "were read\n",
             report->runs, report->series, report->samples, model::format_size(report->bytes),
             report->journal_records, report->journal_segments);
  if (report->damaged != 0) return data_loss("{} damaged pieces", report->damaged);
  fmt::print(out, "no damage\n");
  return ok();
}

}  // namespace tocsin::app
