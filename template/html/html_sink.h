// SPDX-License-Identifier: Apache-2.0
//
// HtmlSink: follows where in an HTML page the output stands and escapes values for that place.
//
// It reads the text of templates as it comes, so a value is escaped for where it lands, whichever
// template wrote the text before it. Values of actions never change the place. HTML and CSS
// comments are left out. Values go into text, <title> and <textarea>, attributes and URLs; in
// scripts, styles, event handlers, srcset, srcdoc and inside a tag they are an error, "not
// supported yet: ...", since escaping them wrongly would be a hole. Confined.
// Errors:
// kUnimplemented; kInvalidArgument from finish() when the page ends inside a tag or comment.
#pragma once

#include <string>
#include <string_view>

#include "template/exec/sink.h"

namespace tocsin::tmpl {

class HtmlSink final : public Sink {
 public:
  Status text(std::string_view text) override;
  Status value(const Value& value, Escaped escaped) override;
  Status finish() override;
  std::size_t size() const override { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  enum class State {
    kText,
    kComment,
    kTag,   // between attributes
    kName,  // of an attribute
    kAfterName,
    kBeforeValue,
    kValue,   // of an attribute, up to delimiter_
    kRcdata,  // inside title, textarea
    kRaw,     // inside script, style
    kCssComment,
  };
  enum class Attribute { kPlain, kUrl, kScript, kStyle, kOther };
  enum class UrlPart { kStart, kBeforeQuery, kQuery };

  // Each consumes part of `text` and returns the rest.
  std::string_view read_text(std::string_view text);
  std::string_view read_tag_start(std::string_view text);
  std::string_view read_comment(std::string_view text, std::string_view end);
  std::string_view read_tag(std::string_view text);
  std::string_view read_name(std::string_view text);
  std::string_view read_before_value(std::string_view text);
  std::string_view read_value(std::string_view text);
  std::string_view read_element(std::string_view text);
  std::string_view copy(std::string_view text, std::size_t length);

  Status attribute_value(const Value& value, Escaped escaped);
  std::string url_value(const Value& value, Escaped escaped) const;
  static Attribute attribute_type(std::string_view name);

  std::string out_;
  State state_ = State::kText;
  std::string element_;  // whose tag or content this is, in lower case; "" when it does not matter
  std::string name_;     // of the attribute
  Attribute attribute_ = Attribute::kPlain;
  char delimiter_ = '\0';  // a quote; NUL without quotes
  UrlPart url_part_ = UrlPart::kStart;
};

}  // namespace tocsin::tmpl
