// SPDX-License-Identifier: Apache-2.0
#include "model/labels.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace tocsin::model {
namespace {

using Pair = std::pair<std::string, std::string>;

void append_field(std::string_view field, std::string* out) {
  std::size_t length = field.size();
  while (length >= 0x80) {
    out->push_back(static_cast<char>(length | 0x80U));
    length >>= 7U;
  }
  out->push_back(static_cast<char>(length));
  out->append(field);
}

// Reads a field at `p`, which is inside an encoding we wrote ourselves, and returns its end.
inline const char* read_field(const char* p, std::string_view* field) {
  std::size_t length = static_cast<unsigned char>(*p++);
  if (length >= 0x80) [[unlikely]] {
    length &= 0x7fU;
    for (unsigned shift = 7;; shift += 7) {
      const std::size_t b = static_cast<unsigned char>(*p++);
      length |= (b & 0x7fU) << shift;
      if (b < 0x80) break;
    }
  }
  *field = std::string_view(p, length);
  return p + length;
}

template <typename Pairs>
std::string encode(const Pairs& pairs) {
  std::size_t size = 0;
  for (const auto& [name, value] : pairs) size += name.size() + value.size() + 4;
  std::string out;
  out.reserve(size);
  for (const auto& [name, value] : pairs) {
    append_field(name, &out);
    append_field(value, &out);
  }
  return out;
}

// Sorts by name; keeps the last of each name and only if it is not empty.
template <typename Pairs>
void normalize(Pairs* pairs) {
  std::stable_sort(pairs->begin(), pairs->end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pairs->size(); ++i) {
    const bool last_of_name = i + 1 == pairs->size() || (*pairs)[i].first != (*pairs)[i + 1].first;
    if (!last_of_name || (*pairs)[i].second.empty()) continue;
    if (kept != i) (*pairs)[kept] = std::move((*pairs)[i]);
    ++kept;
  }
  pairs->resize(kept);
}

void append_pair(const LabelView& label, std::string* out) {
  if (out->back() != '{') out->append(", ");
  if (is_legacy_label_name(label.name)) {
    out->append(label.name);
  } else {
    out->append(go_quote(label.name));
  }
  out->push_back('=');
  out->append(go_quote(label.value));
}

bool by_name(const Pair& pair, std::string_view name) { return pair.first < name; }

// Copies the encodings of the labels for which `wanted(name)`. Neighbours are copied as one piece.
template <typename Wanted>
std::string filter(std::string_view data, Wanted wanted) {
  std::string out;
  out.reserve(data.size());
  const char* p = data.data();
  const char* const end = p + data.size();
  while (p != end) {
    LabelView label;
    const char* next = read_field(read_field(p, &label.name), &label.value);
    if (wanted(label.name)) out.append(p, next);
    p = next;
  }
  return out;
}

}  // namespace

Labels::Iterator::Iterator(std::string_view rest)
    : position_(rest.data()), next_(rest.data()), end_(rest.data() + rest.size()) {
  parse();
}

void Labels::Iterator::parse() {
  if (position_ == end_) return;
  next_ = read_field(read_field(position_, &label_.name), &label_.value);
}

Labels::Iterator& Labels::Iterator::operator++() {
  position_ = next_;
  parse();
  return *this;
}

Labels Labels::of(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs(labels);
  normalize(&pairs);
  Labels result;
  result.data_ = encode(pairs);
  return result;
}

Labels Labels::from(std::vector<Pair> labels) {
  normalize(&labels);
  Labels result;
  result.data_ = encode(labels);
  return result;
}

void Labels::assign_sorted(std::span<const LabelView> labels) {
  std::size_t size = 0;
  for (const LabelView& label : labels) size += label.name.size() + label.value.size() + 4;
  data_.clear();
  data_.reserve(size);
  for (const LabelView& label : labels) {
    append_field(label.name, &data_);
    append_field(label.value, &data_);
  }
}

Labels::Iterator Labels::end() const {
  return Iterator(std::string_view(data_).substr(data_.size()));
}

