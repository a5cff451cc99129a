// SPDX-License-Identifier: Apache-2.0
#include "app/config/alertmanager_config.h"

#include <set>
#include <utility>

#include "app/config/fields.h"
#include "base/yaml.h"
#include "model/timestamp.h"
#include "notifier/matchers.h"

namespace tocsin::app {

namespace {

constexpr std::uint64_t kMaxConfigBytes = 64ULL << 20;

constexpr std::string_view kOtherIntegrations[] = {
    "pagerduty_configs",  "msteamsv2_configs", "opsgenie_configs",   "telegram_configs",
    "discord_configs",    "jira_configs",      "mattermost_configs", "incidentio_configs",
    "rocketchat_configs", "pushover_configs",  "sns_configs",        "webex_configs",
    "victorops_configs",  "wechat_configs",    "msteams_configs"};

constexpr std::string_view kOtherGlobals[] = {"slack_app_token",
                                              "slack_app_token_file",
                                              "slack_app_url",
                                              "pagerduty_url",
                                              "opsgenie_api_url",
                                              "opsgenie_api_key",
                                              "opsgenie_api_key_file",
                                              "wechat_api_url",
                                              "wechat_api_secret",
                                              "wechat_api_secret_file",
                                              "wechat_api_corp_id",
                                              "victorops_api_url",
                                              "victorops_api_key",
                                              "victorops_api_key_file",
                                              "telegram_api_url",
                                              "telegram_bot_token",
                                              "telegram_bot_token_file",
                                              "webex_api_url",
                                              "rocketchat_api_url",
                                              "rocketchat_token",
                                              "rocketchat_token_file",
                                              "rocketchat_token_id",
                                              "rocketchat_token_id_file",
                                              "mattermost_webhook_url",
                                              "mattermost_webhook_url_file",
                                              "jira_api_url"};

struct Smtp {
  net::SmtpServer server;
  std::string smarthost;
  std::string from;
  bool has_implicit_tls = false;
};

struct Globals {
  base::Duration resolve_timeout{300'000};
  std::shared_ptr<const net::HttpClientOptions> http = std::make_shared<net::HttpClientOptions>();
  net::Secret slack_api_url;
  Smtp smtp;
};

// host:port into the server; port 465 means implicit TLS unless said otherwise.
Status set_smarthost(const base::YamlNode& node, const std::string& text, Smtp* smtp) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos)
    return node.error(fmt::format("address {}: missing port in address", text));
  const std::string port = text.substr(colon + 1);
  if (port.empty()) return node.error(fmt::format("address {:?}: port cannot be empty", text));
  unsigned number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9' || number > 65535)
      return node.error(fmt::format("address {:?}: bad port", text));
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  if (number == 0 || number > 65535) return node.error(fmt::format("address {:?}: bad port", text));
  smtp->smarthost = text;
  smtp->server.host = text.substr(0, colon);
  if (smtp->server.host.starts_with('[') && smtp->server.host.ends_with(']')) {
    smtp->server.host = smtp->server.host.substr(1, smtp->server.host.size() - 2);
  }
  smtp->server.port = static_cast<std::uint16_t>(number);
  return ok();
}

// The keys that global (with the prefix smtp_) and email_configs (without) share.
void read_smtp(base::YamlMapping& mapping, const std::string& prefix, Smtp* smtp) {
  mapping.string(prefix + "from", &smtp->from);
  mapping.string(prefix + "hello", &smtp->server.hello);
  mapping.with(prefix + "smarthost", [smtp](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(std::string text, node.as_string());
    return text.empty() ? ok() : set_smarthost(node, text, smtp);
  });
  mapping.string(prefix + "auth_username", &smtp->server.username);
  // A receiver's own password replaces the global one, also when that is a file. Files are relative
  // to the working directory, as upstream has it.
  net::Secret password, secret;
  read_secret(mapping, prefix + "auth_password", "", &password);
  read_secret(mapping, prefix + "auth_secret", "", &secret);
  if (!password.empty()) smtp->server.password = password;
  if (!secret.empty()) smtp->server.cram_secret = secret;
  mapping.string(prefix + "auth_identity", &smtp->server.identity);
  mapping.boolean(prefix + "require_tls", &smtp->server.require_tls);
  if (mapping.has(prefix + "force_implicit_tls")) {
    smtp->has_implicit_tls = true;
    mapping.boolean(prefix + "force_implicit_tls", &smtp->server.implicit_tls);
  }
  mapping.with(prefix == "smtp_" ? "smtp_tls_config" : "tls_config",
               [smtp](const base::YamlNode& node) -> Status {
                 ASSIGN_OR_RETURN(smtp->server.tls, read_tls_config(node, ""));
                 return ok();
               });
}

Status read_global(const base::YamlNode& node, std::string_view directory, Globals* globals) {
  base::YamlMapping mapping(node);
  read_duration(mapping, "resolve_timeout", &globals->resolve_timeout);
  const std::string dir(directory);
  mapping.with("http_config", [&](const base::YamlNode& http) -> Status {
    ASSIGN_OR_RETURN(globals->http, read_http_config(http, dir));
    return ok();
  });
  read_secret(mapping, "slack_api_url", "", &globals->slack_api_url);
  read_smtp(mapping, "smtp_", &globals->smtp);
  for (std::string_view key : kOtherGlobals) mapping.unsupported({key});
  return mapping.finish();
}

void check_url(base::YamlMapping& mapping, std::string_view key, const std::string& url) {
  if (url.empty() || url == "<secret>" || url.find("{{") != std::string::npos) return;
  StatusOr<net::Url> parsed = net::Url::parse(url);
  if (!parsed.ok() || parsed->host.empty() ||
      (parsed->scheme != "http" && parsed->scheme != "https")) {
    mapping.fail(key,
                 "unsupported scheme or missing host in URL: want http:// or https:// and a host");
  }
}

void read_receiver_http(base::YamlMapping& mapping, std::string_view directory,
                        const Globals& globals,
                        std::shared_ptr<const net::HttpClientOptions>* http) {
  *http = globals.http;
  const std::string dir(directory);
  mapping.with("http_config", [http, dir](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(*http, read_http_config(node, dir));
    return ok();
  });
}

void read_slack_fields(base::YamlMapping& mapping, notifier::SlackOptions* slack) {
  mapping.each("fields", [slack](const base::YamlNode& item) -> Status {
    notifier::SlackField field;
    field.is_short = slack->short_fields;
    base::YamlMapping inner(item);
    inner.string("title", &field.title, base::YamlMapping::kRequired);
    inner.string("value", &field.value, base::YamlMapping::kRequired);
    inner.boolean("short", &field.is_short);
    slack->fields.push_back(field);
    return inner.finish();
  });
}

StatusOr<notifier::SlackOptions> read_slack(const base::YamlNode& node, std::string_view directory,
                                            const Globals& globals) {
  notifier::SlackOptions slack;
  base::YamlMapping mapping(node);
  mapping.boolean("send_resolved", &slack.send_resolved);
  read_receiver_http(mapping, directory, globals, &slack.http);
  read_secret(mapping, "api_url", "", &slack.api_url);
  if (slack.api_url.empty()) slack.api_url = globals.slack_api_url;
  if (slack.api_url.empty())
    mapping.fail("api_url", "no Slack API URL nor App token set either inline or in a file");
  check_url(mapping, "api_url", slack.api_url.value);
  const std::pair<std::string_view, std::string*> texts[] = {{"channel", &slack.channel},
                                                             {"username", &slack.username},
                                                             {"color", &slack.color},
                                                             {"title", &slack.title},
                                                             {"title_link", &slack.title_link},
                                                             {"pretext", &slack.pretext},
                                                             {"text", &slack.text},
                                                             {"message_text", &slack.message_text},
                                                             {"footer", &slack.footer},
                                                             {"fallback", &slack.fallback},
                                                             {"callback_id", &slack.callback_id},
                                                             {"icon_emoji", &slack.icon_emoji},
                                                             {"icon_url", &slack.icon_url},
                                                             {"image_url", &slack.image_url},
                                                             {"thumb_url", &slack.thumb_url}};
  for (const auto& [key, out] : texts) mapping.string(key, out);
  mapping.boolean("link_names", &slack.link_names);
  mapping.boolean("short_fields", &slack.short_fields);
  read_slack_fields(mapping, &slack);
  std::vector<std::string> mrkdwn;
  mapping.string_list("mrkdwn_in", &mrkdwn);
  if (mapping.has("mrkdwn_in")) slack.mrkdwn_in = std::move(mrkdwn);
  read_duration(mapping, "timeout", &slack.timeout);
  require_false(mapping, "update_message");
  mapping.unsupported({"app_token", "app_token_file", "app_url", "actions"});
  RETURN_IF_ERROR(mapping.finish());
  return slack;
}

// Words separated by "-" each get a capital, as MIME header names are written.
std::string canonical_header(std::string name) {
  bool start = true;
  for (char& c : name) {
    if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (!start && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    start = c == '-';
  }
  return name;
}

void read_email_headers(base::YamlMapping& mapping, notifier::EmailOptions* email) {
  std::vector<std::pair<std::string, std::string>> headers;
  mapping.string_pairs("headers", &headers);
  std::set<std::string> names;
  for (auto& [name, value] : headers) {
    std::string canonical = canonical_header(name);
    if (!names.insert(canonical).second) {
      return mapping.fail("headers",
                          fmt::format("duplicate header {:?} in email config", canonical));
    }
    email->headers.emplace_back(std::move(canonical), value);
  }
}

StatusOr<notifier::EmailOptions> read_email(const base::YamlNode& node, const Globals& globals) {
  notifier::EmailOptions email;
  Smtp smtp = globals.smtp;
  base::YamlMapping mapping(node);
  mapping.boolean("send_resolved", &email.send_resolved);
  mapping.string("to", &email.to);
  if (email.to.empty()) mapping.fail("to", "missing to address in email config");
  read_smtp(mapping, "", &smtp);
  if (smtp.smarthost.empty()) mapping.fail("smarthost", "no global SMTP smarthost set");
  if (smtp.from.empty()) mapping.fail("from", "no global SMTP from set");
  if (!smtp.has_implicit_tls) smtp.server.implicit_tls = smtp.server.port == 465;
  email.from = smtp.from;
  email.server = smtp.server;
  read_email_headers(mapping, &email);
  mapping.string("text", &email.text);
  mapping.string("html", &email.html);
  mapping.unsupported({"threading"});
  RETURN_IF_ERROR(mapping.finish());
  return email;
}

StatusOr<notifier::WebhookOptions> read_webhook(const base::YamlNode& node,
                                                std::string_view directory,
                                                const Globals& globals) {
  notifier::WebhookOptions webhook;
  base::YamlMapping mapping(node);
  mapping.boolean("send_resolved", &webhook.send_resolved);
  read_receiver_http(mapping, directory, globals, &webhook.http);
  mapping.string("url", &webhook.url.value);
  mapping.string("url_file", &webhook.url.file);
  if (webhook.url.empty()) mapping.fail("url", "one of url or url_file must be configured");
  if (!webhook.url.value.empty() && !webhook.url.file.empty()) {
    mapping.fail("url_file", "at most one of url & url_file must be configured");
  }
  check_url(mapping, "url", webhook.url.value);
  read_count(mapping, "max_alerts", &webhook.max_alerts);
  read_duration(mapping, "timeout", &webhook.timeout);
  mapping.unsupported({"payload"});
  RETURN_IF_ERROR(mapping.finish());
  return webhook;
}

StatusOr<notifier::ReceiverOptions> read_receiver(const base::YamlNode& node,
                                                  std::string_view directory,
                                                  const Globals& globals) {
  notifier::ReceiverOptions receiver;
  base::YamlMapping mapping(node);
  mapping.string("name", &receiver.name);
  if (receiver.name.empty()) mapping.fail("name", "missing name in receiver");
  const std::string dir(directory);
  mapping.each("slack_configs", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(notifier::SlackOptions slack, read_slack(item, dir, globals));
    receiver.integrations.emplace_back(std::move(slack));
    return ok();
  });
  mapping.each("email_configs", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(notifier::EmailOptions email, read_email(item, globals));
    receiver.integrations.emplace_back(std::move(email));
    return ok();
  });
  mapping.each("webhook_configs", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(notifier::WebhookOptions webhook, read_webhook(item, dir, globals));
    receiver.integrations.emplace_back(std::move(webhook));
    return ok();
  });
  for (std::string_view key : kOtherIntegrations) mapping.unsupported({key});
  mapping.unsupported({"labels"});
  RETURN_IF_ERROR(mapping.finish());
  return receiver;
}

