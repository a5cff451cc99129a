// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/web.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "exporters/common/web_config.h"
#include "net/civetweb.h"

namespace tocsin::exporters {
namespace {

// Scrapes have few headers.
constexpr std::uint64_t kMaxHeaderBytes = 32 << 10;
constexpr std::size_t kMaxConnections = 256;
// The limit of pages at once is the MetricsHandler's, which also has upstream's text for it.
constexpr std::size_t kMaxConcurrent = 256;
constexpr base::Duration kReadTimeout(60'000);
constexpr base::Duration kWriteTimeout(60'000);

Status set_telemetry_path(std::string_view given, std::string* path) {
  if (!given.starts_with('/')) return invalid_argument("expected a path that starts with /");
  if (given.find_first_of("{}?#") != std::string_view::npos) {
    return invalid_argument("a path cannot hold any of {{}}?#");
  }
  *path = given;
  return ok();
}

}  // namespace

void add_listen_flags(Flags* flags, WebOptions* options) {
  flags->list("web.listen-address",
              "Address to serve on, as HOST:PORT, :PORT (all IPv4 interfaces) or [HOST]:PORT for "
              "IPv6. May be given more than once.",
              &options->listen_addresses);
  flags->toggle("web.systemd-socket",
                "Serve on the sockets that systemd has opened instead of --web.listen-address.",
                &options->systemd_socket);
  flags->custom("web.telemetry-path", "Path of the page of metrics.", options->telemetry_path,
                [options](std::string_view given) {
                  return set_telemetry_path(given, &options->telemetry_path);
                });
  flags->text("web.config.file",
              "File with certificates for TLS, users, their passwords as bcrypt, a limit of the "
              "rate of requests, and headers of responses.",
              &options->config_file);
}

void add_web_flags(Flags* flags, WebOptions* options) {
  add_listen_flags(flags, options);
  flags->number("web.max-requests", "Pages of metrics served at the same time; 0 for no limit.",
                &options->max_requests);
  flags->toggle("web.disable-exporter-metrics",
                "Leave out the metrics about the exporter itself (process_*).",
                &options->disable_exporter_metrics);
  flags->unsupported("runtime.gomaxprocs");
  flags->custom("log.level",
                "Write only log lines of this level or above: debug, info, warn, error.", "info",
                [options](std::string_view given) -> Status {
                  ASSIGN_OR_RETURN(options->log.level, base::log::parse_level(given));
                  return ok();
                });
  flags->custom("log.format", "How log lines are written: logfmt or json.", "logfmt",
                [options](std::string_view given) -> Status {
                  ASSIGN_OR_RETURN(options->log.format, base::log::parse_format(given));
                  return ok();
                });
}

ServerKind choose_server(const std::vector<std::string>& listen_addresses) {
  const bool has_ipv6 = std::any_of(listen_addresses.begin(), listen_addresses.end(),
                                    [](const std::string& a) { return a.starts_with('['); });
  return has_ipv6 ? ServerKind::kBeast : ServerKind::kCivetweb;
}

StatusOr<std::vector<int>> systemd_sockets(const std::function<const char*(const char*)>& get,
                                           std::int64_t pid) {
  constexpr int kFirst = 3;  // after the standard ones
  constexpr int kMost = 64;
  const auto number = [&get](const char* name) {
    const char* text = get(name);
    const std::string_view digits = text != nullptr ? text : "";
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && stop == digits.data() + digits.size() ? value : 0;
  };
  const std::int64_t count = number("LISTEN_FDS");
  if (number("LISTEN_PID") != pid || count <= 0 || count > kMost) {
    return invalid_argument("no socket activation file descriptors found");
  }
  std::vector<int> out;
  for (int i = 0; i < static_cast<int>(count); ++i) out.push_back(kFirst + i);
  return out;
}

StatusOr<std::unique_ptr<net::HttpServer>> start_server(const WebOptions& options,
                                                        net::Handler handler,
                                                        net::BeastServices services) {
  net::HttpServerOptions server_options;
  server_options.listen_addresses = options.listen_addresses;
  if (options.systemd_socket) {
    server_options.listen_addresses.clear();
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const auto get = [](const char* name) { return std::getenv(name); };
    ASSIGN_OR_RETURN(server_options.listen_descriptors, systemd_sockets(get, ::getpid()));
  }
  server_options.max_connections = kMaxConnections;
  server_options.max_concurrent = kMaxConcurrent;
  server_options.max_body_bytes = options.max_body_bytes;
  server_options.max_header_bytes = kMaxHeaderBytes;
  server_options.read_timeout = kReadTimeout;
  server_options.write_timeout = kWriteTimeout;
  if (!options.config_file.empty()) {
    ASSIGN_OR_RETURN(std::shared_ptr<WebGuard> guard,
                     WebGuard::open(base::real_file_system(), options.config_file, services.clock));
    ASSIGN_OR_RETURN(const auto config, guard->config());
    if (config->tls) {
      ASSIGN_OR_RETURN(services.tls, net::TlsServer::open(base::real_file_system(),
                                                          [guard] { return guard->tls(); }));
      base::log::info("TLS is enabled");
    }
    handler = [guard, inner = std::move(handler)](const net::HttpRequest& request) {
      return guard->serve(inner, request);
    };
  }
  std::unique_ptr<net::HttpServer> server;
  if (services.tls != nullptr || options.systemd_socket ||
      options.server.value_or(choose_server(options.listen_addresses)) == ServerKind::kBeast) {
    server = net::make_beast_server(std::move(server_options), std::move(handler), services);
  } else {
    server =
        net::make_civetweb_server(std::move(server_options), std::move(handler), services.handlers);
  }
  RETURN_IF_ERROR(server->start());
  return server;
}

}  // namespace tocsin::exporters
