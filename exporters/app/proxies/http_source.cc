// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/proxies/http_source.h"

#include "exporters/app/fields.h"
#include "exporters/app/probe/http_exchange.h"
#include "exporters/app/probe/module_reader.h"

namespace tocsin::exporters::app {

Status parse_http_url(std::string_view text, HttpSource* out) {
  constexpr std::string_view kUnix = "unix:";
  std::string url(text);
  if (text.starts_with(kUnix)) {
    text.remove_prefix(kUnix.size());
    const std::size_t colon = text.find(':');
    out->unix_path = text.substr(0, colon);
    if (!out->unix_path.starts_with('/')) {
      return invalid_argument("expected unix:/SOCKET:/PATH");
    }
    url = "http://localhost";
    url.append(colon == std::string_view::npos ? "/" : text.substr(colon + 1));
  }
  ASSIGN_OR_RETURN(out->url, net::Url::parse(url));
  if ((out->url.scheme != "http" && out->url.scheme != "https") || out->url.host.empty()) {
    return invalid_argument("expected a URL with http or https, or unix:/SOCKET:/PATH");
  }
  if (out->url.user.empty()) return ok();
  // As curl does: http://user:password@host/
  const std::size_t colon = out->url.user.find(':');
  out->login.is_basic = true;
  out->login.user = out->url.user.substr(0, colon);
  if (colon != std::string::npos) out->login.password.value = out->url.user.substr(colon + 1);
  out->url.user.clear();
  return ok();
}

void read_http_source(base::YamlMapping& mapping, std::string_view key, const InputContext& context,
                      HttpSource* out) {
  TlsClients clients(context.services.files);
  const ModuleReader reader(context.directory, clients);
  reader.tls(mapping, &out->tls);
  reader.login(mapping, &out->login);
  read_duration(mapping, "timeout", &out->timeout);
  const bool has_login = out->login.is_basic || !out->login.credentials.empty();
  mapping.with(
      key,
      [&](const base::YamlNode& node) -> Status {
        const Status status = parse_http_url(node.scalar(), out);
        if (!status.ok()) return node.error(message(status));
        if (has_login && !net::Url::parse(node.scalar()).value_or(net::Url()).user.empty()) {
          return node.error("there is a login in the URL and another one beside it");
        }
        return ok();
      },
      base::YamlMapping::kRequired);
}

StatusOr<std::unique_ptr<net::Stream>> connect_to(const std::string& host, std::uint16_t port,
                                                  const std::string& unix_path,
                                                  const InputServices& services,
                                                  base::SteadyTime deadline) {
  if (!unix_path.empty()) return net::Stream::connect_unix(unix_path, services.clock, deadline);
  ASSIGN_OR_RETURN(const net::SocketAddresses addresses,
                   services.lookup.find(host, port, deadline));
  return net::Stream::connect(addresses, services.clock, deadline);
}

StatusOr<HttpDocument> fetch(const HttpSource& source, const InputServices& services) {
  const base::SteadyTime deadline = services.clock.steady_now() + source.timeout;
  ASSIGN_OR_RETURN(const std::string authorization, authorization_of(source.login, services.files));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<net::Stream> stream,
      connect_to(source.url.host, port_of(source.url), source.unix_path, services, deadline));
  if (source.url.scheme == "https") {
    const std::string& name =
        source.tls.server_name.empty() ? source.url.host : source.tls.server_name;
    RETURN_IF_ERROR(stream->start_tls(*source.tls.client, name, deadline));
  }
  std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: tocsin-app-exporter\r\nAccept: */*\r\n"
      "Connection: close\r\n",
      request_target(source.url), source.url.authority());
  if (!authorization.empty()) request += fmt::format("Authorization: {}\r\n", authorization);
  request += "\r\n";
  HttpExchange exchange(*stream, services.clock, deadline);
  RETURN_IF_ERROR(exchange.send(request));
  ASSIGN_OR_RETURN(const HttpReply reply, exchange.read_head("GET"));
  HttpDocument document{reply.status, ""};
  RETURN_IF_ERROR(exchange.read_body([&](std::string_view piece) -> Status {
    if (document.body.size() + piece.size() > source.max_body) {
      return resource_exhausted("the answer has more than {} bytes", source.max_body);
    }
    document.body.append(piece);
    return ok();
  }));
  return document;
}

}  // namespace tocsin::exporters::app
