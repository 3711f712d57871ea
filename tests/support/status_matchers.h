// GoogleTest matchers for absl::Status and absl::StatusOr.
#ifndef RONDO_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define RONDO_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tests {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(HasCode, code, "has status code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P(HasMessage, substring, "has a status whose message contains " + std::string(substring)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).message().find(substring) != absl::string_view::npos;
}

}  // namespace tests

#define ASSERT_OK(expression) ASSERT_THAT((expression), ::tests::IsOk())
#define EXPECT_OK(expression) EXPECT_THAT((expression), ::tests::IsOk())

#endif  // RONDO_TESTS_SUPPORT_STATUS_MATCHERS_H_
