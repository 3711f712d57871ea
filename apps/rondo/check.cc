// `rondo check`.
#include "apps/rondo/verbs.h"

namespace apps {

absl::StatusOr<int> Check(const CheckOptions& options, Output& output) {
  return NotConnected("check");
}

}  // namespace apps
