// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <optional>

#include "app/ctl/commands.h"
#include "app/ctl/smtp_sink.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mutex.h"
#include "model/timestamp.h"
#include "net/beast.h"
#include "web/pages.h"

namespace tocsin::app {

namespace {

constexpr std::string_view kHelp =
    "usage: tocsinctl inbox [--http=127.0.0.1:9025] [--smtp=127.0.0.1:9026]\n\n"
    "Receives what a notifier sends, for trying things out: Slack payloads by POST to any path "
    "below /slack, webhook\n"
    "payloads to any other path, and mail by SMTP. The page at / shows the newest 200, /messages "
    "gives them as JSON.\n";

constexpr std::size_t kMaxMessages = 200;

struct Message {
  base::Timestamp time;
  std::string kind;  // slack, webhook, mail
  std::string title;
  std::string body;
};

class Inbox {
 public:
  void add(Message message) {
    auto messages = messages_.lock();
    messages->push_front(std::move(message));
    if (messages->size() > kMaxMessages) messages->pop_back();
  }
  std::deque<Message> messages() const { return *messages_.lock(); }

 private:
  base::Guarded<std::deque<Message>> messages_;
};

// The first attachment's title, or the text of a Slack payload.
std::string slack_title(std::string_view body) {
  StatusOr<base::JsonValue> json = base::parse_json(body);
  if (!json.ok()) return "(not JSON)";
  if (const base::JsonValue* attachments = json->find("attachments"); attachments != nullptr) {
    for (const base::JsonValue& attachment : attachments->items()) {
      if (const base::JsonValue* title = attachment.find("title"); title != nullptr)
        return title->string();
    }
  }
  const base::JsonValue* text = json->find("text");
  return text != nullptr ? text->string() : "(no title)";
}

std::string mail_subject(const std::string& data) {
  std::size_t begin = 0;
  while (begin < data.size()) {
    const std::size_t end = data.find("\r\n", begin);
    if (end == std::string::npos || end == begin) break;
    const std::string line = data.substr(begin, end - begin);
    if (line.starts_with("Subject: ")) return line.substr(9);
    begin = end + 2;
  }
  return "(no subject)";
}

std::string page(const Inbox& inbox) {
  std::string rows;
  for (const Message& message : inbox.messages()) {
    rows += fmt::format(
        "<details open><summary><b>{}</b> {} <small>{}</small></summary><pre>{}</pre></details>\n",
        message.kind, web::html_escape(message.title), model::format_rfc3339(message.time),
        web::html_escape(message.body));
  }
  if (rows.empty()) rows = "<p>No message yet. The page looks again every 5 seconds.</p>";
  return "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
         "http-equiv=\"refresh\" content=\"5\">"
         "<title>Tocsin inbox</title><style>:root{color-scheme:light dark}body{font:15px/1.5 "
         "system-ui,sans-serif;"
         "max-width:60rem;margin:0 "
         "auto;padding:1.5rem}pre{background:#8882;padding:.8rem;border-radius:.5rem;"
         "overflow:auto;white-space:pre-wrap}summary{cursor:pointer}small{opacity:.7}</style></"
         "head><body>"
         "<h1>Inbox</h1><p>What the notifier sent to this machine: Slack payloads and mails.</p>" +
         rows + "</body></html>\n";
}

net::HttpResponse messages_json(const Inbox& inbox) {
  std::string body;
  base::JsonWriter json(&body);
  json.begin_array();
  for (const Message& message : inbox.messages()) {
    json.begin_object()
        .field("time", model::format_rfc3339(message.time))
        .field("kind", message.kind)
        .field("title", message.title)
        .field("body", message.body)
        .end_object();
  }
  json.end_array();
  return net::HttpResponse::json(200, std::move(body));
}

net::HttpResponse take_post(Inbox& inbox, const base::Clock& clock,
                            const net::HttpRequest& request) {
  const bool slack = !request.path.empty() && request.path.front() == "slack";
  Message message{clock.now(), slack ? "slack" : "webhook", "", request.body};
  message.title = slack ? slack_title(request.body) : "webhook payload";
  fmt::print("{} {}: {}\n", model::format_rfc3339(message.time), message.kind, message.title);
  std::fflush(stdout);
  inbox.add(std::move(message));
  return net::HttpResponse::text(200, "ok");
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
  SmtpSink smtp([&](ReceivedMail mail) {
    Message message{clock.now(), "mail", mail_subject(mail.data), std::move(mail.data)};
    fmt::print("{} mail: {}\n", model::format_rfc3339(message.time), message.title);
    std::fflush(stdout);
    inbox.add(std::move(message));
  });
  if (Status status = smtp.start(smtp_address); !status.ok()) return fail(status);

  net::Router router;
  router.add("GET", "/", [&inbox](const net::HttpRequest&) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "text/html; charset=utf-8");
    response.body = page(inbox);
    return response;
  });
  router.add("GET", "/messages",
             [&inbox](const net::HttpRequest&) { return messages_json(inbox); });
  const net::Handler take = [&](const net::HttpRequest& request) {
    return take_post(inbox, clock, request);
  };
  router.add("POST", "/{rest...}", take);
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
