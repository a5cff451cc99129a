// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/options.h"

#include <algorithm>
#include <charconv>

#include "exporters/redis/target.h"
#include "model/matcher.h"
#include "model/timestamp.h"
#include "net/http.h"

namespace tocsin::exporters {
namespace {

constexpr std::uint64_t kMaxScript = 1 << 20;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Flags with their variables.
class Adder {
 public:
  explicit Adder(Flags* flags) : flags_(*flags) {}

  void text(std::string name, std::string variable, std::string help, std::string* value) {
    flags_.text(name, std::move(help), value);
    flags_.environment(name, std::move(variable));
  }
  void number(std::string name, std::string variable, std::string help, std::size_t* value) {
    flags_.number(name, std::move(help), value);
    flags_.environment(name, std::move(variable));
  }
  void toggle(std::string name, std::string variable, std::string help, bool* value) {
    flags_.toggle(name, std::move(help), value);
    flags_.environment(name, std::move(variable));
  }
  void keys(std::string name, std::string variable, std::string help,
            std::vector<KeyPattern>* value) {
    flags_.custom(name, std::move(help), "", [value](std::string_view given) -> Status {
      ASSIGN_OR_RETURN(*value, parse_keys(given));
      return ok();
    });
    flags_.environment(name, std::move(variable));
  }
  void unsupported(std::string name, std::string variable) {
    flags_.unsupported(name);
    flags_.environment(name, std::move(variable));
  }

