// Dropout (Srivastava et al. 2014) by counter-based random numbers: which values of a step fall out
// is a pure function of the run's seed, the worker's slot, the step and the place of the value, and
// not of how many threads compute, or of what was drawn before. C++17-clean, without torch.
#ifndef RONDO_ACTORS_TRAINING_DROPOUT_H_
#define RONDO_ACTORS_TRAINING_DROPOUT_H_

#include <absl/types/span.h>

#include "actors/training/random.h"

namespace actors {

// What values are multiplied by: 0 with probability `rate`, in [0, 1), else 1 / (1 - rate), which
// keeps their mean (inverted dropout). One word of `random` each, in order; the words of a block
// that is not used up are left out.
void DrawDropoutMask(RandomStream& random, double rate, absl::Span<float> mask);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_DROPOUT_H_
