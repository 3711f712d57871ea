// Small runs on a simulated cluster, and a network that loses chosen messages of theirs.
#ifndef RONDO_TESTS_SIM_QUICK_RUNS_H_
#define RONDO_TESTS_SIM_QUICK_RUNS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "actors/messages.h"
#include "actors/run_config.h"
#include "runtime/actor/actor.h"
#include "runtime/base/error.h"
#include "runtime/net/frame.h"
#include "runtime/sim/sim_network.h"
#include "tests/support/plain_run.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {

inline actors::RunConfig ConfigOf(actors::Strategy strategy, std::uint32_t workers) {
  actors::RunConfig config;
  config.run.workers = config.run.min_workers = workers;
  config.run.max_steps = 8;
  config.run.evaluate_every = 2;
  config.run.evaluate = actors::EvaluateWhat::kMean;
  config.data.source = actors::DataSource::kNone;
  config.model.name = actors::ModelName::kQuadratic;
  config.model.dimension = 100;
  config.model.integer = true;
  config.strategy.name = strategy;
  config.strategy.estimator = actors::EstimatorKind::kNaive;
  config.strategy.theta = 4.5 * 840 * 840 * 100;  // The third step passes it.
  config.strategy.tau = 2;
  return config;
}

inline TrainingClusterOptions Quick(const actors::RunConfig& config, std::uint64_t seed) {
  TrainingClusterOptions options{.seed = seed, .config = config};
  options.longest_task = std::chrono::milliseconds(1);
  options.longest_transit = std::chrono::microseconds(200);
  options.network.longest_delay = std::chrono::milliseconds(1);
  return options;
}

inline void ExpectTheModelOfThePlainLoop(TrainingCluster& cluster,
                                         const actors::RunConfig& config) {
  ASSERT_OK(cluster.record().summary->status);
  const PlainRun plain = TrainPlainly(config);
  EXPECT_EQ(cluster.record().SynchronizedSteps(), plain.synchronized_steps);
  for (std::uint32_t slot = 0; slot < cluster.workers(); ++slot) {
    EXPECT_EQ(cluster.base(slot), plain.base) << "slot " << slot;
  }
}

inline std::string CodeOf(const absl::Status& status) { return runtime::ToUserError(status).code; }

// What a frame says, if it is one of training's: "Commit", "Ready", "StateReport".
inline std::string KindOf(const runtime::Frame& frame) {
  const auto reader = runtime::FrameReader::Open(frame);
  if (!reader.ok()) return "";
  const std::uint64_t type = (*reader)->envelope().type;
  if (type == runtime::TypeIdOf<actors::Order>()) {
    const auto order = runtime::Context::DecodeBody<actors::Order>(**reader);
    constexpr const char* kNames[] = {"OpenView", "Prepare",  "Start", "Commit",
                                      "Abort",    "Evaluate", "Finish"};
    return order.ok() ? kNames[order->body.index()] : "";
  }
  if (type == runtime::TypeIdOf<actors::Answer>()) {
    const auto answer = runtime::Context::DecodeBody<actors::Answer>(**reader);
    constexpr const char* kNames[] = {"Ready", "Done", "Fail", "Evaluated", "Finished"};
    return answer.ok() ? kNames[answer->body.index()] : "";
  }
  if (type == runtime::TypeIdOf<actors::Decision>()) return "Decision";
  if (type == runtime::TypeIdOf<actors::StateReport>()) return "StateReport";
  if (type == runtime::TypeIdOf<actors::MemberStatus>()) return "MemberStatus";
  if (type == runtime::TypeIdOf<actors::MemberStatusReply>()) return "MemberStatusReply";
  if (type == runtime::TypeIdOf<actors::LendMoments>()) return "LendMoments";
  if (type == runtime::TypeIdOf<actors::Pulled>()) return "Pulled";
  return "";
}

// Loses `copies` frames of one kind, after the first `spare` of them.
struct Loser {
  std::string kind;
  std::uint64_t spare = 0;
  int copies = 1;
  int lost = 0;

  runtime::sim::Fate operator()(const runtime::sim::Departure& departure) {
    if (lost == copies || KindOf(departure.frame) != kind) return {};
    if (spare > 0) {
      --spare;
      return {};
    }
    ++lost;
    return {.copies = 0};
  }
};

}  // namespace tests

#endif  // RONDO_TESTS_SIM_QUICK_RUNS_H_
