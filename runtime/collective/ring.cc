#include "runtime/collective/ring.h"

#include <absl/strings/cord.h>

namespace runtime {
namespace {

constexpr char kInUseUrl[] = "rondo/shadow-in-use";

}  // namespace

bool ShadowInUse(const absl::Status& status) { return status.GetPayload(kInUseUrl).has_value(); }

absl::Status MarkShadowInUse(absl::Status status) {
  status.SetPayload(kInUseUrl, absl::Cord("1"));
  return status;
}

}  // namespace runtime
