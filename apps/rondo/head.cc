// `rondo head`.
#include "apps/rondo/verbs.h"

namespace apps {

absl::StatusOr<int> Head(const HeadOptions& options, Output& output) {
  return NotConnected("head");
}

}  // namespace apps
