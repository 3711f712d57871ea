#include "runtime/actor/guard.h"

#include <absl/strings/str_cat.h>

#include <exception>

namespace runtime {

absl::Status RunGuarded(absl::FunctionRef<absl::Status()> run) {
  try {
    return run();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("an exception escaped: ", error.what()));
  } catch (...) {
    return absl::InternalError("an exception of unknown type escaped");
  }
}

}  // namespace runtime
