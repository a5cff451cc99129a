// SPDX-License-Identifier: Apache-2.0
#include "template/html/html_sink.h"

#include <algorithm>
#include <array>

#include "template/html/escape.h"

namespace tocsin::tmpl {
namespace {

constexpr std::string_view kSpaces = " \t\n\f\r";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// The position of `</name`, in any case.
std::size_t find_end_tag(std::string_view text, std::string_view name) {
  for (std::size_t i = text.find("</"); i != std::string_view::npos; i = text.find("</", i + 2)) {
    if (lower(text.substr(i + 2, name.size())) == name) return i;
  }
  return std::string_view::npos;
}

}  // namespace

std::string_view HtmlSink::copy(std::string_view text, std::size_t length) {
  out_ += text.substr(0, length);
  return text.substr(std::min(length, text.size()));
}

Status HtmlSink::text(std::string_view text) {
  while (!text.empty()) {
    switch (state_) {
      case State::kText:
        text = read_text(text);
        break;
      case State::kComment:
        text = read_comment(text, "-->");
        break;
      case State::kCssComment:
        text = read_comment(text, "*/");
        break;
      case State::kTag:
        text = read_tag(text);
        break;
      case State::kName:
      case State::kAfterName:
        text = read_name(text);
        break;
      case State::kBeforeValue:
        text = read_before_value(text);
        break;
      case State::kValue:
        text = read_value(text);
        break;
      case State::kRcdata:
      case State::kRaw:
        text = read_element(text);
        break;
    }
  }
  return ok();
}

std::string_view HtmlSink::read_text(std::string_view text) {
  text = copy(text, std::min(text.size(), text.find('<')));
  return text.empty() ? text : read_tag_start(text);
}

// At a "<": a comment, a tag, a doctype or just the character.
std::string_view HtmlSink::read_tag_start(std::string_view text) {
  if (text.starts_with("<!--")) {
    state_ = State::kComment;
    return text.substr(4);
  }
  const bool end_tag = text.size() > 1 && text[1] == '/';
  const std::size_t begin = end_tag ? 2 : 1;
  if (text.size() <= begin || !is_letter(text[begin])) {
    if (lower(text.substr(0, 9)) == "<!doctype") return copy(text, 1);
    out_ += "&lt;";
    return text.substr(1);
  }
  std::size_t end = begin;
  while (end < text.size() && (is_letter(text[end]) || (text[end] >= '0' && text[end] <= '9') ||
                               text[end] == ':' || text[end] == '-')) {
    ++end;
  }
  element_ = end_tag ? "" : lower(text.substr(begin, end - begin));
  state_ = State::kTag;
  return copy(text, end);
}

std::string_view HtmlSink::read_comment(std::string_view text, std::string_view end) {
  // An end cut in two by an action is not an end: an action in a comment writes nothing anyway.
  const std::size_t position = text.find(end);
  if (position == std::string_view::npos) return {};
  if (state_ == State::kCssComment) out_ += ' ';
  state_ = state_ == State::kComment ? State::kText : State::kRaw;
  return text.substr(position + end.size());
}

std::string_view HtmlSink::read_tag(std::string_view text) {
  text = copy(text, std::min(text.size(), text.find_first_not_of(kSpaces)));
  if (text.empty()) return text;
  if (text[0] == '>') {
    const bool rcdata = element_ == "title" || element_ == "textarea";
    const bool raw = element_ == "script" || element_ == "style";
    state_ = rcdata ? State::kRcdata : (raw ? State::kRaw : State::kText);
    return copy(text, 1);
  }
  if (text[0] == '/') return copy(text, 1);
  name_.clear();
  state_ = State::kName;
  return text;
}

std::string_view HtmlSink::read_name(std::string_view text) {
  if (state_ == State::kName) {
    // A first "=" belongs to the name, or it would never end.
    const std::size_t from = name_.empty() ? 1 : 0;
    const std::size_t end = std::min(text.size(), text.find_first_of(" \t\n\f\r=>/", from));
    name_ += lower(text.substr(0, end));
    text = copy(text, end);
    if (text.empty()) return text;
    state_ = State::kAfterName;
  }
  text = copy(text, std::min(text.size(), text.find_first_not_of(kSpaces)));
  if (text.empty()) return text;
  state_ = text[0] == '=' ? State::kBeforeValue : State::kTag;
  return text[0] == '=' ? copy(text, 1) : text;
}

std::string_view HtmlSink::read_before_value(std::string_view text) {
  text = copy(text, std::min(text.size(), text.find_first_not_of(kSpaces)));
  if (text.empty()) return text;
  attribute_ = attribute_type(name_);
  url_part_ = UrlPart::kStart;
  if (text[0] == '>') {
    state_ = State::kTag;
    return text;
  }
  state_ = State::kValue;
  delimiter_ = text[0] == '"' || text[0] == '\'' ? text[0] : '\0';
  return delimiter_ != '\0' ? copy(text, 1) : text;
}

std::string_view HtmlSink::read_value(std::string_view text) {
  const std::size_t end = std::min(
      text.size(), delimiter_ != '\0' ? text.find(delimiter_) : text.find_first_of(" \t\n\f\r>"));
  const std::string_view part = text.substr(0, end);
  if (part.find_first_of("?#") != std::string_view::npos) {
    url_part_ = UrlPart::kQuery;
  } else if (url_part_ == UrlPart::kStart &&
             part.find_first_not_of(kSpaces) != std::string_view::npos) {
    url_part_ = UrlPart::kBeforeQuery;
  }
  text = copy(text, end);
  if (text.empty()) return text;
  state_ = State::kTag;
  return delimiter_ != '\0' ? copy(text, 1) : text;
}

std::string_view HtmlSink::read_element(std::string_view text) {
  const std::size_t end = find_end_tag(text, element_);
  if (element_ == "style") {
    const std::size_t comment = text.find("/*");
    if (comment < end) {
      copy(text, comment);
      state_ = State::kCssComment;
      return text.substr(comment + 2);
    }
  }
  if (end == std::string_view::npos) return copy(text, text.size());
  text = copy(text, end + 2 + element_.size());
  element_.clear();
  state_ = State::kTag;
  return text;
}

Status HtmlSink::value(const Value& value, Escaped escaped) {
  switch (state_) {
    case State::kComment:
    case State::kCssComment:
      return ok();
    case State::kText:
    case State::kRcdata: {
      const std::string text = value.is_nil() ? "" : value.to_text();
      const bool html = value.safe() == Value::Safe::kHtml;
      if (escaped == Escaped::kHtml || (html && state_ == State::kText)) {
        out_ += text;
      } else {
        out_ += html ? normalise_html(text) : escape_html(text);
      }
      return ok();
    }
    case State::kBeforeValue:
      attribute_ = attribute_type(name_);
      url_part_ = UrlPart::kStart;
      delimiter_ = '\0';
      state_ = State::kValue;
      return attribute_value(value, escaped);
    case State::kValue:
      return attribute_value(value, escaped);
    case State::kTag:
    case State::kName:
    case State::kAfterName:
      return unimplemented("not supported yet: an action inside an HTML tag");
    case State::kRaw:
      break;
  }
  return unimplemented("not supported yet: an action inside a {} element", element_);
}

std::string HtmlSink::url_value(const Value& value, Escaped escaped) const {
  const std::string text = value.is_nil() ? "" : value.to_text();
  if (escaped == Escaped::kUrlQuery) return text;
  const bool safe = value.safe() == Value::Safe::kUrl;
  if (url_part_ == UrlPart::kQuery) return safe ? normalise_url(text) : escape_url(text);
  if (url_part_ == UrlPart::kStart && !safe && !has_safe_scheme(text)) return "#ZgotmplZ";
  return normalise_url(text);
}

Status HtmlSink::attribute_value(const Value& value, Escaped escaped) {
  std::string text;
  switch (attribute_) {
    case Attribute::kUrl:
      text = url_value(value, escaped);
      break;
    case Attribute::kPlain:
      text = value.is_nil() ? "" : value.to_text();
      if (value.safe() == Value::Safe::kHtml) text = strip_tags(text);
      break;
    case Attribute::kScript:
    case Attribute::kStyle:
    case Attribute::kOther:
      return unimplemented("not supported yet: an action in the attribute {}", name_);
  }
  if (delimiter_ == '\0') {
    out_ += escape_unquoted(text);
  } else if (escaped == Escaped::kHtml) {
    out_ += text;
  } else {
    out_ += value.safe() == Value::Safe::kHtml ? normalise_html(text) : escape_html(text);
  }
  return ok();
}

Status HtmlSink::finish() {
  if (state_ == State::kText || state_ == State::kRcdata) return ok();
  return invalid_argument("ends in a non-text context");
}

HtmlSink::Attribute HtmlSink::attribute_type(std::string_view name) {
  static constexpr auto kUrls = std::to_array<std::string_view>(
      {"action", "archive", "background", "cite", "classid", "codebase", "data", "formaction",
       "href", "icon", "longdesc", "manifest", "poster", "profile", "src", "usemap", "xmlns"});
  if (name.starts_with("data-")) {
    name.remove_prefix(5);
  } else if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    if (name.substr(0, colon) == "xmlns") return Attribute::kUrl;
    name.remove_prefix(colon + 1);
  }
  if (std::find(kUrls.begin(), kUrls.end(), name) != kUrls.end()) return Attribute::kUrl;
  if (name == "style") return Attribute::kStyle;
  if (name == "srcset" || name == "srcdoc") return Attribute::kOther;
  if (name.starts_with("on")) return Attribute::kScript;
  for (const std::string_view part : {"src", "uri", "url"}) {
    if (name.find(part) != std::string_view::npos) return Attribute::kUrl;
  }
  return Attribute::kPlain;
}

}  // namespace tocsin::tmpl
