// SPDX-License-Identifier: Apache-2.0
//
// Texts inside other languages: URLs, HTML and XML. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::base {

// For paths: everything but letters, digits and -_.~ as %XX.
std::string percent_encoded(std::string_view text);
// For queries and forms, as Go's url.QueryEscape: likewise, but a space as "+".
std::string query_encoded(std::string_view text);

// Text inside an element or a quoted attribute, of HTML and of XML alike: & < > " ' by name or
// number.
std::string markup_escaped(std::string_view text);

}  // namespace tocsin::base
