// `rondo status`.
#include "apps/rondo/verbs.h"

namespace apps {

absl::StatusOr<int> Status(const StatusOptions& options, Output& output) {
  return NotConnected("status");
}

}  // namespace apps
