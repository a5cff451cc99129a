// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/tsdb/tools.h"
#include "formats/exposition.h"

namespace tocsin::app {
namespace {

constexpr std::uint64_t kMaxFileBytes = 4ULL << 30;
constexpr std::size_t kBatchSamples = 5000;  // as upstream's

class Importer final : public formats::ExpositionSink {
 public:
  explicit Importer(tsdb::Db& db) : db_(db) {}

  Status sample(const formats::ExpositionSample& sample) override {
    ASSIGN_OR_RETURN(const model::Labels labels, formats::parse_series(sample.series, sample.kind));
    if (!sample.timestamp_ms) {
      return invalid_argument("expected timestamp for series {}, got none", labels.to_string());
    }
    if (appender_ == nullptr) appender_ = db_.appender();
    const Status added =
        appender_->append({}, labels, base::from_ms(*sample.timestamp_ms), sample.value, {})
            .status();
    if (added.code() == StatusCode::kOutOfRange || added.code() == StatusCode::kAlreadyExists) {
      if (refused_++ == 0) first_refusal_ = annotate(added, "{}", labels.to_string());
      return ok();
    }
    RETURN_IF_ERROR(added);
    ++accepted_;
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
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t refused() const { return refused_; }
  const Status& first_refusal() const { return first_refusal_; }

 private:
  tsdb::Db& db_;
  std::unique_ptr<storage::Appender> appender_;
  std::size_t in_batch_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
  Status first_refusal_;
};

}  // namespace

Status import_openmetrics(const std::string& file, const std::string& directory, std::FILE* out) {
  ASSIGN_OR_RETURN(const std::string page, base::real_file_system().read_file(file, kMaxFileBytes));
  ASSIGN_OR_RETURN(const auto folder, OpenFolder::open(directory, OpenFolder::Mode::kWrite));
  Importer importer(folder->db());
  RETURN_IF_ERROR(annotate(formats::parse_openmetrics(page, importer), "{}", file));
  RETURN_IF_ERROR(importer.commit());
  RETURN_IF_ERROR(folder->db().seal_all());
  fmt::print(out, "{} samples imported\n", importer.accepted());
  if (importer.refused() == 0) return ok();
  return out_of_range("{} samples were refused, the first: {}", importer.refused(),
                      message(importer.first_refusal()));
}

}  // namespace tocsin::app
