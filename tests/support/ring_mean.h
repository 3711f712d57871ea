// The ring's mean for tests that include torch: runtime/collective/ring_reference.h is C++20.
#ifndef RONDO_TESTS_SUPPORT_RING_MEAN_H_
#define RONDO_TESTS_SUPPORT_RING_MEAN_H_

#include <vector>

namespace tests {

// base + mean of (local - base), added in the ring's order; one local per member, equal weights.
std::vector<float> MeanInRingOrder(const std::vector<std::vector<float>>& locals,
                                   const std::vector<float>& base);

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_RING_MEAN_H_
