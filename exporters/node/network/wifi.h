// SPDX-License-Identifier: Apache-2.0
//
// WifiInterface: a wireless device with the stations that it talks to, from nl80211 or from files.
//
// Values and functions.
#pragma once

#include <string>
#include <vector>

#include "exporters/node/node.h"

namespace tocsin::exporters {

struct WifiStation {
  std::string address;  // "aa:bb:cc:dd:ee:ff"
  double connected_seconds = 0, inactive_seconds = 0;
  double receive_bits = 0, transmit_bits = 0;  // per second
  double receive_bytes = 0, transmit_bytes = 0, receive_packets = 0, transmit_packets = 0;
  double signal_dbm = 0, retries = 0, failed = 0, beacon_loss = 0;
};

struct WifiInterface {
  std::string name;
  double frequency_hertz = 0;
  bool is_client = false;  // of the network `ssid`
  std::string ssid, bssid;
  std::vector<WifiStation> stations;
};

// "aa:bb:..." of the bytes.
std::string hardware_address(std::string_view bytes);

// kNotFound on a machine without nl80211.
StatusOr<std::vector<WifiInterface>> ask_nl80211(const Node& node);
// interfaces.json, and NAME/bss.json and NAME/stationinfo.json in `directory`.
StatusOr<std::vector<WifiInterface>> read_wifi_files(const Node& node,
                                                     const std::string& directory);

}  // namespace tocsin::exporters