// A name without an expression is a mistake, not an expression that matches the empty text.
void refuse_null_values(base::YamlMapping& mapping, const std::string& key) {
  mapping.with(key, [](const base::YamlNode& map) -> Status {
    for (const auto& [name, value] : map.entries()) {
      if (value.is_null())
        return value.error(fmt::format("invalid regexp value for {}", model::go_quote(name)));
    }
    return ok();
  });
}

// The three notations: a map of equalities, a map of expressions, a list of matcher strings.
void read_matchers(base::YamlMapping& mapping, const std::string& prefix, model::Matchers* out) {
  const std::string equal_key = prefix + "match";
  const std::string regex_key = prefix + "match_re";
  for (const auto& [key, type] : {std::pair{equal_key, model::Matcher::Type::kEqual},
                                  std::pair{regex_key, model::Matcher::Type::kRegex}}) {
    std::vector<std::pair<std::string, std::string>> pairs;
    if (type == model::Matcher::Type::kRegex) refuse_null_values(mapping, key);
    mapping.string_pairs(key, &pairs);
    for (const auto& [name, value] : pairs) {
      if (!model::is_legacy_label_name(name))
        return mapping.fail(key, fmt::format("invalid label name {:?}", name));
      const bool regex = type == model::Matcher::Type::kRegex;
      // The old notation prints as the anchored text in route keys.
      StatusOr<model::Matcher> matcher = model::Matcher::make(
          type, name, regex ? "^(?:" + value + ")$" : value, model::Regex::Dot::kStopsAtNewline);
      if (!matcher.ok()) return mapping.fail(key, message(matcher.status()));
      out->push_back(std::move(*matcher));
    }
  }
  mapping.each(prefix + "matchers", [out](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(std::string text, item.as_string());
    StatusOr<model::Matchers> matchers = notifier::parse_matchers(text);
    if (!matchers.ok()) return item.error(message(matchers.status()));
    out->insert(out->end(), matchers->begin(), matchers->end());
    return ok();
  });
  notifier::sort_matchers(out);
}

