// SPDX-License-Identifier: Apache-2.0
//
// What the inbox received, ready to be shown: the page and its JSON.
//
// Values; pure functions. What is malformed is shown as it came; nothing fails.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "app/ctl/inbox/smtp_sink.h"
#include "base/time.h"

namespace tocsin::app {

struct Message {
  base::Timestamp time;
  std::string kind;  // slack, webhook, mail
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // name and value: Channel, To ...
  std::string text;                                        // for people; "" when there is none
  std::string body;                                        // as received
};

Message slack_message(base::Timestamp time, std::string body);
Message webhook_message(base::Timestamp time, std::string body);
Message mail_message(base::Timestamp time, ReceivedMail mail);

// `newest` counts the messages so far: the page's script asks for it and reloads when it moves.
std::string inbox_page(const std::deque<Message>& messages, std::uint64_t newest);
std::string inbox_script();
std::string inbox_json(const std::deque<Message>& messages);

}  // namespace tocsin::app
