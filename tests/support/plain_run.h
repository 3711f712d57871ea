// A training run as one loop in one process: Algorithm 1 of the paper (or a fixed schedule) over K
// models, averaged in the ring's order. It shares no line with worker, monitor and round, so the
// bits that it ends with are what a cluster has to end with.
#ifndef RONDO_TESTS_SUPPORT_PLAIN_RUN_H_
#define RONDO_TESTS_SUPPORT_PLAIN_RUN_H_

#include <cstdint>
#include <vector>

#include "actors/run_config.h"

namespace tests {

struct PlainRun {
  std::vector<std::uint64_t> synchronized_steps;
  std::vector<float> base;
};

// The quadratic model only; weights are equal.
PlainRun TrainPlainly(const actors::RunConfig& config);

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_PLAIN_RUN_H_
