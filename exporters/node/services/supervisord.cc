// SPDX-License-Identifier: Apache-2.0
//
// supervisord: the answer to supervisor.getAllProcessInfo, XML-RPC over HTTP: an array of structures
// whose members are numbers and texts.
#include <map>

#include "base/hash.h"
#include "exporters/node/services/exchange.h"
#include "exporters/node/services/services.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxProcesses = 10'000;
constexpr int kStarting = 10, kRunning = 20, kStopping = 40;

struct Endpoint {
  std::string host;      // "" for a UNIX socket
  std::string service;   // a port, or the path of the socket
  std::string path;      // of the HTTP request
  std::string password;  // "user:password" as the header has it, "" for none
};

StatusOr<Endpoint> parse_endpoint(std::string_view url) {
  Endpoint endpoint;
  if (url.starts_with("unix://")) {
    endpoint.service = url.substr(7);
    endpoint.path = "/RPC2";
    if (endpoint.service.empty()) return invalid_argument("no path in {:?}", url);
    return endpoint;
  }
  if (!url.starts_with("http://")) {
    return invalid_argument("expected http://HOST:PORT/PATH or unix://PATH, not {:?}", url);
  }
  url.remove_prefix(7);
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, slash);
  endpoint.path = slash == url.size() ? "/" : url.substr(slash);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    endpoint.password = base::base64_encode(authority.substr(0, at));
    authority.remove_prefix(at + 1);
  }
  const std::size_t colon = authority.rfind(':');
  // The last colon of [::1] is none before a port.
  const bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  std::string_view host = has_port ? authority.substr(0, colon) : authority;
  endpoint.service = has_port ? authority.substr(colon + 1) : "80";
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || endpoint.service.empty()) return invalid_argument("no host in {:?}", url);
  if (endpoint.path.find_first_of(" \r\n") != std::string::npos) {
    return invalid_argument("blanks in the path of {:?}", url);
  }
  endpoint.host = host;
  return endpoint;
}

std::string make_call(const Endpoint& endpoint) {
  constexpr std::string_view kBody =
      "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName>"
      "<params></params></methodCall>";
  const std::string authorization =
      endpoint.password.empty() ? ""
                                : fmt::format("Authorization: Basic {}\r\n", endpoint.password);
  // Version 1.0: the answer ends with the connection.
  return fmt::format(
      "POST {} HTTP/1.0\r\nHost: {}\r\n{}Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{}",
      endpoint.path, endpoint.host.empty() ? "unix" : endpoint.host, authorization, kBody.size(),
      kBody);
}

// Text with its entities replaced.
std::string unescaped(std::string_view text) {
  constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  std::string out;
  while (!text.empty()) {
    std::size_t used = 1;
    char c = text[0];
    for (const auto& [entity, meant] : kEntities) {
      if (!text.starts_with(entity)) continue;
      used = entity.size();
      c = meant;
    }
    out.push_back(c);
    text.remove_prefix(used);
  }
  return out;
}

using Members = std::map<std::string, std::string>;

// Collects the structures of an answer as its tags go by. Structures do not nest in this answer.
class StructReader {
 public:
  Status read(std::string_view xml) {
    while (!xml.empty()) {
      const std::size_t begin = std::min(xml.find('<'), xml.size());
      text_.append(xml.substr(0, begin));
      xml.remove_prefix(begin);
      if (xml.empty()) break;
      const std::size_t end = xml.find('>');
      if (end == std::string_view::npos) return data_loss("supervisord: a tag without an end");
      RETURN_IF_ERROR(take_tag(xml.substr(1, end - 1)));
      xml.remove_prefix(end + 1);
    }
    return saw_answer_ ? ok() : data_loss("supervisord: no answer of XML-RPC");
  }
  const std::vector<Members>& structs() const { return structs_; }
  bool is_fault() const { return is_fault_; }

 private:
  Status take_tag(std::string_view tag) {
    if (tag == "methodResponse") saw_answer_ = true;
    if (tag == "fault") is_fault_ = true;
    if (tag == "struct") {
      if (structs_.size() >= kMaxProcesses) {
        return resource_exhausted("supervisord: more than {} processes", kMaxProcesses);
      }
      structs_.emplace_back();
    }
    if (tag == "/name") name_ = unescaped(trimmed(std::string_view(text_)));
    // </value> after </int> or </string> has seen no text of its own.
    const bool ends_value = tag == "/value" || tag == "/int" || tag == "/i4" || tag == "/string";
    if (ends_value && !name_.empty() && !structs_.empty()) {
      structs_.back().try_emplace(name_, unescaped(text_));
    }
    if (tag == "/member") name_.clear();
    text_.clear();
    return ok();
  }

  std::vector<Members> structs_;
  std::string text_, name_;
  bool saw_answer_ = false, is_fault_ = false;
};

double number_of(const Members& members, const std::string& name) {
  const auto it = members.find(name);
  return it == members.end() ? 0 : to_number(trimmed(std::string_view(it->second))).value_or(0);
}

std::string text_of(const Members& members, const std::string& name) {
  const auto it = members.find(name);
  return it == members.end() ? "" : to_valid_utf8(it->second);
}

void show_process(const Members& process, Families* out) {
  const std::string name = text_of(process, "name"), group = text_of(process, "group");
  const double state = number_of(process, "state");
  const bool is_running = state == kStarting || state == kRunning || state == kStopping;
  const Labels labels = {{"group", group}, {"name", name}};
  out->gauge("node_supervisord_state", "Process State", labels, state);
  out->gauge("node_supervisord_exit_status", "Process Exit Status", labels,
             number_of(process, "exitstatus"));
  out->gauge("node_supervisord_up", "Process Up", labels, is_running ? 1 : 0);
  if (!is_running) return;
  out->counter("node_supervisord_start_time_seconds", "Process start time", labels,
               number_of(process, "start"));
}

Status collect_processes_of(const Endpoint& endpoint, const std::string& call,
                            const base::Clock& clock, Families* out) {
  const StatusOr<std::string> answer =
      ask_stream(endpoint.host, endpoint.service, call, {.max_answer = 8 << 20}, clock);
  if (!answer.ok()) {
    return unavailable("unable to call supervisord: {}", message(answer.status()));
  }
  const std::string_view first = std::string_view(*answer).substr(0, answer->find('\r'));
  if (!first.starts_with("HTTP/1.") || first.size() < 12 || first.substr(9, 3) != "200") {
    return unavailable("unable to call supervisord: {:?}", first.substr(0, 100));
  }
  const std::size_t body = answer->find("\r\n\r\n");
  if (body == std::string::npos) return data_loss("supervisord: half an answer");
  StructReader reader;
  RETURN_IF_ERROR(reader.read(std::string_view(*answer).substr(body + 4)));
  if (reader.is_fault()) {
    const std::string why =
        reader.structs().empty() ? "" : text_of(reader.structs()[0], "faultString");
    return unavailable("unable to call supervisord: {}", why);
  }
  for (const Members& process : reader.structs()) show_process(process, out);
  return ok();
}

}  // namespace

StatusOr<Collect> make_supervisord(const Node& node) {
  ASSIGN_OR_RETURN(Endpoint endpoint, parse_endpoint(node.options.supervisord_url));
  std::string call = make_call(endpoint);
  return Collect([endpoint = std::move(endpoint), call = std::move(call),
                  &clock = node.services.clock](Families* out) {
    return collect_processes_of(endpoint, call, clock, out);
  });
}

}  // namespace tocsin::exporters
