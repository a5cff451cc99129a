// SPDX-License-Identifier: Apache-2.0
//
// The libcurl implementations of HttpClient (multi interface on an IoLoop) and MailSender (4
// threads of its own, because curl's SMTP waits inside its calls; at most 1000 mails wait, then
// kResourceExhausted).
#pragma once

#include <memory>

#include "net/http_client.h"
#include "net/io_loop.h"
#include "net/mail_sender.h"

namespace tocsin::net {

struct CurlOptions {
  std::string user_agent = "Tocsin";
  std::size_t max_in_flight =
      2000;  // more wait in a queue of the same size, then kResourceExhausted
  std::size_t max_idle_connections = 512;
  bool direct = true;  // plain GETs of numeric addresses go past libcurl (net/direct)
};

// Borrows: loop, files' blocking executor `blocking` (credential files are read there).
// Destroying the client completes what is in flight with kCancelled; destroy it before the loop
// stops.
std::unique_ptr<HttpClient> make_http_client(IoLoop& loop, base::Executor& blocking,
                                             CurlOptions options = {});
std::unique_ptr<MailSender> make_mail_sender(IoLoop& loop, base::Executor& blocking);

}  // namespace tocsin::net
