#include "tests/support/plain_run.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "actors/averaging/drift.h"
#include "actors/averaging/estimator.h"
#include "actors/run_options.h"
#include "actors/training/model_layout.h"
#include "actors/training/quadratic_trainer.h"
#include "runtime/base/require.h"
#include "runtime/collective/ring_reference.h"

namespace tests {
namespace {

using actors::EstimatorOptions;
using actors::LocalState;
using actors::QuadraticTrainer;
using actors::RunConfig;

// The K models and what they agree on.
class Models {
 public:
  explicit Models(const RunConfig& config)
      : schedule_(actors::LearningRateScheduleOf(config)),
        server_(actors::ServerOptimizerOptionsOf(config)),
        weights_(config.run.workers, 1.0F) {
    for (std::uint32_t rank = 0; rank < config.run.workers; ++rank) {
      trainers_.push_back(std::make_unique<QuadraticTrainer>(actors::TrainingOptionsOf(config)));
      REQUIRE(trainers_.back()
                  ->Place({.slot = rank, .rank = rank, .world_size = config.run.workers})
                  .ok());
    }
    base_ = LocalOf(0);
    committed_ = base_;
    committed_.resize(actors::CommittedFloats(server_, base_.size()));
    direction_.resize(base_.size());
    states_.resize(trainers_.size());
    const EstimatorOptions options = actors::EstimatorOptionsOf(config, base_.size());
    estimator_ = *actors::MakeEstimator(options);
    summarizer_ = *actors::MakeSummarizer(options);
  }

  void Step(std::uint64_t step) {
    for (auto& trainer : trainers_) {
      REQUIRE(trainer->Step(step, actors::LearningRateAt(schedule_, step)).ok());
    }
  }

  double EstimateVariance() {
    for (std::size_t k = 0; k < trainers_.size(); ++k) {
      summarizer_->Summarize(LocalOf(k), base_, {.id = direction_id_, .values = direction_},
                             states_[k]);
    }
    const absl::StatusOr<double> estimate = estimator_->EstimateVariance(states_, weights_);
    REQUIRE(estimate.ok());
    return *estimate;
  }

  // (1/K) sum ‖u_k‖² - ‖ubar‖², from the models themselves.
  double ExactVariance() {
    double squared = 0;
    for (std::size_t k = 0; k < trainers_.size(); ++k) {
      squared += actors::SquaredDrift(LocalOf(k), base_);
    }
    const std::vector<float> mean = runtime::ReduceInRingOrder(Locals(), base_, weights_);
    return squared / static_cast<double>(trainers_.size()) - actors::SquaredDrift(mean, base_);
  }

  void Synchronize() {
    std::vector<float> next = runtime::ReduceInRingOrder(Locals(), base_, weights_);
    next.resize(committed_.size());
    actors::ServerStep(server_, base_.size(), base_.size(), committed_, next);
    const std::vector<float> mean(next.begin(),
                                  next.begin() + static_cast<std::ptrdiff_t>(base_.size()));
    const std::uint64_t layout = trainers_.front()->layout().Hash();
    if (actors::ComputeUpdateDirection(mean, base_, actors::SquaredDrift(mean, base_),
                                       direction_)) {
      direction_id_ = {.newer_base = runtime::RootOf(layout, next),
                       .older_base = runtime::RootOf(layout, committed_)};
    } else {
      direction_id_ = {};
    }
    base_ = mean;
    committed_ = std::move(next);
    for (auto& trainer : trainers_) {
      std::copy(base_.begin(), base_.end(), trainer->local().begin());
    }
  }

  const std::vector<float>& base() const { return base_; }

 private:
  std::vector<std::vector<float>> Locals() {
    std::vector<std::vector<float>> locals;
    for (std::size_t k = 0; k < trainers_.size(); ++k) locals.push_back(LocalOf(k));
    return locals;
  }
  std::vector<float> LocalOf(std::size_t k) {
    const absl::Span<float> local = trainers_[k]->local();
    return {local.begin(), local.end()};
  }

  const actors::LearningRateSchedule schedule_;
  const actors::ServerOptimizerOptions server_;
  const std::vector<float> weights_;
  std::vector<std::unique_ptr<QuadraticTrainer>> trainers_;
  std::unique_ptr<actors::Summarizer> summarizer_;
  std::unique_ptr<actors::Estimator> estimator_;
  std::vector<LocalState> states_;
  std::vector<float> base_;
  std::vector<float> committed_;  // The base, and what the server optimizer remembers.
  std::vector<float> direction_;
  actors::XiId direction_id_;
};

}  // namespace

PlainRun TrainPlainly(const RunConfig& config) {
  Models models(config);
  PlainRun run;
  std::uint64_t synchronized = 0;
  const actors::LearningRateSchedule schedule = actors::LearningRateScheduleOf(config);
  long double squared_rates = 0;
  double tuned_theta = 0;  // fda-opt's.
  for (std::uint64_t step = 1; step <= config.run.max_steps; ++step) {
    models.Step(step);
    const std::uint64_t since = step - synchronized;
    bool due = step == config.run.max_steps;
    const bool capped =
        config.strategy.max_interval.has_value() && since >= *config.strategy.max_interval;
    switch (config.strategy.name) {
      case actors::Strategy::kSynchronous: due = true; break;
      case actors::Strategy::kLocal:
      case actors::Strategy::kDiloco: due = due || since >= config.strategy.tau; break;
      // The quadratic model has a single sample.
      case actors::Strategy::kFedAvg:
      case actors::Strategy::kFedAvgM:
      case actors::Strategy::kFedAdam:
        due = due || static_cast<double>(since) >= config.strategy.data_epochs;
        break;
      case actors::Strategy::kQsr: {
        const double ratio =
            config.strategy.qsr_alpha /
            actors::LearningRateAt(schedule, std::max(synchronized + 1, schedule.warmup));
        due = due || (since >= config.strategy.tau && since + 1 > ratio * ratio);
        break;
      }
      case actors::Strategy::kClock: {
        const long double rate = actors::LearningRateAt(schedule, step);
        const long double full = schedule.learning_rate;
        squared_rates += rate * rate;
        const bool passed = squared_rates + rate * rate / 1000 >=
                            static_cast<long double>(config.strategy.tau) * full * full;
        due = due || capped || passed;
        break;
      }
      case actors::Strategy::kFda:
        due = due || capped || *config.strategy.theta == 0;
        due = due || models.EstimateVariance() > *config.strategy.theta;
        break;
      case actors::Strategy::kFdaOpt:  // The first round is an epoch, which is a step.
        due = due || capped || synchronized == 0 ||
              static_cast<double>(since) >= config.strategy.max_epochs;
        due = due || models.EstimateVariance() > tuned_theta;
        break;
    }
    if (!due) continue;
    const double variance = models.ExactVariance();
    tuned_theta = variance > 0
                      ? config.strategy.max_epochs / 2 / static_cast<double>(since) * variance
                      : std::numeric_limits<double>::infinity();
    models.Synchronize();
    run.synchronized_steps.push_back(step);
    synchronized = step;
    squared_rates = 0;
  }
  run.base = models.base();
  return run;
}

}  // namespace tests
