// SPDX-License-Identifier: Apache-2.0
//
// The board and its processors: dmi, edac, cpufreq, cpu_vulnerabilities.
#include "exporters/node/hardware/hardware.h"

namespace tocsin::exporters {
namespace {

constexpr base::MetricType kCounter = base::MetricType::kCounter;

// The kernel's own labels, "mc0csrow0channel1", are shown as "mc0_csrow0_channel1".
std::string dimm_label(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool is_kernels = text.starts_with("mc") && text.find("csrow") != std::string_view::npos;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_kernels && text[i] == '#') continue;
    if (is_kernels && i > 0 && is_digit(text[i - 1]) && !is_digit(text[i]) && text[i] != '_') {
      out.push_back('_');
    }
    out.push_back(text[i]);
  }
  return out;
}

// Errors of the channels of one row of memory: chN_ce_count, chN_ue_count, chN_dimm_label.
void show_channels(const Node& node, const std::string& row_path, const LabelPairs& row,
                   Families* out) {
  for (const std::string& name : node.list(row_path, "ch")) {
    if (!name.ends_with("_dimm_label")) continue;
    const std::string channel = name.substr(2, name.find('_') - 2);
    const std::string label = dimm_label(node.try_text(row_path + "/" + name).value_or(""));
    LabelPairs labels = row;
    labels.emplace_back("channel", channel);
    labels.emplace_back("dimm_label", label);
    const std::string ce = fmt::format("ch{}_ce_count", channel);
    const std::string ue = fmt::format("ch{}_ue_count", channel);
    const FileMetric files[] = {
        {ce, "node_edac_channel_correctable_errors_total",
         "Total correctable memory errors for this channel.", kCounter},
        {ue, "node_edac_channel_uncorrectable_errors_total",
         "Total uncorrectable memory errors for this channel.", kCounter},
    };
    node.show_files(row_path, files, labels, out);
  }
}

void show_controller(const Node& node, const std::string& path, const std::string& number,
                     Families* out) {
  constexpr FileMetric kTotals[] = {
      {"ce_count", "node_edac_correctable_errors_total", "Total correctable memory errors.",
       kCounter},
      {"ue_count", "node_edac_uncorrectable_errors_total", "Total uncorrectable memory errors.",
       kCounter},
  };
  constexpr std::string_view kRowCorrectable = "node_edac_csrow_correctable_errors_total";
  constexpr std::string_view kRowCorrectableHelp =
      "Total correctable memory errors for this csrow.";
  constexpr std::string_view kRowUncorrectable = "node_edac_csrow_uncorrectable_errors_total";
  constexpr std::string_view kRowUncorrectableHelp =
      "Total uncorrectable memory errors for this csrow.";
  constexpr FileMetric kUnknownRow[] = {
      {"ce_noinfo_count", kRowCorrectable, kRowCorrectableHelp, kCounter},
      {"ue_noinfo_count", kRowUncorrectable, kRowUncorrectableHelp, kCounter},
  };
  constexpr FileMetric kRow[] = {
      {"ce_count", kRowCorrectable, kRowCorrectableHelp, kCounter},
      {"ue_count", kRowUncorrectable, kRowUncorrectableHelp, kCounter},
  };
  node.show_files(path, kTotals, {{"controller", number}}, out);
  node.show_files(path, kUnknownRow, {{"controller", number}, {"csrow", "unknown"}}, out);
  for (const std::string& name : node.list(path, "csrow")) {
    const LabelPairs labels = {{"controller", number}, {"csrow", name.substr(5)}};
    node.show_files(path + "/" + name, kRow, labels, out);
    show_channels(node, path + "/" + name, labels, out);
  }
}

}  // namespace

Status collect_edac(const Node& node, Families* out) {
  const std::string directory = node.sys("/devices/system/edac/mc");
  for (const std::string& name : node.list(directory, "mc")) {
    const std::string number = name.substr(2);
    if (to_count(number)) show_controller(node, directory + "/" + name, number, out);
  }
  return ok();
}

