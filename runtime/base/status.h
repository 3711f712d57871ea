// Propagating absl::Status. Abseil 20220623 has no such macros of its own.
#ifndef RONDO_RUNTIME_BASE_STATUS_H_
#define RONDO_RUNTIME_BASE_STATUS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <utility>

namespace runtime {

// Abseil's string_view is no std::string_view here.
inline std::string MessageOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace runtime

// Returns from the enclosing function if `expression` is not OK.
#define RETURN_IF_ERROR(expression)                                       \
  do {                                                                    \
    if (absl::Status rondo_status_ = (expression); !rondo_status_.ok()) { \
      return rondo_status_;                                               \
    }                                                                     \
  } while (false)

#define RONDO_CONCAT_INNER_(a, b) a##b
#define RONDO_CONCAT_(a, b) RONDO_CONCAT_INNER_(a, b)
#define RONDO_ASSIGN_OR_RETURN_(result, declaration, expression) \
  auto result = (expression);                                    \
  if (!result.ok()) return std::move(result).status();           \
  declaration = *std::move(result)

// `ASSIGN_OR_RETURN(const int port, ParsePort(text));`
#define ASSIGN_OR_RETURN(declaration, ...) \
  RONDO_ASSIGN_OR_RETURN_(RONDO_CONCAT_(rondo_result_, __LINE__), declaration, (__VA_ARGS__))

#endif  // RONDO_RUNTIME_BASE_STATUS_H_
