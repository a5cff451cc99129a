// SPDX-License-Identifier: Apache-2.0
//
// A line: id parent major:minor root mount-point options [optional-field...] - type device options
#include "exporters/node/disk/mounts.h"

#include <algorithm>

#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes blanks and backslashes as \ and three octal digits.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1).substr(0, 3);
    if (text[i] == '\\' && digits.size() == 3 &&
        std::all_of(digits.begin(), digits.end(), is_octal)) {
      out.push_back(
          static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + digits[2] - '0'));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool has_option(std::string_view options, std::string_view option) {
  while (!options.empty()) {
    const std::string_view one = options.substr(0, options.find(','));
    if (one == option) return true;
    options.remove_prefix(std::min(one.size() + 1, options.size()));
  }
  return false;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 4) continue;
    const std::size_t colon = fields[2].find(':');
    if (colon == std::string_view::npos) continue;
    Mount mount;
    mount.major = fields[2].substr(0, colon);
    mount.minor = fields[2].substr(colon + 1);
    mount.mount_point = unescaped(fields[4]);
    mount.fs_type = dash[1];
    mount.device = unescaped(dash[2]);
    mount.read_only = has_option(fields[5], "ro") || has_option(dash[3], "ro");
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::string without_root(const std::string& rootfs, const std::string& mount_point) {
  if (rootfs == "/" || !mount_point.starts_with(rootfs)) return mount_point;
  const std::string rest = mount_point.substr(rootfs.size());
  if (rest.empty()) return "/";
  return rest.starts_with('/') ? rest : mount_point;
}

std::string path_here(const std::string& rootfs, const std::string& path) {
  return rootfs == "/" ? path : rootfs + path;
}

}  // namespace tocsin::exporters
