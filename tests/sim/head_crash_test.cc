// A head that dies, is cut off, or loses its disk, at chosen moments: what its workers do
// meanwhile, and how the round that was in hand is resolved (faults.md F20 to F23, F43, F51).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Mode {
  const char* name;
  actors::DecisionName decision;
  bool overlap = false;
};
void PrintTo(const Mode& mode, std::ostream* out) { *out << mode.name; }

RunConfig ConfigOf(const Mode& mode, std::uint32_t workers, std::uint64_t max_steps) {
  RunConfig config;
  config.strategy.decision = mode.decision;
  config.strategy.overlap = mode.overlap;
  config.run.workers = workers;
  config.run.min_workers = 1;
  config.run.wait = 60;
  config.run.max_steps = max_steps;
  config.run.evaluate_every = 0;
  config.data.source = actors::DataSource::kNone;
  config.model.name = actors::ModelName::kQuadratic;
  config.model.dimension = 1000;
  config.model.integer = true;
  config.network.chunk_bytes = 65536;
  config.strategy.estimator = actors::EstimatorKind::kNaive;
  config.strategy.theta = 1e12;
  config.strategy.max_interval = 5;
  return config;
}

class HeadCrash : public testing::TestWithParam<Mode> {
 protected:
  static RunConfig ConfigOf(std::uint32_t workers, std::uint64_t max_steps) {
    return tests::ConfigOf(GetParam(), workers, max_steps);
  }
  static TrainingClusterOptions Options(const RunConfig& config) {
    return {.seed = 7,
            .config = config,
            .shortest_task = milliseconds(5),
            .longest_task = milliseconds(10),
            .heads_return = true};
  }

  // Every step that was taken is in a commit or in a drift, once.
  static void ExpectEveryStepOnce(const TrainingCluster& cluster,
                                  const std::vector<double>& bases) {
    const auto& commits = cluster.journal().commits();
    ASSERT_EQ(bases.size(), commits.size());
    double held = 0, before = 0, taken = 0;
    for (std::size_t i = 0; i < commits.size(); ++i) {
      held += static_cast<double>(commits[i].contributors.size()) * (bases[i] - before) /
              actors::kIntegerStep;
      before = bases[i];
    }
    for (std::uint32_t k = 0; k < cluster.workers(); ++k) {
      taken += static_cast<double>(cluster.steps(k));
      held += (cluster.local(k)[0] - cluster.base(k)[0]) / actors::kIntegerStep;
    }
    EXPECT_EQ(held, taken);
  }

  // The base after each commit, as soon as some worker holds it.
  static void NoteCommits(const TrainingCluster& cluster, std::vector<double>& bases) {
    const auto& commits = cluster.journal().commits();
    for (std::uint32_t k = 0; k < cluster.workers() && bases.size() < commits.size(); ++k) {
      if (cluster.replica(k) == nullptr) continue;
      if (cluster.replica(k)->root() == commits[bases.size()].root) {
        bases.push_back(static_cast<double>(cluster.base(k)[0]));
      }
    }
  }

  static bool RunToEnd(TrainingCluster& cluster, std::vector<double>& bases) {
    return cluster.RunUntil(
        [&] {
          NoteCommits(cluster, bases);
          return cluster.record().summary.has_value();
        },
        seconds(120));
  }

  // A head dies at a commit, and is started again `later`: all resolve that round the same way.
  static void CrashAtCommit(TrainingCluster::Crash when, runtime::Duration later) {
    TrainingCluster cluster(Options(ConfigOf(3, 60)));
    std::vector<double> bases;
    const auto commits = [&] { return cluster.journal().commits().size(); };
    const auto until = [&](auto done) {
      return cluster.RunUntil(
          [&] {
            NoteCommits(cluster, bases);
            return done();
          },
          seconds(20));
    };
    ASSERT_TRUE(until([&] { return commits() == 2; }));
    cluster.CrashHeadAtNextCommit(when);
    ASSERT_TRUE(until([&] { return !cluster.HeadIsAlive(); }));
    const std::size_t at_crash = commits();
    EXPECT_EQ(at_crash, when == TrainingCluster::Crash::kAfterRecord ? 3u : 2u);
    const std::uint64_t steps = cluster.steps(0);
    (void)until(
        [&, end = cluster.cluster().Now() + later] { return cluster.cluster().Now() >= end; });
    if (later >= seconds(5)) {
      EXPECT_GT(cluster.steps(0), steps + 20);  // Nobody waits for a head that is gone.
    }
    for (std::uint32_t k = 0; k < 3; ++k) EXPECT_EQ(cluster.base(k), cluster.base(0));
    cluster.StartHead();
    ASSERT_TRUE(RunToEnd(cluster, bases)) << "waits for " << cluster.monitor().WaitsFor();
    EXPECT_OK(cluster.record().summary->status);
    EXPECT_GT(commits(), at_crash);
    for (std::uint32_t k = 0; k < 3; ++k) {
      EXPECT_EQ(cluster.replica(k)->root(), cluster.record().summary->root);
    }
    ExpectEveryStepOnce(cluster, bases);
  }
};

TEST_P(HeadCrash, BeforeTheCommitIsOnTheDiskTheRoundIsAborted) {
  CrashAtCommit(TrainingCluster::Crash::kBeforeRecord, milliseconds(100));
}
TEST_P(HeadCrash, BeforeTheCommitIsOnTheDiskAndLateTheRoundIsAborted) {
  CrashAtCommit(TrainingCluster::Crash::kBeforeRecord, seconds(20));
}
TEST_P(HeadCrash, AfterTheCommitIsOnTheDiskAllReachThatRound) {
  CrashAtCommit(TrainingCluster::Crash::kAfterRecord, milliseconds(100));
}
TEST_P(HeadCrash, AfterTheCommitIsOnTheDiskAndLateAllReachThatRoundAndKeepWhatTheyTrained) {
  CrashAtCommit(TrainingCluster::Crash::kAfterRecord, seconds(20));
}

