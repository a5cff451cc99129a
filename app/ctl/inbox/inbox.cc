// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <optional>

#include "app/ctl/commands.h"
#include "app/ctl/inbox/message.h"
#include "app/ctl/inbox/smtp_sink.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "model/timestamp.h"
#include "net/beast.h"

namespace tocsin::app {

namespace {

constexpr std::string_view kHelp =
    "usage: tocsinctl inbox [--http=127.0.0.1:9025] [--smtp=127.0.0.1:9026]\n\n"
    "Receives what a notifier sends, for trying things out: Slack payloads by POST to any path "
    "below /slack, webhook\n"
    "payloads to any other path, and mail by SMTP. The page at / shows the newest 200, /messages "
    "gives them as JSON.\n";

constexpr std::size_t kMaxMessages = 200;

class Inbox {
 public:
  void add(Message message) {
    auto messages = messages_.lock();
    messages->list.push_front(std::move(message));
    ++messages->count;
    if (messages->list.size() > kMaxMessages) messages->list.pop_back();
  }
  std::deque<Message> messages() const { return messages_.lock()->list; }
  std::uint64_t newest() const { return messages_.lock()->count; }
  std::string page() const {
    const auto messages = messages_.lock();
    return inbox_page(messages->list, messages->count);
  }

 private:
  struct Messages {
    std::deque<Message> list;
    std::uint64_t count = 0;  // so far
  };
  base::Guarded<Messages> messages_;
};

// Also says it on the terminal that runs the inbox.
void take(Inbox& inbox, Message message) {
  fmt::print("{} {}: {}\n", model::format_rfc3339(message.time), message.kind, message.title);
  std::fflush(stdout);
  inbox.add(std::move(message));
}

net::HttpResponse take_post(Inbox& inbox, const base::Clock& clock,
                            const net::HttpRequest& request) {
  const bool slack = !request.path.empty() && request.path.front() == "slack";
  take(inbox, slack ? slack_message(clock.now(), request.body)
                    : webhook_message(clock.now(), request.body));
  return net::HttpResponse::text(200, "ok");
}

net::HttpResponse typed(std::string_view type, std::string body) {
  net::HttpResponse response;
  response.headers.set("Content-Type", type);
  response.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; "
                       "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Cache-Control", "no-cache");
  response.body = std::move(body);
  return response;
}

void add_routes(net::Router& router, Inbox& inbox, const base::Clock& clock) {
  using Request = net::HttpRequest;
  router.add("GET", "/",
             [&inbox](const Request&) { return typed("text/html; charset=utf-8", inbox.page()); });
  router.add("GET", "/inbox.js", [](const Request&) {
    return typed("text/javascript; charset=utf-8", inbox_script());
  });
  router.add("GET", "/newest", [&inbox](const Request&) {
    return net::HttpResponse::text(200, std::to_string(inbox.newest()));
  });
  router.add("GET", "/messages", [&inbox](const Request&) {
    return net::HttpResponse::json(200, inbox_json(inbox.messages()));
  });
  router.add("POST", "/{rest...}",
             [&](const Request& request) { return take_post(inbox, clock, request); });
}

std::optional<std::string> flag_value(const std::string& argument, std::string_view flag) {
  if (!argument.starts_with(flag) || argument.size() <= flag.size() || argument[flag.size()] != '=')
    return {};
  return argument.substr(flag.size() + 1);
}

void wait_for_signal(net::IoLoop& loop) {
  struct Wait {
    base::Mutex mutex;
    base::CondVar wake;
    bool stop = false;
  };
  auto wait = std::make_shared<Wait>();
  loop.on_signals({SIGINT, SIGTERM}, [wait](int) {
    base::MutexLock lock(wait->mutex);
    wait->stop = true;
    wait->wake.notify_one();
  });
  base::MutexLock lock(wait->mutex);
  while (!wait->stop) wait->wake.wait(wait->mutex);
}

int fail(const Status& status) {
  fmt::print(stderr, "tocsinctl inbox: error: {}\n", message(status));
  return 1;
}

}  // namespace

int run_inbox(const std::vector<std::string>& arguments) {
  std::string http_address = "127.0.0.1:9025";
  std::string smtp_address = "127.0.0.1:9026";
  for (const std::string& argument : arguments) {
    if (auto value = flag_value(argument, "--http")) {
      http_address = *value;
    } else if (auto mail = flag_value(argument, "--smtp")) {
      smtp_address = *mail;
    } else {
      const bool help = argument == "--help" || argument == "-h";
      fmt::print(help ? stdout : stderr, "{}", kHelp);
      return help ? 0 : 2;
    }
  }
  base::SystemClock clock;
  Inbox inbox;
  base::ThreadPool pool({"http", 2, 1000, 0});
  net::IoLoop loop(clock);
  SmtpSink smtp(
      [&](ReceivedMail mail) { take(inbox, mail_message(clock.now(), std::move(mail))); });
  if (Status status = smtp.start(smtp_address); !status.ok()) return fail(status);

  net::Router router;
  add_routes(router, inbox, clock);
  net::HttpServerOptions options;
  options.listen_addresses = {http_address};
  auto server = net::make_beast_server(
      options, [&router](const net::HttpRequest& request) { return router.route(request); },
      {loop, pool, clock, nullptr});
  if (Status status = server->start(); !status.ok()) return fail(status);
  fmt::print("inbox: page http://{}/  Slack http://{}/slack  mail {}\n",
             server->addresses().front(), server->addresses().front(), smtp.address());
  std::fflush(stdout);
  wait_for_signal(loop);
  server->stop();
  smtp.stop();
  loop.stop();
  pool.stop();
  return 0;
}

}  // namespace tocsin::app