 private:
  Flags& flags_;
};

void add_server_flags(Flags* flags, RedisOptions* options) {
  Adder add(flags);
  add.text("redis.addr", "REDIS_ADDR",
           "Address of the server: redis://, rediss:// (TLS), unix:// or HOST:PORT. Empty for an "
           "exporter that only serves /scrape.",
           &options->address);
  add.text("redis.user", "REDIS_USER", "User to log in as (ACL of Redis 6).", &options->user);
  add.text("redis.password", "REDIS_PASSWORD", "Password of the server.", &options->password);
  add.text("redis.password-file", "REDIS_PASSWORD_FILE",
           "JSON file with passwords by address, read again for POST /-/reload.",
           &options->password_file);
  add.text("namespace", "REDIS_EXPORTER_NAMESPACE", "What names of families begin with.",
           &options->prefix);
  add.text("config-command", "REDIS_EXPORTER_CONFIG_COMMAND",
           "What CONFIG was renamed to; - to leave it alone.", &options->config_command);
  flags->custom("connection-timeout",
                "How long one step may take, connecting for example; a scrape as a whole ends in "
                "time for Prometheus.",
                "15s", [options](std::string_view given) -> Status {
                  ASSIGN_OR_RETURN(options->connection_timeout, model::parse_duration(given));
                  if (options->connection_timeout.count() > 0) return ok();
                  return invalid_argument("expected a duration above 0");
                });
  flags->environment("connection-timeout", "REDIS_EXPORTER_CONNECTION_TIMEOUT");
  add.toggle("set-client-name", "REDIS_EXPORTER_SET_CLIENT_NAME",
             "Name the connection redis_exporter.", &options->set_client_name);
  add.toggle("ping-on-connect", "REDIS_EXPORTER_PING_ON_CONNECT", "Measure a PING first.",
             &options->ping);
  add.text("tls-client-key-file", "REDIS_EXPORTER_TLS_CLIENT_KEY_FILE",
           "Key to show a server that wants a certificate.", &options->tls.key_file);
  add.text("tls-client-cert-file", "REDIS_EXPORTER_TLS_CLIENT_CERT_FILE",
           "Certificate to show a server that wants one.", &options->tls.cert_file);
  add.text("tls-ca-cert-file", "REDIS_EXPORTER_TLS_CA_CERT_FILE",
           "Certificates to trust instead of the system's.", &options->tls.ca_file);
  add.text("tls-server-name", "REDIS_EXPORTER_TLS_SERVER_NAME",
           "Name that the certificate of the server must have.", &options->tls_server_name);
  add.toggle("skip-tls-verification", "REDIS_EXPORTER_SKIP_TLS_VERIFICATION",
             "Take every certificate.", &options->skip_tls_verification);
  add.toggle("is-tile38", "REDIS_EXPORTER_IS_TILE38", "The server is Tile38.", &options->is_tile38);
  add.toggle("is-cluster", "REDIS_EXPORTER_IS_CLUSTER",
             "The server belongs to a cluster: look for keys on its other nodes, too.",
             &options->is_cluster);
  add.toggle("cluster-discover-hostnames", "REDIS_EXPORTER_CLUSTER_DISCOVER_HOSTNAMES",
             "Show names of nodes in /discover-cluster-nodes instead of addresses.",
             &options->discover_hostnames);
}

void add_key_flags(Flags* flags, RedisOptions* options) {
  Adder add(flags);
  add.keys("check-keys", "REDIS_EXPORTER_CHECK_KEYS",
           "Patterns of keys to show, as db3=user_*,db0=queue; found with SCAN.",
           &options->chosen.keys);
  add.keys("check-single-keys", "REDIS_EXPORTER_CHECK_SINGLE_KEYS", "Keys to show.",
           &options->chosen.single_keys);
  add.keys("check-streams", "REDIS_EXPORTER_CHECK_STREAMS",
           "Patterns of streams to show, found with SCAN.", &options->chosen.streams);
  add.keys("check-single-streams", "REDIS_EXPORTER_CHECK_SINGLE_STREAMS", "Streams to show.",
           &options->chosen.single_streams);
  add.toggle("streams-exclude-consumer-metrics", "REDIS_EXPORTER_STREAMS_EXCLUDE_CONSUMER_METRICS",
             "Leave out the consumers of streams.", &options->consumers_excluded);
  add.keys("count-keys", "REDIS_EXPORTER_COUNT_KEYS", "Patterns of keys to count.",
           &options->chosen.counted);
  add.number("check-keys-batch-size", "REDIS_EXPORTER_CHECK_KEYS_BATCH_SIZE",
             "Keys that one SCAN looks at; many hold up the server.", &options->scan_batch);
  add.number("check-keys-limit", "REDIS_EXPORTER_CHECK_KEYS_LIMIT",
             "Keys that all patterns together may find in one scrape.", &options->max_keys);
  add.text("check-key-groups", "REDIS_EXPORTER_CHECK_KEY_GROUPS",
           "Lua patterns with commas between; keys are grouped by what their parentheses match.",
           &options->key_groups);
  add.number("max-distinct-key-groups", "REDIS_EXPORTER_MAX_DISTINCT_KEY_GROUPS",
             "Groups of keys shown for a database; the rest is shown as overflow.",
             &options->max_key_groups);
  add.toggle("disable-exporting-key-values", "REDIS_EXPORTER_DISABLE_EXPORTING_KEY_VALUES",
             "Never show what keys hold.", &options->hide_values);
  add.toggle("skip-checkkeys-for-role-master", "REDIS_EXPORTER_SKIP_CHECKKEYS_FOR_ROLE_MASTER",
             "Look at keys of replicas only.", &options->skip_keys_of_master);
  add.text("script", "REDIS_EXPORTER_SCRIPT",
           "Paths of Lua scripts, with commas between, that return names and numbers.",
           &options->script_paths);
  add.toggle("lua-script-read-only", "REDIS_EXPORTER_LUA_SCRIPT_READ_ONLY",
             "Run scripts with EVAL_RO.", &options->scripts_read_only);
}

void add_content_flags(Flags* flags, RedisOptions* options) {
  Adder add(flags);
  add.toggle("export-client-list", "REDIS_EXPORTER_EXPORT_CLIENT_LIST", "Show every client.",
             &options->client_list);
  add.toggle("export-client-port", "REDIS_EXPORTER_EXPORT_CLIENT_PORT",
             "Show the ports of clients; a series for each.", &options->client_port);
  add.toggle("include-config-metrics", "REDIS_EXPORTER_INCL_CONFIG_METRICS",
             "Show all of the configuration.", &options->config_metrics);
  add.toggle("redact-config-metrics", "REDIS_EXPORTER_REDACT_CONFIG_METRICS",
             "Leave passwords out of it.", &options->redact_config);
  add.toggle("include-modules-metrics", "REDIS_EXPORTER_INCL_MODULES_METRICS", "Show modules.",
             &options->modules);
  add.toggle("include-search-indexes-metrics", "REDIS_EXPORTER_INCL_SEARCH_INDEXES_METRICS",
             "Show indexes of Redis Search.", &options->search_indexes);
  add.text("check-search-indexes", "REDIS_EXPORTER_CHECK_SEARCH_INDEXES",
           "Expression for the names of these indexes.", &options->search_index_pattern);
  add.toggle("include-sentinel-peer-info", "REDIS_EXPORTER_INCL_SENTINEL_PEER_INFO",
             "Show each peer of a sentinel.", &options->sentinel_peers);
  add.toggle("include-system-metrics", "REDIS_EXPORTER_INCL_SYSTEM_METRICS",
             "Show the memory of the machine.", &options->system_metrics);
  add.toggle("include-rdb-file-size-metric", "REDIS_EXPORTER_INCL_RDB_FILE_SIZE_METRIC",
             "Show the size of the RDB file; the exporter must see the server's files.",
             &options->rdb_size);
  add.toggle("exclude-latency-histogram-metrics",
             "REDIS_EXPORTER_EXCLUDE_LATENCY_HISTOGRAM_METRICS", "Leave out latencies.",
             &options->no_latency_histograms);
  add.toggle("include-metrics-for-empty-databases",
             "REDIS_EXPORTER_INCL_METRICS_FOR_EMPTY_DATABASES", "Show databases without keys, too.",
             &options->empty_databases);
  add.toggle("append-instance-role-label", "REDIS_EXPORTER_APPEND_INSTANCE_ROLE_LABEL",
             "Give every series the label instance_role.", &options->role_label);
  add.toggle("redis-only-metrics", "REDIS_EXPORTER_REDIS_ONLY_METRICS",
             "Leave out the metrics about the exporter itself (process_*).",
             &options->only_redis_metrics);
  flags->unsupported_toggle("include-go-runtime-metrics");
  flags->environment("include-go-runtime-metrics", "REDIS_EXPORTER_INCLUDE_GO_RUNTIME_METRICS");
}

void add_web_side_flags(Flags* flags, RedisOptions* options, WebOptions* web) {
  add_listen_flags(flags, web);
  flags->environment("web.listen-address", "REDIS_EXPORTER_WEB_LISTEN_ADDRESS");
  flags->environment("web.telemetry-path", "REDIS_EXPORTER_WEB_TELEMETRY_PATH");
  Adder add(flags);
  add.unsupported("tls-server-key-file", "REDIS_EXPORTER_TLS_SERVER_KEY_FILE");
  add.unsupported("tls-server-cert-file", "REDIS_EXPORTER_TLS_SERVER_CERT_FILE");
  add.unsupported("tls-server-ca-cert-file", "REDIS_EXPORTER_TLS_SERVER_CA_CERT_FILE");
  add.unsupported("tls-server-min-version", "REDIS_EXPORTER_TLS_SERVER_MIN_VERSION");
  add.text("basic-auth-username", "REDIS_EXPORTER_BASIC_AUTH_USERNAME",
           "User whom pages are served to.", &options->basic_auth_user);
  add.text("basic-auth-password", "REDIS_EXPORTER_BASIC_AUTH_PASSWORD", "That user's password.",
           &options->basic_auth_password);
  add.text("basic-auth-hash-password", "REDIS_EXPORTER_BASIC_AUTH_HASH_PASSWORD",
           "That user's password as bcrypt.", &options->basic_auth_hash);
  add.toggle("disable-scrape-endpoint", "REDIS_EXPORTER_DISABLE_SCRAPE_ENDPOINT",
             "Do not serve /scrape.", &options->disable_scrape_endpoint);
  flags->list("scrape.allow-target",
              "HOST:PORT, or a whole expression for it, that /scrape may ask and that may be sent "
              "-redis.password. May be given more than once; others are then refused.",
              &options->allowed_targets);
  flags->environment("scrape.allow-target", "REDIS_EXPORTER_SCRAPE_ALLOW_TARGET");
  flags->custom("log-level", "Write only log lines of this level or above.", "INFO",
                [web](std::string_view given) -> Status {
                  std::string level(given);
                  for (char& c : level) c = static_cast<char>(std::tolower(c));
                  if (level == "warning") level = "warn";
                  ASSIGN_OR_RETURN(web->log.level, base::log::parse_level(level));
                  return ok();
                });
  flags->environment("log-level", "REDIS_EXPORTER_LOG_LEVEL");
  flags->custom("log-format", "How log lines are written: txt (logfmt) or json.", "txt",
                [web](std::string_view given) -> Status {
                  ASSIGN_OR_RETURN(web->log.format,
                                   base::log::parse_format(given == "txt" ? "logfmt" : given));
                  return ok();
                });
  flags->environment("log-format", "REDIS_EXPORTER_LOG_FORMAT");
  add.toggle("debug", "REDIS_EXPORTER_DEBUG", "As -log-level=debug.", &options->debug);
}

}  // namespace

StatusOr<std::vector<KeyPattern>> parse_keys(std::string_view list) {
  std::vector<KeyPattern> out;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(part.size() + 1, list.size()));
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    if (equals != std::string_view::npos && part.find('=', equals + 1) != std::string_view::npos) {
      return invalid_argument("invalid key list argument: {}", part);
    }
    KeyPattern pattern{.database = "0", .key = {}};
    std::string_view key = part;
    if (equals != std::string_view::npos) {
      std::string_view database = trimmed(part.substr(0, equals));
      if (database.starts_with("db")) database.remove_prefix(2);
      pattern.database = database;
      key = part.substr(equals + 1);
    }
    // As in a query string, where + is a space.
    std::string escaped(trimmed(key));
    std::replace(escaped.begin(), escaped.end(), '+', ' ');
    StatusOr<std::string> decoded = net::url_decode(escaped);
    if (!decoded.ok()) return invalid_argument("couldn't parse db/key string: {}", part);
    pattern.key = *std::move(decoded);
    if (pattern.key.empty() || pattern.database.empty()) continue;
    unsigned number = 0;
    const char* end = pattern.database.data() + pattern.database.size();
    const auto [stop, error] = std::from_chars(pattern.database.data(), end, number);
    if (error != std::errc() || stop != end) {
      return invalid_argument("invalid database index for db \"{}\"", pattern.database);
    }
    out.push_back(std::move(pattern));
  }
  return out;
}

