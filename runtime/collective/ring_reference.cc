#include "runtime/collective/ring_reference.h"

#include <algorithm>

#include "runtime/base/kernels.h"
#include "runtime/base/require.h"
#include "runtime/collective/ring_plan.h"

namespace runtime {

std::vector<float> ReduceInRingOrder(std::span<const std::vector<float>> locals,
                                     std::span<const float> base, std::span<const float> weights) {
  REQUIRE(!locals.empty() && locals.size() == weights.size());
  if (locals.size() == 1) return locals[0];
  double total = 0;
  for (const float weight : weights) total += weight;
  const RingPlan plan(base.size(), static_cast<std::uint32_t>(locals.size()), kLeafBytes);
  std::vector<float> result(base.size());
  for (std::uint32_t segment = 0; segment < plan.world_size(); ++segment) {
    const FloatRange range = plan.Segment(segment);
    const std::span<float> out = std::span(result).subspan(range.begin, range.size());
    const std::span<const float> start = base.subspan(range.begin, range.size());
    bool first = true;
    for (const std::uint32_t rank : plan.OrderOfAddition(segment)) {
      const std::span<const float> local =
          std::span(locals[rank]).subspan(range.begin, range.size());
      if (first && weights[rank] != 0) WeightedDrift(local, start, weights[rank], out);
      if (first && weights[rank] == 0) std::fill(out.begin(), out.end(), 0.0F);
      if (!first && weights[rank] != 0) AddWeightedDrift(out, local, start, weights[rank], out);
      first = false;
    }
    Finalize(start, out, static_cast<float>(total), out);
  }
  return result;
}

}  // namespace runtime
