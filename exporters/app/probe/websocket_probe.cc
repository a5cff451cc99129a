// SPDX-License-Identifier: Apache-2.0
//
// The WebSocket prober: the upgrade of an HTTP connection, and a conversation of messages.
#include <array>

#include "base/hash.h"
#include "exporters/app/probe/http_exchange.h"
#include "exporters/app/probe/probes.h"
#include "exporters/app/probe/websocket_frames.h"
#include "exporters/common/version.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kReadBytes = 4096;

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (same_word(item, word)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::string random_key() {
  std::string bytes;
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t part = base::random_u64();
    bytes.append(reinterpret_cast<const char*>(&part), sizeof(part));
  }
  return base::base64_encode(bytes);
}

class WebSocketProbe {
 public:
  WebSocketProbe(ProbeRun& run, const WebSocketModule& module, const ProbeTarget& target)
      : run_(run),
        module_(module),
        target_(target),
        phases_(run, {"probe_websocket_duration_seconds", "Duration of websocket request by phase"},
                {"resolve", "connect", "processing", "transfer"}) {}

  bool probe() {
    run_.set("probe_websocket_status_code", "Response HTTP status code", 0);
    upgraded(0);
    failed_due_to_regex(0);
    const StatusOr<net::Url> url = net::Url::parse(target_.target);
    if (!url.ok()) return run_.fail(fmt::format("bad target: {}", message(url.status())));
    if ((url->scheme != "ws" && url->scheme != "wss") || url->host.empty()) {
      return run_.fail("bad target: expected ws://HOST or wss://HOST");
    }
    if (!connect(*url)) return false;
    const Status status = upgrade(*url);
    phases_.add("processing", seconds_between(connected_, run_.now()));
    if (!status.ok()) return run_.fail(message(status));
    upgraded(1);
    if (module_.steps.empty()) return true;
    const base::SteadyTime start = run_.now();
    const bool success = converse();
    phases_.add("transfer", seconds_between(start, run_.now()));
    if (!success) failed_due_to_regex(1);
    return success;
  }

 private:
  void upgraded(double value) {
    run_.set("probe_websocket_connection_upgraded",
             "Indicates if the websocket connection was successfully upgraded", value);
  }
  void failed_due_to_regex(double value) {
    run_.set("probe_websocket_failed_due_to_regex", "Indicates if probe failed due to regex",
             value);
  }

  bool connect(const net::Url& url) {
    const ChosenAddress chosen = choose_address(run_, module_.ip, url.host, port_of(url));
    phases_.add("resolve", chosen.lookup_seconds);
    if (!chosen.address.ok()) return false;
    const base::SteadyTime start = run_.now();
    StatusOr<std::unique_ptr<net::Stream>> stream = connect_to(run_, module_.ip, *chosen.address);
    connected_ = run_.now();
    phases_.add("connect", seconds_between(start, connected_));
    if (!stream.ok()) return run_.fail(message(stream.status()));
    stream_ = *std::move(stream);
    return true;
  }

