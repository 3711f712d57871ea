// Runs on simulated clusters in which one thing goes wrong: a worker dies, a chunk is damaged, a
// model is no number any more. Lost messages: lost_message_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/messages.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "runtime/net/frame.h"
#include "runtime/sim/sim_network.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using runtime::sim::Departure;
using runtime::sim::Fate;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::uint64_t kSeeds = 20;

// A failed run must not wait for the last words of a member whose report had just been lost: what
// FINISH overtakes is of no use to anyone.
TEST(TrainingFaults, LastWordsAreHeardThoughTheReportBeforeThemWasLost) {
  TrainingCluster cluster(Quick(ConfigOf(Strategy::kFda, 3), 7));
  auto loser = std::make_shared<Loser>(Loser{.kind = "StateReport", .spare = 7, .copies = 1});
  cluster.cluster().network().SetFate(
      [loser](const Departure& departure) { return (*loser)(departure); });
  ASSERT_TRUE(cluster.RunUntil([&] { return loser->lost == 1; }, seconds(5)));
  const runtime::Time failed = cluster.cluster().Now();
  cluster.monitor().Fail(runtime::MakeError("TEST", runtime::Exit::kRunFailed, "it was told to"));
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().summary.has_value(); }, seconds(10)));
  EXPECT_EQ(CodeOf(cluster.record().summary->status), "TEST");
  EXPECT_LT(cluster.cluster().Now() - failed, seconds(1));
}

// FINISH goes to each of the 32 by itself; the decision that one of them lacks must still be there.
TEST(TrainingFaults, AMemberOfThirtyTwoThatLacksADecisionHearsThatTheRunIsOver) {
  TrainingCluster cluster(Quick(ConfigOf(Strategy::kFda, 32), 10));
  auto loser = std::make_shared<Loser>(Loser{.kind = "Decision", .spare = 40, .copies = 1});
  cluster.cluster().network().SetFate(
      [loser](const Departure& departure) { return (*loser)(departure); });
  ASSERT_TRUE(cluster.RunUntil([&] { return loser->lost == 1; }, seconds(5)));
  cluster.monitor().Fail(runtime::MakeError("TEST", runtime::Exit::kRunFailed, "it was told to"));
  const runtime::Time failed = cluster.cluster().Now();
  ASSERT_TRUE(cluster.RunToEnd(seconds(10)));
  // All have said their last words: nobody was given up.
  EXPECT_LT(cluster.cluster().Now() - failed, seconds(1));
}

// Who is alive holds one root, and it is that of a commit or of the beginning.
void ExpectNoHalfCommit(const TrainingCluster& cluster, const RunConfig& config) {
  std::optional<std::vector<float>> base;
  for (std::uint32_t slot = 0; slot < cluster.workers(); ++slot) {
    if (!cluster.IsAlive(slot)) continue;
    if (!base.has_value()) base = cluster.base(slot);
    EXPECT_EQ(cluster.base(slot), *base) << "slot " << slot;
    EXPECT_EQ(cluster.replica(slot)->root(),
              runtime::RootOf(cluster.replica(slot)->layout_hash(), *base));
  }
  if (!base.has_value()) return;
  const std::vector<std::uint64_t> commits = cluster.record().SynchronizedSteps();
  const float step = commits.empty() ? 0 : static_cast<float>(commits.back());
  EXPECT_EQ(*base, std::vector<float>(config.model.dimension, actors::kIntegerStep * step));
}

// The order of verdicts is that of the liveness profile's bounds, which sanitizer builds stretch by
// five (failure_detector.cc) while those of rings and last words stay.
#ifndef RONDO_SANITIZED
void ExpectEqualBases(const TrainingCluster& cluster) {
  std::optional<std::vector<float>> base;
  for (std::uint32_t slot = 0; slot < cluster.workers(); ++slot) {
    if (!cluster.IsAlive(slot)) continue;
    if (!base.has_value()) base = cluster.base(slot);
    EXPECT_EQ(cluster.base(slot), *base) << "slot " << slot;
  }
}

