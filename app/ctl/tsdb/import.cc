// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/tsdb/tools.h"
#include "formats/exposition.h"

namespace tocsin::app {
namespace {

constexpr std::uint64_t kMaxFileBytes = 4ULL << 30;
constexpr std::size_t kBatchSamples = 5000;  // as upstream's

class Importer final : public formats::ExpositionSink {
 public:
  Importer(storage::Appendable& to, Imported* imported) : to_(to), imported_(*imported) {}

  Status sample(const formats::ExpositionSample& sample) override {
    ASSIGN_OR_RETURN(const model::Labels labels, formats::parse_series(sample.series, sample.kind));
    if (!sample.timestamp_ms) {
      return invalid_argument("expected timestamp for series {}, got none", labels.to_string());
    }
    if (appender_ == nullptr) appender_ = to_.appender();
    const Status added =
        appender_->append({}, labels, base::from_ms(*sample.timestamp_ms), sample.value, {})
            .status();
    if (added.code() == StatusCode::kOutOfRange || added.code() == StatusCode::kAlreadyExists) {
      if (imported_.refused++ == 0) {
        imported_.first_refusal = annotate(added, "{}", labels.to_string());
      }
      return ok();
    }
    RETURN_IF_ERROR(added);
    ++imported_.accepted;
    return ++in_batch_ == kBatchSamples ? commit() : ok();
  }
  void type(std::string_view, model::MetricKind) override {}
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}

  Status commit() {
    if (appender_ == nullptr) return ok();
    in_batch_ = 0;
    return commit_and_wait(*std::exchange(appender_, nullptr));
  }

 private:
  storage::Appendable& to_;
  Imported& imported_;
  std::unique_ptr<storage::Appender> appender_;
  std::size_t in_batch_ = 0;
};

}  // namespace

Status import_page(std::string_view page, storage::Appendable& to, Imported* imported) {
  Importer importer(to, imported);
  RETURN_IF_ERROR(formats::parse_openmetrics(page, importer));
  return importer.commit();
}

Status import_openmetrics(const std::string& file, const std::string& directory, std::FILE* out) {
  ASSIGN_OR_RETURN(const std::string page, base::real_file_system().read_file(file, kMaxFileBytes));
  ASSIGN_OR_RETURN(const auto folder, OpenFolder::open(directory, OpenFolder::Mode::kWrite));
  Imported imported;
  RETURN_IF_ERROR(annotate(import_page(page, folder->db(), &imported), "{}", file));
  RETURN_IF_ERROR(folder->db().seal_all());
  fmt::print(out, "{} samples imported\n", imported.accepted);
  if (imported.refused == 0) return ok();
  return out_of_range("{} samples were refused, the first: {}", imported.refused,
                      message(imported.first_refusal));
}

}  // namespace tocsin::app
