// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/fields.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::uint64_t kMaxSecretFile = 64 << 10;

bool is_secret(std::string_view section, std::string_view key) {
  if (section == "labels") return false;  // names are the user's there
  // The header may carry a token, whatever its name.
  if (section == "headers") return true;
  static constexpr std::string_view kKeys[] = {
      "password", "bearer_token", "credentials", "client_secret", "secrets", "key", "proxy_url"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

// A URL without what stands before the '@' of its host.
std::string without_password(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::string(text);
  const std::size_t start = scheme + 3;
  const std::size_t at = text.substr(0, text.find_first_of("/?#", start)).rfind('@');
  if (at == std::string_view::npos || at < start) return std::string(text);
  return fmt::format("{}<secret>{}", text.substr(0, start), text.substr(at));
}

// A scalar as YAML that reads back as the same string or, unquoted, as the same plain scalar.
std::string print_scalar(const base::YamlNode& node) {
  const std::string text = without_password(node.scalar());
  const bool is_plain =
      !text.empty() && text.find_first_of(":#{}[],&*!'\"%@`\\\n\t") == std::string::npos &&
      std::string_view(" -?|>").find(text.front()) == std::string_view::npos && text.back() != ' ';
  if (!node.is_quoted() && is_plain) return text;
  return model::go_quote(text);
}

struct Printer {
  std::string* out;

  // `section` is the key that holds the mapping (or the list of mappings) of `node`.
  void value(const base::YamlNode& node, std::string_view section, std::string_view key,
             std::size_t indent) const {
    if (node.is_scalar()) {
      const bool hidden = is_secret(section, key) && !node.scalar().empty();
      out->append(" ").append(hidden ? "<secret>" : print_scalar(node)).append("\n");
    } else if (node.is_null()) {
      out->append(" null\n");
    } else if (node.items().empty() && node.entries().empty()) {
      out->append(node.is_sequence() ? " []\n" : " {}\n");
    } else {
      out->append("\n");
      block(node, key, indent);
    }
  }

  void block(const base::YamlNode& node, std::string_view section, std::size_t indent) const {
    const std::string margin(indent, ' ');
    for (const auto& [key, child] : node.entries()) {
      const bool is_plain = model::is_legacy_label_name(key);
      out->append(margin).append(is_plain ? key : model::go_quote(key)).append(":");
      value(child, section, key, child.is_sequence() ? indent : indent + 2);
    }
    for (const base::YamlNode& item : node.items()) {
      if (!item.is_mapping() || item.entries().empty()) {
        out->append(margin).append("-");
        value(item, "", section, indent + 2);
        continue;
      }
      std::string inner;
      Printer{&inner}.block(item, section, indent + 2);
      inner.replace(indent, 2, "- ");
      out->append(inner);
    }
  }
};

void append_fingerprint(const base::YamlNode& node, std::string* out) {
  const auto text = [out](std::string_view part) {
    out->append(fmt::format("{}:", part.size())).append(part);
  };
  switch (node.kind()) {
    case base::YamlNode::Kind::kNull:
      out->push_back('~');
      return;
    case base::YamlNode::Kind::kScalar:
      out->push_back(node.is_quoted() ? '"' : '.');
      text(node.scalar());
      return;
    case base::YamlNode::Kind::kSequence:
      out->push_back('[');
      for (const base::YamlNode& item : node.items()) append_fingerprint(item, out);
      out->push_back(']');
      return;
    case base::YamlNode::Kind::kMapping:
      out->push_back('{');
      for (const auto& [key, value] : node.entries()) {
        text(key);
        append_fingerprint(value, out);
      }
      out->push_back('}');
      return;
  }
}

}  // namespace

void read_duration(base::YamlMapping& mapping, std::string_view key, base::Duration* out) {
  base::Duration duration = *out;
  read_duration_or_never(mapping, key, &duration);
  if (mapping.has(key) && duration <= base::Duration(0)) mapping.fail(key, "must be more than 0");
  *out = duration;
}

void read_duration_or_never(base::YamlMapping& mapping, std::string_view key, base::Duration* out) {
  mapping.with(key, [out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(const std::string text, node.as_string());
    const StatusOr<base::Duration> duration = model::parse_duration(text);
    if (!duration.ok()) return node.error(message(duration.status()));
    *out = *duration;
    return ok();
  });
}

void read_size(base::YamlMapping& mapping, std::string_view key, std::uint64_t* out) {
  mapping.with(key, [out](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(const std::string text, node.as_string());
    if (text == "0") {
      *out = 0;
      return ok();
    }
    const StatusOr<std::uint64_t> size = model::parse_size(text);
    if (!size.ok()) return node.error(message(size.status()));
    *out = *size;
    return ok();
  });
}

void read_count(base::YamlMapping& mapping, std::string_view key, std::size_t* out,
                std::size_t most) {
  mapping.with(key, [out, most](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(const std::int64_t value, node.as_int());
    if (value < 1 || static_cast<std::uint64_t>(value) > most) {
      return node.error(fmt::format("must be from 1 to {}", most));
    }
    *out = static_cast<std::size_t>(value);
    return ok();
  });
}

void read_labels(base::YamlMapping& mapping, std::string_view key, LabelPairs* out) {
  LabelPairs pairs;
  mapping.string_pairs(key, &pairs);
  std::sort(pairs.begin(), pairs.end());
  for (const auto& [name, value] : pairs) {
    if (!model::is_legacy_label_name(name) || name.starts_with("__")) {
      return mapping.fail(key, fmt::format("{:?} is not a valid label name", name));
    }
    if (!model::is_utf8(value)) {
      return mapping.fail(key, fmt::format("label value of {:?} is not valid UTF-8", name));
    }
  }
  if (mapping.has(key)) *out = std::move(pairs);
}

void read_buckets(base::YamlMapping& mapping, std::string_view key, std::vector<double>* out) {
  mapping.with(key, [out](const base::YamlNode& node) -> Status {
    if (!node.is_sequence() || node.items().empty())
      return node.error("expected a list of numbers");
    std::vector<double> bounds;
    for (const base::YamlNode& item : node.items()) {
      ASSIGN_OR_RETURN(const double bound, item.as_double());
      if (!std::isfinite(bound)) return item.error("must be a finite number");
      if (!bounds.empty() && bound <= bounds.back()) return item.error("buckets must ascend");
      bounds.push_back(bound);
    }
    *out = std::move(bounds);
    return ok();
  });
}

void read_word(base::YamlMapping& mapping, std::string_view key,
               std::initializer_list<std::string_view> words, std::string* out) {
  mapping.with(key, [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(std::string text, node.as_string());
    if (std::find(words.begin(), words.end(), text) == words.end()) {
      std::string known;
      for (const std::string_view word : words)
        known.append(known.empty() ? "" : ", ").append(word);
      return node.error(fmt::format("{:?} is none of {}", text, known));
    }
    *out = std::move(text);
    return ok();
  });
}

void read_metric_name(base::YamlMapping& mapping, std::string_view key, std::string* out,
                      base::YamlMapping::Presence presence) {
  mapping.with(
      key,
      [out](const base::YamlNode& node) -> Status {
        ASSIGN_OR_RETURN(std::string text, node.as_string());
        // Colons are for recording rules.
        if (!model::is_legacy_label_name(text)) {
          return node.error(fmt::format("{:?} is not a valid metric name", text));
        }
        *out = std::move(text);
        return ok();
      },
      presence);
}

StatusOr<std::string> Secret::read(base::FileSystem& files) const {
  if (file.empty()) return value;
  StatusOr<std::string> text = files.read_file(file, kMaxSecretFile);
  RETURN_IF_ERROR(text.status());
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return text;
}

void read_secret(base::YamlMapping& mapping, const std::string& key, std::string_view directory,
                 Secret* out) {
  const std::string file_key = key + "_file";
  mapping.string(key, &out->value);
  mapping.string(file_key, &out->file);
  if (!out->file.empty()) out->file = base::join_path(directory, out->file);
  if (!out->value.empty() && !out->file.empty()) {
    mapping.fail(file_key, fmt::format("at most one of {} & {} must be configured", key, file_key));
  }
}

std::string source_name(std::string_view section, std::string_view name,
                        std::string_view fallback) {
  return fmt::format("{}/{}", section, name.empty() ? fallback : name);
}

std::string print_masked(const base::YamlNode& node) {
  std::string out;
  Printer{&out}.block(node, "", 0);
  return out;
}

std::string fingerprint(const base::YamlNode& node) {
  std::string out;
  append_fingerprint(node, &out);
  return out;
}

}  // namespace tocsin::exporters::app
