// SPDX-License-Identifier: Apache-2.0
//
// textfile: *.prom files in the text format 0.0.4. A file that cannot be parsed, or has timestamps,
// is left out whole, so that no half of it is shown.
#include <glob.h>

#include <cmath>
#include <map>

#include "base/log.h"
#include "exporters/node/files/files.h"
#include "formats/exposition.h"

namespace tocsin::exporters {
namespace {

constexpr std::uint64_t kMaxTextfile = 16 << 20;

base::MetricType type_of(model::MetricKind kind) {
  switch (kind) {
    case model::MetricKind::kCounter:
      return base::MetricType::kCounter;
    case model::MetricKind::kGauge:
      return base::MetricType::kGauge;
    case model::MetricKind::kHistogram:
      return base::MetricType::kHistogram;
    case model::MetricKind::kSummary:
      return base::MetricType::kSummary;
    default:
      return base::MetricType::kUntyped;
  }
}

// Builds families; the samples of a histogram or summary belong to the name of its TYPE line.
class FamilySink final : public formats::ExpositionSink {
 public:
  Status sample(const formats::ExpositionSample& sample) override {
    if (sample.timestamp_ms) {
      return invalid_argument("contains unsupported client-side timestamps");
    }
    ASSIGN_OR_RETURN(const model::Labels labels, formats::parse_series(sample.series, sample.kind));
    LabelPairs pairs;
    std::string name;
    for (const auto& label : labels) {
      if (label.name == "__name__") {
        name = label.value;
      } else {
        pairs.emplace_back(label.name, label.value);
      }
    }
    base::MetricFamily& family = family_of(name);
    family.samples.push_back({name.substr(family.name.size()), std::move(pairs), sample.value});
    return ok();
  }
  void type(std::string_view metric, model::MetricKind kind) override {
    find(metric).type = type_of(kind);
  }
  void help(std::string_view metric, std::string_view text) override { find(metric).help = text; }
  void unit(std::string_view, std::string_view) override {}

  std::map<std::string, base::MetricFamily, std::less<>> take() { return std::move(families_); }

 private:
  base::MetricFamily& find(std::string_view name) {
    base::MetricFamily& family = families_[std::string(name)];
    family.name = name;
    return family;
  }
  base::MetricFamily& family_of(std::string_view series) {
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
      if (!series.ends_with(suffix)) continue;
      const auto it = families_.find(series.substr(0, series.size() - suffix.size()));
      if (it == families_.end()) continue;
      const base::MetricType type = it->second.type;
      const bool is_of_family = type == base::MetricType::kHistogram ||
                                (type == base::MetricType::kSummary && suffix != "_bucket");
      if (is_of_family) return it->second;
    }
    return find(series);
  }

  std::map<std::string, base::MetricFamily, std::less<>> families_;
};

// Directories of a pattern; one without wildcards is itself.
std::vector<std::string> expand(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  std::vector<std::string> out;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return out;
}

struct Textfiles {
  std::map<std::string, base::MetricFamily, std::less<>> families;
  std::map<std::string, std::vector<std::string>> without_help;  // the files of each family
  std::map<std::string, double> mtimes;
  bool failed = false;
};

Status read_textfile(const Node& node, const std::string& path, Textfiles* files) {
  ASSIGN_OR_RETURN(const base::FileInfo info, node.services.files.info(path));
  ASSIGN_OR_RETURN(const std::string text, node.services.files.read_file(path, kMaxTextfile));
  FamilySink sink;
  RETURN_IF_ERROR(formats::parse_text(text, sink));
  // Whole seconds, as upstream has them.
  files->mtimes[path] = std::floor(base::to_seconds(info.modified));
  for (auto& [name, family] : sink.take()) {
    if (family.help.empty()) files->without_help[name].push_back(path);
    const auto [it, is_new] = files->families.try_emplace(name, family);
    if (is_new) continue;
    if (it->second.help.empty()) it->second.help = family.help;
    std::move(family.samples.begin(), family.samples.end(), std::back_inserter(it->second.samples));
  }
  return ok();
}

void read_directory(const Node& node, std::string directory, Textfiles* files) {
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  const StatusOr<std::vector<std::string>> names = node.services.files.list(directory);
  if (!names.ok()) {
    base::log::warn("cannot read textfile directory", {{"error", message(names.status())}});
    files->failed = true;
    return;
  }
  for (const std::string& name : *names) {
    if (!name.ends_with(".prom")) continue;
    const Status status = read_textfile(node, directory + "/" + name, files);
    if (status.ok()) continue;
    base::log::warn("cannot read textfile", {{"file", name}, {"error", message(status)}});
    files->failed = true;
  }
}

}  // namespace

Status collect_textfile(const Node& node, Families* out) {
  Textfiles files;
  for (const std::string& pattern : node.options.textfile_directories) {
    for (const std::string& directory : expand(pattern)) read_directory(node, directory, &files);
  }
  for (auto& [name, family] : files.families) {
    if (family.help.empty()) {
      family.help = "Metric read from ";
      for (const std::string& path : files.without_help[name]) {
        if (!family.help.ends_with(' ')) family.help.append(", ");
        family.help.append(path);
      }
    }
    out->append(std::move(family));
  }
  for (const auto& [path, seconds] : files.mtimes) {
    out->gauge("node_textfile_mtime_seconds", "Unixtime mtime of textfiles successfully read.",
               {{"file", path}}, seconds);
  }
  out->gauge("node_textfile_scrape_error",
             "1 if there was an error opening or reading a file, 0 otherwise", {},
             files.failed ? 1 : 0);
  return ok();
}

}  // namespace tocsin::exporters
