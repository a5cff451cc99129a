// SPDX-License-Identifier: Apache-2.0
#include "template/data.h"

#include <algorithm>
#include <utility>

namespace tocsin::tmpl {
namespace {

using Arguments = std::span<const Value>;
using TypePtr = std::shared_ptr<const Type>;

Status check_count(Arguments arguments, std::size_t wanted, std::string_view name) {
  if (arguments.size() == wanted) return ok();
  return invalid_argument("wrong number of args for {}: want {} got {}", name, wanted,
                          arguments.size());
}

StatusOr<Value> join(const Value& self, Arguments arguments) {
  RETURN_IF_ERROR(check_count(arguments, 1, "Join"));
  if (!arguments[0].is(Value::Kind::kString)) {
    return invalid_argument("wrong type for value; expected string; got {}",
                            arguments[0].type_name());
  }
  std::string out;
  for (const Value& item : self.list()) {
    if (&item != self.list().data()) out += arguments[0].string();
    out += item.string();
  }
  return Value::of(std::move(out));
}

TypePtr strings_type() {
  static const TypePtr type = [] {
    auto t = std::make_shared<Type>();
    t->name = "template.Strings";
    t->methods["Join"] = join;
    return t;
  }();
  return type;
}

TypePtr pair_type() {
  static const TypePtr type = [] {
    auto t = std::make_shared<Type>();
    t->name = "template.Pair";
    return t;
  }();
  return type;
}

// The names or the values of a list of pairs.
StatusOr<Value> pair_parts(const Value& self, Arguments arguments, std::string_view method,
                           std::string_view field) {
  RETURN_IF_ERROR(check_count(arguments, 0, method));
  List parts;
  for (const Value& pair : self.list()) parts.push_back(*pair.find_field(field));
  return Value::of(std::move(parts), strings_type());
}

TypePtr pairs_type() {
  static const TypePtr type = [] {
    auto t = std::make_shared<Type>();
    t->name = "template.Pairs";
    t->methods["Names"] = [](const Value& self, Arguments a) {
      return pair_parts(self, a, "Names", "Name");
    };
    t->methods["Values"] = [](const Value& self, Arguments a) {
      return pair_parts(self, a, "Values", "Value");
    };
    t->text = [](const Value& self) {
      std::string out;
      for (const Value& pair : self.list()) {
        if (!out.empty()) out += ", ";
        out += pair.find_field("Name")->string() + "=" + pair.find_field("Value")->string();
      }
      return out;
    };
    return t;
  }();
  return type;
}

// alertname first, then by name.
Value sorted_pairs(const Map& labels) {
  List pairs;
  const auto add = [&pairs](const std::string& name, const Value& value) {
    pairs.push_back(Value::of(Fields{{"Name", Value::of(name), "Name"}, {"Value", value, "Value"}},
                              pair_type()));
  };
  const auto alert_name = labels.find(model::kAlertName);
  if (alert_name != labels.end()) add(alert_name->first, alert_name->second);
  for (const auto& [name, value] : labels) {
    if (name != model::kAlertName) add(name, value);
  }
  return Value::of(std::move(pairs), pairs_type());
}

TypePtr label_set_type();

StatusOr<Value> remove_labels(const Value& self, Arguments arguments) {
  RETURN_IF_ERROR(check_count(arguments, 1, "Remove"));
  if (!arguments[0].is(Value::Kind::kList)) {
    return invalid_argument("wrong type for value; expected []string; got {}",
                            arguments[0].type_name());
  }
  Map rest = self.map();
  for (const Value& name : arguments[0].list()) {
    if (name.is(Value::Kind::kString)) rest.erase(name.string());
  }
  return Value::of(std::move(rest), label_set_type());
}

TypePtr label_set_type() {
  static const TypePtr type = [] {
    auto t = std::make_shared<Type>();
    t->name = "template.KV";
    t->string_elements = true;
    t->methods["SortedPairs"] = [](const Value& self, Arguments a) -> StatusOr<Value> {
      RETURN_IF_ERROR(check_count(a, 0, "SortedPairs"));
      return sorted_pairs(self.map());
    };
    t->methods["Remove"] = remove_labels;
    t->methods["Names"] = [](const Value& self, Arguments a) {
      return pair_parts(sorted_pairs(self.map()), a, "Names", "Name");
    };
    t->methods["Values"] = [](const Value& self, Arguments a) {
      return pair_parts(sorted_pairs(self.map()), a, "Values", "Value");
    };
    t->text = [](const Value& self) { return sorted_pairs(self.map()).to_text(); };
    return t;
  }();
  return type;
}

TypePtr alerts_type();

// The alerts that fire or those that are resolved.
Method with_status(std::string_view name, std::string_view status) {
  return [name, status](const Value& self, Arguments arguments) -> StatusOr<Value> {
    RETURN_IF_ERROR(check_count(arguments, 0, name));
    List chosen;
    for (const Value& alert : self.list()) {
      if (alert.find_field("Status")->string() == status) chosen.push_back(alert);
    }
    return Value::of(std::move(chosen), alerts_type());
  };
}

TypePtr alerts_type() {
  static const TypePtr type = [] {
    auto t = std::make_shared<Type>();
    t->name = "template.Alerts";
    t->methods["Firing"] = with_status("Firing", "firing");
    t->methods["Resolved"] = with_status("Resolved", "resolved");
    return t;
  }();
  return type;
}

TypePtr plain_type(std::string name) {
  auto t = std::make_shared<Type>();
  t->name = std::move(name);
  return t;
}

const char* status_text(bool firing) { return firing ? "firing" : "resolved"; }

Value alert_value(const NotificationAlert& alert) {
  static const TypePtr type = plain_type("template.Alert");
  return Value::of(Fields{{"Status", Value::of(status_text(alert.firing)), "status"},
                          {"Labels", label_set(alert.labels), "labels"},
                          {"Annotations", label_set(alert.annotations), "annotations"},
                          {"StartsAt", Value::of(Time{alert.starts_at}), "startsAt"},
                          {"EndsAt", Value::of(Time{alert.ends_at}), "endsAt"},
                          {"GeneratorURL", Value::of(alert.generator_url), "generatorURL"},
                          {"Fingerprint", Value::of(alert.fingerprint), "fingerprint"}},
                   type);
}

}  // namespace

Value label_set(const model::Labels& labels) {
  Map map;
  for (const model::LabelView& label : labels) map.emplace(label.name, Value::of(label.value));
  return Value::of(std::move(map), label_set_type());
}

Value notification_data(const NotificationData& data) {
  static const TypePtr type = plain_type("*template.Data");
  List alerts;
  for (const NotificationAlert& alert : data.alerts) alerts.push_back(alert_value(alert));
  return Value::of(
      Fields{{"Receiver", Value::of(data.receiver), "receiver"},
             {"Status", Value::of(status_text(data.firing)), "status"},
             {"Alerts", Value::of(std::move(alerts), alerts_type()), "alerts"},
             {"NotificationReason", Value::of(data.notification_reason), "notification_reason"},
             {"GroupLabels", label_set(data.group_labels), "groupLabels"},
             {"CommonLabels", label_set(data.common_labels), "commonLabels"},
             {"CommonAnnotations", label_set(data.common_annotations), "commonAnnotations"},
             {"RouteLabels", label_set(data.route_labels), "routeLabels"},
             {"ExternalURL", Value::of(data.external_url), "externalURL"}},
      type);
}

}  // namespace tocsin::tmpl
