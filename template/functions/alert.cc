// SPDX-License-Identifier: Apache-2.0
//
// Prometheus' functions.
#include <algorithm>
#include <utility>

#include "model/text.h"
#include "model/timestamp.h"
#include "template/exec/builtins.h"
#include "template/functions/address.h"
#include "template/functions/common.h"

namespace tocsin::tmpl {
namespace {

using Kind = Value::Kind;

constexpr std::string_view kPrelude =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := "
    ".ExternalURL}}{{$value := .Value}}";

Value labels_value(const model::Labels& labels) {
  static const std::shared_ptr<const Type> type = [] {
    auto t = std::make_shared<Type>();
    t->name = "map[string]string";
    t->string_elements = true;
    return t;
  }();
  Map map;
  for (const model::LabelView& label : labels) map.emplace(label.name, Value::of(label.value));
  return Value::of(std::move(map), type);
}

Value sample_value(const QuerySample& sample) {
  static const std::shared_ptr<const Type> type = [] {
    auto t = std::make_shared<Type>();
    t->name = "*template.sample";
    return t;
  }();
  return Value::of(
      Fields{{"Labels", labels_value(sample.labels), ""}, {"Value", Value::of(sample.value), ""}},
      type);
}

StatusOr<const Value*> sample_field(const Value& sample, std::string_view name) {
  const Value* field = sample.is(Kind::kStruct) ? sample.find_field(name) : nullptr;
  if (field == nullptr) {
    return invalid_argument("wrong type for value; expected *template.sample; got {}",
                            sample.type_name());
  }
  return field;
}

StatusOr<Value> sample_label(const Value& sample, std::string_view label) {
  ASSIGN_OR_RETURN(const Value* labels, sample_field(sample, "Labels"));
  const auto found = labels->map().find(label);
  return found == labels->map().end() ? Value::of("") : found->second;
}

FunctionSpec query_function(QueryFunction query) {
  return text_function({Kind::kString}, [query = std::move(query)](Arguments a) -> StatusOr<Value> {
    if (!query) return failed_precondition("queries are not available here");
    ASSIGN_OR_RETURN(const std::vector<QuerySample> samples, query(a[0].string()));
    List list;
    for (const QuerySample& sample : samples) list.push_back(sample_value(sample));
    return Value::of(std::move(list));
  });
}

StatusOr<Value> sort_by_label(Arguments a) {
  std::vector<std::pair<std::string, Value>> keyed;
  for (const Value& sample : a[1].list()) {
    ASSIGN_OR_RETURN(const Value key, sample_label(sample, a[0].string()));
    keyed.emplace_back(key.string(), sample);
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  List sorted;
  for (auto& [key, sample] : keyed) sorted.push_back(std::move(sample));
  return Value::of(std::move(sorted));
}

void add_query_functions(const QueryFunction& query, FunctionMap* functions) {
  FunctionMap& m = *functions;
  m["query"] = query_function(query);
  m["first"] = text_function({Kind::kList}, [](Arguments a) -> StatusOr<Value> {
    if (a[0].list().empty()) return invalid_argument("first() called on vector with no elements");
    return a[0].list().front();
  });
  m["label"] = text_function({Kind::kString, Kind::kNil},
                             [](Arguments a) { return sample_label(a[1], a[0].string()); });
  m["value"] = text_function({Kind::kNil}, [](Arguments a) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(const Value* value, sample_field(a[0], "Value"));
    return *value;
  });
  m["strvalue"] =
      text_function({Kind::kNil}, [](Arguments a) { return sample_label(a[0], "__value__"); });
  m["sortByLabel"] = text_function({Kind::kString, Kind::kList}, sort_by_label);
  m["args"] = {[](Arguments a) -> StatusOr<Value> {
                 Map map;
                 for (std::size_t i = 0; i < a.size(); ++i)
                   map.emplace(fmt::format("arg{}", i), a[i]);
                 return Value::of(std::move(map));
               },
               0,
               -1,
               {}};
}

// A function of one number.
template <typename F>
FunctionSpec number_function(F compute) {
  return text_function({Kind::kNil}, [compute](Arguments a) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(const double v, to_number(a[0]));
    return compute(v);
  });
}

void add_number_functions(FunctionMap* functions) {
  FunctionMap& m = *functions;
  m["humanize"] =
      number_function([](double v) -> StatusOr<Value> { return Value::of(humanize(v)); });
  m["humanize1024"] =
      number_function([](double v) -> StatusOr<Value> { return Value::of(humanize_1024(v)); });
  m["humanizePercentage"] = number_function(
      [](double v) -> StatusOr<Value> { return Value::of(humanize_percentage(v)); });
  m["humanizeTimestamp"] = number_function([](double v) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(std::string text, humanize_timestamp(v));
    return Value::of(std::move(text));
  });
  m["toTime"] = number_function([](double v) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(Time time, time_of_number(v));
    return Value::of(std::move(time));
  });
  m["toDuration"] = number_function([](double v) -> StatusOr<Value> {
    constexpr double kMaxSeconds = 9223372036.0;
    if (!(v >= -kMaxSeconds && v <= kMaxSeconds)) return invalid_argument("duration out of range");
    return Value::of(model::Duration(static_cast<std::int64_t>(v * 1000)));
  });
  m["parseDuration"] = text_function({Kind::kString}, [](Arguments a) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(const model::Duration duration, model::parse_duration(a[0].string()));
    return Value::of(model::to_seconds(duration));
  });
}

