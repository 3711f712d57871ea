// Errors that a person or a script sees: a greppable code, an exit code, what, why and what to do.
//
// They travel as absl::Status with a payload, so that the layers between need not know them.
#ifndef RONDO_RUNTIME_BASE_ERROR_H_
#define RONDO_RUNTIME_BASE_ERROR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace runtime {

// Exit codes of the command line (README, "Exit codes").
enum class Exit : int {
  kOk = 0,
  kRunFailed = 1,
  kUsage = 2,
  kHeadUnreachable = 3,
  kRefused = 4,
  kTimedOut = 5,
  kNotFound = 6,
  kIncompatible = 7,
  kUnreadable = 8,
  kEvicted = 9,
  kInternal = 70,
};

struct UserError {
  std::string code;  // "WORKER_LOST": upper case, greppable, stable.
  Exit exit = Exit::kInternal;
  std::string message;  // One sentence what, one why.
  std::string hint;     // What to do; may be empty.
};

// The status that carries `error`; its canonical code follows from `error.exit`.
absl::Status ToStatus(const UserError& error);
// The error in `status`; a status without one becomes code INTERNAL, exit 70, with its message.
// `status` must not be OK.
UserError ToUserError(const absl::Status& status);

// Whether `status` carries a UserError.
bool HasUserError(const absl::Status& status);
// kInvalidArgument: no exit code of ours other than kOk.
absl::StatusOr<Exit> ExitOf(int code);

// Shorthand: MakeError("CONFIG_UNKNOWN_KEY", Exit::kUsage, "unknown key ...", "did you mean ...").
absl::Status MakeError(std::string_view code, Exit exit, std::string_view message,
                       std::string_view hint = "");

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_ERROR_H_
