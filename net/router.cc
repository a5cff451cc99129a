// SPDX-License-Identifier: Apache-2.0
//
// Routes are compared one by one: there are some dozens, and a request costs far more than the
// loop.
#include "net/router.h"

#include "base/check.h"

namespace tocsin::net {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    if (text.empty()) parts.emplace_back();
  }
  return parts;
}

// How specific a segment of a pattern is: a literal beats {name}, which beats {rest...}.
enum class Kind { kLiteral, kName, kRest };

Kind kind_of(std::string_view segment) {
  if (!segment.starts_with('{') || !segment.ends_with('}')) return Kind::kLiteral;
  return segment.ends_with("...}") ? Kind::kRest : Kind::kName;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
             std::vector<std::string>* values) {
  values->clear();
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const Kind kind = kind_of(pattern[i]);
    if (kind == Kind::kRest) {
      if (i >= path.size() && i != 0) return false;
      std::string rest;
      for (std::size_t j = i; j < path.size(); ++j) rest.append(j == i ? "" : "/").append(path[j]);
      values->push_back(std::move(rest));
      return true;
    }
    if (i >= path.size()) return false;
    if (kind == Kind::kName) {
      if (path[i].empty()) return false;
      values->push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return false;
    }
  }
  return pattern.size() == path.size();
}

// Orders two patterns that match the same path: true when `a` is the more specific one.
bool more_specific(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (kind_of(a[i]) != kind_of(b[i])) return kind_of(a[i]) < kind_of(b[i]);
  }
  return a.size() > b.size();
}

bool same_shape(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return kind_of(x) == kind_of(y) && (kind_of(x) != Kind::kLiteral || x == y);
  });
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

HttpResponse plain_error(int status, std::string_view text) {
  HttpResponse response = HttpResponse::text(status, text);
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

HttpResponse page_not_found(const HttpRequest&) { return plain_error(404, "404 page not found\n"); }

// The answer for a known path without a handler for the method.
HttpResponse other_method(const HttpRequest& request, const std::string& allowed) {
  HttpResponse response;
  if (request.method == "OPTIONS") {
    response.status = 204;
  } else {
    response = plain_error(405, "Method Not Allowed\n");
  }
  response.headers.add("Allow", allowed);
  return response;
}

}  // namespace

Router::Router(std::string prefix) : prefix_(std::move(prefix)) {
  while (prefix_.ends_with('/')) prefix_.pop_back();
  CHECK(prefix_.empty() || prefix_.front() == '/');
}

void Router::add(std::string_view methods, std::string_view pattern, Handler handler) {
  CHECK(pattern.starts_with('/'));
  Route route{split(methods, ','), std::string(pattern), split(pattern.substr(1), '/'),
              std::move(handler)};
  CHECK(!route.methods.empty());
  for (std::size_t i = 0; i + 1 < route.segments.size(); ++i) {
    CHECK(kind_of(route.segments[i]) != Kind::kRest);
  }
  for (const Route& other : routes_) {
    if (!same_shape(other.segments, route.segments)) continue;
    for (const std::string& method : route.methods) CHECK(!contains(other.methods, method));
  }
  routes_.push_back(std::move(route));
}

void Router::wrap(Middleware middleware) {
  if (!middleware_) {
    middleware_ = std::move(middleware);
    return;
  }
  // The later one sees the call first.
  middleware_ = [outer = std::move(middleware), inner = *std::move(middleware_)](
                    std::string_view pattern, const HttpRequest& request, const Handler& next) {
    return outer(pattern, request,
                 [&](const HttpRequest& passed) { return inner(pattern, passed, next); });
  };
}

const Router::Route* Router::find(const HttpRequest& request, std::vector<std::string>* values,
                                  std::string* allowed) const {
  const Route* best = nullptr;
  const Route* best_of_other_methods = nullptr;
  const std::string_view method = request.method;
  std::vector<std::string> found_values;
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    if (!matches(route.segments, request.path, &found_values)) continue;
    for (const std::string& one : route.methods) {
      if (!contains(methods, one)) methods.push_back(one);
    }
    const bool handles =
        contains(route.methods, method) || (method == "HEAD" && contains(route.methods, "GET"));
    const Route*& kept = handles ? best : best_of_other_methods;
    if (kept != nullptr && !more_specific(route.segments, kept->segments)) continue;
    kept = &route;
    if (handles) *values = found_values;
  }
  if (best != nullptr) return best;
  if (contains(methods, "GET") && !contains(methods, "HEAD")) methods.emplace_back("HEAD");
  methods.emplace_back("OPTIONS");
  std::sort(methods.begin(), methods.end());
  allowed->clear();
  for (const std::string& one : methods) allowed->append(allowed->empty() ? "" : ", ").append(one);
  return best_of_other_methods;
}

HttpResponse Router::route(HttpRequest request) const {
  const std::vector<std::string> prefix =
      prefix_.empty() ? std::vector<std::string>() : split(prefix_.substr(1), '/');
  const bool inside = request.path.size() >= prefix.size() &&
                      std::equal(prefix.begin(), prefix.end(), request.path.begin());
  std::string allowed;
  std::vector<std::string> values;
  const Route* route = nullptr;
  if (inside) {
    request.path.erase(request.path.begin(),
                       request.path.begin() + static_cast<std::ptrdiff_t>(prefix.size()));
    // "/prefix/" is the root, as "/prefix" is.
    if (request.path.size() == 1 && request.path.front().empty()) request.path.clear();
    route = find(request, &values, &allowed);
  }
  Handler handler = page_not_found;
  if (route != nullptr && allowed.empty()) {
    request.path_values = std::move(values);
    handler = route->handler;
  } else if (route != nullptr) {
    handler = [&allowed](const HttpRequest& r) { return other_method(r, allowed); };
  }
  if (!middleware_) return handler(request);
  return (*middleware_)(route == nullptr ? "" : std::string_view(route->pattern), request, handler);
}

}  // namespace tocsin::net
