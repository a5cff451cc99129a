// SPDX-License-Identifier: Apache-2.0
//
// Status and StatusOr<T>: the error vocabulary of the whole tree, on top of absl (the only door).
//
//   Status s = invalid_argument("unknown key {:?}", key);
//   RETURN_IF_ERROR(file->sync());
//   ASSIGN_OR_RETURN(Labels labels, parse_labels(text));
//
// Codes map to the HTTP API's error types at one place (web/api/error.h):
//   kInvalidArgument bad_data 400, kNotFound 404, kDeadlineExceeded timeout 503, kCancelled 499,
//   kFailedPrecondition execution 422, kResourceExhausted execution 422, kUnavailable 503, others
//   internal 500.
// Everything here is a value; nothing throws.
#pragma once

#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/core.h>

namespace tocsin {

using Status = absl::Status;
template <typename T>
using StatusOr = absl::StatusOr<T>;
using StatusCode = absl::StatusCode;

inline Status ok() { return absl::OkStatus(); }

// Returns the message of `status`; valid as long as `status` is.
inline std::string_view message(const Status& status) {
  absl::string_view m = status.message();
  return {m.data(), m.size()};
}

inline Status make_status(StatusCode code, std::string_view text) {
  return Status(code, absl::string_view(text.data(), text.size()));
}

// Returns `status` with "context: " put before its message; OK stays OK.
template <typename... Args>
Status annotate(const Status& status, fmt::format_string<Args...> format, Args&&... args) {
  if (status.ok()) return status;
  std::string text = fmt::format(format, std::forward<Args>(args)...);
  text.append(": ").append(message(status));
  return make_status(status.code(), text);
}

#define TOCSIN_STATUS_MAKER(name, code)                                           \
  template <typename... Args>                                                     \
  [[nodiscard]] Status name(fmt::format_string<Args...> format, Args&&... args) { \
    return make_status(code, fmt::format(format, std::forward<Args>(args)...));   \
  }
TOCSIN_STATUS_MAKER(invalid_argument, StatusCode::kInvalidArgument)
TOCSIN_STATUS_MAKER(not_found, StatusCode::kNotFound)
TOCSIN_STATUS_MAKER(already_exists, StatusCode::kAlreadyExists)
TOCSIN_STATUS_MAKER(out_of_range, StatusCode::kOutOfRange)
TOCSIN_STATUS_MAKER(failed_precondition, StatusCode::kFailedPrecondition)
TOCSIN_STATUS_MAKER(resource_exhausted, StatusCode::kResourceExhausted)
TOCSIN_STATUS_MAKER(deadline_exceeded, StatusCode::kDeadlineExceeded)
TOCSIN_STATUS_MAKER(cancelled, StatusCode::kCancelled)
TOCSIN_STATUS_MAKER(unavailable, StatusCode::kUnavailable)
TOCSIN_STATUS_MAKER(unauthenticated, StatusCode::kUnauthenticated)
TOCSIN_STATUS_MAKER(data_loss, StatusCode::kDataLoss)
TOCSIN_STATUS_MAKER(internal, StatusCode::kInternal)
// The feature is known and not built yet; the text says which: "not supported yet: KEY".
TOCSIN_STATUS_MAKER(unimplemented, StatusCode::kUnimplemented)
#undef TOCSIN_STATUS_MAKER

// Returns the status of a failed system call: `what` and the text of `error_number` (errno).
Status errno_status(int error_number, std::string_view what);

}  // namespace tocsin

#define TOCSIN_CONCAT_INNER(a, b) a##b
#define TOCSIN_CONCAT(a, b) TOCSIN_CONCAT_INNER(a, b)

// The counter keeps the temporaries apart when a lambda inside `expression` uses the macros too.
#define RETURN_IF_ERROR(expression) \
  RETURN_IF_ERROR_INNER(TOCSIN_CONCAT(return_status_, __COUNTER__), expression)
#define RETURN_IF_ERROR_INNER(temporary, expression)                                  \
  do {                                                                                \
    if (::tocsin::Status temporary = (expression); !temporary.ok()) return temporary; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(TOCSIN_CONCAT(status_or_, __COUNTER__), declaration, expression)
#define ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                   \
  if (!temporary.ok()) return temporary.status();                  \
  declaration = *std::move(temporary)
