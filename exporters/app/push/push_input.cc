// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/push/push_input.h"

#include "exporters/app/fields.h"
#include "exporters/app/push/push_path.h"
#include "exporters/app/push/pushed_page.h"
#include "net/gunzip.h"

namespace tocsin::exporters::app {
namespace {

// What the server lets through, see main.cc.
constexpr std::uint64_t kMaxBody = 4 << 20;

net::HttpResponse answer(int status, std::string_view text) {
  return net::HttpResponse::text(status, fmt::format("{}\n", text));
}

net::HttpResponse refusal(const Status& status) {
  const bool is_too_much = status.code() == StatusCode::kResourceExhausted;
  const bool is_other_format = status.code() == StatusCode::kUnimplemented;
  return answer(is_too_much ? 413 : is_other_format ? 415 : 400, message(status));
}

}  // namespace

StatusOr<PushOptions> read_push(const base::YamlNode& node, std::size_t max_series) {
  PushOptions options;
  options.limits.max_series = max_series;
  base::YamlMapping m(node);
  m.boolean("enabled", &options.enabled);
  read_duration_or_never(m, "ttl", &options.limits.ttl);
  read_size(m, "max_body", &options.max_body);
  if (options.max_body == 0 || options.max_body > kMaxBody) {
    m.fail("max_body", fmt::format("must be from 1 to {} bytes", kMaxBody));
  }
  read_count(m, "max_series", &options.limits.max_series);
  read_count(m, "max_groups", &options.limits.max_groups);
  RETURN_IF_ERROR(m.finish());
  return options;
}

PushInput::PushInput(PushOptions options, const InputServices& services)
    : Input("push"), options_(options), clock_(services.clock), store_(options.limits) {}

PushStore::Now PushInput::now() const { return {clock_.now(), clock_.steady_now()}; }

Status PushInput::collect(std::vector<base::MetricFamily>* out) {
  base::MutexLock lock(mutex_);
  store_.append_to(now(), out);
  return ok();
}

std::uint64_t PushInput::dropped_series() const {
  base::MutexLock lock(mutex_);
  return static_cast<std::uint64_t>(store_.refused());
}

StatusOr<std::string> PushInput::body_of(const net::HttpRequest& request) const {
  if (request.headers.get("Content-Type").starts_with("application/vnd.google.protobuf")) {
    return unimplemented("not supported yet: protobuf");
  }
  const std::string_view encoding = request.headers.get("Content-Encoding");
  if (encoding.empty() || encoding == "identity") {
    if (request.body.size() <= options_.max_body) return request.body;
    return resource_exhausted("the body is longer than {} bytes", options_.max_body);
  }
  if (encoding != "gzip") return unimplemented("not supported yet: Content-Encoding {}", encoding);
  std::string page;
  const Status status = net::gunzip(request.body, options_.max_body, &page);
  if (status.code() == StatusCode::kResourceExhausted) {
    return resource_exhausted("the body is longer than {} bytes", options_.max_body);
  }
  if (!status.ok()) return invalid_argument("the body is no gzip");
  return page;
}

net::HttpResponse PushInput::push(const net::HttpRequest& request, const LabelPairs& group) {
  const StatusOr<std::string> body = body_of(request);
  if (!body.ok()) return refusal(body.status());
  StatusOr<std::vector<base::MetricFamily>> families = read_pushed_page(*body, group);
  const PushStore::Scope scope =
      request.method == "PUT" ? PushStore::Scope::kGroup : PushStore::Scope::kFamilies;
  Status status = families.status();
  {
    base::MutexLock lock(mutex_);
    if (status.ok()) {
      status = store_.push(group, scope, *std::move(families), now());
    } else {
      store_.fail(group, now());
    }
  }
  return status.ok() ? net::HttpResponse::text(200, "") : refusal(status);
}

net::HttpResponse PushInput::serve(const net::HttpRequest& request) {
  if (!options_.enabled) return answer(404, "push is not enabled");
  const std::vector<std::string>& path = request.path;
  const StatusOr<LabelPairs> group =
      read_push_path(std::span(path).subspan(std::min<std::size_t>(1, path.size())));
  if (!group.ok()) return refusal(group.status());
  if (request.method == "POST" || request.method == "PUT") return push(request, *group);
  if (request.method != "DELETE") {
    net::HttpResponse response = answer(405, "Method Not Allowed");
    response.headers.set("Allow", "DELETE, POST, PUT");
    return response;
  }
  base::MutexLock lock(mutex_);
  store_.remove(*group);
  return net::HttpResponse::text(202, "");
}

StatusOr<std::unique_ptr<Input>> make_push(const base::YamlNode& section,
                                           const InputContext& context) {
  ASSIGN_OR_RETURN(const PushOptions options, read_push(section, context.max_series));
  return std::make_unique<PushInput>(options, context.services);
}

}  // namespace tocsin::exporters::app