void read_group_by(base::YamlMapping& mapping, notifier::RouteOptions* route) {
  std::vector<std::string> names;
  mapping.string_list("group_by", &names);
  if (names.empty()) return;  // an empty list inherits, as upstream
  route->group_by.clear();
  route->group_by_all = false;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (name == "...") {
      route->group_by_all = true;
    } else if (!model::is_label_name(name)) {
      return mapping.fail("group_by",
                          fmt::format("invalid label name {:?} in group_by list", name));
    } else if (!seen.insert(name).second) {
      return mapping.fail("group_by", fmt::format("duplicated label {:?} in group_by", name));
    } else {
      route->group_by.push_back(name);
    }
  }
  if (route->group_by_all && !route->group_by.empty()) {
    mapping.fail("group_by",
                 "cannot have wildcard group_by (`...`) and other other labels at the same time");
  }
}

struct RouteContext {
  const std::set<std::string>& receivers;
  int depth = 0;
};

StatusOr<notifier::RouteOptions> read_route(const base::YamlNode& node,
                                            const notifier::RouteOptions* parent,
                                            RouteContext context) {
  constexpr int kMaxDepth = 50;
  if (context.depth > kMaxDepth) return node.error("routes are nested too deeply");
  notifier::RouteOptions route;
  if (parent != nullptr) {
    route = *parent;
    route.matchers.clear();
    route.routes.clear();
    route.continue_matching = false;
  }
  base::YamlMapping mapping(node);
  mapping.string("receiver", &route.receiver);
  if (parent == nullptr) {
    if (route.receiver.empty())
      mapping.fail("receiver", "root route must specify a default receiver");
    for (std::string_view key : {"match", "match_re", "matchers"}) {
      if (mapping.has(key)) mapping.fail(key, "root route must not have any matchers");
    }
    if (mapping.has("continue")) mapping.fail("continue", "cannot have continue in root route");
  }
  if (!route.receiver.empty() && !context.receivers.contains(route.receiver)) {
    mapping.fail("receiver", fmt::format("undefined receiver {:?} used in route", route.receiver));
  }
  read_group_by(mapping, &route);
  read_matchers(mapping, "", &route.matchers);
  mapping.boolean("continue", &route.continue_matching);
  read_duration(mapping, "group_wait", &route.group_wait);
  read_duration(mapping, "group_interval", &route.group_interval);
  read_duration(mapping, "repeat_interval", &route.repeat_interval);
  if (route.group_interval.count() == 0)
    mapping.fail("group_interval", "group_interval cannot be zero");
  if (route.repeat_interval.count() == 0)
    mapping.fail("repeat_interval", "repeat_interval cannot be zero");
  mapping.unsupported({"mute_time_intervals", "active_time_intervals", "labels"});
  mapping.each("routes", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(notifier::RouteOptions child,
                     read_route(item, &route, {context.receivers, context.depth + 1}));
    route.routes.push_back(std::move(child));
    return ok();
  });
  RETURN_IF_ERROR(mapping.finish());
  return route;
}

