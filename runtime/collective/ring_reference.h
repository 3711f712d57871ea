// The allreduce of a ring, computed by one process: the same additions in the same order, so the
// same bits. For tests, and for a single-process reference of a training run.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_REFERENCE_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_REFERENCE_H_

#include <span>
#include <vector>

namespace runtime {

// `locals` and `weights` in ring order; all vectors of one length. One member: its `local`.
std::vector<float> ReduceInRingOrder(std::span<const std::vector<float>> locals,
                                     std::span<const float> base, std::span<const float> weights);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_REFERENCE_H_
