#include "actors/training/dropout.h"

#include <algorithm>
#include <cstdint>

#include "runtime/base/require.h"

namespace actors {

void DrawDropoutMask(RandomStream& random, double rate, absl::Span<float> mask) {
  REQUIRE(rate >= 0 && rate < 1);
  const auto threshold = static_cast<std::uint32_t>(rate * 0x1p32);
  const auto kept = static_cast<float>(1 / (1 - rate));
  for (std::size_t i = 0; i < mask.size(); i += 4) {
    const PhiloxBlock block = random.NextBlock();
    const std::size_t count = std::min<std::size_t>(4, mask.size() - i);
    for (std::size_t j = 0; j < count; ++j) mask[i + j] = block[j] < threshold ? 0.0f : kept;
  }
}

}  // namespace actors
