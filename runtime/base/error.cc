#include "runtime/base/error.h"

#include <absl/strings/cord.h>

#include <cstdlib>
#include <optional>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

constexpr char kCodeUrl[] = "rondo/code";
constexpr char kExitUrl[] = "rondo/exit";
constexpr char kHintUrl[] = "rondo/hint";

absl::StatusCode CanonicalCode(Exit exit) {
  switch (exit) {
    case Exit::kOk: return absl::StatusCode::kOk;
    case Exit::kRunFailed: return absl::StatusCode::kAborted;
    case Exit::kUsage: return absl::StatusCode::kInvalidArgument;
    case Exit::kHeadUnreachable: return absl::StatusCode::kUnavailable;
    case Exit::kRefused: return absl::StatusCode::kPermissionDenied;
    case Exit::kTimedOut: return absl::StatusCode::kDeadlineExceeded;
    case Exit::kNotFound: return absl::StatusCode::kNotFound;
    case Exit::kIncompatible: return absl::StatusCode::kFailedPrecondition;
    case Exit::kUnreadable: return absl::StatusCode::kDataLoss;
    case Exit::kEvicted: return absl::StatusCode::kCancelled;
    case Exit::kInternal: return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

std::string Payload(const absl::Status& status, const char* url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

absl::Status ToStatus(const UserError& error) {
  REQUIRE(error.exit != Exit::kOk);
  absl::Status status(CanonicalCode(error.exit), error.message);
  status.SetPayload(kCodeUrl, absl::Cord(error.code));
  status.SetPayload(kExitUrl, absl::Cord(std::to_string(static_cast<int>(error.exit))));
  if (!error.hint.empty()) status.SetPayload(kHintUrl, absl::Cord(error.hint));
  return status;
}

bool HasUserError(const absl::Status& status) { return status.GetPayload(kCodeUrl).has_value(); }

absl::StatusOr<Exit> ExitOf(int code) {
  switch (static_cast<Exit>(code)) {
    case Exit::kRunFailed:
    case Exit::kUsage:
    case Exit::kHeadUnreachable:
    case Exit::kRefused:
    case Exit::kTimedOut:
    case Exit::kNotFound:
    case Exit::kIncompatible:
    case Exit::kUnreadable:
    case Exit::kEvicted:
    case Exit::kInternal: return static_cast<Exit>(code);
    case Exit::kOk: break;
  }
  return absl::InvalidArgumentError("no such exit code: " + std::to_string(code));
}

UserError ToUserError(const absl::Status& status) {
  REQUIRE(!status.ok());
  const std::string code = Payload(status, kCodeUrl);
  const std::string message = MessageOf(status);
  if (code.empty()) {
    return {.code = "INTERNAL", .exit = Exit::kInternal, .message = status.ToString()};
  }
  return {.code = code,
          .exit = static_cast<Exit>(std::atoi(Payload(status, kExitUrl).c_str())),
          .message = message,
          .hint = Payload(status, kHintUrl)};
}

absl::Status MakeError(std::string_view code, Exit exit, std::string_view message,
                       std::string_view hint) {
  return ToStatus({.code = std::string(code),
                   .exit = exit,
                   .message = std::string(message),
                   .hint = std::string(hint)});
}

}  // namespace runtime