Value link(std::string_view expression, int tab) {
  return Value::of(fmt::format("/graph?g0.expr={}&g0.tab={}", query_escape(expression), tab));
}

// The path of a URL: what follows the host, without query and fragment.
std::string url_path(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) {
    const std::size_t slash = url.find('/', scheme + 3);
    url = slash == std::string_view::npos ? std::string_view() : url.substr(slash);
  }
  return std::string(url.substr(0, url.find_first_of("?#")));
}

void add_text_functions(const std::string& external_url, FunctionMap* functions) {
  FunctionMap& m = *functions;
  m["title"] = text_function({Kind::kString}, [](Arguments a) {
    return Value::of(model::to_title(a[0].string(), model::TitleRest::kKept));
  });
  m["stripPort"] = text_function({Kind::kString},
                                 [](Arguments a) { return Value::of(strip_port(a[0].string())); });
  m["stripDomain"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(strip_domain(a[0].string())); });
  m["graphLink"] =
      text_function({Kind::kString}, [](Arguments a) { return link(a[0].string(), 0); });
  m["tableLink"] =
      text_function({Kind::kString}, [](Arguments a) { return link(a[0].string(), 1); });
  m["urlQueryEscape"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(query_escape(a[0].string())); });
  m["externalURL"] =
      text_function({}, [external_url](Arguments) { return Value::of(external_url); });
  m["pathPrefix"] =
      text_function({}, [path = url_path(external_url)](Arguments) { return Value::of(path); });
}

}  // namespace

FunctionMap alert_functions(const AlertFunctions& options) {
  FunctionMap m;
  add_common_functions(&m);
  add_query_functions(options.query, &m);
  add_number_functions(&m);
  add_text_functions(options.external_url, &m);
  m["now"] = text_function(
      {}, [now = options.now](Arguments) { return Value::of(model::to_seconds(now)); });
  return m;
}

StatusOr<std::string> expand_alert_template(std::string_view name, std::string_view text,
                                            const AlertData& data, const FunctionMap& functions) {
  if (text.find("{{") == std::string_view::npos) return std::string(text);
  static const auto* const type = new std::shared_ptr<const Type>([] {
    auto t = std::make_shared<Type>();
    t->name = "template.AlertTemplateData";
    return t;
  }());
  const Value dot = Value::of(Fields{{"Labels", labels_value(data.labels), ""},
                                     {"ExternalLabels", labels_value(data.external_labels), ""},
                                     {"ExternalURL", Value::of(data.external_url), ""},
                                     {"Value", data.value, ""}},
                              *type);
  Options options;
  options.functions = &functions;
  options.missing_key = MissingKey::kZero;  // a label that is not there is empty text
  return TemplateSet().execute_text(std::string(kPrelude).append(text), dot, options, name);
}

Status check_alert_template(std::string_view name, std::string_view text) {
  static const auto* const functions = new std::shared_ptr<const FunctionMap>(
      std::make_shared<const FunctionMap>(alert_functions({})));
  return TemplateSet(*functions).parse(name, std::string(kPrelude).append(text));
}

}  // namespace tocsin::tmpl