TEST(TrainingFaults, ARunThatNeedsAllItsWorkersEndsSoonAfterItsWaitAndWithoutHalfACommit) {
  int failed_runs = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    runtime::SeededRandom random(seed);
    const Strategy strategy = random.Below(2) == 0 ? Strategy::kFda : Strategy::kLocal;
    RunConfig config = ConfigOf(strategy, 2 + static_cast<std::uint32_t>(random.Below(5)));
    config.run.wait = 1;
    TrainingClusterOptions options = Quick(config, seed);
    options.longest_transit = milliseconds(3);
    TrainingCluster cluster(options);
    ASSERT_TRUE(cluster.RunUntil([&] { return !cluster.record().members.empty(); }, seconds(10)));
    cluster.cluster().RunFor(microseconds(static_cast<std::int64_t>(random.Below(150'000))));
    if (cluster.record().summary.has_value()) continue;  // It was over before.

    const auto victim = static_cast<std::uint32_t>(random.Below(config.run.workers));
    const runtime::Time killed = cluster.cluster().Now();
    cluster.Kill(victim);
    ASSERT_TRUE(cluster.RunToEnd(seconds(6))) << "waits for " << cluster.monitor().WaitsFor();
    EXPECT_LT(cluster.cluster().Now() - killed, seconds(6));
    ExpectEqualBases(cluster);
    const RunRecord& record = cluster.record();
    if (record.summary->status.ok()) {
      // Its last words had been all that was missing.
      ASSERT_FALSE(record.synchronizations.empty());
      EXPECT_TRUE(record.synchronizations.back().last);
      continue;
    }
    ++failed_runs;
    EXPECT_EQ(CodeOf(record.summary->status), "NOT_ENOUGH_WORKERS");
    EXPECT_THAT(std::string(record.summary->status.message()),
                HasSubstr("slot " + std::to_string(victim)));
    for (std::uint32_t slot = 0; slot < cluster.workers(); ++slot) {
      if (slot == victim) continue;
      EXPECT_FALSE(cluster.quit(slot).has_value()) << "slot " << slot;  // It waits for another run.
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(failed_runs, 100);
}

TEST(TrainingFaults, WhenTheOnlyWorkerIsKilledTheRunIsLost) {
  TrainingCluster cluster(Quick(ConfigOf(Strategy::kFda, 1), 3));
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 2; }, seconds(10)));
  cluster.Kill(0);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().summary.has_value(); }, seconds(5)));
  EXPECT_EQ(CodeOf(cluster.record().summary->status), "WORKER_LOST");
}
#endif

TEST(TrainingFaults, TheModelIsSavedThoughWhoIsToSaveItDies) {
  int killed_before_the_end = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    runtime::SeededRandom random(seed);
    RunConfig config = ConfigOf(Strategy::kFda, 3);
    config.run.min_workers = 1;
    TrainingCluster cluster(Quick(config, seed));
    const RunRecord& record = cluster.record();
    ASSERT_TRUE(cluster.RunUntil(
        [&] { return !record.synchronizations.empty() && record.synchronizations.back().last; },
        seconds(30)));
    cluster.cluster().RunFor(microseconds(static_cast<std::int64_t>(random.Below(20'000))));
    if (record.summary.has_value()) continue;
    ++killed_before_the_end;
    cluster.Kill(0);
    ASSERT_TRUE(cluster.RunToEnd(seconds(30))) << "waits for " << cluster.monitor().WaitsFor();
    EXPECT_OK(record.summary->status);
    EXPECT_TRUE(record.summary->model_saved);
    if (HasFailure()) return;
  }
  EXPECT_GT(killed_before_the_end, 20);
}

// Found by 100,000 seeds of ElasticSim. As long as nobody holds the last base the checkpoint is
// tried again; who is lost meanwhile is not asked for it.
TEST(TrainingFaults, ACheckpointIsTriedAgainWhileARunEndsThoughAMemberOfItHasDied) {
  RunConfig config = ConfigOf(Strategy::kFda, 3);
  config.run.min_workers = 1;
  config.run.checkpoint_every = 1;
  TrainingClusterOptions options = Quick(config, 1);
  options.heads_return = true;
  options.shortest_task = options.longest_task = seconds(4);  // A commit, too.
  TrainingCluster cluster(options);
  const RunRecord& record = cluster.record();
  // A mean that was just tested is not tested again: FINISH follows its COMMIT at once, which takes
  // 4 seconds.
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return cluster.monitor().WaitsFor().starts_with("the evaluation"); }, seconds(300)));
  cluster.monitor().RequestStop();
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return !record.synchronizations.empty() && record.synchronizations.back().last; },
      seconds(60)));
  cluster.Kill(1);
  ASSERT_TRUE(cluster.RunUntil([&] { return !record.lost.empty(); }, seconds(4)));
  EXPECT_FALSE(record.summary.has_value());
  ASSERT_TRUE(cluster.RunToEnd(seconds(60))) << "waits for " << cluster.monitor().WaitsFor();
  EXPECT_OK(record.summary->status);
}

