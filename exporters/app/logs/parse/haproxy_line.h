// SPDX-License-Identifier: Apache-2.0
//
// Lines that HAProxy writes with `option httplog`, with or without what syslog puts before them.
//
//   10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ----
//   1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"
//
// Times are in milliseconds: Tc is the connect time, Tr the upstream time, Ta the request time; -1
// is none. The upstream is backend/server, none for <NOSRV>; the host is the frontend. Pure.
#pragma once

#include <string_view>

#include "exporters/app/logs/parse/log_record.h"

namespace tocsin::exporters::app {

// False when the line is none; the record is then undefined.
bool parse_haproxy_line(std::string_view line, LogRecord* record);

}  // namespace tocsin::exporters::app
