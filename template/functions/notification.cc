// SPDX-License-Identifier: Apache-2.0
//
// Alertmanager's functions.
#include <utility>

#include "model/alert.h"
#include "model/text.h"
#include "template/exec/builtins.h"
#include "template/functions/common.h"

namespace tocsin::tmpl {
namespace {

using Kind = Value::Kind;

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string trim_space(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n\v\f\r");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\n\v\f\r") - begin + 1));
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kBase64[group >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return out;
}

StatusOr<Value> base64_decode(Arguments a) {
  const std::string& text = a[0].string();
  std::string out;
  std::uint32_t group = 0;
  int bits = 0;
  std::size_t padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = kBase64.find(text[i]);
    const bool pad = text[i] == '=' && i + 2 >= text.size();
    if (!pad && (digit == std::string_view::npos || padding > 0)) {
      return invalid_argument("illegal base64 data at input byte {}", i);
    }
    if (pad) {
      ++padding;
      continue;
    }
    group = group << 6U | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> static_cast<unsigned>(bits) & 255U);
  }
  if (text.size() % 4 != 0)
    return invalid_argument("illegal base64 data at input byte {}", text.size());
  return Value::of(std::move(out));
}

StatusOr<Value> url_unescape(Arguments a) {
  const std::string& text = a[0].string();
  std::string out;
  const auto hex = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) {
      return invalid_argument("invalid URL escape {}", model::go_quote(text.substr(i, 3)));
    }
    out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
    i += 2;
  }
  return Value::of(std::move(out));
}

StatusOr<Value> join(Arguments a) {
  std::string out;
  bool first = true;
  for (const Value& item : a[1].list()) {
    if (!item.is(Kind::kString)) {
      return invalid_argument("wrong type for value; expected []string; got {}", a[1].type_name());
    }
    if (!std::exchange(first, false)) out += a[0].string();
    out += item.string();
  }
  return Value::of(std::move(out));
}

StatusOr<Value> string_slice(Arguments a) {
  for (const Value& item : a) {
    if (!item.is(Kind::kString)) {
      return invalid_argument("wrong type for value; expected string; got {}", item.type_name());
    }
  }
  return Value::of(List(a.begin(), a.end()));
}

StatusOr<Value> append(Arguments a) {
  List list = a[0].list();
  list.insert(list.end(), a.begin() + 1, a.end());
  return Value::of(std::move(list));
}

StatusOr<Value> dict(Arguments a) {
  if (a.size() % 2 != 0)
    return invalid_argument("dict: expected an even number of arguments, got {}", a.size());
  Map map;
  for (std::size_t i = 0; i < a.size(); i += 2) {
    if (!a[i].is(Kind::kString))
      return invalid_argument("dict: keys must be strings, got {}", a[i].type_name());
    map.insert_or_assign(a[i].string(), a[i + 1]);
  }
  return Value::of(std::move(map));
}

void add_time_functions(model::Timestamp present, FunctionMap* functions) {
  FunctionMap& m = *functions;
  m["date"] = text_function({Kind::kString, Kind::kTime}, [](Arguments a) {
    return Value::of(format_time(a[1].time(), a[0].string()));
  });
  m["tz"] = text_function({Kind::kString, Kind::kTime}, [](Arguments a) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(base::TimeZone zone, base::TimeZone::load(a[0].string()));
    return Value::of(Time{a[1].time().time, std::move(zone)});
  });
  m["now"] = text_function(
      {}, [present](Arguments) { return Value::of(Time{present, base::TimeZone::local()}); });
  m["since"] = text_function(
      {Kind::kTime}, [present](Arguments a) { return Value::of(present - a[0].time().time); });
  m["mustToDate"] =
      text_function({Kind::kString, Kind::kString}, [](Arguments a) -> StatusOr<Value> {
        ASSIGN_OR_RETURN(Time time,
                         parse_time(a[0].string(), a[1].string(), base::TimeZone::local()));
        return Value::of(std::move(time));
      });
  m["toDate"] = text_function({Kind::kString, Kind::kString}, [](Arguments a) {
    StatusOr<Time> time = parse_time(a[0].string(), a[1].string(), base::TimeZone::local());
    return Value::of(time.ok() ? *std::move(time) : Time{model::kNoTime});
  });
}

}  // namespace

FunctionMap notification_functions(const NotificationFunctions& options) {
  FunctionMap m;
  add_common_functions(&m);
  add_time_functions(options.present, &m);
  m["title"] = text_function({Kind::kString}, [](Arguments a) {
    return Value::of(model::to_title(a[0].string(), model::TitleRest::kLowerCased));
  });
  m["trimSpace"] = text_function({Kind::kString},
                                 [](Arguments a) { return Value::of(trim_space(a[0].string())); });
  m["join"] = text_function({Kind::kString, Kind::kList}, join);
  m["safeUrl"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(a[0].string(), Value::Safe::kUrl); });
  m["urlUnescape"] = text_function({Kind::kString}, url_unescape);
  m["stringSlice"] = {string_slice, 0, -1, {}};
  m["toJson"] = text_function({Kind::kNil}, [](Arguments a) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(std::string json, to_json(a[0]));
    return Value::of(std::move(json));
  });
  m["base64encode"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(base64_encode(a[0].string())); });
  m["base64decode"] = text_function({Kind::kString}, base64_decode);
  m["list"] = {[](Arguments a) -> StatusOr<Value> { return Value::of(List(a.begin(), a.end())); },
               0,
               -1,
               {}};
  m["append"] = {append, 1, -1, {Kind::kList}};
  m["dict"] = {dict, 0, -1, {}};
  m["routeLabels"] =
      text_function({}, [route_labels = options.route_labels](Arguments) -> StatusOr<Value> {
        if (!route_labels) return Value::of(Map{});
        return route_labels();
      });
  return m;
}

}  // namespace tocsin::tmpl
