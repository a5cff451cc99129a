// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/dns_message.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "exporters/app/probe/websocket_frames.h"

namespace tocsin::exporters::app {
namespace {

void fuzz(std::string_view bytes) {
  const StatusOr<DnsAnswer> answer = decode_dns_answer(bytes);
  if (answer.ok()) {
    for (const auto* list : {&answer->answer, &answer->authority, &answer->additional}) {
      for (const DnsRecord& record : *list) {
        // What others sent is one line of printable text.
        for (const char c : record.text) CHECK(c == '\t' || (c >= 0x20 && c < 0x7F));
      }
    }
  }
  // The other protocol of a probe that is binary.
  WebSocketReader reader;
  reader.append(bytes);
  for (;;) {
    const auto message = reader.next();
    if (!message.ok() || !*message) break;
    CHECK((*message)->data.size() <= bytes.size());
  }
}

}  // namespace
TOCSIN_FUZZ_TARGET(dns_message, fuzz)
}  // namespace tocsin::exporters::app
