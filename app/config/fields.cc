// SPDX-License-Identifier: Apache-2.0
#include "app/config/fields.h"

#include <utility>

#include "model/timestamp.h"

namespace tocsin::app {

namespace {

std::string resolve(std::string_view directory, const std::string& file) {
  return file.empty() ? file : base::join_path(directory, file);
}

void read_path(base::YamlMapping& mapping, std::string_view key, std::string_view directory,
               std::string* out) {
  mapping.string(key, out);
  *out = resolve(directory, *out);
}

StatusOr<net::BasicAuth> read_basic_auth(const base::YamlNode& node, std::string_view directory) {
  net::BasicAuth auth;
  base::YamlMapping mapping(node);
  mapping.string("username", &auth.username);
  read_path(mapping, "username_file", directory, &auth.username_file);
  read_secret(mapping, "password", directory, &auth.password);
  mapping.unsupported({"username_ref", "password_ref"});
  if (!auth.username.empty() && !auth.username_file.empty()) {
    mapping.fail("username_file",
                 "at most one of basic_auth username & username_file must be configured");
  }
  RETURN_IF_ERROR(mapping.finish());
  return auth;
}

StatusOr<net::Authorization> read_authorization(const base::YamlNode& node,
                                                std::string_view directory) {
  net::Authorization authorization;
  base::YamlMapping mapping(node);
  mapping.string("type", &authorization.type);
  read_secret(mapping, "credentials", directory, &authorization.credentials);
  mapping.unsupported({"credentials_ref"});
  std::string type = authorization.type;
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (type == "basic") {
    mapping.fail("type",
                 R"(authorization type cannot be set to "basic", use "basic_auth" instead)");
  }
  RETURN_IF_ERROR(mapping.finish());
  return authorization;
}

}  // namespace

void read_duration(base::YamlMapping& mapping, std::string_view key, base::Duration* out) {
  mapping.with(key, [out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(std::string text, node.as_string());
    StatusOr<base::Duration> duration = model::parse_duration(text);
    if (!duration.ok()) return node.error(message(duration.status()));
    *out = *duration;
    return ok();
  });
}

void read_size(base::YamlMapping& mapping, std::string_view key, std::uint64_t* out) {
  mapping.with(key, [out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(std::string text, node.as_string());
    if (text == "0" || text.empty()) {
      *out = 0;
      return ok();
    }
    StatusOr<std::uint64_t> size = model::parse_size(text);
    if (!size.ok()) return node.error(message(size.status()));
    *out = *size;
    return ok();
  });
}

void read_count(base::YamlMapping& mapping, std::string_view key, std::uint64_t* out) {
  mapping.with(key, [out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(std::int64_t value, node.as_int());
    if (value < 0) return node.error("must not be negative");
    *out = static_cast<std::uint64_t>(value);
    return ok();
  });
}

void read_labels(base::YamlMapping& mapping, std::string_view key, model::Labels* out) {
  std::vector<std::pair<std::string, std::string>> pairs;
  mapping.string_pairs(key, &pairs);
  for (const auto& [name, value] : pairs) {
    if (!model::is_label_name(name))
      return mapping.fail(key, fmt::format("{:?} is not a valid label name", name));
    if (!model::is_utf8(value))
      return mapping.fail(key, fmt::format("label value of {:?} is not valid UTF-8", name));
  }
  if (!pairs.empty()) *out = model::Labels::from(std::move(pairs));
}

namespace {

StatusOr<model::RelabelRule> read_relabel_rule(const base::YamlNode& node) {
  model::RelabelOptions options;
  base::YamlMapping mapping(node);
  mapping.string_list("source_labels", &options.source_labels);
  mapping.string("separator", &options.separator);
  mapping.string("target_label", &options.target_label);
  mapping.string("regex", &options.regex);
  read_count(mapping, "modulus", &options.modulus);
  mapping.string("replacement", &options.replacement);
  mapping.string("action", &options.action);
  RETURN_IF_ERROR(mapping.finish());
  StatusOr<model::RelabelRule> rule = model::make_relabel_rule(options);
  if (!rule.ok()) return node.error(message(rule.status()));
  return rule;
}

}  // namespace

void read_relabel_rules(base::YamlMapping& mapping, std::string_view key,
                        std::vector<model::RelabelRule>* out) {
  mapping.each(key, [out](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(model::RelabelRule rule, read_relabel_rule(item));
    out->push_back(std::move(rule));
    return ok();
  });
}

void read_secret(base::YamlMapping& mapping, const std::string& key, std::string_view directory,
                 net::Secret* out) {
  const std::string file_key = key + "_file";
  mapping.string(key, &out->value);
  read_path(mapping, file_key, directory, &out->file);
  if (!out->value.empty() && !out->file.empty()) {
    mapping.fail(file_key, fmt::format("at most one of {} & {} must be configured", key, file_key));
  }
}

void require_false(base::YamlMapping& mapping, std::string_view key) {
  bool value = false;
  mapping.boolean(key, &value);
  if (value) mapping.fail(key, fmt::format("not supported yet: {}", key));
}

StatusOr<net::TlsOptions> read_tls_config(const base::YamlNode& node, std::string_view directory) {
  net::TlsOptions tls;
  base::YamlMapping mapping(node);
  mapping.string("ca", &tls.ca);
  read_path(mapping, "ca_file", directory, &tls.ca_file);
  mapping.string("cert", &tls.cert);
  read_path(mapping, "cert_file", directory, &tls.cert_file);
  mapping.string("key", &tls.key.value);
  read_path(mapping, "key_file", directory, &tls.key_file);
  mapping.string("server_name", &tls.server_name);
  mapping.boolean("insecure_skip_verify", &tls.insecure_skip_verify);
  mapping.string("min_version", &tls.min_version);
  mapping.string("max_version", &tls.max_version);
  mapping.unsupported({"ca_ref", "cert_ref", "key_ref"});
  for (const std::string* version : {&tls.min_version, &tls.max_version}) {
    const bool known = version->empty() || *version == "TLS10" || *version == "TLS11" ||
                       *version == "TLS12" || *version == "TLS13";
    if (!known) mapping.fail("min_version", fmt::format("unknown TLS version: {:?}", *version));
  }
  const auto both = [&mapping](const std::string& a, const std::string& b, std::string_view key) {
    if (!a.empty() && !b.empty())
      mapping.fail(key, fmt::format("at most one of {0} and {0}_file must be configured", key));
  };
  both(tls.ca, tls.ca_file, "ca");
  both(tls.cert, tls.cert_file, "cert");
  both(tls.key.value, tls.key_file, "key");
  const bool has_cert = !tls.cert.empty() || !tls.cert_file.empty();
  const bool has_key = !tls.key.value.empty() || !tls.key_file.empty();
  if (has_cert && !has_key)
    mapping.fail("cert",
                 "exactly one of key or key_file must be configured when a client certificate is "
                 "configured");
  if (has_key && !has_cert)
    mapping.fail(
        "key",
        "exactly one of cert or cert_file must be configured when a client key is configured");
  RETURN_IF_ERROR(mapping.finish());
  return tls;
}

void read_http_options(base::YamlMapping& mapping, std::string_view directory,
                       net::HttpClientOptions* options) {
  const std::string dir(directory);
  mapping.with("basic_auth", [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(options->basic_auth, read_basic_auth(node, dir));
    return ok();
  });
  mapping.with("authorization", [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(options->authorization, read_authorization(node, dir));
    return ok();
  });
  net::Secret bearer;
  read_secret(mapping, "bearer_token", directory, &bearer);
  if (!bearer.empty()) {
    if (options->authorization) {
      mapping.fail(
          "bearer_token",
          "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured");
    }
    options->authorization = net::Authorization{"Bearer", bearer};
  }
  if (options->basic_auth && options->authorization) {
    mapping.fail("basic_auth",
                 "at most one of basic_auth, oauth2 & authorization must be configured");
  }
  mapping.with("tls_config", [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(options->tls, read_tls_config(node, dir));
    return ok();
  });
  mapping.string("proxy_url", &options->proxy_url);
  mapping.string("no_proxy", &options->no_proxy);
  mapping.boolean("proxy_from_environment", &options->proxy_from_environment);
  mapping.boolean("follow_redirects", &options->follow_redirects);
  mapping.boolean("enable_http2", &options->enable_http2);
  mapping.unsupported({"oauth2", "proxy_connect_header", "http_headers"});
}

StatusOr<std::shared_ptr<const net::HttpClientOptions>> read_http_config(
    const base::YamlNode& node, std::string_view directory) {
  auto options = std::make_shared<net::HttpClientOptions>();
  base::YamlMapping mapping(node);
  read_http_options(mapping, directory, options.get());
  RETURN_IF_ERROR(mapping.finish());
  return std::shared_ptr<const net::HttpClientOptions>(std::move(options));
}

namespace {

// "*" is any text, "?" any byte.
bool matches_pattern(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::size_t star = std::string_view::npos, star_end = 0;  // the last "*" and what it took so far
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_end = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

StatusOr<std::vector<std::string>> expand_pattern(base::FileSystem& files,
                                                  const base::YamlNode& item,
                                                  std::string_view directory) {
  ASSIGN_OR_RETURN(std::string written, item.as_string());
  const std::string path = base::join_path(directory, written);
  if (written.find_first_of("*?[") == std::string::npos) {
    return files.info(path).ok() ? std::vector<std::string>{path} : std::vector<std::string>{};
  }
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (path.substr(0, path.size() - name.size()).find_first_of("*?") != std::string::npos ||
      written.find('[') != std::string::npos) {
    const Status located =
        item.error("not supported yet: patterns other than * and ? in the last part of a path");
    return make_status(StatusCode::kUnimplemented, message(located));
  }
  std::vector<std::string> found;
  StatusOr<std::vector<std::string>> entries = files.list(parent);
  if (!entries.ok()) return found;
  for (const std::string& entry : *entries) {
    if (matches_pattern(name, entry)) found.push_back(base::join_path(parent, entry));
  }
  return found;
}

namespace {

// `section` is the key that holds the mapping (or the list of mappings) of `key`.
bool is_secret(std::string_view section, std::string_view key) {
  static constexpr std::string_view kLabelMaps[] = {"labels",   "external_labels", "match",
                                                    "match_re", "headers",         "params"};
  if (std::find(std::begin(kLabelMaps), std::end(kLabelMaps), section) != std::end(kLabelMaps))
    return false;  // names are the user's there
  if (key == "url") return section == "webhook_configs";
  if (key == "key") return section == "tls_config" || section == "smtp_tls_config";
  static constexpr std::string_view kKeys[] = {
      "password",           "credentials",      "bearer_token",  "client_secret",
      "smtp_auth_password", "smtp_auth_secret", "auth_password", "auth_secret",
      "slack_api_url",      "api_url",          "app_token",     "slack_app_token"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

// A scalar as YAML that reads back as the same string or, unquoted, as the same plain scalar.
std::string print_scalar(const base::YamlNode& node) {
  const std::string text(node.scalar());
  static constexpr std::string_view kSpecial = ":#{}[],&*!'\"%@`\\\n\t";
  static constexpr std::string_view kSpecialFirst = " -?|>";
  const bool plain = !text.empty() && text.find_first_of(kSpecial) == std::string::npos &&
                     kSpecialFirst.find(text.front()) == std::string_view::npos &&
                     text.back() != ' ';
  if (!node.is_quoted() && plain) return text;
  return model::go_quote(text);
}

// Where a value stands in the document, and how far it is indented.
struct Place {
  std::string_view section;
  std::string_view key;
  int indent = 0;
};

void print_node(const base::YamlNode& node, std::string_view section, int indent, std::string* out);

void print_value(const base::YamlNode& value, const Place& place, std::string* out) {
  if (value.is_scalar()) {
    const bool credentials =
        place.key == "proxy_url" && value.scalar().find('@') != std::string_view::npos;
    const bool secret =
        (credentials || is_secret(place.section, place.key)) && !value.scalar().empty();
    fmt::format_to(std::back_inserter(*out), " {}\n", secret ? "<secret>" : print_scalar(value));
  } else if (value.is_null()) {
    *out += " null\n";
  } else if (value.items().empty() && value.entries().empty()) {
    *out += value.is_sequence() ? " []\n" : " {}\n";
  } else {
    *out += '\n';
    print_node(value, place.key, place.indent, out);
  }
}

void print_node(const base::YamlNode& node, std::string_view section, int indent,
                std::string* out) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  for (const auto& [key, value] : node.entries()) {
    const bool plain = model::is_legacy_label_name(key);
    *out += margin + (plain ? key : model::go_quote(key)) + ":";
    print_value(value, {section, key, value.is_sequence() ? indent : indent + 2}, out);
  }
  for (const base::YamlNode& item : node.items()) {
    if (!item.is_mapping() || item.entries().empty()) {
      *out += margin + "-";
      print_value(item, {section, item.is_scalar() ? "" : section, indent + 2}, out);
      continue;
    }
    std::string inner;
    print_node(item, section, indent + 2, &inner);
    inner.replace(static_cast<std::size_t>(indent), 2, "- ");
    *out += inner;
  }
}

}  // namespace

std::string print_masked(const base::YamlNode& node) {
  std::string out;
  print_node(node, "", 0, &out);
  return out;
}

}  // namespace tocsin::app
