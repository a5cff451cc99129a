// SPDX-License-Identifier: Apache-2.0
//
// The driver's names of statistics and their values are two arrays; their length is asked first.
#include <cstring>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/file_descriptor.h"
#include "exporters/node/network/ethtool.h"
#include "exporters/node/network/netlink.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kMaxStatistics = 16 << 10;  // of one driver

bool ask(int socket, const std::string& device, void* request) {
  ifreq wish{};
  std::memcpy(wish.ifr_name, device.data(), std::min(device.size(), sizeof(wish.ifr_name) - 1));
  wish.ifr_data = static_cast<char*>(request);
  return ::ioctl(socket, SIOCETHTOOL, &wish) == 0;
}

template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return std::string(&field[0], ::strnlen(&field[0], N));
}

void ask_statistics(int socket, const std::string& device, std::size_t count,
                    EthtoolReport* report) {
  if (count == 0 || count > kMaxStatistics) return;
  std::string names(sizeof(ethtool_gstrings) + count * ETH_GSTRING_LEN, '\0');
  ethtool_gstrings names_header{};
  names_header.cmd = ETHTOOL_GSTRINGS;
  names_header.string_set = ETH_SS_STATS;
  names_header.len = static_cast<std::uint32_t>(count);
  std::memcpy(names.data(), &names_header, sizeof(names_header));
  std::string values(sizeof(ethtool_stats) + count * sizeof(std::uint64_t), '\0');
  ethtool_stats values_header{};
  values_header.cmd = ETHTOOL_GSTATS;
  values_header.n_stats = static_cast<std::uint32_t>(count);
  std::memcpy(values.data(), &values_header, sizeof(values_header));
  if (!ask(socket, device, names.data()) || !ask(socket, device, values.data())) return;
  // A driver may have fewer by now.
  const std::size_t told = std::min<std::size_t>(count, copy_out<ethtool_stats>(values).n_stats);
  for (std::size_t i = 0; i < told; ++i) {
    const std::string_view name = std::string_view(names).substr(
        sizeof(ethtool_gstrings) + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
    const std::string_view value =
        std::string_view(values).substr(sizeof(ethtool_stats) + i * sizeof(std::uint64_t));
    report->statistics.emplace_back(attribute_text(name), copy_out<std::uint64_t>(value));
  }
}

}  // namespace

StatusOr<EthtoolReport> ask_driver(const std::string& device) {
  const base::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return errno_status(errno, "socket");
  EthtoolReport report;
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  report.has_driver = ask(socket.get(), device, &driver);
  if (report.has_driver) {
    report.driver = text_of(driver.driver);
    report.version = text_of(driver.version);
    report.firmware = text_of(driver.fw_version);
    report.rom = text_of(driver.erom_version);
    report.bus = text_of(driver.bus_info);
    ask_statistics(socket.get(), device, driver.n_stats, &report);
  }
  ethtool_cmd link{};
  link.cmd = ETHTOOL_GSET;
  report.has_link = ask(socket.get(), device, &link);
  report.supported = link.supported;
  report.advertised = link.advertising;
  report.is_autonegotiating = link.autoneg == AUTONEG_ENABLE;
  if (!report.has_driver && !report.has_link) return not_found("{}: no answer", device);
  return report;
}

}  // namespace tocsin::exporters
