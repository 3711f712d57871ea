// The learning rate of a step: a function of the run's step number and of nothing else, so that
// whoever joins, comes back or does a step again trains at the rate of the others. Pure.
//
// The formulas are those of torch.optim.lr_scheduler, with its first step as step 1: a warm-up,
// LinearLR, and behind it (SequentialLR) ConstantLR, CosineAnnealingLR or StepLR, which count from
// the end of the warm-up.
#ifndef RONDO_ACTORS_AVERAGING_LEARNING_RATE_H_
#define RONDO_ACTORS_AVERAGING_LEARNING_RATE_H_

#include <cstdint>

namespace actors {

enum class Schedule { kConstant, kCosine, kStep };

// With w = warmup, eta_0 = learning_rate, s = t - 1 - w, the steps taken since the warm-up:
//   t <= w    eta_t = eta_0 · t / w
//   constant  eta_t = eta_0
//   cosine    eta_t = final + (eta_0 - final) (1 + cos(pi s / (max_steps - w))) / 2
//   step      eta_t = eta_0 · decay_factor^floor(s / decay_every)
// A cosine has come to `final` behind the last step, so that no step is taken at a rate of 0; past
// the end, where a run without a barrier may come by a few steps, it stays there.
struct LearningRateSchedule {
  Schedule name = Schedule::kConstant;
  double learning_rate = 1e-3;  // eta_0, the highest; > 0.
  std::uint64_t warmup = 0;     // Steps, < max_steps.
  std::uint64_t max_steps = 1;
  double final_learning_rate = 0;  // 0 .. learning_rate.
  std::uint64_t decay_every = 0;   // Steps, >= 1 of kStep.
  double decay_factor = 0.1;       // 0 .. 1.
};

// eta_t / eta_0 of step t, in [0, 1]; exactly 1 where the rate is the full one. Step 0, before the
// first, has the rate of the first. It has the same bits on every machine: + - * / alone, which
// IEEE 754 rounds exactly.
double LearningRateFactor(const LearningRateSchedule& schedule, std::uint64_t step);

// Whether all steps have the same rate.
bool IsFlat(const LearningRateSchedule& schedule);

// eta_t of step t.
double LearningRateAt(const LearningRateSchedule& schedule, std::uint64_t step);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_LEARNING_RATE_H_
