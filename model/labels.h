// SPDX-License-Identifier: Apache-2.0
//
// Labels: an immutable, sorted label set in one allocation, and LabelsBuilder to make one.
//
// Encoded as (varint length, name, varint length, value)* sorted by name, so equality is a memcmp.
// No empty values: setting "" removes the label. A value. Views returned by it are valid while it
// lives and is not assigned to.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tocsin::model {

inline constexpr std::string_view kMetricName = "__name__";
// What describes the metric of that name; PromQL drops them with it.
inline constexpr std::string_view kTypeLabel = "__type__";
inline constexpr std::string_view kUnitLabel = "__unit__";
inline constexpr std::string_view kAlertName = "alertname";
inline constexpr std::string_view kBucketLabel = "le";
inline constexpr std::string_view kQuantileLabel = "quantile";

struct LabelView {
  std::string_view name;
  std::string_view value;
  friend auto operator<=>(const LabelView&, const LabelView&) = default;
};

class Labels {
 public:
  class Iterator {
   public:
    using value_type = LabelView;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = const LabelView*;
    using reference = const LabelView&;

    Iterator() = default;
    explicit Iterator(std::string_view rest);
    const LabelView& operator*() const { return label_; }
    const LabelView* operator->() const { return &label_; }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.position_ == b.position_;
    }

   private:
    void parse();
    const char* position_ = nullptr;  // of this label; the end position at the end
    const char* next_ = nullptr;
    const char* end_ = nullptr;
    LabelView label_;
  };

  Labels() = default;
  // Any order; of two with one name the last wins; empty values are left out.
  static Labels of(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);
  static Labels from(std::vector<std::pair<std::string, std::string>> labels);
  // Replaces the content and keeps the memory, so that one object serves many series.
  // REQUIRES: sorted by name, no name twice, no empty value.
  void assign_sorted(std::span<const LabelView> labels);
  // REQUIRES: `encoded` is what encoded() of some labels gave, in this program: it is not checked.
  static Labels from_encoded(std::string encoded) {
    Labels labels;
    labels.data_ = std::move(encoded);
    return labels;
  }

  Iterator begin() const { return Iterator(data_); }
  Iterator end() const;
  bool empty() const { return data_.empty(); }
  std::size_t size() const;  // linear

  // The value of `name`, "" when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::string_view metric_name() const { return get(kMetricName); }

  // Keeps only / removes the given names. REQUIRES: names sorted.
  Labels keep(std::span<const std::string> names) const;
  Labels drop(std::span<const std::string> names) const;
  Labels without_metric_name() const;

  // xxHash64-like 64-bit hash of the encoding; stable within a build, never stored.
  std::uint64_t hash() const;
  // FNV-1a 64 over name 0xff value 0xff, as Alertmanager's fingerprints.
  std::uint64_t fingerprint() const;

  // {a="1", b="2"} with Go-quoted values; names that are not legacy names are quoted too.
  std::string to_string() const;
  // metric{a="1"}: the series notation; "{}" for no labels.
  std::string to_series_string() const;

  std::size_t bytes() const { return data_.size(); }
  std::string_view encoded() const { return data_; }

  friend bool operator==(const Labels& a, const Labels& b) { return a.data_ == b.data_; }
  // Prometheus' order: label by label, name then value; a prefix is smaller.
  friend std::strong_ordering operator<=>(const Labels& a, const Labels& b);

 private:
  friend class LabelsBuilder;
  std::string data_;
};

// Builds Labels from a base and changes. Confined.
class LabelsBuilder {
 public:
  LabelsBuilder() = default;
  explicit LabelsBuilder(const Labels& base);

  // An empty value removes the label.
  LabelsBuilder& set(std::string_view name, std::string_view value);
  LabelsBuilder& remove(std::string_view name);
  std::string_view get(std::string_view name) const;  // "" when absent; valid until the next change
  void reset(const Labels& base);
  // Current labels in order of name.
  const std::vector<std::pair<std::string, std::string>>& labels() const { return labels_; }
  Labels build() const;

 private:
  std::vector<std::pair<std::string, std::string>> labels_;  // sorted by name
};

struct LabelsHash {
  std::size_t operator()(const Labels& labels) const { return labels.hash(); }
};

// [a-zA-Z_:][a-zA-Z0-9_:]* and [a-zA-Z_][a-zA-Z0-9_]*; the plain forms take any non-empty UTF-8.
bool is_legacy_metric_name(std::string_view name);
bool is_legacy_label_name(std::string_view name);
bool is_metric_name(std::string_view name);
bool is_label_name(std::string_view name);
bool is_utf8(std::string_view text);

// Go's strconv.Quote: printable UTF-8 kept, others as \n \t \x.. \u....; with the double quotes.
std::string go_quote(std::string_view text);
// Go's strconv.Unquote of "..." '...' or `...`; error "invalid syntax".
StatusOr<std::string> go_unquote(std::string_view quoted);

}  // namespace tocsin::model
