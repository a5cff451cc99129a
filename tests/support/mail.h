// SPDX-License-Identifier: Apache-2.0
//
// SmtpServer: a real SMTP server (aiosmtpd) that puts mails into a Maildir, and a reader of MIME.
//
// Owns: the server's process. Threads: confined. Errors: those of Process; what is not MIME reads
// as empty.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/process.h"

namespace tocsin::tests {

// Headers with folded lines joined, in order; and either a body or parts.
struct MimePart {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // decoded when it is quoted-printable; line ends are LF
  std::vector<MimePart> parts;

  // The first value of a header, "" when absent. Names compare exactly.
  std::string header(std::string_view name) const;
};
MimePart parse_mime(std::string_view text);

class SmtpServer {
 public:
  static bool is_installed();

  SmtpServer();
  const std::string& address() const { return address_; }
  // Everything received so far, oldest first.
  std::vector<MimePart> mails() const;

 private:
  TempDir files_;
  Process process_;
  std::string address_;
};

}  // namespace tocsin::tests