TEST(TrainingFaults, AWorkerThatDiesWhileItBuildsTheModelIsLostToo) {
  RunConfig config = ConfigOf(Strategy::kFda, 3);
  config.run.wait = 2;
  TrainingClusterOptions options = Quick(config, 8);
  options.shortest_task = options.longest_task = seconds(1);
  TrainingCluster cluster(options);
  cluster.cluster().RunFor(milliseconds(500));
  cluster.Kill(1);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().summary.has_value(); }, seconds(12)));
  EXPECT_EQ(CodeOf(cluster.record().summary->status), "NOT_ENOUGH_WORKERS");
  EXPECT_THAT(std::string(cluster.record().summary->status.message()), HasSubstr("slot 1"));
}

TEST(TrainingFaults, ADamagedChunkIsNeverAveragedInAndItsEdgeIsNamed) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const RunConfig config = ConfigOf(Strategy::kFda, 2 + seed % 5);
    TrainingClusterOptions options = Quick(config, seed);
    auto chunks = std::make_shared<std::uint64_t>(seed % 7);
    auto edge = std::make_shared<std::pair<std::uint32_t, std::uint32_t>>();
    options.tamper = [chunks, edge](std::uint32_t from, std::uint32_t to, std::span<float> floats) {
      if ((*chunks)-- != 0) return;
      *edge = {from, to};
      floats[0] = -floats[0] - 1;
    };
    TrainingCluster cluster(options);
    ASSERT_TRUE(cluster.RunToEnd());
    ExpectTheModelOfThePlainLoop(cluster, config);
    ASSERT_EQ(cluster.record().aborts.size(), 1u);
    const std::string& message = cluster.record().aborts[0].reason;
    EXPECT_THAT(message, HasSubstr("slot " + std::to_string(edge->second)));
    EXPECT_THAT(message, HasSubstr(cluster.record().members[edge->first].node.ShortName()));
    if (HasFailure()) return;
  }
}

TEST(TrainingFaults, ARunThatWaitsForNobodyEndsAsAnyOther) {
  RunConfig config = ConfigOf(Strategy::kFda, 3);
  config.run.wait = 0.01;
  TrainingCluster cluster(Quick(config, 1));
  ASSERT_TRUE(cluster.RunToEnd()) << cluster.monitor().WaitsFor();
  EXPECT_OK(cluster.record().summary->status);
}

// Slot 2 took the next base three times, and then had to go.
void ExpectThreeResetsAndTheLossOfSlotTwo(const TrainingCluster& cluster) {
  const RunRecord& record = cluster.record();
  ASSERT_OK(record.summary->status);
  EXPECT_EQ(record.summary->resets, 3u);
  EXPECT_THAT(record.lost, testing::ElementsAre(2u));
  EXPECT_EQ(record.summary->workers_final, 3u);
  for (const std::uint32_t slot : {0U, 1U, 3U}) {
    EXPECT_EQ(cluster.replica(slot)->root(), record.summary->root);
  }
}

// F30: it is left out of the mean, takes the next base, and has to go after the third time.
TEST(TrainingFaults, AWorkerWhoseModelIsNoNumberIsLeftOutAndGoesAfterTheThirdTime) {
  for (const Strategy strategy : {Strategy::kFda, Strategy::kSynchronous, Strategy::kLocal}) {
    for (const bool is_noticed : {false, true}) {
      for (const std::uint64_t step : {1, 4, 8}) {
        SCOPED_TRACE("strategy " + ToString(strategy) + ", step " + std::to_string(step));
        RunConfig config = ConfigOf(strategy, 4);
        config.run.max_steps = 40;
        config.run.min_workers = 1;
        config.optimizer.learning_rate = 0.125;
        TrainingClusterOptions options = Quick(config, step);
        options.poison = {.slot = 2, .step = step, .is_noticed = is_noticed};
        TrainingCluster cluster(options);
        ASSERT_TRUE(cluster.RunToEnd());
        ASSERT_NO_FATAL_FAILURE(ExpectThreeResetsAndTheLossOfSlotTwo(cluster));
        const RunRecord& record = cluster.record();
        ASSERT_EQ(record.refused.size(), 1u);
        EXPECT_EQ(CodeOf(record.refused[0]), "DIVERGED");
        EXPECT_THAT(record.refused[0], HasMessage("slot 2"));
        EXPECT_THAT(record.refused[0], HasMessage("learning rate 0.125"));
        for (const std::uint32_t slot : {0U, 1U, 3U}) {
          // Every step adds 840 to each; one that was in hand when a view opened is one more.
          EXPECT_GE(cluster.base(slot)[0], actors::kIntegerStep * 40);
          EXPECT_LE(cluster.base(slot)[0], actors::kIntegerStep * 41);
        }
      }
    }
  }
}

