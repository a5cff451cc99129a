// SPDX-License-Identifier: Apache-2.0
//
// Asking a network driver by the ioctl SIOCETHTOOL.
//
// Functions.
#pragma once

#include <string>

#include "exporters/node/collectors.h"

namespace tocsin::exporters {

// kNotFound for a device whose driver does not answer.
StatusOr<EthtoolReport> ask_driver(const std::string& device);

}  // namespace tocsin::exporters
