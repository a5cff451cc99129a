// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/module.h"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

#include "exporters/app/probe/dns_names.h"
#include "exporters/app/probe/module_reader.h"
#include "model/labels.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxPayload = 65'000;

// An error of the kind "known and not built".
Status not_built(const base::YamlNode& node, std::string_view what) {
  return make_status(StatusCode::kUnimplemented,
                     message(node.error(fmt::format("not supported yet: {}", what))));
}

std::optional<net::SocketAddress> parse_address(const std::string& text) {
  net::SocketAddress address;
  auto& ip4 = reinterpret_cast<sockaddr_in&>(address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &ip4.sin_addr) == 1) {
    ip4.sin_family = AF_INET;
    address.length = sizeof(ip4);
    return address;
  }
  auto& ip6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (::inet_pton(AF_INET6, text.c_str(), &ip6.sin6_addr) != 1) return std::nullopt;
  ip6.sin6_family = AF_INET6;
  address.length = sizeof(ip6);
  return address;
}

template <typename Module>
void take_section(base::YamlMapping& mapping, std::string_view key, bool is_mine,
                  const std::function<StatusOr<Module>(const base::YamlNode&)>& read,
                  ProbeModule* out) {
  if (!is_mine) {
    // As blackbox, another section may be there; it must still be right.
    mapping.with(key, [&](const base::YamlNode& node) { return read(node).status(); });
    return;
  }
  out->what = Module();
  mapping.with(key, [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(out->what, read(node));
    return ok();
  });
}

}  // namespace

std::shared_ptr<net::TlsClient> TlsClients::get(const net::StreamTlsOptions& options) {
  std::string key =
      fmt::format("{}\n{}\n{}\n{} {} {}", options.ca_file, options.cert_file, options.key_file,
                  options.verify, options.min_version, options.max_version);
  for (const auto& [known, client] : clients_) {
    if (known == key) return client;
  }
  clients_.emplace_back(std::move(key), std::make_shared<net::TlsClient>(files_, options));
  return clients_.back().second;
}

void ModuleReader::ip(base::YamlMapping& mapping, IpChoice* out) {
  std::string protocol;
  read_word(mapping, "preferred_ip_protocol", {"", "ip4", "ip6"}, &protocol);
  out->prefers_ip6 = protocol != "ip4";
  mapping.boolean("ip_protocol_fallback", &out->has_fallback);
}

void ModuleReader::source_address(base::YamlMapping& mapping, IpChoice* out) {
  mapping.with("source_ip_address", [out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(const std::string text, node.as_string());
    out->source = parse_address(text);
    if (!out->source && !text.empty()) return node.error("not an IP address");
    return ok();
  });
}

StatusOr<TlsChoice> ModuleReader::tls_config(const base::YamlNode& node) const {
  net::StreamTlsOptions options;
  TlsChoice choice;
  bool is_insecure = false;
  base::YamlMapping mapping(node);
  mapping.boolean("insecure_skip_verify", &is_insecure);
  options.verify = !is_insecure;
  for (const auto& [key, path] :
       {std::pair("ca_file", &options.ca_file), std::pair("cert_file", &options.cert_file),
        std::pair("key_file", &options.key_file)}) {
    mapping.string(key, path);
    if (!path->empty()) *path = base::join_path(directory_, *path);
  }
  mapping.string("server_name", &choice.server_name);
  for (const auto& [key, version] : {std::pair("min_version", &options.min_version),
                                     std::pair("max_version", &options.max_version)}) {
    mapping.string(key, version);
    if (!version->empty() && !net::is_tls_version(*version)) {
      mapping.fail(key, fmt::format("unknown TLS version: {}", *version));
    }
  }
  mapping.unsupported({"ca", "cert", "key", "ca_ref", "cert_ref", "key_ref"});
  if (options.cert_file.empty() != options.key_file.empty()) {
    mapping.fail("cert_file", "cert_file and key_file are only good together");
  }
  RETURN_IF_ERROR(mapping.finish());
  choice.client = clients_.get(options);
  return choice;
}

void ModuleReader::tls(base::YamlMapping& mapping, TlsChoice* out) const {
  out->client = clients_.get(net::StreamTlsOptions());
  mapping.with("tls_config", [this, out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(*out, tls_config(node));
    return ok();
  });
}

