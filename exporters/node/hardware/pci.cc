// SPDX-License-Identifier: Apache-2.0
//
// pcidevice: /sys/bus/pci/devices, links named segment:bus:device.function to directories that
// stand inside that of their parent.
#include "exporters/node/hardware/hardware.h"
#include "exporters/node/hardware/pci_names.h"

namespace tocsin::exporters {
namespace {

struct Location {
  std::string segment, bus, device, function;
};

// "0000:00:02.1"
std::optional<Location> parse_location(std::string_view text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  const std::size_t dot = second == std::string_view::npos ? second : text.find('.', second + 1);
  if (dot == std::string_view::npos) return std::nullopt;
  return Location{.segment = std::string(text.substr(0, first)),
                  .bus = std::string(text.substr(first + 1, second - first - 1)),
                  .device = std::string(text.substr(second + 1, dot - second - 1)),
                  .function = std::string(text.substr(dot + 1))};
}

struct File {
  std::string_view file;
  std::string_view name;
  std::string_view help;
  double absent;  // the value of a device without this file
};

constexpr File kFiles[] = {
    {"max_link_width", "node_pcidevice_max_link_width",
     "Value of maximum link's width (number of lanes)", -1},
    {"current_link_width", "node_pcidevice_current_link_width",
     "Value of current link's width (number of lanes)", -1},
    {"d3cold_allowed", "node_pcidevice_d3cold_allowed",
     "Whether the PCIe device supports D3cold power state (0/1).", 0},
    {"sriov_drivers_autoprobe", "node_pcidevice_sriov_drivers_autoprobe",
     "Whether SR-IOV drivers autoprobe is enabled for the device (0/1).", 0},
    {"sriov_numvfs", "node_pcidevice_sriov_numvfs",
     "Number of Virtual Functions (VFs) currently enabled for SR-IOV.", 0},
    {"sriov_totalvfs", "node_pcidevice_sriov_totalvfs",
     "Total number of Virtual Functions (VFs) supported by the device.", 0},
    {"sriov_vf_total_msix", "node_pcidevice_sriov_vf_total_msix",
     "Total number of MSI-X vectors for Virtual Functions.", 0},
};

// "8.0 GT/s PCIe"
std::optional<double> transfers(const std::optional<std::string>& text) {
  if (!text || text->find("GT/s") == std::string::npos) return std::nullopt;
  const std::optional<double> giga = to_number(fields_of(*text)[0]);
  return giga ? std::optional<double>(*giga * 1e9) : std::nullopt;
}

void show_power_state(const std::string& state, const LabelPairs& labels, Families* out) {
  for (const std::string_view one : {"D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"}) {
    LabelPairs of_state = labels;
    of_state.emplace_back("state", one);
    out->add({"node_pcidevice_power_state",
              "PCIe device power state, one of: D0, D1, D2, D3hot, D3cold, unknown or error."},
             std::move(of_state), one == state ? 1 : 0);
  }
}

// "0x1022" -> "1022", in small letters.
std::string plain_id(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::string id(text);
  for (char& c : id) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return id;
}

struct PciDevice {
  std::string path;
  Location at;
};

void show_device(const Node& node, const PciDevice& device, PciNameBook* names, Families* out) {
  const auto& [path, at] = device;
  const auto text = [&](std::string_view name) {
    return node.try_text(fmt::format("{}/{}", path, name)).value_or("");
  };
  Location parent{"*", "*", "*", "*"};
  if (const StatusOr<std::string> real = node.services.real_path(path); real.ok()) {
    const std::string_view above = std::string_view(*real).substr(0, real->rfind('/'));
    parent = parse_location(above.substr(above.rfind('/') + 1)).value_or(parent);
  }
  const LabelPairs labels = {
      {"bus", at.bus}, {"device", at.device}, {"function", at.function}, {"segment", at.segment}};
  LabelPairs info = labels;
  const std::pair<std::string_view, std::string> more[] = {
      {"parent_segment", parent.segment},
      {"parent_bus", parent.bus},
      {"parent_device", parent.device},
      {"parent_function", parent.function},
      {"class_id", text("class")},
      {"vendor_id", text("vendor")},
      {"device_id", text("device")},
      {"subsystem_vendor_id", text("subsystem_vendor")},
      {"subsystem_device_id", text("subsystem_device")},
      {"revision", text("revision")}};
  for (const auto& [name, value] : more) info.emplace_back(name, value);
  if (names != nullptr) {
    const PciIds ids{.vendor = plain_id(text("vendor")),
                     .device = plain_id(text("device")),
                     .subsystem_vendor = plain_id(text("subsystem_vendor")),
                     .subsystem_device = plain_id(text("subsystem_device")),
                     .device_class = plain_id(text("class"))};
    const PciNames found = names->look_up(ids);
    info.emplace_back("vendor_name", found.vendor);
    info.emplace_back("device_name", found.device);
    info.emplace_back("subsystem_vendor_name", found.subsystem_vendor);
    info.emplace_back("subsystem_device_name", found.subsystem_device);
    info.emplace_back("class_name", found.device_class);
  }
  out->add({"node_pcidevice_info",
            "Non-numeric data from /sys/bus/pci/devices/<location>, value is always 1."},
           std::move(info), 1);
  out->add({"node_pcidevice_max_link_transfers_per_second",
            "Value of maximum link's transfers per second (T/s)"},
           labels, transfers(node.try_text(path + "/max_link_speed")).value_or(-1));
  out->add({"node_pcidevice_current_link_transfers_per_second",
            "Value of current link's transfers per second (T/s)"},
           labels, transfers(node.try_text(path + "/current_link_speed")).value_or(-1));
  for (const File& one : kFiles) {
    out->add({one.name, one.help}, labels,
             node.number(fmt::format("{}/{}", path, one.file)).value_or(one.absent));
  }
  const std::optional<double> numa = node.number(path + "/numa_node");
  if (numa && *numa >= 0) {
    out->add({"node_pcidevice_numa_node",
              "NUMA node number for the PCI device. -1 indicates unknown or not available."},
             labels, *numa);
  }
  if (const auto state = node.try_text(path + "/power_state")) {
    show_power_state(*state, labels, out);
  }
}

}  // namespace

StatusOr<Collect> make_pcidevice(const Node& node) {
  std::shared_ptr<PciNameBook> names;
  if (node.options.pci_names) {
    std::vector<std::string> places = {"/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"};
    if (!node.options.pci_ids_file.empty()) places = {node.options.pci_ids_file};
    names = std::make_shared<PciNameBook>(node.services.files, std::move(places));
  }
  return Collect([node, names](Families* out) -> Status {
    const std::string directory = node.sys("/bus/pci/devices");
    const StatusOr<std::vector<std::string>> entries = node.services.files.list(directory);
    if (!entries.ok()) return no_data_if_missing(entries.status());
    for (const std::string& entry : *entries) {
      const std::optional<Location> at = parse_location(entry);
      if (at) show_device(node, {directory + "/" + entry, *at}, names.get(), out);
    }
    return ok();
  });
}

}  // namespace tocsin::exporters
