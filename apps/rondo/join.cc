// `rondo join`.
#include "apps/rondo/verbs.h"

namespace apps {

absl::StatusOr<int> Join(const JoinOptions& options, Output& output) {
  return NotConnected("join");
}

}  // namespace apps