// A label for each file that is there.
Status collect_dmi(const Node& node, Families* out) {
  constexpr std::string_view kNames[] = {
      "bios_date",      "bios_release",   "bios_vendor",     "bios_version",    "board_asset_tag",
      "board_name",     "board_serial",   "board_vendor",    "board_version",   "chassis_asset_tag",
      "chassis_serial", "chassis_vendor", "chassis_version", "product_family",  "product_name",
      "product_serial", "product_sku",    "product_uuid",    "product_version", "sys_vendor"};
  const std::string directory = node.sys("/class/dmi/id");
  if (!node.exists(directory)) return no_data("DMI is not available");
  LabelPairs labels;
  for (const std::string_view name : kNames) {
    const std::optional<std::string> text = node.try_text(fmt::format("{}/{}", directory, name));
    if (!text) continue;
    labels.emplace_back(name == "sys_vendor" ? "system_vendor" : name, to_valid_utf8(*text));
  }
  out->add({"node_dmi_info",
            "A metric with a constant '1' value labeled by bios_date, bios_release, bios_vendor, "
            "bios_version, board_asset_tag, board_name, board_serial, board_vendor, board_version, "
            "chassis_asset_tag, chassis_serial, chassis_vendor, chassis_version, product_family, "
            "product_name, product_serial, product_sku, product_uuid, product_version, "
            "system_vendor if provided by DMI."},
           std::move(labels), 1);
  return ok();
}

Status collect_cpufreq(const Node& node, Families* out) {
  constexpr base::MetricType kGauge = base::MetricType::kGauge;
  constexpr double kHertzPerKilo = 1000;
  constexpr FileMetric kFiles[] = {
      {"cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Current CPU thread frequency in hertz.",
       kGauge, kHertzPerKilo},
      {"cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Minimum CPU thread frequency in hertz.",
       kGauge, kHertzPerKilo},
      {"cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Maximum CPU thread frequency in hertz.",
       kGauge, kHertzPerKilo},
      {"scaling_cur_freq", "node_cpu_scaling_frequency_hertz",
       "Current scaled CPU thread frequency in hertz.", kGauge, kHertzPerKilo},
      {"scaling_min_freq", "node_cpu_scaling_frequency_min_hertz",
       "Minimum scaled CPU thread frequency in hertz.", kGauge, kHertzPerKilo},
      {"scaling_max_freq", "node_cpu_scaling_frequency_max_hertz",
       "Maximum scaled CPU thread frequency in hertz.", kGauge, kHertzPerKilo},
  };
  const std::string directory = node.sys("/devices/system/cpu");
  for (const std::string& name : node.list(directory, "cpu")) {
    const std::string number = name.substr(3);
    const std::string path = directory + "/" + name + "/cpufreq";
    if (!to_count(number) || !node.exists(path)) continue;
    node.show_files(path, kFiles, {{"cpu", number}}, out);
    const std::optional<std::string> governor = node.try_text(path + "/scaling_governor");
    const std::string all = node.try_text(path + "/scaling_available_governors").value_or("");
    if (!governor) continue;
    for (const std::string_view one : fields_of(all)) {
      out->gauge("node_cpu_scaling_governor", "Current enabled CPU frequency governor.",
                 {{"cpu", number}, {"governor", one}}, one == *governor ? 1 : 0);
    }
  }
  return ok();
}

// "Not affected", "Vulnerable: text" or "Mitigation: text"
Status collect_cpu_vulnerabilities(const Node& node, Families* out) {
  const std::string directory = node.sys("/devices/system/cpu/vulnerabilities");
  ASSIGN_OR_RETURN(const std::vector<std::string> names, node.services.files.list(directory));
  for (const std::string& name : names) {
    const std::optional<std::string> text = node.try_text(directory + "/" + name);
    if (!text) continue;
    const std::size_t colon = text->find(':');
    const std::string_view detail = colon == std::string::npos
                                        ? std::string_view()
                                        : trimmed(std::string_view(*text).substr(colon + 1));
    const std::string_view state = text->starts_with("Not affected") ? "not affected"
                                   : text->starts_with("Vulnerable") ? "vulnerable"
                                   : text->starts_with("Mitigation") ? "mitigation"
                                                                     : "unknown";
    out->gauge("node_cpu_vulnerabilities_info",
               "Details of each CPU vulnerability reported by sysfs. The value of the series is an "
               "int encoded state of the vulnerability. The same state is stored as a string in "
               "the label",
               {{"codename", name}, {"mitigation", detail}, {"state", state}}, 1);
  }
  return ok();
}

}  // namespace tocsin::exporters
