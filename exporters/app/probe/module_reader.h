// SPDX-License-Identifier: Apache-2.0
//
// ModuleReader: what the sections of the probes, and of others that ask over HTTP, have in common.
//
// Confined; lives during one parse. Errors go to the YamlMapping.
#pragma once

#include <string_view>
#include <vector>

#include "exporters/app/probe/module.h"

namespace tocsin::exporters::app {

class ModuleReader {
 public:
  ModuleReader(std::string_view directory, TlsClients& clients)
      : directory_(directory), clients_(clients) {}

  StatusOr<HttpModule> http(const base::YamlNode& node) const;
  StatusOr<WebSocketModule> websocket(const base::YamlNode& node) const;
  StatusOr<TcpModule> tcp(const base::YamlNode& node) const;
  StatusOr<IcmpModule> icmp(const base::YamlNode& node) const;
  StatusOr<DnsModule> dns(const base::YamlNode& node) const;

  // tls_config; and basic_auth, authorization, bearer_token.
  void tls(base::YamlMapping& mapping, TlsChoice* out) const;
  void login(base::YamlMapping& mapping, HttpLogin* out) const;

 private:
  // preferred_ip_protocol and ip_protocol_fallback.
  static void ip(base::YamlMapping& mapping, IpChoice* out);
  static void source_address(base::YamlMapping& mapping, IpChoice* out);
  StatusOr<TlsChoice> tls_config(const base::YamlNode& node) const;
  // {NAME: {values: [...], secrets: [...], files: [...]}}; names that `check` refuses are errors.
  void header_sources(base::YamlMapping& mapping, std::string_view key,
                      Status (*check)(const base::YamlNode&, std::string_view name),
                      std::vector<ClientHeader>* out) const;
  // The keys of an <http_client_config> that are not built.
  static void refuse_client_keys(base::YamlMapping& mapping);
  static Status step(const base::YamlNode& node, QueryResponse* out);
  static void steps(base::YamlMapping& mapping, std::vector<QueryResponse>* out);
  static void regexes(base::YamlMapping& mapping, std::string_view key,
                      std::vector<model::Regex>* out);
  static void header_matches(base::YamlMapping& mapping, std::string_view key,
                             std::vector<HeaderMatch>* out);
  static StatusOr<RecordRules> record_rules(const base::YamlNode& node);

  const std::string_view directory_;
  TlsClients& clients_;
};

}  // namespace tocsin::exporters::app