// protocol.md 9: members that hold a later round than the journal tells of have heard its COMMIT.
TEST_P(HeadCrash, ARoundThatTheDiskHasLostIsTakenOverFromTheMembers) {
  TrainingCluster cluster(Options(ConfigOf(3, 4000)));
  const auto commits = [&] { return cluster.journal().commits().size(); };
  ASSERT_TRUE(cluster.RunUntil([&] { return commits() == 3; }, seconds(20)));
  const runtime::Hash128 root = cluster.journal().commits().back().root;
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.replica(1)->root() == root; }, seconds(5)));
  cluster.KillHead();  // Slots 0 and 2 may or may not have heard it.
  cluster.journal().LoseLastCommit();
  cluster.cluster().RunFor(seconds(1));
  cluster.StartHead();
  ASSERT_TRUE(cluster.RunUntil([&] { return commits() >= 4; }, seconds(30)));
  EXPECT_TRUE(cluster.record().rollbacks.empty());
  EXPECT_THAT(cluster.record().notes, testing::ElementsAre(testing::HasSubstr("round 3")));
  ASSERT_TRUE(cluster.RunToEnd(seconds(300)));
  EXPECT_OK(cluster.record().summary->status);
  EXPECT_TRUE(cluster.record().lost.empty());
  double steps = 0;
  for (std::uint32_t k = 0; k < 3; ++k) {
    EXPECT_EQ(cluster.replica(k)->root(), cluster.record().summary->root);
    steps += static_cast<double>(cluster.steps(k));
  }
  // All drift was averaged in at the end: each step is in the model once.
  EXPECT_EQ(cluster.base(0)[0] * 3 / actors::kIntegerStep, steps);
}

TEST_P(HeadCrash, AStopOfARunWithoutWorkersEndsItAtOnce) {
  TrainingCluster cluster(Options(ConfigOf(2, 1000)));
  ASSERT_TRUE(
      cluster.RunUntil([&] { return cluster.journal().commits().size() == 2; }, seconds(20)));
  for (const std::uint32_t slot : {0U, 1U}) cluster.Kill(slot);
  cluster.cluster().RunFor(seconds(5));
  EXPECT_FALSE(cluster.record().summary.has_value());  // Others may come.
  cluster.monitor().RequestStop();
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().summary.has_value(); }, seconds(10)));
  EXPECT_EQ(runtime::ToUserError(cluster.record().summary->status).code, "STOPPED");
}

TEST_P(HeadCrash, ACheckpointThatCannotBeKeptIsToldOnce) {
  RunConfig config = ConfigOf(2, 200);
  config.run.checkpoint_every = 1;
  TrainingCluster cluster(Options(config));
  cluster.journal().refuse = [](const actors::JournalRecord& record) {
    return std::holds_alternative<actors::CheckpointRecord>(record)
               ? runtime::MakeError("JOURNAL_FULL", runtime::Exit::kRunFailed, "no space left")
               : absl::OkStatus();
  };
  ASSERT_TRUE(cluster.RunToEnd());
  EXPECT_OK(cluster.record().summary->status);
  EXPECT_THAT(cluster.record().notes, testing::ElementsAre(testing::HasSubstr("no space left")));
}

// F43: no COMMIT, said aloud, and the drifts stay.
TEST_P(HeadCrash, AFullDiskGivesTheRoundUpAndTrainingGoesOn) {
  TrainingCluster cluster(Options(ConfigOf(3, 400)));
  std::vector<double> bases;
  cluster.journal().refuse = [](const actors::JournalRecord& record) {
    return std::holds_alternative<actors::CommitRecord>(record)
               ? runtime::MakeError("JOURNAL_FULL", runtime::Exit::kRunFailed, "no space left")
               : absl::OkStatus();
  };
  const auto& aborts = cluster.record().aborts;
  ASSERT_TRUE(cluster.RunUntil([&] { return aborts.size() == 1; }, seconds(20)));
  EXPECT_THAT(aborts[0].reason, testing::HasSubstr("no space left"));
  const std::uint64_t steps = cluster.steps(0);
  const runtime::Time at = cluster.cluster().Now();
  ASSERT_TRUE(cluster.RunUntil([&] { return aborts.size() == 2; }, seconds(20)));
  EXPECT_GE(cluster.cluster().Now() - at, seconds(1));  // The hold-off.
  EXPECT_GT(cluster.steps(0), steps + 20);
  EXPECT_TRUE(cluster.journal().commits().empty());
  cluster.journal().refuse = nullptr;
  ASSERT_TRUE(RunToEnd(cluster, bases)) << "waits for " << cluster.monitor().WaitsFor();
  EXPECT_OK(cluster.record().summary->status);
  ExpectEveryStepOnce(cluster, bases);
}

INSTANTIATE_TEST_SUITE_P(Decisions, HeadCrash,
                         testing::Values(Mode{"Lockstep", actors::DecisionName::kLockstep},
                                         Mode{"WithoutABarrier", actors::DecisionName::kQuantum},
                                         Mode{"Overlap", actors::DecisionName::kQuantum,
                                              /*overlap=*/true}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace tests