  StatusOr<std::string> request_for(const net::Url& url, std::string_view key) const {
    ASSIGN_OR_RETURN(const std::string authorization,
                     authorization_of(module_.login, run_.services().files));
    std::string host = url.authority();
    std::string lines;
    bool has_agent = false;
    ASSIGN_OR_RETURN(const auto headers,
                     header_values(module_.headers, true, run_.services().files));
    for (const auto& [name, value] : headers) {
      if (same_word(name, "Host")) {
        host = value;
        continue;
      }
      has_agent = has_agent || same_word(name, "User-Agent");
      lines.append(name).append(": ").append(value).append("\r\n");
    }
    if (!has_agent) lines.append(fmt::format("User-Agent: Tocsin-App-Exporter/{}\r\n", version()));
    if (!authorization.empty()) lines.append(fmt::format("Authorization: {}\r\n", authorization));
    if (!is_header_value(host) || host.find(' ') != std::string::npos ||
        !is_header_value(authorization)) {
      return invalid_argument("bad bytes in the host or the credentials");
    }
    return fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n{}\r\n",
        request_target(url), host, key, lines);
  }

  Status upgrade(const net::Url& url) {
    if (url.scheme == "wss") {
      const std::string& name =
          module_.tls.server_name.empty() ? url.host : module_.tls.server_name;
      RETURN_IF_ERROR(stream_->start_tls(*module_.tls.client, name, run_.deadline()));
    }
    const std::string key = random_key();
    ASSIGN_OR_RETURN(const std::string request, request_for(url, key));
    HttpExchange exchange(*stream_, run_.clock(), run_.deadline());
    RETURN_IF_ERROR(exchange.send(request));
    ASSIGN_OR_RETURN(const HttpReply reply, exchange.read_head("GET"));
    run_.set("probe_websocket_status_code", "Response HTTP status code", reply.status);
    if (reply.status != 101 || !has_word(reply.headers.get("Upgrade"), "websocket") ||
        !has_word(reply.headers.get("Connection"), "upgrade")) {
      return unavailable("websocket: the server did not upgrade the connection, status {}",
                         reply.status);
    }
    if (reply.headers.get("Sec-WebSocket-Accept") != websocket_accept(key)) {
      return data_loss("websocket: wrong Sec-WebSocket-Accept");
    }
    reader_.append(exchange.take_rest());
    return ok();
  }

  bool converse() {
    for (const QueryResponse& step : module_.steps) {
      std::string send = step.send;
      if (step.expect) {
        const StatusOr<std::string> text = read_message();
        if (!text.ok()) return run_.fail(message(text.status()));
        run_.debug(fmt::format("received {}", *text));
        send.clear();
        if (!step.expect->expand(*text, step.send, &send)) {
          return run_.fail(fmt::format("the message did not match {:?}", step.expect->pattern()));
        }
      }
      if (send.empty()) continue;
      run_.debug(fmt::format("sending {}", send));
      const Status status = write({WebSocketOpcode::kText, send});
      if (!status.ok()) return run_.fail(message(status));
    }
    // A friendly end; the server's answer is not waited for.
    static_cast<void>(write({WebSocketOpcode::kClose, std::string("\x03\xE8", 2)}));
    return true;
  }

  Status write(const WebSocketMessage& message) {
    return stream_->write(
        encode_websocket_frame(message, static_cast<std::uint32_t>(base::random_u64())),
        run_.deadline());
  }

  StatusOr<std::string> read_message() {
    for (;;) {
      ASSIGN_OR_RETURN(std::optional<WebSocketMessage> message, reader_.next());
      if (!message) {
        std::array<char, kReadBytes> piece;
        ASSIGN_OR_RETURN(const std::size_t got,
                         stream_->read(piece.data(), piece.size(), run_.deadline()));
        if (got == 0) return unavailable("websocket: EOF");
        reader_.append({piece.data(), got});
      } else if (message->opcode == WebSocketOpcode::kPing) {
        RETURN_IF_ERROR(write({WebSocketOpcode::kPong, std::move(message->data)}));
      } else if (message->opcode == WebSocketOpcode::kClose) {
        return unavailable("websocket: the server closed the connection");
      } else if (message->opcode != WebSocketOpcode::kPong) {
        return std::move(message->data);
      }
    }
  }

  ProbeRun& run_;
  const WebSocketModule& module_;
  const ProbeTarget& target_;
  PhaseDurations phases_;
  std::unique_ptr<net::Stream> stream_;
  base::SteadyTime connected_;
  WebSocketReader reader_;
};

}  // namespace

bool probe_websocket(ProbeRun& run, const WebSocketModule& module, const ProbeTarget& target) {
  return WebSocketProbe(run, module, target).probe();
}

}  // namespace tocsin::exporters::app