Status RedisOptions::validate(base::FileSystem& files) {
  if (!address.empty())
    RETURN_IF_ERROR(annotate(RedisTarget::parse(address).status(), "-redis.addr"));
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    return invalid_argument("TLS client key file and cert file should both be present");
  }
  tls.verify = !skip_tls_verification;
  if (!basic_auth_password.empty() && !basic_auth_hash.empty()) {
    return invalid_argument("cannot set both basic auth password and basic auth hash password");
  }
  if (!basic_auth_hash.empty() && !basic_auth_hash.starts_with("$2")) {
    return invalid_argument("-basic-auth-hash-password: not a bcrypt hash");
  }
  if (scan_batch == 0) return invalid_argument("-check-keys-batch-size: expected a number above 0");
  RETURN_IF_ERROR(annotate(model::Regex::unanchored(search_index_pattern).status(),
                           "invalid check-search-indexes regex"));
  for (const std::string& target : allowed_targets) {
    RETURN_IF_ERROR(annotate(model::Regex::anchored(target).status(), "-scrape.allow-target"));
  }
  std::string_view paths = script_paths;
  while (!paths.empty()) {
    const std::string path(paths.substr(0, paths.find(',')));
    paths.remove_prefix(std::min(path.size() + 1, paths.size()));
    ASSIGN_OR_RETURN(std::string text, files.read_file(path, kMaxScript));
    scripts.emplace_back(path, std::move(text));
  }
  return ok();
}

void add_redis_flags(Flags* flags, RedisOptions* options, WebOptions* web) {
  add_server_flags(flags, options);
  add_key_flags(flags, options);
  add_content_flags(flags, options);
  add_web_side_flags(flags, options, web);
}

}  // namespace tocsin::exporters