std::size_t Labels::size() const { return static_cast<std::size_t>(std::distance(begin(), end())); }

std::string_view Labels::get(std::string_view name) const {
  const char* p = data_.data();
  const char* const end = p + data_.size();
  while (p != end) {
    LabelView label;
    p = read_field(read_field(p, &label.name), &label.value);
    if (label.name == name) return label.value;
  }
  return {};
}

bool Labels::has(std::string_view name) const { return !get(name).empty(); }

Labels Labels::keep(std::span<const std::string> names) const {
  Labels result;
  result.data_ = filter(data_, [names, at = std::size_t{0}](std::string_view name) mutable {
    while (at < names.size() && names[at] < name) ++at;
    return at < names.size() && names[at] == name;
  });
  return result;
}

Labels Labels::drop(std::span<const std::string> names) const {
  Labels result;
  result.data_ = filter(data_, [names, at = std::size_t{0}](std::string_view name) mutable {
    while (at < names.size() && names[at] < name) ++at;
    return at == names.size() || names[at] != name;
  });
  return result;
}

Labels Labels::without_metric_name() const {
  Labels result;
  result.data_ = filter(data_, [](std::string_view name) { return name != kMetricName; });
  return result;
}

std::uint64_t Labels::hash() const { return base::xxhash64(data_); }

std::uint64_t Labels::fingerprint() const {
  constexpr std::string_view kSeparator = "\xff";
  std::uint64_t hash = base::fnv1a64({});
  for (const LabelView& label : *this) {
    hash = base::fnv1a64(label.name, hash);
    hash = base::fnv1a64(kSeparator, hash);
    hash = base::fnv1a64(label.value, hash);
    hash = base::fnv1a64(kSeparator, hash);
  }
  return hash;
}

std::string Labels::to_string() const {
  std::string out = "{";
  for (const LabelView& label : *this) append_pair(label, &out);
  out.push_back('}');
  return out;
}

std::string Labels::to_series_string() const {
  const std::string_view name = metric_name();
  const bool plain = is_legacy_metric_name(name);
  std::string out(plain ? name : std::string_view());
  out.push_back('{');
  if (!plain && !name.empty()) out.append(go_quote(name));
  for (const LabelView& label : *this) {
    if (label.name != kMetricName) append_pair(label, &out);
  }
  if (plain && out.back() == '{') {
    out.pop_back();
    return out;
  }
  out.push_back('}');
  return out;
}

std::strong_ordering operator<=>(const Labels& a, const Labels& b) {
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (const auto order = *x <=> *y; order != 0) return order;
  }
  return (x != a.end()) <=> (y != b.end());
}

LabelsBuilder::LabelsBuilder(const Labels& base) { reset(base); }

void LabelsBuilder::reset(const Labels& base) {
  labels_.clear();
  for (const LabelView& label : base) labels_.emplace_back(label.name, label.value);
}

LabelsBuilder& LabelsBuilder::set(std::string_view name, std::string_view value) {
  if (value.empty()) return remove(name);
  const auto it = std::lower_bound(labels_.begin(), labels_.end(), name, by_name);
  if (it != labels_.end() && it->first == name) {
    it->second.assign(value);
  } else {
    labels_.insert(it, Pair(name, value));
  }
  return *this;
}

LabelsBuilder& LabelsBuilder::remove(std::string_view name) {
  const auto it = std::lower_bound(labels_.begin(), labels_.end(), name, by_name);
  if (it != labels_.end() && it->first == name) labels_.erase(it);
  return *this;
}

std::string_view LabelsBuilder::get(std::string_view name) const {
  const auto it = std::lower_bound(labels_.begin(), labels_.end(), name, by_name);
  return it != labels_.end() && it->first == name ? std::string_view(it->second)
                                                  : std::string_view();
}

Labels LabelsBuilder::build() const {
  Labels result;
  result.data_ = encode(labels_);
  return result;
}

}  // namespace tocsin::model
