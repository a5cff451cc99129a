// SPDX-License-Identifier: Apache-2.0
//
// One question to a program and its answer, over TCP, a UNIX socket, or UDP.
//
// Functions. They block; each ends within its patience, apart from the look-up of a name.
// Errors: kUnavailable with the reason; kResourceExhausted for an answer above the bound.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace tocsin::exporters {

struct ExchangeOptions {
  base::Duration patience{10'000};
  std::size_t max_answer = 16 << 20;
  int ttl = 0;  // of datagrams; 0: the system's
};

// Sends `question` and reads until the other side ends. `host` "" means the UNIX socket `service`.
StatusOr<std::string> ask_stream(const std::string& host, const std::string& service,
                                 std::string_view question, const ExchangeOptions& options,
                                 const base::Clock& clock);

// What came back for a datagram, with the wall time around it in nanoseconds since the epoch.
struct DatagramAnswer {
  std::string bytes;
  std::int64_t sent_ns = 0, received_ns = 0;
};
StatusOr<DatagramAnswer> ask_datagram(const std::string& host, std::uint16_t port,
                                      std::string_view question, const ExchangeOptions& options,
                                      const base::Clock& clock);

}  // namespace tocsin::exporters
