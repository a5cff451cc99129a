// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/inbox/smtp_sink.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace tocsin::app {

struct SmtpSink::State {
  Deliver deliver;
  int listener = -1;
  std::uint16_t port = 0;
  std::string host;
  std::atomic<bool> stopping{false};
};

namespace {

constexpr int kPollMs = 100;
constexpr std::size_t kMaxLineBytes = 64U << 10;

// One client's connection: lines in, replies out.
class Session {
 public:
  Session(int socket, const std::atomic<bool>& stopping, const SmtpSink::Deliver& deliver)
      : socket_(socket), stopping_(stopping), deliver_(deliver) {}
  ~Session() { ::close(socket_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void run() {
    reply("220 localhost tocsin inbox");
    while (std::optional<std::string> line = read_line()) {
      if (!handle(*line)) return;
    }
  }

 private:
  bool handle(const std::string& line);
  void begin_mail(const std::string& line);
  void add_recipient(const std::string& line);
  bool read_data();
  void authenticate(const std::string& line);

  // False when the client is gone, idle for too long, or the sink stops.
  bool fill() {
    for (int waited = 0; waited < SmtpSink::kIdleTimeoutMs && !stopping_.load();
         waited += kPollMs) {
      pollfd ready{socket_, POLLIN, 0};
      if (::poll(&ready, 1, kPollMs) <= 0) continue;
      char block[4096];
      const ssize_t got = ::recv(socket_, block, sizeof(block), 0);
      if (got <= 0) return false;
      buffer_.append(block, static_cast<std::size_t>(got));
      return true;
    }
    return false;
  }

  std::optional<std::string> read_line() {
    for (;;) {
      if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        if (line.ends_with('\r')) line.pop_back();
        return line;
      }
      if (buffer_.size() > kMaxLineBytes || !fill()) return std::nullopt;
    }
  }

  void reply(std::string_view text) {
    const std::string line = std::string(text) + "\r\n";
    // A client that is gone is noticed by the next read.
    static_cast<void>(::send(socket_, line.data(), line.size(), MSG_NOSIGNAL));
  }

  const int socket_;
  const std::atomic<bool>& stopping_;
  const SmtpSink::Deliver& deliver_;
  std::string buffer_;
  bool has_sender_ = false;
  ReceivedMail mail_;
};

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return text;
}

// The address between < and >.
std::string address_of(const std::string& line) {
  const std::size_t open = line.find('<');
  const std::size_t close = line.find('>', open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos) return "";
  return line.substr(open + 1, close - open - 1);
}

void Session::begin_mail(const std::string& line) {
  mail_ = {};
  mail_.from = address_of(line);
  has_sender_ = true;
  reply("250 OK");
}

void Session::add_recipient(const std::string& line) {
  const std::string address = address_of(line);
  if (!has_sender_) return reply("503 MAIL comes first");
  if (address.empty()) return reply("501 RCPT TO:<ADDRESS> is needed");
  if (mail_.recipients.size() == SmtpSink::kMaxRecipients) return reply("452 too many recipients");
  mail_.recipients.push_back(address);
  reply("250 OK");
}

bool Session::handle(const std::string& line) {
  const std::string command = upper(line.substr(0, line.find(' ')));
  if (command == "EHLO") {
    reply(fmt::format("250-localhost\r\n250-8BITMIME\r\n250-SIZE {}\r\n250 AUTH PLAIN LOGIN",
                      SmtpSink::kMaxMessageBytes));
  } else if (command == "HELO" || command == "NOOP") {
    reply("250 OK");
  } else if (command == "RSET") {
    mail_ = {};
    has_sender_ = false;
    reply("250 OK");
  } else if (command == "AUTH") {
    authenticate(line);
  } else if (command == "MAIL") {
    begin_mail(line);
  } else if (command == "RCPT") {
    add_recipient(line);
  } else if (command == "DATA") {
    if (!mail_.recipients.empty()) return read_data();
    reply("503 RCPT comes first");
  } else if (command == "QUIT") {
    reply("221 bye");
    return false;
  } else {
    reply("502 command not implemented");
  }
  return true;
}

void Session::authenticate(const std::string& line) {
  const std::string rest = upper(line);
  const bool login = rest.find("LOGIN") != std::string::npos;
  const bool inline_response = line.find(' ', 5) != std::string::npos;
  if (login) {
    if (!inline_response) {
      reply("334 VXNlcm5hbWU6");
      static_cast<void>(read_line());
    }
    reply("334 UGFzc3dvcmQ6");
    static_cast<void>(read_line());
  } else if (!inline_response) {
    reply("334 ");
    static_cast<void>(read_line());
  }
  reply("235 authenticated");
}

bool Session::read_data() {
  reply("354 end with a line that holds a dot");
  for (;;) {
    std::optional<std::string> line = read_line();
    if (!line) return false;
    if (*line == ".") break;
    if (line->starts_with('.')) line->erase(0, 1);
    mail_.data += *line + "\r\n";
    if (mail_.data.size() > SmtpSink::kMaxMessageBytes) {
      reply("552 message too large");
      return false;
    }
  }
  has_sender_ = false;
  deliver_(std::exchange(mail_, {}));
  reply("250 OK");
  return true;
}

}  // namespace

SmtpSink::SmtpSink(Deliver deliver)
    : state_(std::make_shared<State>()),
      acceptor_({"smtp-accept", 1, 1, 0}),
      clients_({"smtp-client", kMaxClients, kMaxClients, 0}) {
  state_->deliver = std::move(deliver);
}

SmtpSink::~SmtpSink() { stop(); }

Status SmtpSink::start(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return invalid_argument("address {}: missing port", address);
  state_->host = address.substr(0, colon).empty() ? "127.0.0.1" : address.substr(0, colon);
  unsigned port = 0;
  for (const char c : address.substr(colon + 1)) {
    if (c < '0' || c > '9' || port > 65535)
      return invalid_argument("address {}: bad port", address);
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  if (port > 65535 || ::inet_pton(AF_INET, state_->host.c_str(), &name.sin_addr) != 1) {
    return invalid_argument("address {}: an IPv4 address and a port are needed", address);
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return errno_status(errno, "socket");
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  socklen_t size = sizeof(name);
  auto* generic = reinterpret_cast<sockaddr*>(&name);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, 16) != 0 ||
      ::getsockname(listener, generic, &size) != 0) {
    Status status = errno_status(errno, fmt::format("listen on {}", address));
    ::close(listener);
    return status;
  }
  state_->listener = listener;
  state_->port = ntohs(name.sin_port);
  const bool posted = acceptor_.post([state = state_, this] {
    while (!state->stopping.load()) {
      pollfd ready{state->listener, POLLIN, 0};
      if (::poll(&ready, 1, kPollMs) <= 0) continue;
      const int client = ::accept4(state->listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      auto session = std::make_shared<Session>(client, state->stopping, state->deliver);
      // Refused when too many wait: the session's destructor closes the connection.
      static_cast<void>(clients_.post([session] { session->run(); }));
    }
  });
  return posted ? ok() : internal("the mail sink was stopped before it started");
}

void SmtpSink::stop() {
  if (state_->stopping.exchange(true)) return;
  acceptor_.stop();
  clients_.stop();
  if (state_->listener >= 0) ::close(state_->listener);
}

std::string SmtpSink::address() const { return fmt::format("{}:{}", state_->host, state_->port); }

}  // namespace tocsin::app
