#include "runtime/collective/ring.h"

#include <absl/strings/cord.h>

namespace runtime {
namespace {

constexpr char kInUseUrl[] = "rondo/shadow-in-use";

}  // namespace

Duration LongestStandstill(std::uint64_t chunk_bytes) {
  constexpr double kBytesPerSecond = 1e6 / 8;
  return FromSeconds(2 + static_cast<double>(chunk_bytes) / kBytesPerSecond);
}

bool ShadowInUse(const absl::Status& status) { return status.GetPayload(kInUseUrl).has_value(); }

absl::Status MarkShadowInUse(absl::Status status) {
  status.SetPayload(kInUseUrl, absl::Cord("1"));
  return status;
}

}  // namespace runtime
