// SPDX-License-Identifier: Apache-2.0
//
// hwmon: /sys/class/hwmon/hwmonN, files <type><number>_<property> such as temp1_input; a sensor is
// type and number. Millivolts and the like become base units.
#include <algorithm>
#include <map>

#include "exporters/node/hardware/hardware.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kTypes[] = {
    "vrm",  "beep_enable", "update_interval", "in",     "cpu",      "fan",       "pwm",
    "temp", "curr",        "power",           "energy", "humidity", "intrusion", "freq"};

// "Core Temp." -> "core_temp"
std::string clean_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '_';
    out.push_back(valid ? c : '_');
  }
  const std::size_t first = out.find_first_not_of('_');
  if (first == std::string::npos) return "";
  return out.substr(first, out.find_last_not_of('_') - first + 1);
}

struct SensorFile {
  std::string_view type;
  std::string_view number;
  std::string_view property;
};

std::optional<SensorFile> explode(std::string_view name) {
  const std::size_t digits = name.find_first_of("0123456789");
  if (digits == 0) return std::nullopt;
  SensorFile file;
  if (digits == std::string_view::npos) {
    file.type = name;
  } else {
    file.type = name.substr(0, digits);
    std::string_view rest = name.substr(digits);
    file.number = rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
    rest.remove_prefix(file.number.size());
    if (!rest.empty() && (rest[0] != '_' || rest.size() == 1)) return std::nullopt;
    file.property = rest.substr(std::min<std::size_t>(1, rest.size()));
  }
  if (std::find(std::begin(kTypes), std::end(kTypes), file.type) == std::end(kTypes)) {
    return std::nullopt;
  }
  return file;
}

struct Sensor {
  std::string type;
  std::map<std::string, std::string> properties;
};
using Sensors = std::map<std::string, Sensor>;

void read_sensors(const Node& node, const std::string& directory, Sensors* sensors) {
  for (const std::string& name : node.list(directory)) {
    const std::optional<SensorFile> file = explode(name);
    if (!file) continue;
    std::optional<std::string> value = node.try_text(directory + "/" + name);
    if (!value) continue;
    Sensor& sensor = (*sensors)[fmt::format(
        "{}{}", file->type, file->number.empty() ? std::string_view("0") : file->number)];
    sensor.type = file->type;
    sensor.properties[std::string(file->property)] = *std::move(value);
  }
}

struct Shown {
  std::string name;
  std::string help;
  double factor = 1;
  base::MetricType type = base::MetricType::kGauge;
};

constexpr double kMilli = 0.001;
constexpr double kMicro = 0.000001;

Shown shown_power(std::string name, const std::string& element) {
  if (element == "accuracy") {
    return {std::move(name), "Hardware monitor power meter accuracy, as a ratio", kMicro};
  }
  if (element.starts_with("average_interval")) {
    return {name + "_seconds",
            fmt::format("Hardware monitor power usage update interval ({})", element), kMilli};
  }
  return {name + "_watt", fmt::format("Hardware monitor for power usage in watts ({})", element),
          kMicro};
}

// How a property of a sensor is shown; `name` is that of the type and the property so far.
Shown shown_as(std::string name, const std::string& type, const std::string& element) {
  if (element == "fault" || element == "alarm") {
    return {std::move(name), fmt::format("Hardware sensor {} status ({})", element, type)};
  }
  if (element == "beep") {
    return {name + "_enabled", "Hardware monitor sensor has beeping enabled"};
  }
  if (type == "in" || type == "cpu") {
    return {name + "_volts", fmt::format("Hardware monitor for voltage ({})", element), kMilli};
  }
  if (type == "temp" && element != "type") {
    return {name + "_celsius",
            fmt::format("Hardware monitor for temperature ({})",
                        element.empty() ? std::string("input") : element),
            kMilli};
  }
  if (type == "curr") {
    return {name + "_amps", fmt::format("Hardware monitor for current ({})", element), kMilli};
  }
  if (type == "energy") {
    return {name + "_joule_total",
            fmt::format("Hardware monitor for joules used so far ({})", element), kMicro,
            base::MetricType::kCounter};
  }
  if (type == "power") return shown_power(std::move(name), element);
  if (type == "humidity") {
    return {std::move(name),
            fmt::format("Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the "
                        "humidity as a percentage) ({})",
                        element),
            kMicro};
  }
  if (type == "fan" &&
      (element == "input" || element == "min" || element == "max" || element == "target")) {
    return {name + "_rpm",
            fmt::format("Hardware monitor for fan revolutions per minute ({})", element)};
  }
  return {std::move(name), fmt::format("Hardware monitor {} element {}", type, element)};
}

