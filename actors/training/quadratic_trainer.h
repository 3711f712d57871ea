// A trainer without torch whose answer is known exactly: faults, soak, join, sanitizer and load
// tests with real processes use it, and so do `bench` and `simulate`.
//
// The bowl of rank r among K: f_r(w) = sum_i c_i (w_i - o_i - s_r,i)^2 / 2 with curvatures c_i =
// curvature (1 + i mod 8) / 8, the optimum o drawn from data.seed in [-1, 1), and
// s_r,i = (2 ((r + i) mod K) + 1 - K) / K. The shifts s pull the ranks apart and sum to zero over
// them, so the mean of all bowls has its bottom at o for every K. A gradient carries normal noise
// from (seed, slot, step).
//
// Integer mode: the model starts at 0 and each step adds exactly 840 (= lcm 1..8) to every
// coordinate, so that a mean over up to 8 workers is exact below 2^24 and every step can be counted
// in the result (protocol invariant I10). C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_QUADRATIC_TRAINER_H_
#define RONDO_ACTORS_TRAINING_QUADRATIC_TRAINER_H_

#include <absl/functional/any_invocable.h>

#include <memory>
#include <string>

#include "actors/training/flat_optimizer.h"
#include "actors/training/flat_vector.h"
#include "actors/training/trainer.h"
#include "actors/training/training_options.h"
#include "runtime/base/clock.h"

namespace actors {

inline constexpr float kIntegerStep = 840;

// Lets `duration` pass; how a step takes its time. Given by the owner, so that tests need not wait.
using Pause = absl::AnyInvocable<void(runtime::Duration duration)>;

// Blocks the calling thread, without using the processor.
void PauseThread(runtime::Duration duration);

class QuadraticTrainer final : public Trainer {
 public:
  // REQUIREs valid options with model.name "quadratic".
  explicit QuadraticTrainer(const TrainingOptions& options, Pause pause = PauseThread);

  const Layout& layout() const override { return layout_; }
  absl::Span<float> local() override { return local_.span(); }
  absl::Status Place(const Placement& placement) override;
  // Reports the noiseless loss f_r before the step.
  absl::StatusOr<StepOutcome> Step(std::uint64_t step, double learning_rate) override;
  // The test set is one sample, held by part 0: its loss is ‖model - o‖², and it is correct if
  // every coordinate is within 0.05 of o. Integer mode: o = 0.
  absl::StatusOr<EvaluationCounts> Evaluate(absl::Span<const float> model, std::uint32_t part,
                                            std::uint32_t parts) override;
  FlatOptimizer& optimizer() override { return optimizer_; }
  // The raw floats, in the machine's byte order.
  absl::Status Save(absl::Span<const float> model, const std::string& path) override;
  // Each rank sees the whole set of one sample.
  DataSummary Data() const override;

  // o, the answer.
  absl::Span<const float> optimum() const { return optimum_.span(); }

 private:
  double Loss() const;
  void StepDown(std::uint64_t step, double learning_rate);

  TrainingOptions options_;
  Pause pause_;
  Layout layout_;
  FlatVector local_;
  FlatVector gradient_;
  FlatVector optimum_;
  FlatVector target_;  // o + s_r.
  FlatOptimizer optimizer_;
  Placement placement_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_QUADRATIC_TRAINER_H_
