// Whole runs on simulated clusters: random delays, lost publications, every strategy, K = 2 to 8.
// Each must end with the bits of the same run as a plain loop (tests/support/plain_run.h).
//
// RONDO_SIM_SEEDS is how many seeds in all, RONDO_SIM_FIRST_SEED the first of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "tests/support/plain_run.h"
#include "tests/support/sim_seeds.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::EstimatorKind;
using actors::RunConfig;
using actors::Strategy;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::Each;

#ifdef RONDO_SANITIZED
constexpr std::uint64_t kSeeds = 120;
#else
constexpr std::uint64_t kSeeds = 2000;
#endif

struct Kind {
  const char* name;
  Strategy strategy;
  EstimatorKind estimator = EstimatorKind::kLinear;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

constexpr Kind kKinds[] = {
    {"Linear", Strategy::kFda, EstimatorKind::kLinear},
    {"Naive", Strategy::kFda, EstimatorKind::kNaive},
    {"Sketch", Strategy::kFda, EstimatorKind::kSketch},
    {"Exact", Strategy::kFda, EstimatorKind::kExact},
    {"Synchronous", Strategy::kSynchronous},
    {"Local", Strategy::kLocal},
    {"Clock", Strategy::kClock},
    {"Qsr", Strategy::kQsr},
    {"FedAvgM", Strategy::kFedAvgM},
    {"FedAdam", Strategy::kFedAdam},
    {"Diloco", Strategy::kDiloco},
    {"FdaOpt", Strategy::kFdaOpt, EstimatorKind::kLinear},
    {"FdaOptOfSketches", Strategy::kFdaOpt, EstimatorKind::kSketch},
};

// One of `values`.
template <typename T, std::size_t N>
T Draw(runtime::SeededRandom& random, const T (&values)[N]) {
  return values[random.Below(N)];
}

// What is published as that strategy, or a server optimizer of another one.
void DrawServer(const Kind& kind, runtime::SeededRandom& random, RunConfig& config) {
  if (kind.strategy == Strategy::kFedAdam) {
    config.server = {.name = actors::ServerOptimizer::kAdam, .learning_rate = 0.01};
  } else if (kind.strategy == Strategy::kFedAvgM || kind.strategy == Strategy::kDiloco) {
    config.server = {.name = actors::ServerOptimizer::kSgd,
                     .learning_rate = 0.7,
                     .momentum = 0.9,
                     .nesterov = kind.strategy == Strategy::kDiloco};
  } else if (kind.strategy == Strategy::kFdaOpt) {
    config.strategy.theta.reset();
    config.server.name =
        Draw(random, {actors::ServerOptimizer::kSgd, actors::ServerOptimizer::kAdamW,
                      actors::ServerOptimizer::kAdagrad});
    config.server.learning_rate = 0.5;
  } else if (random.Below(8) == 0) {
    config.server = {.name = actors::ServerOptimizer::kSgd, .learning_rate = 0.5};
  }
  // Then not every step is in the model as a whole.
  if (config.server.name != actors::ServerOptimizer::kNone) config.model.integer = false;
}

void DrawStrategy(const Kind& kind, runtime::SeededRandom& random, RunConfig& config) {
  config.strategy.name = kind.strategy;
  config.strategy.estimator = kind.estimator;
  config.strategy.sketch_rows = 3;
  config.strategy.sketch_columns = 16;
  config.strategy.tau = 1 + random.Below(5);
  if (random.Below(2) == 0) config.strategy.max_interval = 1 + random.Below(6);
  // What each coordinate moves in a step, about; theta lets one to four steps pass.
  const double step = config.model.integer ? actors::kIntegerStep : 0.05;
  const double steps = 4 * random.Fraction();
  const bool never_waits = random.Below(10) == 0;
  config.strategy.max_epochs = 1 + 4 * random.Fraction();
  config.strategy.theta =
      never_waits ? 0 : step * step * steps * steps * static_cast<double>(config.model.dimension);
}

void DrawSchedule(runtime::SeededRandom& random, RunConfig& config) {
  actors::OptimizerSection& optimizer = config.optimizer;
  if (random.Below(2) == 0) optimizer.warmup = random.Below(config.run.max_steps);
  optimizer.schedule = Draw(
      random, {actors::Schedule::kConstant, actors::Schedule::kCosine, actors::Schedule::kStep});
  if (optimizer.schedule == actors::Schedule::kCosine) {
    optimizer.final_learning_rate = optimizer.learning_rate * random.Fraction();
  }
  if (optimizer.schedule == actors::Schedule::kStep) {
    optimizer.decay_every = 1 + random.Below(4);
    optimizer.decay_factor = Draw(random, {0.1, 0.5, 1.0});
  }
}

RunConfig DrawConfig(const Kind& kind, runtime::SeededRandom& random) {
  RunConfig config;
  config.run.workers = 2 + static_cast<std::uint32_t>(random.Below(7));
  config.run.min_workers = config.run.workers;
  config.run.seed = random.Below(1000);
  config.run.max_steps = 1 + random.Below(12);
  config.run.evaluate_every = random.Below(6);
  config.run.evaluate =
      random.Below(2) == 0 ? actors::EvaluateWhat::kMean : actors::EvaluateWhat::kLastSynchronized;
  config.data.source = actors::DataSource::kNone;
  config.model.name = actors::ModelName::kQuadratic;
  config.model.dimension = Draw<std::uint64_t>(random, {1, 7, 16, 33, 128, 1000});
  // Now and then many chunks, with one credit or some.
  if (random.Below(20) == 0) config.model.dimension = 100'000;
  config.model.integer = random.Below(2) == 0;
  config.model.noise = 0.5;
  config.optimizer.name =
      random.Below(2) == 0 ? actors::OptimizerName::kSgd : actors::OptimizerName::kAdam;
  config.optimizer.learning_rate = 0.05;
  DrawSchedule(random, config);
  config.network.chunk_bytes = 65536;
  config.network.credits = 1 + static_cast<std::uint32_t>(random.Below(4));
  DrawStrategy(kind, random, config);
  config.strategy.qsr_alpha = config.optimizer.learning_rate * (1 + 2 * random.Fraction());
  config.strategy.data_epochs = static_cast<double>(config.strategy.tau);
  DrawServer(kind, random, config);
  return config;
}

TrainingClusterOptions DrawCluster(const Kind& kind, std::uint64_t seed) {
  runtime::SeededRandom random(seed);
  TrainingClusterOptions options{.seed = seed, .config = DrawConfig(kind, random)};
  options.network.longest_delay = Draw(random, {microseconds(100), microseconds(30000)});
  options.network.publish_loss = Draw(random, {0.0, 0.02, 0.3});
  options.longest_task = Draw(random, {microseconds(200), microseconds(20000)});
  options.longest_transit = Draw(random, {microseconds(50), microseconds(5000)});
  return options;
}

// Invariant I10: a commit at step s holds every one of the s steps of each of K workers once, so
// that K (base - 0) / 840 = K s in every coordinate.
void ExpectEveryStepCommittedOnce(const TrainingCluster& cluster, const RunConfig& config) {
  for (const actors::Synchronized& event : cluster.record().synchronizations) {
    const std::vector<float> base(config.model.dimension,
                                  actors::kIntegerStep * static_cast<float>(event.step));
    EXPECT_EQ(event.root, runtime::RootOf(cluster.replica(0)->layout_hash(), base))
        << "at step " << event.step;
  }
  const double committed = static_cast<double>(cluster.base(0)[0]) / actors::kIntegerStep;
  EXPECT_EQ(committed * config.run.workers,
            static_cast<double>(config.run.workers * config.run.max_steps));
}

void ExpectTheRunOfThePlainLoop(TrainingCluster& cluster, const RunConfig& config) {
  ASSERT_TRUE(cluster.RunToEnd()) << "waits for " << cluster.monitor().WaitsFor();
  const RunRecord& record = cluster.record();
  ASSERT_OK(record.summary->status);
  EXPECT_EQ(record.summary->steps, config.run.max_steps);
  EXPECT_TRUE(record.summary->replicas_equal);
  EXPECT_TRUE(record.summary->model_saved);
  EXPECT_EQ(record.summary->samples,
            config.run.max_steps * config.run.workers * config.optimizer.batch);
  ASSERT_FALSE(record.tests.empty());
  EXPECT_EQ(record.tests.back().step, config.run.max_steps);

  const PlainRun plain = TrainPlainly(config);
  EXPECT_EQ(record.SynchronizedSteps(), plain.synchronized_steps);
  for (std::uint32_t slot = 0; slot < cluster.workers(); ++slot) {
    ASSERT_EQ(cluster.base(slot), plain.base) << "slot " << slot;
    ASSERT_EQ(cluster.local(slot), plain.base) << "slot " << slot;
    EXPECT_EQ(cluster.replica(slot)->root(), record.summary->root);
  }
  EXPECT_EQ(record.summary->root,
            runtime::RootOf(cluster.replica(0)->layout_hash(), cluster.replica(0)->Offer().floats));
  if (config.model.integer) ExpectEveryStepCommittedOnce(cluster, config);
}

class TrainingSim : public testing::TestWithParam<Kind> {};

TEST_P(TrainingSim, EveryRunEndsWithTheBitsOfThePlainLoopWhateverTheDelays) {
  const std::uint64_t first = FirstSeed();
  const std::uint64_t seeds = Seeds(kSeeds);
  for (std::uint64_t seed = first;
       seed < first + (seeds + std::size(kKinds) - 1) / std::size(kKinds); ++seed) {
    SCOPED_TRACE("replay with: RONDO_SIM_SEEDS=1 RONDO_SIM_FIRST_SEED=" + std::to_string(seed) +
                 " sim_test --gtest_filter='*EveryRun*/" + GetParam().name + "'");
    const TrainingClusterOptions options = DrawCluster(GetParam(), seed);
    TrainingCluster cluster(options);
    ExpectTheRunOfThePlainLoop(cluster, options.config);
    if (HasFailure()) return;
  }
}

TEST_P(TrainingSim, OneSeedReplaysTheRunToTheLastFrame) {
  for (std::uint64_t seed = 500; seed < 505; ++seed) {
    TrainingCluster first(DrawCluster(GetParam(), seed));
    TrainingCluster second(DrawCluster(GetParam(), seed));
    ASSERT_TRUE(first.RunToEnd());
    ASSERT_TRUE(second.RunToEnd());
    EXPECT_EQ(first.trace_hash(), second.trace_hash()) << "seed " << seed;
    EXPECT_EQ(first.base(0), second.base(0)) << "seed " << seed;
  }
}

TEST_P(TrainingSim, OtherDelaysGiveAnotherHistoryAndTheSameModel) {
  for (std::uint64_t seed = 600; seed < 605; ++seed) {
    TrainingClusterOptions options = DrawCluster(GetParam(), seed);
    TrainingCluster first(options);
    options.seed += 1'000'000;
    TrainingCluster second(options);
    ASSERT_TRUE(first.RunToEnd());
    ASSERT_TRUE(second.RunToEnd());
    EXPECT_NE(first.trace_hash(), second.trace_hash()) << "seed " << seed;
    EXPECT_EQ(first.base(0), second.base(0)) << "seed " << seed;
    EXPECT_EQ(first.record().summary->root, second.record().summary->root) << "seed " << seed;
    EXPECT_EQ(first.record().SynchronizedSteps(), second.record().SynchronizedSteps());
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, TrainingSim, testing::ValuesIn(kKinds),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(TrainingSimOfOne, AloneAWorkerTrainsAsThePlainLoopDoes) {
  for (const Kind& kind : kKinds) {
    for (std::uint64_t seed = 700; seed < 710; ++seed) {
      SCOPED_TRACE(std::string(kind.name) + ", seed " + std::to_string(seed));
      TrainingClusterOptions options = DrawCluster(kind, seed);
      options.config.run.workers = options.config.run.min_workers = 1;
      TrainingCluster cluster(options);
      ExpectTheRunOfThePlainLoop(cluster, options.config);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace tests
