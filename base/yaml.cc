// SPDX-License-Identifier: Apache-2.0
//
// yaml-cpp reports events; YamlLoader builds nodes from them. An alias shares the node of its
// anchor (position and path are the anchor's), but counts with all that is below it, so that a
// document which expands without end is refused before anybody walks it.
#include "base/yaml.h"

#include <charconv>
#include <limits>
#include <optional>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/check.h"
#include "base/string_map.h"
#include "base/utf8.h"

namespace tocsin::base {
namespace {

using Kind = YamlNode::Kind;

// One step of a path, linked towards the root; shared by all that is below.
struct PathStep {
  std::shared_ptr<const PathStep> parent;
  std::string key;                   // of a mapping
  std::optional<std::size_t> index;  // of a sequence
};

struct Position {
  int line = 0;  // 1-based
  int column = 0;
};

Position position_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

std::string located(std::string_view file, Position at, std::string_view text) {
  return fmt::format("{}:{}:{}: {}", file, at.line, at.column, text);
}

}  // namespace

struct YamlNode::Data {
  Kind kind = Kind::kNull;
  bool quoted = false;
  Position position;
  std::shared_ptr<const std::string> file;
  std::shared_ptr<const PathStep> path;
  std::string scalar;
  std::vector<YamlNode> items;
  std::vector<std::pair<std::string, YamlNode>> entries;
  std::vector<Position> key_positions;  // parallel to entries
  std::size_t nodes = 1;                // with everything below, aliases expanded
  std::size_t height = 1;
};

namespace {

// Stops the parser from inside an event; caught in parse_yaml only.
struct Stop {
  Status status;
};

bool is_boolean_word(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::string without_underscores(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '_');
  return digits;
}

// An integer as YAML 1.1 writes it: 10, -0x1F, 0b11, 0o17, 017, 1_000.
std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::string digits = without_underscores(text);
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  int base = 10;
  if (rest.size() > 1 && rest[0] == '0') {
    const char kind = rest[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'b' || kind == 'B' ? 2 : 8;
    const bool has_letter = base != 8 || kind == 'o' || kind == 'O';
    rest.remove_prefix(has_letter ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const char* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, magnitude, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  const std::uint64_t limit = std::uint64_t{1} << 63;
  if (negative) {
    if (magnitude > limit) return std::nullopt;
    return static_cast<std::int64_t>(0 - magnitude);
  }
  if (magnitude >= limit) return std::nullopt;
  return static_cast<std::int64_t>(magnitude);
}

std::optional<double> parse_special_float(std::string_view text) {
  if (is_boolean_word(text, {".nan", ".NaN", ".NAN"})) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (!is_boolean_word(text, {".inf", ".Inf", ".INF"})) return std::nullopt;
  const double infinity = std::numeric_limits<double>::infinity();
  return negative ? -infinity : infinity;
}

std::optional<double> parse_float(std::string_view text) {
  if (const auto special = parse_special_float(text)) return special;
  std::string digits = without_underscores(text);
  std::string_view rest = digits;
  if (rest.starts_with('+') && !rest.starts_with("+-")) rest.remove_prefix(1);
  // Letters other than the exponent's would be from_chars's own "inf" and "nan".
  if (rest.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const char* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kScalar:
      return "a scalar";
    case Kind::kSequence:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
  }
  return "";
}

Status wrong_type(const YamlNode& node, std::string_view wanted) {
  if (!node.is_scalar()) {
    return node.error(fmt::format("expected {}, got {}", wanted, kind_name(node.kind())));
  }
  constexpr std::size_t kMaxShown = 80;
  return node.error(
      fmt::format("expected {}, got \"{}\"", wanted, node.scalar().substr(0, kMaxShown)));
}

// Plain scalars have the tag "?", quoted and block scalars "!", explicit tags their full name.
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

bool is_merge_key(std::string_view tag, std::string_view text) {
  return (tag == "?" && text == "<<") || tag == "tag:yaml.org,2002:merge";
}

}  // namespace

// Builds the nodes of one document. Errors leave through Stop.
class YamlLoader final : public YAML::EventHandler {
 public:
  YamlLoader(std::string_view file, YamlLimits limits)
      : file_(std::make_shared<const std::string>(file)), limits_(limits) {}

  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(start(Kind::kNull, mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { close(); }

 private:
  using Data = YamlNode::Data;

  // A collection whose end has not been seen.
  struct Open {
    std::shared_ptr<Data> data;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  // a mapping's key has come and its value not yet
    bool merging = false;  // that key is "<<"
    std::string key;
    Position key_position;
    StringSet keys;                     // written in this mapping
    std::vector<YamlNode> merged;       // values of "<<", to be put behind them
    std::optional<Position> merge_key;  // where "<<" was
  };

  [[noreturn]] void stop(Position at, std::string_view text) const {
    std::string path = path_text();
    if (!path.empty()) path += ": ";
    throw Stop{invalid_argument("{}", located(*file_, at, path + std::string(text)))};
  }
  std::string path_text() const;

  bool expects_key() const {
    return !open_.empty() && open_.back().data->kind == Kind::kMapping && !open_.back().has_key;
  }
  void set_key(Position at, std::string_view tag, const std::string& text);
  void check_tag(Position at, std::string_view tag, std::string_view allowed) const;
  std::shared_ptr<Data> start(Kind kind, const YAML::Mark& mark);
  void count(Position at, std::size_t nodes, std::size_t height);
  void open(std::shared_ptr<Data> data, YAML::anchor_t anchor);
  void close();
  void finish(std::shared_ptr<Data> data, YAML::anchor_t anchor);
  void attach(YamlNode node);
  static void add_entry(Open* open, std::string key, Position at, YamlNode value);
  void merge(Open* open, const YamlNode& source) const;

  const std::shared_ptr<const std::string> file_;
  const YamlLimits limits_;
  std::size_t nodes_ = 0;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, YamlNode> anchors_;
  YamlNode root_;
};

namespace {

std::string text_of(const PathStep* step) {
  std::vector<const PathStep*> steps;
  for (; step != nullptr; step = step->parent.get()) steps.push_back(step);
  std::string text;
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    if ((*it)->index) {
      fmt::format_to(std::back_inserter(text), "[{}]", *(*it)->index);
      continue;
    }
    if (!text.empty()) text += '.';
    text += (*it)->key;
  }
  return text;
}

}  // namespace

std::string YamlLoader::path_text() const {
  return open_.empty() ? "" : text_of(open_.back().data->path.get());
}

void YamlLoader::set_key(Position at, std::string_view tag, const std::string& text) {
  Open& mapping = open_.back();
  mapping.merging = is_merge_key(tag, text);
  if (!mapping.merging) check_tag(at, tag, "str int float bool null");
  if (mapping.merging ? mapping.merge_key.has_value() : !mapping.keys.insert(text).second) {
    stop(at, fmt::format("key \"{}\" already set in map", text));
  }
  if (mapping.merging) mapping.merge_key = at;
  mapping.has_key = true;
  mapping.key = text;
  mapping.key_position = at;
}

void YamlLoader::check_tag(Position at, std::string_view tag, std::string_view allowed) const {
  if (tag.empty() || tag == "?" || tag == "!") return;
  if (tag.starts_with(kTagPrefix)) {
    const std::string name = fmt::format(" {} ", tag.substr(kTagPrefix.size()));
    if (fmt::format(" {} ", allowed).find(name) != std::string::npos) return;
  }
  stop(at, fmt::format("tag {} is not supported", tag));
}

std::shared_ptr<YamlNode::Data> YamlLoader::start(Kind kind, const YAML::Mark& mark) {
  const Position at = position_of(mark);
  if (expects_key()) {
    stop(at, kind == Kind::kNull ? "a key must not be null" : "a key must be a scalar");
  }
  count(at, 1, 1);
  auto data = std::make_shared<Data>();
  data->kind = kind;
  data->position = at;
  data->file = file_;
  if (open_.empty()) return data;
  const Open& parent = open_.back();
  auto step = std::make_shared<PathStep>();
  step->parent = parent.data->path;
  if (parent.data->kind == Kind::kMapping) {
    step->key = parent.key;
  } else {
    step->index = parent.data->items.size();
  }
  data->path = std::move(step);
  return data;
}

void YamlLoader::count(Position at, std::size_t nodes, std::size_t height) {
  if (open_.size() + height > limits_.max_depth) {
    stop(at, fmt::format("nested deeper than {} levels", limits_.max_depth));
  }
  if (nodes > limits_.max_nodes - nodes_) {
    stop(at, fmt::format("more than {} nodes after expanding aliases", limits_.max_nodes));
  }
  nodes_ += nodes;
}

void YamlLoader::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const Position at = position_of(mark);
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) stop(at, "an alias inside the value that it names");
  const YamlNode& target = found->second;
  if (expects_key()) {
    if (!target.is_scalar()) stop(at, "a key must be a scalar");
    count(at, 1, 1);
    set_key(at, target.is_quoted() ? "!" : "?", target.data_->scalar);
    return;
  }
  count(at, target.data_->nodes, target.data_->height);
  attach(target);
}

void YamlLoader::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                          const std::string& value) {
  const Position at = position_of(mark);
  if (expects_key()) {
    count(at, 1, 1);
    set_key(at, tag, value);
    if (anchor == 0) return;
    auto key = std::make_shared<Data>();
    key->kind = Kind::kScalar;
    key->quoted = tag == "!";
    key->position = at;
    key->file = file_;
    key->scalar = value;
    anchors_.insert_or_assign(anchor, YamlNode(std::move(key)));
    return;
  }
  check_tag(at, tag, "str int float bool");
  std::shared_ptr<Data> data = start(Kind::kScalar, mark);
  data->quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
  data->scalar = value;
  finish(std::move(data), anchor);
}

void YamlLoader::OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                                 YAML::anchor_t anchor, YAML::EmitterStyle::value) {
  check_tag(position_of(mark), tag, "seq");
  open(start(Kind::kSequence, mark), anchor);
}

