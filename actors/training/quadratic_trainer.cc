#include "actors/training/quadratic_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>
#include <utility>

#include "actors/training/model_layout.h"
#include "actors/training/random.h"
#include "runtime/base/atomic_file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mutex.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr float kTolerance = 0.05f;

}  // namespace

void PauseThread(runtime::Duration duration) {
  const auto deadline = std::chrono::steady_clock::now() + duration;
  runtime::Mutex mutex;
  runtime::Condition never;
  const runtime::MutexLock lock(mutex);
  while (std::chrono::steady_clock::now() < deadline) never.WaitUntil(mutex, deadline);
}

QuadraticTrainer::QuadraticTrainer(const TrainingOptions& options, Pause pause)
    : options_(options),
      pause_(std::move(pause)),
      layout_(QuadraticLayout(options.quadratic.dimension)),
      local_(layout_.total),
      gradient_(layout_.total),
      optimum_(layout_.total),
      target_(layout_.total),
      optimizer_(options.optimizer, layout_.total) {
  REQUIRE(options.model.name == "quadratic");
  if (!options_.quadratic.integer) {
    RandomStream of_model(options_.model.seed, Purpose::kInitialModel);
    for (float& value : local_.span()) value = 4 * of_model.NextSymmetric();
    RandomStream of_optimum(options_.data.seed, Purpose::kQuadraticOptimum);
    for (float& value : optimum_.span()) value = of_optimum.NextSymmetric();
  }
  REQUIRE(Place(Placement()).ok());
}

absl::Status QuadraticTrainer::Place(const Placement& placement) {
  REQUIRE(placement.rank < placement.world_size);
  placement_ = placement;
  const std::uint64_t size = placement.world_size;
  for (std::size_t i = 0; i < target_.size(); ++i) {
    const std::uint64_t turned = (placement.rank + i) % size;
    const auto numerator =
        static_cast<std::int64_t>(2 * turned + 1) - static_cast<std::int64_t>(size);
    target_.data()[i] =
        optimum_.data()[i] + static_cast<float>(numerator) / static_cast<float>(size);
  }
  return absl::OkStatus();
}

absl::StatusOr<StepOutcome> QuadraticTrainer::Step(std::uint64_t step, double learning_rate) {
  StepOutcome outcome;
  outcome.samples = options_.optimizer.batch;
  if (options_.quadratic.integer) {
    for (float& value : local_.span()) value += kIntegerStep;
  } else {
    outcome.loss = static_cast<float>(Loss());
    if (!std::isfinite(outcome.loss)) {
      return absl::DataLossError("the loss is not finite at step " + std::to_string(step));
    }
    StepDown(step, learning_rate);
  }
  if (options_.quadratic.step_time_seconds > 0) {
    pause_(std::chrono::duration_cast<runtime::Duration>(
        std::chrono::duration<double>(options_.quadratic.step_time_seconds)));
  }
  return outcome;
}

double QuadraticTrainer::Loss() const {
  double loss = 0;
  for (std::size_t i = 0; i < local_.size(); ++i) {
    const double curvature = options_.quadratic.curvature * static_cast<double>(1 + i % 8) / 8;
    const double distance = double{local_.data()[i]} - double{target_.data()[i]};
    loss += curvature * distance * distance / 2;
  }
  return loss;
}

void QuadraticTrainer::StepDown(std::uint64_t step, double learning_rate) {
  RandomStream random(options_.model.seed, Purpose::kQuadraticNoise, placement_.slot, step);
  const auto curvature = static_cast<float>(options_.quadratic.curvature);
  const auto noise = static_cast<float>(options_.quadratic.noise);
  for (std::size_t i = 0; i < local_.size(); ++i) {
    const float slope = curvature * static_cast<float>(1 + i % 8) * 0.125f;
    gradient_.data()[i] = slope * (local_.data()[i] - target_.data()[i]);
    if (noise > 0) gradient_.data()[i] += noise * random.NextNormal();
  }
  optimizer_.Step(learning_rate, gradient_.span(), local_.span());
}

absl::StatusOr<EvaluationCounts> QuadraticTrainer::Evaluate(absl::Span<const float> model,
                                                            std::uint32_t part,
                                                            std::uint32_t parts) {
  REQUIRE(model.size() == layout_.total && part < parts);
  EvaluationCounts counts;
  if (part != 0) return counts;
  counts.samples = 1;
  counts.correct = 1;
  for (std::size_t i = 0; i < model.size(); ++i) {
    const double distance = double{model[i]} - double{optimum_.data()[i]};
    counts.loss_sum += distance * distance;
    if (!(std::fabs(distance) <= kTolerance)) counts.correct = 0;
  }
  return counts;
}

absl::Status QuadraticTrainer::Save(absl::Span<const float> model, const std::string& path) {
  REQUIRE(model.size() == layout_.total);
  const auto* const bytes = reinterpret_cast<const char*>(model.data());
  return runtime::ReplaceFile(path, std::string_view(bytes, model.size() * sizeof(float)));
}

DataSummary QuadraticTrainer::Data() const {
  DataSummary summary;
  summary.fingerprint = runtime::HashFloats({optimum_.data(), optimum_.size()});
  summary.train_samples = 1;
  summary.test_samples = 1;
  summary.samples_by_class = {1};
  return summary;
}

}  // namespace actors
