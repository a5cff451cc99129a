// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http.h"

#include <charconv>
#include <utility>

#include <gtest/gtest.h>

#include "base/check.h"
#include "net/beast.h"

namespace tocsin::tests {

namespace {

const base::JsonValue* member(const base::JsonValue& json, std::string_view key) {
  if (json.is(base::JsonValue::Kind::kObject)) return json.find(key);
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  const bool number = error == std::errc() && end == key.data() + key.size();
  return number && index < json.items().size() ? &json.items()[index] : nullptr;
}

}  // namespace

std::string encode_form(const Form& form) {
  std::string out;
  for (const auto& [name, value] : form) {
    if (!out.empty()) out += '&';
    out += net::url_encode(name) + "=" + net::url_encode(value);
  }
  return out;
}

Reply http_get(const std::string& address, const std::string& target) {
  return net::testing::RawHttp(address).get(target);
}

Reply http_post(const std::string& address, const std::string& target, std::string_view body) {
  return net::testing::RawHttp(address).post(target, body);
}

Reply http_delete(const std::string& address, const std::string& target) {
  return net::testing::RawHttp(address).request(
      fmt::format("DELETE {} HTTP/1.1\r\nHost: {}\r\n\r\n", target, address));
}

const base::JsonValue& at(const base::JsonValue& json, std::string_view path) {
  static const base::JsonValue kNothing;
  const base::JsonValue* here = &json;
  while (here != nullptr && !path.empty()) {
    const std::size_t dot = path.find('.');
    here = member(*here, path.substr(0, dot));
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
  }
  return here == nullptr ? kNothing : *here;
}

std::string text_at(const base::JsonValue& json, std::string_view path) {
  const base::JsonValue& value = at(json, path);
  switch (value.kind()) {
    case base::JsonValue::Kind::kString:
      return value.string();
    case base::JsonValue::Kind::kBoolean:
      return value.boolean() ? "true" : "false";
    case base::JsonValue::Kind::kInteger:
      return fmt::format("{}", value.integer());
    case base::JsonValue::Kind::kNumber:
      return fmt::format("{}", value.number());
    default:
      return "";
  }
}

base::JsonValue parsed(std::string_view text) {
  StatusOr<base::JsonValue> value = base::parse_json(text);
  EXPECT_TRUE(value.ok()) << message(value.status()) << ": " << text.substr(0, 500);
  return value.ok() ? *std::move(value) : base::JsonValue();
}

HttpSink::HttpSink(net::Handler answer) {
  net::HttpServerOptions options;
  options.listen_addresses = {"127.0.0.1:0"};
  server_ =
      net::make_beast_server(options,
                             [this, answer = std::move(answer)](const net::HttpRequest& request) {
                               net::HttpResponse response = answer(request);
                               requests_.lock()->push_back(request);
                               return response;
                             },
                             {loop_, handlers_, clock_});
  const Status started = server_->start();
  CHECK(started.ok());
  address_ = server_->addresses().front();
}

HttpSink::~HttpSink() {
  server_->stop();
  handlers_.stop();
  loop_.stop();
}

}  // namespace tocsin::tests
