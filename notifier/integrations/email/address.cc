// SPDX-License-Identifier: Apache-2.0
#include "notifier/integrations/email/address.h"

#include <utility>

namespace tocsin::notifier {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  StatusOr<std::vector<std::string>> list() {
    std::vector<std::string> addresses;
    RETURN_IF_ERROR(skip());
    while (!rest_.empty()) {
      if (take(',')) {
        RETURN_IF_ERROR(skip());
        continue;  // an empty element is allowed
      }
      ASSIGN_OR_RETURN(std::string address, one());
      addresses.push_back(std::move(address));
      RETURN_IF_ERROR(skip());
      if (!rest_.empty() && rest_.front() != ',') return invalid_argument("mail: expected comma");
    }
    if (addresses.empty()) return invalid_argument("mail: no address");
    return addresses;
  }

 private:
  // What stands before "<" is a name; without "<" it is the address.
  StatusOr<std::string> one() {
    std::string words;
    for (;;) {
      RETURN_IF_ERROR(skip());
      if (rest_.empty() || rest_.front() == ',') return checked(words);
      if (take('<')) break;
      if (rest_.front() == '"') {
        ASSIGN_OR_RETURN(const std::string_view quoted, quoted_string());
        words += quoted;
      } else {
        const std::size_t end = rest_.find_first_of(" \t\r\n,<>\"()");
        if (end == 0)
          return invalid_argument("mail: unexpected {:?} in an address", rest_.substr(0, 1));
        if (!words.empty() && words.back() != '"' && words.back() != '@' && rest_.front() != '@')
          words += ' ';
        words += take(std::min(end, rest_.size()));
      }
    }
    const std::size_t close = rest_.find('>');
    if (close == std::string_view::npos) return invalid_argument("mail: unclosed angle-addr");
    const std::string address(take(close));
    rest_.remove_prefix(1);
    return checked(address);
  }

  static StatusOr<std::string> checked(const std::string& address) {
    const std::size_t at = address.rfind('@');
    if (at == std::string::npos) return invalid_argument("mail: missing '@' or angle-addr");
    if (at == 0 || at + 1 == address.size())
      return invalid_argument("mail: no local part or domain in {:?}", address);
    const bool quoted = address.front() == '"';
    for (std::size_t i = quoted ? at : 0; i < address.size(); ++i) {
      const auto c = static_cast<unsigned char>(address[i]);
      if (c <= ' ' || c == 0x7F)
        return invalid_argument("mail: white space in address {:?}", address);
    }
    // A quoted local part may hold anything but what would end the SMTP command.
    if (address.find_first_of("\r\n") != std::string::npos)
      return invalid_argument("mail: line break in an address");
    return address;
  }

  StatusOr<std::string_view> quoted_string() {
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        return take(i + 1);
      }
    }
    return invalid_argument("mail: unclosed quoted-string");
  }

  // White space and comments.
  Status skip() {
    int depth = 0;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (depth > 0 && c == '\\') {
        rest_.remove_prefix(std::min<std::size_t>(2, rest_.size()));
        continue;
      }
      if (c == '(') {
        ++depth;
      } else if (depth > 0 && c == ')') {
        --depth;
      } else if (depth == 0 && std::string_view(" \t\r\n").find(c) == std::string_view::npos) {
        return ok();
      }
      rest_.remove_prefix(1);
    }
    return depth == 0 ? ok() : invalid_argument("mail: misformatted parenthetical comment");
  }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
};

}  // namespace

StatusOr<std::vector<std::string>> parse_address_list(std::string_view text) {
  return Parser(text).list();
}

}  // namespace tocsin::notifier
