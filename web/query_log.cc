// SPDX-License-Identifier: Apache-2.0
#include "web/query_log.h"

#include "model/timestamp.h"
#include "web/api/query_json.h"

namespace tocsin::web {

namespace {

std::string time_text(base::Timestamp time) {
  return model::format_rfc3339(time, model::Fraction::kMillis);
}

}  // namespace

StatusOr<std::shared_ptr<QueryLogFile>> QueryLogFile::open(const std::string& path,
                                                           Services services) {
  StatusOr<std::unique_ptr<base::WritableFile>> file =
      services.files.open_writable(path, base::FileSystem::OpenMode::kAppend);
  if (!file.ok()) return annotate(file.status(), "can't create json log file");
  return std::shared_ptr<QueryLogFile>(new QueryLogFile(*std::move(file), services));
}

void QueryLogFile::write(const promql::FinishedQuery& query) {
  std::string line;
  base::JsonWriter json(&line, base::JsonWriter::kGo);
  json.begin_object().field("time", time_text(services_.clock.now()));
  json.field("level", "INFO").field("msg", "promql query logged");
  json.key("params").begin_object();
  json.field("end", time_text(query.end)).field("query", query.query);
  json.field("start", time_text(query.start));
  json.key("step").integer(query.step.count() / 1000).end_object();
  if (!query.status.ok()) json.field("error", message(query.status));
  json.key("stats");
  write_stats(query.stats, json);
  write_origin(query.origin, json);
  json.end_object();
  line.push_back('\n');
  if (!(*file_.lock())->append(line).ok()) services_.failures.inc();
}

}  // namespace tocsin::web
