// SPDX-License-Identifier: Apache-2.0
//
// pci.ids: a line for each vendor, below it with a tab its devices, below them with two tabs
// subsystems; then the same for classes, whose lines begin with "C ":
//
//   1022  Advanced Micro Devices, Inc. [AMD]
//   <tab>1481  Starship/Matisse IOMMU
//   <tab><tab>17aa 5095  Renoir/Cezanne IOMMU
//   C 01  Mass storage controller
//   <tab>08  Non-Volatile memory controller
//   <tab><tab>02  NVM Express
#include "exporters/node/hardware/pci_names.h"

#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

constexpr std::uint64_t kMaxFile = 16 << 20;

// Follows the lines and takes the names of one kind of device.
class NameReader {
 public:
  explicit NameReader(const PciIds& ids) : ids_(ids) {}

  void read(std::string_view line) {
    const std::size_t depth = std::min(line.find_first_not_of('\t'), line.size());
    line.remove_prefix(depth);
    if (depth == 0) in_classes_ = line.starts_with("C ");
    if (depth == 0 && in_classes_) line.remove_prefix(2);
    const std::size_t gap = line.find("  ");
    if (line.starts_with('#') || gap == std::string_view::npos || depth > 2) return;
    const std::string_view id = trimmed(line.substr(0, gap));
    const std::string_view name = trimmed(line.substr(gap + 2));
    if (in_classes_) return read_class(depth, id, name);
    read_device(depth, id, name);
  }

  PciNames names() const {
    const auto or_id = [](std::string_view name, const std::string& id) {
      return name.empty() ? id : to_valid_utf8(name);
    };
    return {.vendor = or_id(vendor_, ids_.vendor),
            .device = or_id(device_, ids_.device),
            .subsystem_vendor = or_id(subsystem_vendor_, ids_.subsystem_vendor),
            .subsystem_device = or_id(subsystem_, ids_.subsystem_device),
            .device_class = class_.empty() ? fmt::format("Unknown class ({})", ids_.device_class)
                                           : to_valid_utf8(class_)};
  }

 private:
  void read_device(std::size_t depth, std::string_view id, std::string_view name) {
    if (depth == 0) {
      in_vendor_ = id == ids_.vendor;
      in_device_ = false;
      if (in_vendor_) vendor_ = name;
      if (id == ids_.subsystem_vendor) subsystem_vendor_ = name;
    } else if (depth == 1) {
      in_device_ = in_vendor_ && id == ids_.device;
      if (in_device_) device_ = name;
    } else if (in_device_) {
      const std::vector<std::string_view> pair = fields_of(id);
      const bool is_it =
          pair.size() == 2 && pair[0] == ids_.subsystem_vendor && pair[1] == ids_.subsystem_device;
      if (is_it) subsystem_ = name;
    }
  }

  // The deepest line that fits names the class.
  void read_class(std::size_t depth, std::string_view id, std::string_view name) {
    const std::string_view wanted = std::string_view(ids_.device_class);
    const bool fits = wanted.size() >= 2 * depth + 2 && wanted.substr(2 * depth, 2) == id &&
                      (depth == 0 || class_depth_ >= depth);
    if (fits) class_ = name;
    // Below a line that does not fit, nothing does.
    if (fits) {
      class_depth_ = depth + 1;
    } else if (class_depth_ > depth) {
      class_depth_ = depth;
    }
  }

  const PciIds& ids_;
  bool in_classes_ = false, in_vendor_ = false, in_device_ = false;
  std::size_t class_depth_ = 0;  // lines that fit above the next one
  std::string_view vendor_, device_, subsystem_vendor_, subsystem_, class_;
};

}  // namespace

PciNames find_pci_names(std::string_view text, const PciIds& ids) {
  NameReader reader(ids);
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    reader.read(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return reader.names();
}

PciNames PciNameBook::look_up(const PciIds& ids) {
  const std::string key = fmt::format("{} {} {} {} {}", ids.vendor, ids.device,
                                      ids.subsystem_vendor, ids.subsystem_device, ids.device_class);
  if (const auto it = known_.find(key); it != known_.end()) return it->second;
  std::string text;
  for (const std::string& place : places_) {
    StatusOr<std::string> file = files_.read_file(place, kMaxFile);
    if (!file.ok()) continue;
    text = *std::move(file);
    break;
  }
  if (known_.size() >= kMaxKinds) known_.clear();
  return known_.emplace(key, find_pci_names(text, ids)).first->second;
}

}  // namespace tocsin::exporters
