// SPDX-License-Identifier: Apache-2.0
#include "discovery/file_source.h"

#include <utility>

#include "base/log.h"
#include "discovery/target_file.h"

namespace tocsin::discovery {

namespace {

// Splits at the last "/": directory ("." without one) and name.
std::pair<std::string, std::string> split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// True when `name` matches `pattern`, which holds at most one "*".
bool matches_star(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view head = pattern.substr(0, star);
  const std::string_view tail = pattern.substr(star + 1);
  return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

}  // namespace

FileSource::FileSource(FileOptions options, const SourceServices& services)
    : options_(std::move(options)),
      services_(services),
      failures_(services.metrics
                    .counter("prometheus_sd_refresh_failures_total",
                             "Number of refresh failures for the given SD mechanism.",
                             {"mechanism"})
                    .with({"file"})),
      strand_(services.blocking) {}

FileSource::~FileSource() { stop(); }

void FileSource::start(Sink sink) {
  sink_ = std::move(sink);
  poll();
}

void FileSource::stop() {
  base::Timers::Id timer = 0;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    timer = std::exchange(timer_, 0);
  }
  if (timer != 0) services_.timers.cancel(timer);
  gate_.close();
}

void FileSource::poll() {
  auto pass = std::make_shared<base::Gate::Pass>(gate_.enter());
  if (!*pass) return;
  const bool posted = strand_.post([this, pass] {
    refresh();
    arm();
  });
  if (!posted) arm();
}

void FileSource::arm() {
  const base::Duration wait = std::min(kPollInterval, options_.refresh_interval);
  base::MutexLock lock(mutex_);
  if (stopped_) return;
  timer_ = services_.timers.schedule(services_.clock.steady_now() + wait, [this] { poll(); });
}

void FileSource::refresh() {
  const base::SteadyTime now = services_.clock.steady_now();
  const bool force = now >= next_full_;
  if (force) next_full_ = now + options_.refresh_interval;

  std::vector<TargetGroup> updates;
  std::set<std::string> present;
  for (const std::string& path : expand()) {
    present.insert(path);
    read(path, force, &updates);
  }
  for (auto it = files_.begin(); it != files_.end();) {
    if (present.contains(it->first)) {
      ++it;
      continue;
    }
    for (const std::string& source : it->second.sources) updates.push_back({source, {}, {}});
    it = files_.erase(it);
  }
  if (!updates.empty()) sink_(std::move(updates));
}

std::vector<std::string> FileSource::expand() const {
  std::set<std::string> paths;
  for (const std::string& pattern : options_.patterns) {
    const auto [directory, name] = split_path(pattern);
    if (name.find('*') == std::string::npos) {
      if (services_.files.info(pattern).ok()) paths.insert(pattern);
      continue;
    }
    StatusOr<std::vector<std::string>> names = services_.files.list(directory);
    if (!names.ok()) continue;  // a directory that is not there yet holds no files
    for (const std::string& entry : *names) {
      if (matches_star(name, entry)) paths.insert(base::join_path(directory, entry));
    }
  }
  return {paths.begin(), paths.end()};
}

void FileSource::read(const std::string& path, bool force, std::vector<TargetGroup>* updates) {
  StatusOr<base::FileInfo> info = services_.files.info(path);
  if (!info.ok()) return fail(path, info.status());
  auto known = files_.find(path);
  const bool changed = known == files_.end() || known->second.size != info->size ||
                       known->second.modified != info->modified;
  if (!changed && !force) return;

  StatusOr<std::string> text = services_.files.read_file(path, kMaxFileBytes);
  if (!text.ok()) return fail(path, text.status());
  StatusOr<std::vector<TargetGroup>> groups = parse_target_file(*text, path);
  if (!groups.ok()) return fail(path, groups.status());

  File& file = files_[path];
  file.size = info->size;
  file.modified = info->modified;
  std::set<std::string> sources;
  for (TargetGroup& group : *groups) {
    model::LabelsBuilder labels(group.labels);
    group.labels = labels.set("__meta_filepath", path).build();
    sources.insert(group.source);
    updates->push_back(std::move(group));
  }
  for (const std::string& old : file.sources) {
    if (!sources.contains(old)) updates->push_back({old, {}, {}});
  }
  file.sources = std::move(sources);
}

void FileSource::fail(const std::string& path, const Status& status) {
  failures_.inc();
  base::log::warn("reading a target file failed; its last good targets stay",
                  {{"file", path}, {"error", message(status)}});
}

}  // namespace tocsin::discovery