void YamlLoader::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                            YAML::EmitterStyle::value) {
  check_tag(position_of(mark), tag, "map");
  open(start(Kind::kMapping, mark), anchor);
}

void YamlLoader::open(std::shared_ptr<Data> data, YAML::anchor_t anchor) {
  Open collection;
  collection.data = std::move(data);
  collection.anchor = anchor;
  open_.push_back(std::move(collection));
}

void YamlLoader::close() {
  CHECK(!open_.empty());
  for (const YamlNode& source : open_.back().merged) merge(&open_.back(), source);
  Open closed = std::move(open_.back());
  open_.pop_back();
  finish(std::move(closed.data), closed.anchor);
}

void YamlLoader::finish(std::shared_ptr<Data> data, YAML::anchor_t anchor) {
  YamlNode node(std::move(data));
  if (anchor != 0) anchors_.insert_or_assign(anchor, node);
  attach(std::move(node));
}

void YamlLoader::attach(YamlNode node) {
  if (open_.empty()) {
    root_ = std::move(node);
    return;
  }
  Open& parent = open_.back();
  Data& data = *parent.data;
  data.nodes += node.data_->nodes;
  data.height = std::max(data.height, node.data_->height + 1);
  if (data.kind == Kind::kSequence) {
    data.items.push_back(std::move(node));
    return;
  }
  parent.has_key = false;
  if (!parent.merging) {
    add_entry(&parent, std::move(parent.key), parent.key_position, std::move(node));
  } else if (node.is_mapping()) {
    parent.merged.push_back(std::move(node));
  } else if (node.is_sequence()) {
    parent.merged = node.items();
  } else {
    stop(parent.key_position, "\"<<\" needs a mapping or a list of mappings");
  }
}

