// SPDX-License-Identifier: Apache-2.0
//
// The pieces of a MIME message: header values, quoted-printable bodies, dates.
//
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"

namespace tocsin::notifier {

// `text` as it is when it is printable ASCII; else as Q-encoded words (RFC 2047), folded. Line
// breaks end up encoded, so a value cannot add a header.
std::string encode_header(std::string_view text);

// RFC 2045, lines of at most 76 characters, line breaks as CRLF.
std::string quoted_printable(std::string_view text);

// "Mon, 02 Jan 2006 15:04:05 +0000".
std::string format_mail_date(base::Timestamp t);

}  // namespace tocsin::notifier
