// SPDX-License-Identifier: Apache-2.0
//
// Escaping for places in an HTML page, byte for byte as Go's html/template. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::tmpl {

std::string escape_html(std::string_view text);      // also right between quotes
std::string normalise_html(std::string_view text);   // keeps & and what it begins
std::string escape_unquoted(std::string_view text);  // an attribute's value without quotes
std::string strip_tags(std::string_view html);
std::string escape_url(std::string_view text);     // a part of a query
std::string normalise_url(std::string_view text);  // a URL, with its separators and escapes
// http, https, mailto or none.
bool has_safe_scheme(std::string_view url);

}  // namespace tocsin::tmpl