// Settings of the whole chip; false when `sensor` is none.
bool show_setting(const std::string& chip, const std::string& name, const Sensor& sensor,
                  Families* out) {
  const auto value_of = [&sensor]() -> std::optional<double> {
    const auto it = sensor.properties.find("");
    return it == sensor.properties.end() ? std::nullopt : to_number(it->second);
  };
  Shown shown;
  if (sensor.type == "beep_enable") {
    shown = {"node_hwmon_beep_enabled", "Hardware beep enabled"};
  } else if (sensor.type == "vrm") {
    shown = {"node_hwmon_voltage_regulator_version", "Hardware voltage regulator"};
  } else if (sensor.type == "update_interval") {
    shown = {"node_hwmon_update_interval_seconds", "Hardware monitor update interval", kMilli};
  } else {
    return false;
  }
  if (const std::optional<double> value = value_of()) {
    out->gauge(shown.name, shown.help, {{"chip", chip}, {"sensor", name}}, *value * shown.factor);
  }
  return true;
}

void show_property(const std::string& chip, const std::string& name, const Sensor& sensor,
                   const std::string& element, Families* out) {
  const std::optional<double> value = to_number(sensor.properties.at(element));
  if (!value || element == "label") return;
  std::string metric = "node_hwmon_" + sensor.type;
  const auto label = sensor.properties.find("label");
  if (sensor.type == "freq" && element == "input") {
    if (label == sensor.properties.end()) return;
    out->gauge(metric + "_freq_mhz", "Hardware monitor for GPU frequency in MHz",
               {{"chip", chip}, {"sensor", clean_name(label->second)}}, *value / 1'000'000);
    return;
  }
  if (element == "input") {
    if (sensor.properties.contains("")) metric += "_input";
  } else if (!element.empty()) {
    metric += "_" + clean_name(element);
  }
  const Shown shown = shown_as(std::move(metric), sensor.type, element);
  out->add({shown.name, shown.help, shown.type}, {{"chip", chip}, {"sensor", name}},
           *value * shown.factor);
}

// "platform_coretemp_0" by the device, else the chip's name, else that of the directory.
std::string chip_label(const Node& node, const std::string& directory) {
  const StatusOr<std::string> device = node.services.real_path(directory + "/device");
  if (device.ok()) {
    const std::size_t last = device->rfind('/');
    const std::string name = clean_name(std::string_view(*device).substr(last + 1));
    const std::string_view above = std::string_view(*device).substr(0, last);
    const std::string type = clean_name(above.substr(above.rfind('/') + 1));
    if (!name.empty()) return type.empty() ? name : type + "_" + name;
  }
  const std::string name = clean_name(node.try_text(directory + "/name").value_or(""));
  if (!name.empty()) return name;
  return clean_name(directory.substr(directory.rfind('/') + 1));
}

struct Filters {
  NameSet chips;
  NameSet sensors;
};

void show_chip(const Node& node, const std::string& directory, const std::string& chip,
               Filters* filters, Families* out) {
  Sensors sensors;
  read_sensors(node, directory, &sensors);
  read_sensors(node, directory + "/device", &sensors);
  const std::string chip_name = clean_name(node.try_text(directory + "/name").value_or(""));
  if (!chip_name.empty()) {
    out->gauge("node_hwmon_chip_names", "Annotation metric for human-readable chip names",
               {{"chip", chip}, {"chip_name", chip_name}}, 1);
  }
  for (const auto& [name, sensor] : sensors) {
    if (!filters->sensors.keeps(chip + ";" + name)) continue;
    const auto label = sensor.properties.find("label");
    if (label != sensor.properties.end()) {
      out->gauge("node_hwmon_sensor_label", "Label for given chip and sensor",
                 {{"chip", chip}, {"label", to_valid_utf8(label->second)}, {"sensor", name}}, 1);
    }
    if (show_setting(chip, name, sensor, out)) continue;
    for (const auto& [element, text] : sensor.properties) {
      show_property(chip, name, sensor, element, out);
    }
  }
}

}  // namespace

StatusOr<Collect> make_hwmon(const Node& node) {
  ASSIGN_OR_RETURN(Filter chips, Filter::make(node.options.hwmon_chips));
  ASSIGN_OR_RETURN(Filter sensors, Filter::make(node.options.hwmon_sensors));
  return Collect([node, filters = Filters{NameSet(std::move(chips)), NameSet(std::move(sensors))}](
                     Families* out) mutable -> Status {
    const std::string directory = node.sys("/class/hwmon");
    const StatusOr<std::vector<std::string>> names = node.services.files.list(directory);
    if (!names.ok()) return no_data_if_missing(names.status());
    std::map<std::string, std::string> labels;
    std::map<std::string, int> uses;
    for (const std::string& name : *names) {
      labels[name] = chip_label(node, directory + "/" + name);
      ++uses[labels[name]];
    }
    for (auto& [name, label] : labels) {
      const std::string path = directory + "/" + name;
      // Chips of one device are told apart by their names.
      if (uses[label] > 1) {
        const std::string chip = clean_name(node.try_text(path + "/name").value_or(""));
        if (!chip.empty()) label += "_" + chip;
      }
      if (filters.chips.keeps(label)) show_chip(node, path, label, &filters, out);
    }
    return ok();
  });
}

}  // namespace tocsin::exporters