void ModuleReader::regexes(base::YamlMapping& mapping, std::string_view key,
                           std::vector<model::Regex>* out) {
  mapping.each(key, [out](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(const std::string pattern, item.as_string());
    StatusOr<model::Regex> regex = model::Regex::unanchored(pattern);
    if (!regex.ok()) return item.error(message(regex.status()));
    out->push_back(*std::move(regex));
    return ok();
  });
}

Status ModuleReader::step(const base::YamlNode& node, QueryResponse* out) {
  base::YamlMapping mapping(node);
  mapping.with("expect", [out](const base::YamlNode& value) -> Status {
    ASSIGN_OR_RETURN(const std::string pattern, value.as_string());
    StatusOr<model::Regex> regex = model::Regex::unanchored(pattern);
    if (!regex.ok()) return value.error(message(regex.status()));
    if (!pattern.empty()) out->expect = *std::move(regex);
    return ok();
  });
  mapping.string("expect_bytes", &out->expect_bytes);
  if (out->expect && !out->expect_bytes.empty()) {
    mapping.fail("expect_bytes", "expect and expect_bytes are mutually exclusive");
  }
  mapping.each("labels", [out](const base::YamlNode& item) -> Status {
    std::string name, value;
    base::YamlMapping label(item);
    label.string("name", &name, base::YamlMapping::kRequired);
    label.string("value", &value);
    RETURN_IF_ERROR(label.finish());
    if (!model::is_legacy_label_name(name)) return item.error("not a label name");
    out->labels.emplace_back(name, value);
    return ok();
  });
  mapping.string("send", &out->send);
  mapping.boolean("starttls", &out->start_tls);
  return mapping.finish();
}

void ModuleReader::steps(base::YamlMapping& mapping, std::vector<QueryResponse>* out) {
  mapping.each("query_response", [out](const base::YamlNode& item) -> Status {
    QueryResponse read;
    RETURN_IF_ERROR(step(item, &read));
    out->push_back(std::move(read));
    return ok();
  });
}

StatusOr<TcpModule> ModuleReader::tcp(const base::YamlNode& node) const {
  TcpModule module;
  base::YamlMapping mapping(node);
  ip(mapping, &module.ip);
  source_address(mapping, &module.ip);
  mapping.boolean("tls", &module.is_tls);
  tls(mapping, &module.tls);
  steps(mapping, &module.steps);
  RETURN_IF_ERROR(mapping.finish());
  const auto upgrades = std::count_if(module.steps.begin(), module.steps.end(),
                                      [](const QueryResponse& step) { return step.start_tls; });
  if (upgrades + (module.is_tls ? 1 : 0) > 1) return node.error("TLS can be started only once");
  return module;
}

StatusOr<IcmpModule> ModuleReader::icmp(const base::YamlNode& node) const {
  IcmpModule module;
  std::int64_t payload = 0, ttl = 0;
  base::YamlMapping mapping(node);
  ip(mapping, &module.ip);
  source_address(mapping, &module.ip);
  mapping.boolean("dont_fragment", &module.dont_fragment);
  mapping.integer("payload_size", &payload);
  mapping.integer("ttl", &ttl);
  if (payload < 0 || payload > static_cast<std::int64_t>(kMaxPayload)) {
    mapping.fail("payload_size", fmt::format("must be from 0 to {}", kMaxPayload));
  }
  if (ttl < 0) mapping.fail("ttl", "\"ttl\" cannot be negative");
  if (ttl > 255) mapping.fail("ttl", "\"ttl\" cannot exceed 255");
  RETURN_IF_ERROR(mapping.finish());
  module.payload_size = static_cast<std::size_t>(payload);
  module.ttl = static_cast<int>(ttl);
  return module;
}

StatusOr<RecordRules> ModuleReader::record_rules(const base::YamlNode& node) {
  RecordRules rules;
  base::YamlMapping mapping(node);
  regexes(mapping, "fail_if_matches_regexp", &rules.fail_if_matches);
  regexes(mapping, "fail_if_all_match_regexp", &rules.fail_if_all_match);
  regexes(mapping, "fail_if_not_matches_regexp", &rules.fail_if_not_matches);
  regexes(mapping, "fail_if_none_matches_regexp", &rules.fail_if_none_matches);
  RETURN_IF_ERROR(mapping.finish());
  return rules;
}

