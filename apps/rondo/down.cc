// `rondo down`.
#include "apps/rondo/verbs.h"

namespace apps {

absl::StatusOr<int> Down(const DownOptions& options, Output& output) {
  return NotConnected("down");
}

}  // namespace apps