// The same without a barrier. It says so once and waits, whatever the messages take: its steps
// would take no time, and each be told and counted.
TEST(TrainingFaults, WithoutABarrierItSaysOnceThatItsModelIsNoNumberAndWaits) {
  for (const bool is_noticed : {false, true}) {
    RunConfig config = ConfigOf(Strategy::kFda, 4);
    config.strategy.decision = actors::DecisionName::kQuantum;
    // Hundreds of steps: whatever is told in one of them is about the model that is no number.
    config.strategy.theta = 840.0 * 840 * 300 * 300 * static_cast<double>(config.model.dimension);
    config.run.max_steps = 2000;
    config.run.min_workers = 1;
    TrainingClusterOptions options = Quick(config, 1);
    options.network.longest_delay = milliseconds(20);
    options.longest_task = microseconds(200);
    options.poison = {.slot = 2, .step = 4, .is_noticed = is_noticed};
    TrainingCluster cluster(options);
    ASSERT_TRUE(cluster.RunToEnd());
    ASSERT_NO_FATAL_FAILURE(ExpectThreeResetsAndTheLossOfSlotTwo(cluster));
    // Reports that crossed a PREPARE: 54 of them, and 350 if it said so with each step.
    EXPECT_LE(cluster.record().summary->dropped.fence, 100u);
  }
}

// F31.
TEST(TrainingFaults, AModelOfAnotherLayoutEndsTheStartAndLaterRefusesTheJoinerAlone) {
  RunConfig config = ConfigOf(Strategy::kFda, 3);
  config.run.max_steps = 60;
  TrainingClusterOptions options = Quick(config, 5);
  options.misfit = 1;
  TrainingCluster start(options);
  ASSERT_TRUE(start.RunUntil([&] { return start.record().summary.has_value(); }, seconds(2)));
  EXPECT_EQ(CodeOf(start.record().summary->status), "LAYOUT_DIFFERS");
  EXPECT_EQ(runtime::ToUserError(start.record().summary->status).exit,
            runtime::Exit::kIncompatible);

  options.misfit = 3;
  TrainingCluster later(options);
  ASSERT_TRUE(later.RunUntil([&] { return later.monitor().step() >= 2; }, seconds(10)));
  later.Join();
  ASSERT_TRUE(later.RunUntil([&] { return later.record().refused.size() == 1; }, seconds(2)));
  EXPECT_EQ(CodeOf(later.record().refused[0]), "LAYOUT_DIFFERS");
  EXPECT_THAT(later.record().refused[0], HasMessage("slot 3"));
  ASSERT_TRUE(later.RunToEnd());
  EXPECT_OK(later.record().summary->status);
  EXPECT_EQ(later.record().views, 1);
}

TEST(TrainingFaults, IfNobodysModelIsANumberTheRunFailsWithItsLastOne) {
  RunConfig config = ConfigOf(Strategy::kFda, 1);
  config.optimizer.learning_rate = 0.125;
  TrainingClusterOptions options = Quick(config, 3);
  options.poison = {.slot = 0, .step = 5};
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunToEnd());
  const absl::Status& status = cluster.record().summary->status;
  EXPECT_EQ(CodeOf(status), "DIVERGED");
  EXPECT_THAT(status, HasMessage("slot 0"));
  EXPECT_THAT(status, HasMessage("step 5"));
  EXPECT_THAT(status, HasMessage("learning rate 0.125"));
  ExpectNoHalfCommit(cluster, config);
}

TEST(TrainingFaults, AStopEndsTheRunWithASynchronizationOfEverybody) {
  for (const Strategy strategy :
       {Strategy::kFda, Strategy::kSynchronous, Strategy::kLocal, Strategy::kClock}) {
    RunConfig config = ConfigOf(strategy, 4);
    config.run.max_steps = 1000;
    TrainingCluster cluster(Quick(config, 9));
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 5; }, seconds(5)));
    cluster.monitor().RequestStop();
    ASSERT_TRUE(cluster.RunToEnd(seconds(5)));
    const RunRecord& record = cluster.record();
    ASSERT_OK(record.summary->status);
    EXPECT_LT(record.summary->steps, 20u);
    EXPECT_EQ(record.synchronizations.back().step, record.summary->steps);
    EXPECT_TRUE(record.synchronizations.back().last);
    ExpectNoHalfCommit(cluster, config);
  }
}

}  // namespace
}  // namespace tests
