// SPDX-License-Identifier: Apache-2.0
//
// wifi: what wireless devices and their stations count.
#include "exporters/node/network/wifi.h"

#include "base/hash.h"
#include "base/json.h"
#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

std::string from_base64(std::string_view text) {
  return base::base64_decode(text).value_or(std::string());
}

double number_of(const base::JsonValue& object, std::string_view key) {
  const base::JsonValue* value = object.find(key);
  return value == nullptr ? 0 : value->number();
}

std::string text_of(const base::JsonValue& object, std::string_view key) {
  const base::JsonValue* value = object.find(key);
  return value == nullptr ? std::string() : value->string();
}

void read_interface_files(const Node& node, const std::string& directory,
                          WifiInterface* interface) {
  constexpr double kNanoseconds = 1e9;
  if (const auto text = node.try_text(directory + "/bss.json")) {
    const StatusOr<base::JsonValue> bss = base::parse_json(*text);
    constexpr double kAssociated = 1;
    if (bss.ok() && number_of(*bss, "status") == kAssociated) {
      interface->is_client = true;
      interface->ssid = text_of(*bss, "ssid");
      interface->bssid = hardware_address(from_base64(text_of(*bss, "bssid")));
    }
  }
  const auto text = node.try_text(directory + "/stationinfo.json");
  if (!text) return;
  const StatusOr<base::JsonValue> list = base::parse_json(*text);
  if (!list.ok()) return;
  for (const base::JsonValue& item : list->items()) {
    interface->stations.push_back(
        {.address = hardware_address(from_base64(text_of(item, "hardwareaddr"))),
         .connected_seconds = number_of(item, "connected") / kNanoseconds,
         .inactive_seconds = number_of(item, "inactive") / kNanoseconds,
         .receive_bits = number_of(item, "receivebitrate"),
         .transmit_bits = number_of(item, "transmitbitrate"),
         .receive_bytes = number_of(item, "receivedbytes"),
         .transmit_bytes = number_of(item, "transmittedbytes"),
         .receive_packets = number_of(item, "receivedpackets"),
         .transmit_packets = number_of(item, "transmittedpackets"),
         .signal_dbm = number_of(item, "signal"),
         .retries = number_of(item, "transmitretries"),
         .failed = number_of(item, "transmitfailed"),
         .beacon_loss = number_of(item, "beaconloss")});
  }
}

void show_station(const std::string& device, const WifiStation& station, Families* out) {
  constexpr base::MetricType kCounter = base::MetricType::kCounter;
  constexpr base::MetricType kGauge = base::MetricType::kGauge;
  const struct {
    std::string_view name, help;
    base::MetricType type;
    double value;
  } rows[] = {
      {"node_wifi_station_connected_seconds_total",
       "The total number of seconds a station has been connected to an access point.", kCounter,
       station.connected_seconds},
      {"node_wifi_station_inactive_seconds",
       "The number of seconds since any wireless activity has occurred on a station.", kGauge,
       station.inactive_seconds},
      {"node_wifi_station_receive_bits_per_second",
       "The current WiFi receive bitrate of a station, in bits per second.", kGauge,
       station.receive_bits},
      {"node_wifi_station_transmit_bits_per_second",
       "The current WiFi transmit bitrate of a station, in bits per second.", kGauge,
       station.transmit_bits},
      {"node_wifi_station_receive_bytes_total",
       "The total number of bytes received by a WiFi station.", kCounter, station.receive_bytes},
      {"node_wifi_station_transmit_bytes_total",
       "The total number of bytes transmitted by a WiFi station.", kCounter,
       station.transmit_bytes},
      {"node_wifi_station_received_packets_total",
       "The total number of packets received by a station.", kCounter, station.receive_packets},
      {"node_wifi_station_transmitted_packets_total",
       "The total number of packets transmitted by a station.", kCounter, station.transmit_packets},
      {"node_wifi_station_signal_dbm",
       "The current WiFi signal strength, in decibel-milliwatts (dBm).", kGauge,
       station.signal_dbm},
      {"node_wifi_station_transmit_retries_total",
       "The total number of times a station has had to retry while sending a packet.", kCounter,
       station.retries},
      {"node_wifi_station_transmit_failed_total",
       "The total number of times a station has failed to send a packet.", kCounter,
       station.failed},
      {"node_wifi_station_beacon_loss_total",
       "The total number of times a station has detected a beacon loss.", kCounter,
       station.beacon_loss},
  };
  for (const auto& row : rows) {
    out->add({row.name, row.help, row.type}, {{"device", device}, {"mac_address", station.address}},
             row.value);
  }
}

}  // namespace

std::string hardware_address(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    if (!out.empty()) out.push_back(':');
    out.append(fmt::format("{:02x}", static_cast<unsigned char>(byte)));
  }
  return out;
}

StatusOr<std::vector<WifiInterface>> read_wifi_files(const Node& node,
                                                     const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string text, node.file(directory + "/interfaces.json"));
  ASSIGN_OR_RETURN(const base::JsonValue list, base::parse_json(text));
  std::vector<WifiInterface> interfaces;
  for (const base::JsonValue& item : list.items()) {
    WifiInterface interface;
    interface.name = text_of(item, "name");
    if (interface.name.empty()) continue;  // a device that only listens has none
    interface.frequency_hertz = number_of(item, "frequency") * 1e6;
    read_interface_files(node, directory + "/" + interface.name, &interface);
    interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

StatusOr<Collect> make_wifi(const Node& node) {
  return Collect([node](Families* out) -> Status {
    const std::string& files = node.options.wifi_fixtures;
    const StatusOr<std::vector<WifiInterface>> interfaces =
        files.empty() ? ask_nl80211(node) : read_wifi_files(node, files);
    if (!interfaces.ok()) return no_data_if_missing(interfaces.status());
    for (const WifiInterface& interface : *interfaces) {
      out->gauge("node_wifi_interface_frequency_hertz",
                 "The current frequency a WiFi interface is operating at, in hertz.",
                 {{"device", interface.name}}, interface.frequency_hertz);
      if (interface.is_client) {
        out->gauge("node_wifi_station_info",
                   "Labeled WiFi interface station information as provided by the operating "
                   "system.",
                   {{"bssid", interface.bssid},
                    {"device", interface.name},
                    {"mode", "client"},
                    {"ssid", to_valid_utf8(interface.ssid)}},
                   1);
      }
      for (const WifiStation& station : interface.stations) {
        show_station(interface.name, station, out);
      }
    }
    return ok();
  });
}

}  // namespace tocsin::exporters
