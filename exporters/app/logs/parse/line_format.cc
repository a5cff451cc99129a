// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/parse/line_format.h"

#include <algorithm>

namespace tocsin::exporters::app {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Takes "name" or "{name}", which follows a "$", off the format.
StatusOr<std::string> take_variable(std::string_view* rest) {
  const bool has_brace = rest->starts_with('{');
  if (has_brace) rest->remove_prefix(1);
  std::size_t size = 0;
  while (size < rest->size() && is_name_character((*rest)[size])) ++size;
  if (size == 0) return invalid_argument("a name must follow $");
  std::string name(rest->substr(0, size));
  rest->remove_prefix(size);
  if (has_brace) {
    if (!rest->starts_with('}')) return invalid_argument("${{{} has no closing brace", name);
    rest->remove_prefix(1);
  }
  return name;
}

// Values with spaces of which nobody can tell how many.
bool may_have_spaces(std::string_view variable) {
  return variable == "request" || variable == "request_body" || variable == "time_local" ||
         variable == "http_user_agent";
}

// Where the list that begins at `begin` ends: at the first `text` outside of a separator.
std::size_t find_list_end(std::string_view line, std::size_t begin, std::string_view text) {
  for (std::size_t at = begin; at < line.size();) {
    const std::string_view rest = line.substr(at);
    if (rest.starts_with(", ")) {
      at += 2;
    } else if (rest.starts_with(" : ")) {
      at += 3;
    } else if (rest.starts_with(text)) {
      return at;
    } else {
      ++at;
    }
  }
  return std::string_view::npos;
}

// Where the value that begins at `begin` ends; npos when the text behind it is not there.
std::size_t find_end(std::string_view line, std::size_t begin, std::string_view text) {
  return text.size() == 1 ? line.find(text[0], begin) : line.find(text, begin);
}

}  // namespace

bool LineFormat::is_list(std::string_view variable) {
  return variable.starts_with("upstream_") || variable == "http_x_forwarded_for" ||
         variable == "proxy_add_x_forwarded_for";
}

StatusOr<LineFormat::Parts> LineFormat::split(std::string_view format) {
  Parts out;
  std::string* text = &out.prefix;
  while (!format.empty()) {
    if (format.front() != '$') {
      text->push_back(format.front());
      format.remove_prefix(1);
      continue;
    }
    format.remove_prefix(1);
    ASSIGN_OR_RETURN(std::string name, take_variable(&format));
    if (!out.parts.empty() && out.parts.back().text.empty()) {
      return invalid_argument("nothing stands between ${} and ${}, so no one can tell them apart",
                              out.parts.back().variable, name);
    }
    out.parts.push_back({std::move(name), ""});
    text = &out.parts.back().text;
  }
  if (out.parts.empty()) return invalid_argument("a format needs variables, as in $status");
  return out;
}

StatusOr<LineFormat> LineFormat::compile(std::string_view format,
                                         const std::vector<std::string>& labels) {
  ASSIGN_OR_RETURN(Parts parts, split(format));
  std::vector<std::string> variables;
  for (const Part& part : parts.parts) {
    if (part.text == " " && may_have_spaces(part.variable)) {
      return invalid_argument("${} has spaces: put it in quotes or brackets in the format",
                              part.variable);
    }
    if (is_list(part.variable) && (part.text.starts_with(", ") || part.text.starts_with(" : "))) {
      return invalid_argument("{:?} behind ${} also stands inside of it", part.text, part.variable);
    }
    variables.push_back(part.variable);
  }
  const LogSlots slots(variables, labels);
  if (slots.missing()) return invalid_argument("the format has no ${}", *slots.missing());
  LineFormat out;
  out.prefix_ = std::move(parts.prefix);
  for (std::size_t i = 0; i < variables.size(); ++i) {
    out.steps_.push_back({std::move(parts.parts[i].text), is_list(variables[i]), slots.slots()[i]});
  }
  for (std::size_t i = 0; i < kLogFields; ++i) out.has_[i] = slots.has(static_cast<LogField>(i));
  return out;
}

bool LineFormat::match(std::string_view line, LogRecord* record) const {
  if (!line.starts_with(prefix_)) return false;
  std::size_t at = prefix_.size();
  for (const Step& step : steps_) {
    std::size_t end = 0;
    if (&step == &steps_.back()) {
      if (!line.substr(at).ends_with(step.text)) return false;
      end = line.size() - step.text.size();
    } else {
      end = step.is_list ? find_list_end(line, at, step.text) : find_end(line, at, step.text);
      if (end == std::string_view::npos) return false;
    }
    const std::string_view value = line.substr(at, end - at);
    if (step.slot.field) record->set(*step.slot.field, value);
    if (step.slot.label) record->labels[*step.slot.label] = value;
    at = end + step.text.size();
  }
  return true;
}

}  // namespace tocsin::exporters::app
