// SPDX-License-Identifier: Apache-2.0
//
// PciNameBook: names of PCI devices, from a file pci.ids.
//
// The file is read once for each kind of device that is met, and not kept: it has a megabyte, of
// which a machine needs some lines.
//
// Borrows: the file system (must outlive it). Confined to one thread after another.
// Errors: none; without a name the number stands for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/string_map.h"

namespace tocsin::exporters {

// Numbers in small hexadecimal letters, without 0x; the class has 6 digits, others have 4.
struct PciIds {
  std::string vendor, device, subsystem_vendor, subsystem_device, device_class;
};

struct PciNames {
  std::string vendor, device, subsystem_vendor, subsystem_device, device_class;
};

// The names of one kind of device in the text of a pci.ids; numbers where it has none.
PciNames find_pci_names(std::string_view text, const PciIds& ids);

class PciNameBook {
 public:
  // The first of the places that can be read is the file.
  PciNameBook(base::FileSystem& files, std::vector<std::string> places)
      : files_(files), places_(std::move(places)) {}

  PciNames look_up(const PciIds& ids);

 private:
  static constexpr std::size_t kMaxKinds = 4096;  // then it forgets all

  base::FileSystem& files_;
  const std::vector<std::string> places_;
  StringMap<PciNames> known_;
};

}  // namespace tocsin::exporters
