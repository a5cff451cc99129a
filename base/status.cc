// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <cerrno>
#include <cstring>
#include <string>

namespace tocsin {
namespace {

StatusCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
      return StatusCode::kResourceExhausted;
    case ETIMEDOUT:
      return StatusCode::kDeadlineExceeded;
    case ECANCELED:
      return StatusCode::kCancelled;
    default:
      return StatusCode::kUnavailable;
  }
}

}  // namespace

Status errno_status(int error_number, std::string_view what) {
  // strerrordesc_np is the form of strerror that keeps no state.
  const char* text = strerrordesc_np(error_number);
  if (text == nullptr) {
    return make_status(code_of(error_number), fmt::format("{}: error {}", what, error_number));
  }
  return make_status(code_of(error_number), fmt::format("{}: {}", what, text));
}

}  // namespace tocsin
