// SPDX-License-Identifier: Apache-2.0
//
// drm: /sys/class/drm/cardN/device of graphics cards with the driver amdgpu, the only one that tells
// its load there.
#include "exporters/node/hardware/hardware.h"

namespace tocsin::exporters {
namespace {

constexpr FileMetric kCard[] = {
    {"gpu_busy_percent", "node_drm_gpu_busy_percent", "How busy the GPU is as a percentage."},
    {"mem_info_gtt_total", "node_drm_memory_gtt_size_bytes",
     "The size of the graphics translation table (GTT) block in bytes."},
    {"mem_info_gtt_used", "node_drm_memory_gtt_used_bytes",
     "The used amount of the graphics translation table (GTT) block in bytes."},
    {"mem_info_vis_vram_total", "node_drm_memory_vis_vram_size_bytes",
     "The size of visible VRAM in bytes."},
    {"mem_info_vis_vram_used", "node_drm_memory_vis_vram_used_bytes",
     "The used amount of visible VRAM in bytes."},
    {"mem_info_vram_total", "node_drm_memory_vram_size_bytes", "The size of VRAM in bytes."},
    {"mem_info_vram_used", "node_drm_memory_vram_used_bytes", "The used amount of VRAM in bytes."},
};

void show_card(const Node& node, const std::string& card, const std::string& device,
               Families* out) {
  const auto text = [&](std::string_view name) {
    return node.try_text(fmt::format("{}/{}", device, name)).value_or("");
  };
  out->gauge("node_drm_card_info", "Card information",
             {{"card", card},
              {"memory_vendor", text("mem_info_vram_vendor")},
              {"power_performance_level", text("power_dpm_force_performance_level")},
              {"unique_id", text("unique_id")},
              {"vendor", "amd"}},
             1);
  for (const FileMetric& metric : kCard) {
    // What a card does not tell is 0, as upstream has it.
    const double value = node.number(fmt::format("{}/{}", device, metric.file)).value_or(0);
    out->add({metric.name, metric.help, metric.type}, {{"card", card}}, value);
  }
}

}  // namespace

Status collect_drm(const Node& node, Families* out) {
  const std::string directory = node.sys("/class/drm");
  for (const std::string& card : node.list(directory, "card")) {
    // "card0-HDMI-A-1" is a connector.
    if (!to_count(std::string_view(card).substr(4))) continue;
    const std::string device = fmt::format("{}/{}/device", directory, card);
    const std::string event = node.try_text(device + "/uevent").value_or("");
    if (event.find("DRIVER=amdgpu") != std::string::npos) show_card(node, card, device, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
