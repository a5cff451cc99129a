// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/systemd/logind.h"

#include <algorithm>
#include <map>
#include <span>
#include <tuple>

#include "exporters/node/systemd/dbus.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kDestination = "org.freedesktop.login1";
constexpr std::string_view kManagerPath = "/org/freedesktop/login1";
constexpr std::string_view kManager = "org.freedesktop.login1.Manager";
constexpr std::string_view kSession = "org.freedesktop.login1.Session";

// What upstream tells apart; later versions of logind know more, which count as "other".
constexpr std::string_view kOther = "other";
constexpr std::string_view kRemotes[] = {"true", "false"};
constexpr std::string_view kTypes[] = {kOther,    "unspecified", "tty", "x11",
                                       "wayland", "mir",         "web"};
constexpr std::string_view kClasses[] = {kOther, "user", "greeter", "lock-screen", "background"};

// seat, remote, type, class
using Kind = std::tuple<std::string, std::string_view, std::string_view, std::string_view>;

std::string_view known_or_other(std::string_view value, std::span<const std::string_view> known) {
  const auto it = std::find(known.begin(), known.end(), value);
  return it == known.end() ? kOther : *it;
}

StatusOr<std::string> ask_manager(DbusConnection* bus, std::string_view member) {
  return bus->call(
      {.destination = kDestination, .path = kManagerPath, .interface = kManager, .member = member});
}

using Counts = std::map<Kind, double>;

StatusOr<Kind> kind_of(DbusConnection* bus, const LogindSession& session) {
  const auto property = [&](std::string_view name) {
    return bus->property(
        {.destination = kDestination, .path = session.path, .interface = kSession, .name = name});
  };
  ASSIGN_OR_RETURN(const DbusReader::Variant remote, property("Remote"));
  ASSIGN_OR_RETURN(const DbusReader::Variant type, property("Type"));
  ASSIGN_OR_RETURN(const DbusReader::Variant session_class, property("Class"));
  return Kind{session.seat, remote.number != 0 ? "true" : "false",
              known_or_other(type.text, kTypes), known_or_other(session_class.text, kClasses)};
}

// Every combination has a series, so that one with no session is 0 and not missing.
void show_seat(const std::string& seat, const Counts& counts, Families* out) {
  for (const std::string_view remote : kRemotes) {
    for (const std::string_view type : kTypes) {
      for (const std::string_view session_class : kClasses) {
        const auto it = counts.find({seat, remote, type, session_class});
        out->gauge("node_logind_sessions", "Number of sessions registered in logind.",
                   {{"class", session_class}, {"remote", remote}, {"seat", seat}, {"type", type}},
                   it == counts.end() ? 0 : it->second);
      }
    }
  }
}

}  // namespace

StatusOr<std::vector<LogindSession>> parse_sessions(std::string_view body) {
  DbusReader reader(body);
  std::vector<LogindSession> sessions;
  const bool is_whole = reader.structures([&] {
    LogindSession session;
    reader.text();  // its name
    reader.u32();   // the user
    reader.text();
    session.seat = reader.text();
    session.path = reader.text();
    sessions.push_back(std::move(session));
  });
  if (!is_whole) return data_loss("logind: the list of sessions is cut");
  return sessions;
}

StatusOr<std::vector<std::string>> parse_seats(std::string_view body) {
  DbusReader reader(body);
  std::vector<std::string> seats;
  const bool is_whole = reader.structures([&] {
    seats.push_back(reader.text());
    reader.text();  // its path
  });
  if (!is_whole) return data_loss("logind: the list of seats is cut");
  return seats;
}

Status collect_logind(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<DbusConnection> bus,
                   DbusConnection::open(node.services.system_bus()));
  ASSIGN_OR_RETURN(const std::string seat_list, ask_manager(bus.get(), "ListSeats"));
  ASSIGN_OR_RETURN(std::vector<std::string> seats, parse_seats(seat_list));
  seats.emplace_back();  // sessions from afar have no seat
  ASSIGN_OR_RETURN(const std::string session_list, ask_manager(bus.get(), "ListSessions"));
  ASSIGN_OR_RETURN(const std::vector<LogindSession> sessions, parse_sessions(session_list));
  Counts counts;
  for (const LogindSession& session : sessions) {
    const StatusOr<Kind> kind = kind_of(bus.get(), session);
    // A session that ended meanwhile is none; a logind that fell silent would make all of them so.
    if (!kind.ok() && !bus->is_usable()) return kind.status();
    if (kind.ok()) counts[*kind] += 1;
  }
  for (const std::string& seat : seats) show_seat(seat, counts, out);
  return ok();
}

}  // namespace tocsin::exporters
