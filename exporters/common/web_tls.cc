// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/web_tls.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace tocsin::exporters {
namespace {

constexpr std::array<std::string_view, 4> kVersions = {"TLS10", "TLS11", "TLS12", "TLS13"};

constexpr std::array<std::pair<std::string_view, const char*>, 4> kCurves = {
    {{"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}, {"X25519", "X25519"}}};

using net::ClientAuth;
constexpr std::array<std::pair<std::string_view, ClientAuth>, 6> kClientAuths = {
    {{"NoClientCert", ClientAuth::kNone},
     {"RequestClientCert", ClientAuth::kRequest},
     {"RequireAnyClientCert", ClientAuth::kRequireAny},
     {"RequireClientCert", ClientAuth::kRequireAny},  // upstream's older name
     {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
     {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify}}};

void read_version(base::YamlMapping* mapping, std::string_view key, std::string* out) {
  mapping->with(key, [out](const base::YamlNode& value) -> Status {
    ASSIGN_OR_RETURN(*out, value.as_string());
    const bool known = std::find(kVersions.begin(), kVersions.end(), *out) != kVersions.end();
    return known ? ok() : value.error("unknown TLS version: " + *out);
  });
}

Status read_curve(const base::YamlNode& value, std::vector<std::string>* out) {
  ASSIGN_OR_RETURN(const std::string name, value.as_string());
  for (const auto& [known, curve] : kCurves) {
    if (known != name) continue;
    out->emplace_back(curve);
    return ok();
  }
  if (name == "X25519MLKEM768") {
    return make_status(StatusCode::kUnimplemented,
                       message(value.error("not supported yet: " + name)));
  }
  return value.error("unknown curve: " + name);
}

Status read_cipher(const base::YamlNode& value, std::vector<std::string>* out) {
  ASSIGN_OR_RETURN(const std::string name, value.as_string());
  if (!net::is_cipher_suite(name)) return value.error("unknown cipher: " + name);
  out->push_back(name);
  return ok();
}

Status read_auth(const base::YamlNode& value, ClientAuth* out) {
  ASSIGN_OR_RETURN(const std::string name, value.as_string());
  for (const auto& [known, auth] : kClientAuths) {
    if (known != name) continue;
    *out = auth;
    return ok();
  }
  return value.error("Invalid ClientAuth: " + name);
}

// What the keys say together.
Status check(const base::YamlNode& node, const net::TlsServerOptions& tls) {
  const auto both = [&node](std::string_view name) {
    return node.error(fmt::format("only one of {0} and {0}_file may be set", name));
  };
  if (!tls.cert.empty() && !tls.cert_file.empty()) return both("cert");
  if (!tls.key.empty() && !tls.key_file.empty()) return both("key");
  if (!tls.client_ca.empty() && !tls.client_ca_file.empty()) return both("client_ca");
  if (tls.cert.empty() && tls.cert_file.empty()) {
    return node.error("missing one of cert or cert_file");
  }
  if (tls.key.empty() && tls.key_file.empty()) return node.error("missing one of key or key_file");
  const bool has_ca = !tls.client_ca.empty() || !tls.client_ca_file.empty();
  if (has_ca && tls.client_auth == ClientAuth::kNone) {
    return node.error("Client CA's have been configured without a Client Auth Policy");
  }
  const std::string least = tls.min_version.empty() ? "TLS12" : tls.min_version;
  if (!tls.max_version.empty() && tls.max_version < least) {
    return node.error("max_version: below min_version");
  }
  return ok();
}

}  // namespace

StatusOr<std::optional<net::TlsServerOptions>> read_tls(const base::YamlNode& node,
                                                        std::string_view folder) {
  net::TlsServerOptions tls;
  base::YamlMapping mapping(node);
  const auto path = [&mapping, folder](std::string_view key, std::string* out) {
    mapping.string(key, out);
    if (!out->empty()) *out = base::join_path(folder, *out);
  };
  path("cert_file", &tls.cert_file);
  path("key_file", &tls.key_file);
  path("client_ca_file", &tls.client_ca_file);
  mapping.string("cert", &tls.cert);
  mapping.string("key", &tls.key);
  mapping.string("client_ca", &tls.client_ca);
  mapping.with("client_auth_type",
               [&tls](const base::YamlNode& value) { return read_auth(value, &tls.client_auth); });
  mapping.string_list("client_allowed_sans", &tls.client_allowed_sans);
  read_version(&mapping, "min_version", &tls.min_version);
  read_version(&mapping, "max_version", &tls.max_version);
  mapping.each("cipher_suites", [&tls](const base::YamlNode& value) {
    return read_cipher(value, &tls.cipher_suites);
  });
  mapping.each("curve_preferences",
               [&tls](const base::YamlNode& value) { return read_curve(value, &tls.curves); });
  mapping.boolean("prefer_server_cipher_suites", &tls.prefer_server_ciphers);
  RETURN_IF_ERROR(mapping.finish());
  if (node.entries().empty()) return std::nullopt;
  RETURN_IF_ERROR(check(node, tls));
  return tls;
}

}  // namespace tocsin::exporters
