// SPDX-License-Identifier: Apache-2.0
//
// Sink: where the evaluator writes text as it stands in a template and the values of actions.
// Threads: confined.
// Errors: kUnimplemented for what HTML mode cannot escape; text mode has none.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "template/value.h"

namespace tocsin::tmpl {

// The escaping function a pipeline ends with by itself; HTML mode does not repeat it.
enum class Escaped { kNo, kHtml, kUrlQuery };

class Sink {
 public:
  virtual ~Sink() = default;
  virtual Status text(std::string_view text) = 0;
  virtual Status value(const Value& value, Escaped escaped) = 0;
  // What a template that ended leaves unfinished.
  virtual Status finish() = 0;
  virtual std::size_t size() const = 0;
};

// Text mode.
class PlainSink final : public Sink {
 public:
  Status text(std::string_view text) override {
    out_ += text;
    return ok();
  }
  Status value(const Value& value, Escaped) override {
    out_ += value.is_nil() ? "<no value>" : value.to_text();
    return ok();
  }
  Status finish() override { return ok(); }
  std::size_t size() const override { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace tocsin::tmpl
