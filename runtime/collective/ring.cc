#include "runtime/collective/ring.h"

#include <absl/strings/cord.h>

namespace runtime {
namespace {

// A sanitizer build is several times slower; its bounds are too.
#ifdef RONDO_SANITIZED
constexpr double kSlowness = 5;
#else
constexpr double kSlowness = 1;
#endif

constexpr char kInUseUrl[] = "rondo/shadow-in-use";

}  // namespace

Duration LongestStandstill(std::uint64_t chunk_bytes) {
  constexpr double kBytesPerSecond = 1e6 / 8;
  return FromSeconds(kSlowness * (2 + static_cast<double>(chunk_bytes) / kBytesPerSecond));
}

bool ShadowInUse(const absl::Status& status) { return status.GetPayload(kInUseUrl).has_value(); }

absl::Status MarkShadowInUse(absl::Status status) {
  status.SetPayload(kInUseUrl, absl::Cord("1"));
  return status;
}

}  // namespace runtime
