// SPDX-License-Identifier: Apache-2.0
#include "tests/support/mail.h"

#include <algorithm>
#include <charconv>

namespace tocsin::tests {

namespace {

// Debian's, for which python3-aiosmtpd is installed; another python3 may come first in PATH.
constexpr const char* kPython = "/usr/bin/python3";

std::string with_plain_line_ends(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '\r') out += c;
  }
  return out;
}

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\n') {
      ++i;  // a soft line break
    } else if (i + 2 < text.size()) {
      unsigned char byte = 0;
      std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
      out += static_cast<char>(byte);
      i += 2;
    }
  }
  return out;
}

// Takes the headers and the empty line after them off `text`.
std::vector<std::pair<std::string, std::string>> take_headers(std::string_view* text) {
  std::vector<std::pair<std::string, std::string>> headers;
  while (!text->empty()) {
    const std::size_t end = std::min(text->find('\n'), text->size());
    const std::string_view line = text->substr(0, end);
    text->remove_prefix(std::min(end + 1, text->size()));
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if ((line[0] == ' ' || line[0] == '\t') && !headers.empty()) {
      headers.back().second += line;
    } else if (colon != std::string_view::npos) {
      const std::string_view value = line.substr(colon + 1);
      const std::size_t begin = std::min(value.find_first_not_of(' '), value.size());
      headers.emplace_back(line.substr(0, colon), value.substr(begin));
    }
  }
  return headers;
}

MimePart parse_part(std::string_view text) {
  constexpr std::string_view kBoundary = "boundary=";
  MimePart part;
  part.headers = take_headers(&text);
  const std::string type = part.header("Content-Type");
  const std::size_t at = type.find(kBoundary);
  if (at == std::string::npos) {
    const bool quoted = part.header("Content-Transfer-Encoding") == "quoted-printable";
    part.body = quoted ? decode_quoted_printable(text) : std::string(text);
    return part;
  }
  std::string boundary = type.substr(at + kBoundary.size());
  boundary.erase(std::remove(boundary.begin(), boundary.end(), '"'), boundary.end());
  const std::string mark = "\n--" + boundary;
  const std::string whole = "\n" + std::string(text);
  std::size_t begin = whole.find(mark);
  while (begin != std::string::npos) {
    begin += mark.size();
    const std::size_t end = whole.find(mark, begin);
    if (whole.compare(begin, 2, "--") == 0 || end == std::string::npos) break;
    part.parts.push_back(parse_part(std::string_view(whole).substr(begin + 1, end - begin - 1)));
    begin = end;
  }
  return part;
}

}  // namespace

std::string MimePart::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

MimePart parse_mime(std::string_view text) { return parse_part(with_plain_line_ends(text)); }

bool SmtpServer::is_installed() {
  return run({kPython, "-c", "import aiosmtpd.handlers"}).exit_code == 0;
}

SmtpServer::SmtpServer()
    : process_({kPython, "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:0", "-c",
                "aiosmtpd.handlers.Mailbox", files_.file("mails")}),
      address_(process_.wait_for_listener()) {}

std::vector<MimePart> SmtpServer::mails() const {
  const std::string folder = files_.file("mails/new");
  // Names begin with the time of arrival and count up within a second, but "Q10" sorts before "Q9".
  std::vector<std::string> names = list_directory(folder);
  std::stable_sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    const std::string a_time = a.substr(0, a.find('.')), b_time = b.substr(0, b.find('.'));
    return a_time != b_time ? a_time < b_time : a.size() < b.size();
  });
  std::vector<MimePart> mails;
  for (const std::string& name : names) mails.push_back(parse_mime(read_file(folder + "/" + name)));
  return mails;
}

}  // namespace tocsin::tests
