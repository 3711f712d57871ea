// `rondo bench allreduce`.
#include "apps/rondo/verbs.h"

namespace apps {

absl::StatusOr<int> BenchAllreduce(const BenchAllreduceOptions& options, Output& output) {
  return NotConnected("bench");
}

}  // namespace apps