StatusOr<DnsModule> ModuleReader::dns(const base::YamlNode& node) const {
  DnsModule module;
  std::string transport = "udp";
  base::YamlMapping mapping(node);
  ip(mapping, &module.ip);
  source_address(mapping, &module.ip);
  tls(mapping, &module.tls);
  read_word(mapping, "transport_protocol", {"udp", "tcp"}, &transport);
  module.is_tcp = transport == "tcp";
  mapping.boolean("dns_over_tls", &module.is_tls);
  mapping.boolean("recursion_desired", &module.recursion_desired);
  mapping.string("query_name", &module.query_name);
  const auto named = [&mapping](std::string_view key, std::string_view what, auto find, auto* out) {
    mapping.with(key, [what, find, out](const base::YamlNode& value) -> Status {
      ASSIGN_OR_RETURN(const std::string name, value.as_string());
      const std::optional<std::uint16_t> number = find(name);
      if (!number) return value.error(fmt::format("{} '{}' is not valid", what, name));
      *out = *number;
      return ok();
    });
  };
  named("query_type", "query type", dns_type_number, &module.query_type);
  named("query_class", "query class", dns_class_number, &module.query_class);
  mapping.each("valid_rcodes", [&module](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(const std::string name, item.as_string());
    const std::optional<int> number = dns_rcode_number(name);
    if (!number) return item.error(fmt::format("rcode '{}' is not valid", name));
    module.valid_rcodes.push_back(*number);
    return ok();
  });
  for (const auto& [key, rules] : {std::pair("validate_answer_rrs", &module.answer),
                                   std::pair("validate_authority_rrs", &module.authority),
                                   std::pair("validate_additional_rrs", &module.additional)}) {
    mapping.with(key, [out = rules](const base::YamlNode& value) -> Status {
      ASSIGN_OR_RETURN(*out, record_rules(value));
      return ok();
    });
  }
  RETURN_IF_ERROR(mapping.finish());
  if (module.query_name.empty()) return node.error("query name must be set for DNS module");
  if (!dns_name_bytes(module.query_name)) return node.error("query_name is no DNS name");
  if (module.is_tls && !module.is_tcp)
    return node.error("dns_over_tls needs transport_protocol tcp");
  return module;
}

StatusOr<ProbeModule> parse_probe_module(const base::YamlNode& node, std::string_view directory,
                                         TlsClients& clients) {
  const ModuleReader reader(directory, clients);
  ProbeModule module;
  module.node = node;
  std::string prober;
  base::YamlMapping mapping(node);
  mapping.string("prober", &prober);
  read_duration(mapping, "timeout", &module.timeout);
  const auto section = [&]<typename Module>(
                           std::string_view key,
                           StatusOr<Module> (ModuleReader::*read)(const base::YamlNode&) const) {
    take_section<Module>(
        mapping, key, prober == key,
        [&reader, read](const base::YamlNode& value) { return (reader.*read)(value); }, &module);
  };
  section("http", &ModuleReader::http);
  section("tcp", &ModuleReader::tcp);
  section("icmp", &ModuleReader::icmp);
  section("dns", &ModuleReader::dns);
  section("websocket", &ModuleReader::websocket);
  mapping.unsupported({"grpc", "unix"});
  RETURN_IF_ERROR(mapping.finish());
  if (prober == "grpc" || prober == "unix") {
    return not_built(*node.find("prober"), fmt::format("prober {}", prober));
  }
  for (const std::string_view known : {"http", "tcp", "icmp", "dns", "websocket"}) {
    if (prober != known) continue;
    if (known == "dns" && node.find("dns") == nullptr) {
      return node.error("query name must be set for DNS module");
    }
    // What no section says has defaults, and those need a TlsClient.
    if (node.find(known) == nullptr) {
      const base::YamlNode none;
      if (known == "http") {
        ASSIGN_OR_RETURN(module.what, reader.http(none));
      } else if (known == "tcp") {
        ASSIGN_OR_RETURN(module.what, reader.tcp(none));
      } else if (known == "websocket") {
        ASSIGN_OR_RETURN(module.what, reader.websocket(none));
      }
    }
    return module;
  }
  return node.error(fmt::format("prober '{}' is not valid", prober));
}

}  // namespace tocsin::exporters::app
