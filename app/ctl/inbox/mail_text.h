// SPDX-License-Identifier: Apache-2.0
//
// What a person wants to see of a mail: From, To, Subject and the text, decoded.
//
// Pure. What is malformed is shown as it came; nothing fails.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::app {

struct MailText {
  std::string from, to, subject;  // encoded words (RFC 2047) decoded
  std::string text;               // of the first text/plain part, line ends \n; "" without one
};

// `data`: headers and body with CRLF.
MailText read_mail(std::string_view data);

}  // namespace tocsin::app