StatusOr<notifier::InhibitOptions> read_inhibit_rule(const base::YamlNode& node) {
  notifier::InhibitOptions rule;
  base::YamlMapping mapping(node);
  mapping.string("name", &rule.name);
  read_matchers(mapping, "source_", &rule.source);
  read_matchers(mapping, "target_", &rule.target);
  mapping.string_list("equal", &rule.equal);
  RETURN_IF_ERROR(mapping.finish());
  return rule;
}

Status read_templates(base::FileSystem& files, const base::YamlNode& item,
                      std::string_view directory, notifier::NotifierConfig* config) {
  ASSIGN_OR_RETURN(std::vector<std::string> found, expand_pattern(files, item, directory));
  for (const std::string& file : found) {
    ASSIGN_OR_RETURN(std::string text, files.read_file(file, kMaxConfigBytes));
    config->templates.emplace_back(file, std::move(text));
  }
  return ok();
}

}  // namespace

StatusOr<notifier::NotifierConfig> parse_alertmanager_config(base::FileSystem& files,
                                                             std::string_view text,
                                                             const std::string& path) {
  ASSIGN_OR_RETURN(base::YamlNode root, base::parse_yaml(text, path));
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  notifier::NotifierConfig config;
  Globals globals;
  std::set<std::string> names;
  base::YamlMapping mapping(root);
  mapping.with("global",
               [&](const base::YamlNode& node) { return read_global(node, directory, &globals); });
  mapping.each("templates", [&](const base::YamlNode& item) {
    return read_templates(files, item, directory, &config);
  });
  mapping.each("receivers", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(notifier::ReceiverOptions receiver, read_receiver(item, directory, globals));
    if (!names.insert(receiver.name).second) {
      return item.error(fmt::format("notification config name {:?} is not unique", receiver.name));
    }
    config.receivers.push_back(std::move(receiver));
    return ok();
  });
  if (!mapping.has("route")) mapping.fail("route", "no route provided in config");
  mapping.with("route", [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(config.route, read_route(node, nullptr, {names, 0}));
    return ok();
  });
  mapping.each("inhibit_rules", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(notifier::InhibitOptions rule, read_inhibit_rule(item));
    config.inhibit_rules.push_back(std::move(rule));
    return ok();
  });
  mapping.unsupported({"mute_time_intervals", "time_intervals", "tracing", "event_recorder"});
  RETURN_IF_ERROR(mapping.finish());
  config.resolve_timeout = globals.resolve_timeout;
  config.original = print_masked(root);
  return config;
}

StatusOr<notifier::NotifierConfig> load_alertmanager_config(base::FileSystem& files,
                                                            const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, files.read_file(path, kMaxConfigBytes));
  return parse_alertmanager_config(files, text, path);
}

}  // namespace tocsin::app
