// SPDX-License-Identifier: Apache-2.0
//
// Case of words in UTF-8 text, independent of the process's locale. Invalid bytes become U+FFFD.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::model {

std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

enum class TitleRest { kKept, kLowerCased };
// Upper-cases the first letter of each word. kKept: words are what Go's strings.Title takes for
// words. kLowerCased: the other letters become lower case and ' . : inside a word do not end it.
std::string to_title(std::string_view text, TitleRest rest);

}  // namespace tocsin::model