void YamlLoader::add_entry(Open* open, std::string key, Position at, YamlNode value) {
  open->data->entries.emplace_back(std::move(key), std::move(value));
  open->data->key_positions.push_back(at);
}

// Adds what `source` has and the mapping does not: written keys win, then earlier sources.
void YamlLoader::merge(Open* open, const YamlNode& source) const {
  if (!source.is_mapping()) {
    stop(*open->merge_key, "\"<<\" needs a mapping or a list of mappings");
  }
  for (std::size_t i = 0; i < source.entries().size(); ++i) {
    const auto& [key, value] = source.entries()[i];
    if (!open->keys.insert(key).second) continue;
    add_entry(open, key, source.data_->key_positions[i], value);
  }
}

YamlNode::YamlNode() = default;
YamlNode::YamlNode(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

YamlNode::Kind YamlNode::kind() const { return data_ == nullptr ? Kind::kNull : data_->kind; }
bool YamlNode::is_quoted() const { return data_ != nullptr && data_->quoted; }

std::string_view YamlNode::file() const {
  return data_ == nullptr ? std::string_view() : std::string_view(*data_->file);
}

int YamlNode::line() const { return data_ == nullptr ? 0 : data_->position.line; }
int YamlNode::column() const { return data_ == nullptr ? 0 : data_->position.column; }

std::string YamlNode::path() const {
  return data_ == nullptr ? std::string() : text_of(data_->path.get());
}

Status YamlNode::error(std::string_view text) const {
  std::string where = path();
  if (!where.empty()) where += ": ";
  return invalid_argument("{}", located(file(), {line(), column()}, where + std::string(text)));
}

std::string_view YamlNode::scalar() const {
  return is_scalar() ? std::string_view(data_->scalar) : std::string_view();
}

StatusOr<std::string> YamlNode::as_string() const {
  if (is_null()) return std::string();
  if (!is_scalar()) return wrong_type(*this, "a string");
  return data_->scalar;
}

StatusOr<bool> YamlNode::as_bool() const {
  if (is_scalar() && !is_quoted()) {
    if (is_boolean_word(
            scalar(), {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) {
      return true;
    }
    if (is_boolean_word(scalar(), {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off",
                                   "Off", "OFF"})) {
      return false;
    }
  }
  return wrong_type(*this, "a boolean");
}

StatusOr<std::int64_t> YamlNode::as_int() const {
  if (is_scalar() && !is_quoted()) {
    if (const auto value = parse_integer(scalar())) return *value;
    // "1e3" and "5.0" are whole numbers too.
    const auto value = parse_float(scalar());
    if (value && std::abs(*value) < 0x1p53 && std::trunc(*value) == *value) {
      return static_cast<std::int64_t>(*value);
    }
  }
  return wrong_type(*this, "an integer");
}

StatusOr<double> YamlNode::as_double() const {
  if (is_scalar() && !is_quoted()) {
    if (const auto value = parse_integer(scalar())) return static_cast<double>(*value);
    if (const auto value = parse_float(scalar())) return *value;
  }
  return wrong_type(*this, "a number");
}

StatusOr<std::vector<std::string>> YamlNode::as_string_list() const {
  std::vector<std::string> list;
  if (is_null()) return list;
  if (!is_sequence()) return wrong_type(*this, "a list of strings");
  list.reserve(items().size());
  for (const YamlNode& item : items()) {
    if (item.is_null()) return item.error("a list item must not be null");
    ASSIGN_OR_RETURN(std::string text, item.as_string());
    list.push_back(std::move(text));
  }
  return list;
}

const std::vector<YamlNode>& YamlNode::items() const {
  static const std::vector<YamlNode> kNone;
  return data_ == nullptr ? kNone : data_->items;
}

const std::vector<std::pair<std::string, YamlNode>>& YamlNode::entries() const {
  static const std::vector<std::pair<std::string, YamlNode>> kNone;
  return data_ == nullptr ? kNone : data_->entries;
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& [name, value] : entries()) {
    if (name == key) return &value;
  }
  return nullptr;
}

Status YamlNode::key_error(std::size_t entry, std::string_view text) const {
  CHECK(is_mapping() && entry < data_->key_positions.size());
  return invalid_argument("{}", located(file(), data_->key_positions[entry], text));
}

int YamlNode::key_line(std::size_t entry) const {
  CHECK(is_mapping() && entry < data_->key_positions.size());
  return data_->key_positions[entry].line;
}

namespace {

// What follows the first document must be another one; anything else is a mistake in the first
// that yaml-cpp would pass over. Looks at its start only.
class NextDocument final : public YAML::EventHandler {
 public:
  NextDocument(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    const std::string_view rest = text_.substr(std::min(at, text_.size()));
    if (rest.empty() || rest.starts_with("---") || rest.starts_with("...")) throw Stop{ok()};
    // Behind "..." a document needs no "---".
    const std::string_view before = text_.substr(0, at);
    const std::size_t last = before.find_last_not_of(" \t\r\n");
    if (last != std::string_view::npos && before.substr(0, last + 1).ends_with("\n...")) {
      throw Stop{ok()};
    }
    throw Stop{invalid_argument(
        "{}", located(file_, position_of(mark), "unexpected text after the end of the document"))};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  const std::string_view text_;
  const std::string_view file_;
};

// yaml-cpp takes byte 4 for the end of the text and guesses encodings: what is not plain UTF-8 text
// is refused before it sees it.
Status check_characters(std::string_view text, std::string_view file) {
  Position at{1, 1};
  for (std::size_t i = 0; i < text.size(); ++i, ++at.column) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool allowed = byte >= ' ' ? byte != 0x7F : byte == '\t' || byte == '\n' || byte == '\r';
    if (!allowed) {
      return invalid_argument("{}",
                              located(file, at, fmt::format("control character 0x{:02X}", byte)));
    }
    if (byte >= 0x80) {
      const std::size_t length = utf8_length(text.substr(i));
      if (length == 0) return invalid_argument("{}", located(file, at, "invalid UTF-8"));
      i += length - 1;
      at.column += static_cast<int>(length - 1);
    }
    if (byte == '\n') at = {at.line + 1, 0};
  }
  return ok();
}

// yaml-cpp takes a quoted scalar whose quote is missing when the text ends in an empty line. An end
// of document there makes it notice; behind other text it would add a line break.
std::string with_end_marker(std::string_view text) {
  std::string marked(text);
  const std::size_t last = text.find_last_not_of(" \t");
  if (last == std::string_view::npos || text[last] != '\n') return marked;
  marked += last + 1 == text.size() ? "...\n" : "\n...\n";
  return marked;
}

Status syntax_error(std::string_view file, const YAML::Exception& e) {
  const bool at_marker = e.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
  const std::string text = at_marker ? YAML::ErrorMsg::EOF_IN_SCALAR : e.msg;
  return invalid_argument("{}", located(file, position_of(e.mark), text));
}

}  // namespace

StatusOr<YamlNode> parse_yaml(std::string_view text, std::string_view file, YamlLimits limits) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  RETURN_IF_ERROR(check_characters(text, file));
  const std::string marked = with_end_marker(text);
  std::istringstream stream{marked};
  YamlLoader loader(file, limits);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(loader)) return YamlNode();
    NextDocument next(marked, file);
    parser.HandleNextDocument(next);
  } catch (const Stop& stop) {
    RETURN_IF_ERROR(stop.status);
  } catch (const YAML::Exception& e) {
    return syntax_error(file, e);
  } catch (const std::exception& e) {
    return invalid_argument("{}", located(file, {1, 1}, e.what()));
  }
  return loader.take_root();
}

}  // namespace tocsin::base
