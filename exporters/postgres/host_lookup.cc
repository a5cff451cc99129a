// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/host_lookup.h"

#include <netdb.h>

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace tocsin::exporters::postgres {
namespace {

constexpr std::size_t kMaxAddresses = 8;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out.append(&part == parts.data() ? "" : ",").append(part);
  return out;
}

// Whether libpq needs no name server for it: a directory of a socket, "" for the default one, or an
// address.
bool is_direct(const std::string& host) {
  if (host.empty() || host.front() == '/' || host.front() == '@') return true;
  std::array<char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

std::vector<std::string> texts_of(const addrinfo* list) {
  std::vector<std::string> out;
  for (; list != nullptr && out.size() < kMaxAddresses; list = list->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(list->ai_addr, list->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      out.emplace_back(text.data());
    }
  }
  return out;
}

}  // namespace

struct HostLookup::Lookup {
  explicit Lookup(std::string name) : host(std::move(name)) {
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    request.ar_name = host.c_str();
    request.ar_request = &hints;
  }
  ~Lookup() {
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  const std::string host;
  addrinfo hints{};
  gaicb request{};
};

HostLookup::~HostLookup() {
  base::MutexLock lock(mutex_);
  for (auto& [host, lookup] : pending_) {
    if (::gai_error(&lookup->request) != EAI_INPROGRESS) continue;
    if (::gai_cancel(&lookup->request) == EAI_CANCELED) continue;
    // The thread of the C library will still write to it.
    [[maybe_unused]] auto* forever = new std::shared_ptr<Lookup>(lookup);
  }
}

StatusOr<std::shared_ptr<HostLookup::Lookup>> HostLookup::begin(const std::string& host) {
  base::MutexLock lock(mutex_);
  const auto it = pending_.find(host);
  if (it != pending_.end()) return it->second;
  if (pending_.size() >= kMaxPending) {
    return resource_exhausted("too many host names are being looked up");
  }
  auto lookup = std::make_shared<Lookup>(host);
  gaicb* request = &lookup->request;
  if (const int error = ::getaddrinfo_a(GAI_NOWAIT, &request, 1, nullptr); error != 0) {
    return unavailable("could not look up {}: {}", host, ::gai_strerror(error));
  }
  pending_.emplace(host, lookup);
  return lookup;
}

StatusOr<std::vector<std::string>> HostLookup::addresses(const std::string& host,
                                                         base::SteadyTime deadline) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Lookup> lookup, begin(host));
  int error = 0;
  while ((error = ::gai_error(&lookup->request)) == EAI_INPROGRESS) {
    const auto left = std::chrono::ceil<base::Duration>(deadline - clock_.steady_now());
    if (left <= base::Duration(0)) return deadline_exceeded("no address of {} in time", host);
    const timespec patience{.tv_sec = left.count() / 1000,
                            .tv_nsec = (left.count() % 1000) * 1'000'000};
    const std::array<const gaicb*, 1> list = {&lookup->request};
    ::gai_suspend(list.data(), 1, &patience);
  }
  base::MutexLock lock(mutex_);
  const auto it = pending_.find(host);
  if (it != pending_.end() && it->second == lookup) pending_.erase(it);
  if (error != 0) return unavailable("could not look up {}: {}", host, ::gai_strerror(error));
  return texts_of(lookup->request.ar_result);
}

StatusOr<Conninfo> HostLookup::with_addresses(const Conninfo& info, base::SteadyTime deadline) {
  const std::vector<std::string> hosts = split(conninfo_value(info, "host"));
  if (!conninfo_value(info, "hostaddr").empty() ||
      std::all_of(hosts.begin(), hosts.end(), is_direct)) {
    return info;
  }
  const std::vector<std::string> ports = split(conninfo_value(info, "port"));
  if (ports.size() != 1 && ports.size() != hosts.size()) return info;  // libpq says what is wrong
  std::vector<std::string> names, addresses_of, ports_of;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    std::vector<std::string> found = {""};
    if (!is_direct(hosts[i])) {
      ASSIGN_OR_RETURN(found, addresses(hosts[i], deadline));
    }
    for (const std::string& address : found) {
      names.push_back(hosts[i]);
      addresses_of.push_back(address);
      ports_of.push_back(ports[ports.size() == 1 ? 0 : i]);
    }
  }
  Conninfo out = info;
  set_conninfo(&out, "host", join(names));
  set_conninfo(&out, "hostaddr", join(addresses_of));
  set_conninfo(&out, "port", join(ports_of));
  return out;
}

}  // namespace tocsin::exporters::postgres
