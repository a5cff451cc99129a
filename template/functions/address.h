// SPDX-License-Identifier: Apache-2.0
//
// Parts of "host:port". Pure functions; what is no such address stays as it is.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::tmpl {

std::string strip_port(std::string_view address);
// "a.b.c:80" is "a:80"; IP addresses stay.
std::string strip_domain(std::string_view address);

}  // namespace tocsin::tmpl
