// Whole runs on simulated clusters whose workers are killed, join and leave at random moments,
// whose heads die and are started anew, and whose connections are cut. Each must end with equal
// replicas, and hold every optimizer step once (invariant I10).
//
// RONDO_SIM_SEEDS is how many seeds in all, RONDO_SIM_FIRST_SEED the first of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/random.h"
#include "tests/support/sim_seeds.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

#ifdef RONDO_SANITIZED
constexpr std::uint64_t kSeeds = 100;
#else
constexpr std::uint64_t kSeeds = 2000;
#endif

void DrawSchedule(runtime::SeededRandom& random, RunConfig& config) {
  actors::OptimizerSection& optimizer = config.optimizer;
  constexpr actors::Schedule kSchedules[] = {actors::Schedule::kConstant, actors::Schedule::kCosine,
                                             actors::Schedule::kStep};
  optimizer.schedule = kSchedules[random.Below(3)];
  optimizer.warmup = random.Below(config.run.max_steps);
  if (optimizer.schedule != actors::Schedule::kStep) return;
  optimizer.decay_every = 1 + random.Below(10);
  optimizer.decay_factor = 0.5;
}

RunConfig DrawConfig(runtime::SeededRandom& random) {
  RunConfig config;
  config.run.workers = 1 + static_cast<std::uint32_t>(random.Below(5));
  config.run.min_workers = 1 + static_cast<std::uint32_t>(random.Below(config.run.workers));
  config.run.max_workers = 8;
  config.run.wait = 20;
  config.run.checkpoint_every = random.Below(3);
  config.run.on_leave_sync = random.Below(4) != 0;
  config.run.max_steps = 5 + random.Below(40);
  config.run.evaluate_every = random.Below(3) == 0 ? 0 : 2 + random.Below(6);
  config.run.evaluate =
      random.Below(2) == 0 ? actors::EvaluateWhat::kMean : actors::EvaluateWhat::kLastSynchronized;
  config.data.source = actors::DataSource::kNone;
  config.model.name = actors::ModelName::kQuadratic;
  config.model.dimension = random.Below(10) == 0 ? 40'000 : 1 + random.Below(200);
  config.model.integer = true;
  config.network.chunk_bytes = 65536;
  config.network.credits = 1 + static_cast<std::uint32_t>(random.Below(4));
  constexpr Strategy kStrategies[] = {Strategy::kFda, Strategy::kFda, Strategy::kLocal,
                                      Strategy::kSynchronous, Strategy::kClock};
  config.strategy.name = kStrategies[random.Below(5)];
  constexpr actors::EstimatorKind kEstimators[] = {actors::EstimatorKind::kNaive,
                                                   actors::EstimatorKind::kLinear};
  config.strategy.estimator = kEstimators[random.Below(2)];
  const double steps = 5 * random.Fraction();
  config.strategy.theta =
      840.0 * 840.0 * steps * steps * static_cast<double>(config.model.dimension);
  config.strategy.max_interval = 1 + random.Below(8);
  if (config.strategy.name == Strategy::kFda && random.Below(5) == 0) {
    config.strategy.tune_theta = true;
    config.strategy.theta.reset();
  }
  config.strategy.tau = 1 + random.Below(6);
  DrawSchedule(random, config);
  if (config.strategy.name == Strategy::kClock && random.Below(2) == 0) {
    config.strategy.max_interval.reset();
  }
  return config;
}

// What happened in all runs: that the test has seen what it is for.
struct Tally {
  int ended_well = 0, lacked_workers = 0, commits = 0, aborts = 0, views = 0;
  int passed_over = 0;  // That were not at a boundary in time.
  int damaged = 0;      // Attempts that were given up for a chunk that arrived damaged.
  int overlapped = 0;   // Rounds through which some trained on.
  int killed_workers = 0, heads = 0, crashes_at_commit = 0, cuts = 0, rollbacks = 0;
};

// One run and what happens to it.
class ElasticRun {
 public:
  ElasticRun(std::uint64_t seed, actors::DecisionName decision, Tally& tally)
      : random_(seed),
        options_(DrawOptions(seed, decision, random_)),
        cluster_(options_),
        tally_(tally) {}
  ~ElasticRun() {
    const RunRecord& record = cluster_.record();
    tally_.commits += static_cast<int>(cluster_.journal().commits().size());
    tally_.aborts += static_cast<int>(record.aborts.size());
    tally_.views += record.views;
    tally_.passed_over +=
        static_cast<int>(std::ranges::count_if(record.notes, [](const std::string& note) {
          return note.find("was at no step boundary") != std::string::npos;
        }));
    tally_.damaged +=
        static_cast<int>(std::ranges::count_if(record.aborts, [](const actors::Aborted& abort) {
          return abort.reason.find("checksum") != std::string::npos;
        }));
    tally_.overlapped += static_cast<int>(std::ranges::count_if(
        record.synchronizations,
        [](const actors::Synchronized& event) { return event.variance_added.value_or(0) > 0; }));
    tally_.heads += static_cast<int>(cluster_.journal().state().epoch);
    tally_.rollbacks += static_cast<int>(record.rollbacks.size());
  }

  void Play() {
    const std::uint64_t events = random_.Below(7);
    for (std::uint64_t i = 0; i < events && !IsOver(); ++i) {
      Wait(2'000'000);
      if (!IsOver()) Disturb();
    }
    Mend();
    ASSERT_TRUE(Advance([&] { return IsOver() || !cluster_.HeadIsAlive(); }, seconds(600)))
        << "waits for " << cluster_.monitor().WaitsFor();
    Mend();  // A crash that was planned for a commit came only now.
    ASSERT_TRUE(Advance([&] { return IsOver(); }, seconds(600)))
        << "waits for " << cluster_.monitor().WaitsFor();
    // Whoever was stalled as the last COMMIT came takes it, too.
    (void)Advance([] { return false; }, seconds(1) + options_.stall);
    if (!cluster_.record().summary->status.ok()) {
      // Only because too few were left.
      const std::string code = runtime::ToUserError(cluster_.record().summary->status).code;
      ++tally_.lacked_workers;
      std::uint32_t alive = 0;
      for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
        const bool there = cluster_.IsAlive(k) && cluster_.IsCandidate(k);
        alive += there && !cluster_.HasEnded(k) && !HasLeft(k) ? 1 : 0;
      }
      // Without checkpoints nobody holds the model once all members of one moment are lost.
      if (code != "WORKER_LOST") {
        EXPECT_LT(alive, options_.config.run.min_workers) << cluster_.record().summary->status;
      }
      EXPECT_TRUE(code == "WORKER_LOST" || code == "NOT_ENOUGH_WORKERS")
          << cluster_.record().summary->status;
      return;
    }
    ++tally_.ended_well;
    ExpectEqualReplicas();
    ExpectEveryStepOnce();
  }

 private:
  static TrainingClusterOptions DrawOptions(std::uint64_t seed, actors::DecisionName decision,
                                            runtime::SeededRandom& random) {
    TrainingClusterOptions options{.seed = seed, .config = DrawConfig(random)};
    if (decision == actors::DecisionName::kQuantum) {
      actors::StrategySection& strategy = options.config.strategy;
      strategy.decision = decision;
      strategy.name = Strategy::kFda;
      strategy.theta = std::max(1.0, *strategy.theta);
      options.config.run.max_steps *= 4;
      if (random.Below(3) == 0) {  // Now and then somebody is at no boundary for long (F25).
        options.stalls_one_in = 300;
        options.stall = seconds(20);
        options.config.run.min_workers = 1;
      }
    }
    options.network.longest_delay = microseconds(random.Below(2) == 0 ? 200 : 20'000);
    options.network.publish_loss = random.Below(3) == 0 ? 0.1 : 0;
    options.longest_task = microseconds(random.Below(2) == 0 ? 500 : 30'000);
    options.longest_transit = microseconds(random.Below(2) == 0 ? 100 : 5'000);
    options.heads_return = random.Below(3) != 0;
    options.longest_transfer = milliseconds(random.Below(2) == 0 ? 1 : 300);
    actors::StrategySection& strategy = options.config.strategy;
    if (decision == actors::DecisionName::kQuantum && !strategy.tune_theta) {
      strategy.overlap = random.Below(2) == 0;
    }
    if (random.Below(4) == 0) {
      // Now and then a chunk is damaged on its way.
      options.tamper = [damage = runtime::SeededRandom(seed)](std::uint32_t, std::uint32_t,
                                                              std::span<float> floats) mutable {
        if (damage.Below(300) == 0) floats[damage.Below(floats.size())] += 1;
      };
    }
    // One that takes the mean as it is, so that steps can be counted; but it takes it for itself.
    if (random.Below(4) == 0) options.config.server.name = actors::ServerOptimizer::kSgd;
    if (strategy.name == Strategy::kFda && !strategy.tune_theta && random.Below(4) == 0) {
      strategy.name = Strategy::kFdaOpt;
      strategy.theta.reset();
      options.config.server.name = actors::ServerOptimizer::kSgd;
    }
    if (decision == actors::DecisionName::kLockstep && random.Below(4) == 0) {
      strategy.participants = 0.2 + 0.6 * random.Fraction();
    }
    return options;
  }

  bool IsOver() const { return cluster_.record().summary.has_value(); }
  bool Advance(absl::FunctionRef<bool()> done, runtime::Duration limit) {
    return cluster_.RunUntil(
        [&] {
          NoteCommits();
          EndProcessesThatLeft();
          return done();
        },
        limit);
  }

  void Wait(std::uint64_t longest_microseconds) {
    (void)Advance([] { return false; },
                  microseconds(static_cast<std::int64_t>(random_.Below(longest_microseconds))));
  }

  // What the run holds after each commit, as soon as a worker holds it. All coordinates are equal.
  void NoteCommits() {
    NoteRollbacks();
    const auto& commits = cluster_.journal().commits();
    if (bases_.size() == commits.size()) return;
    ASSERT_EQ(bases_.size() + 1, commits.size()) << "a commit that nobody held";
    for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
      if (!cluster_.IsAlive(k) || cluster_.replica(k) == nullptr) continue;
      if (cluster_.replica(k)->root() != commits.back().root) continue;
      bases_.push_back(static_cast<double>(cluster_.replica(k)->base()[0]));
      contributors_.push_back(static_cast<double>(commits.back().contributors.size()));
      return;
    }
  }

  // The steps of rounds that a run went back over are lost. Those of a round that nobody held are
  // still in the drifts that went with the workers.
  void NoteRollbacks() {
    const auto& rollbacks = cluster_.record().rollbacks;
    for (; rollbacks_ < rollbacks.size(); ++rollbacks_) {
      const std::size_t to = rollbacks[rollbacks_].second;
      ASSERT_LE(to, bases_.size());
      undone_ += StepsIn(to, bases_.size());
      bases_.resize(to);
      contributors_.resize(to);
    }
  }

  // Steps in the commits `from` up to `to`.
  double StepsIn(std::size_t from, std::size_t to) const {
    double steps = 0;
    for (std::size_t i = from; i < to; ++i) {
      const double before = i == 0 ? 0 : bases_[i - 1];
      steps += contributors_[i] * (bases_[i] - before) / actors::kIntegerStep;
    }
    return steps;
  }

  void EndProcessesThatLeft() {
    for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
      if (cluster_.IsAlive(k) && (cluster_.HasEnded(k) || WasLetGo(k))) End(k);
    }
  }
  // Whether it has been told is another thing: a cut may have taken the word.
  bool HasLeft(std::uint32_t k) const {
    const auto& left = cluster_.record().left_nodes;
    return std::ranges::find(left, cluster_.node(k)) != left.end();
  }
  // A head evicts it, and its process ends.
  bool WasLetGo(std::uint32_t k) const {
    const auto& let_go = cluster_.record().let_go;
    return std::ranges::find(let_go, cluster_.node(k)) != let_go.end();
  }
  // Its drift may be in a commit of which it did not hear.
  void End(std::uint32_t k) {
    NoteDrift(k);
    ++ended_;
    cluster_.Kill(k);
  }

  void Disturb() {
    std::vector<std::uint32_t> there;
    for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
      if (cluster_.IsAlive(k) && !cluster_.HasEnded(k)) there.push_back(k);
    }
    if (options_.heads_return && random_.Below(2) == 0) {
      DisturbHead();
      return;
    }
    const std::uint64_t what = random_.Below(3);
    if (what == 0 || there.empty()) {
      if (there.size() < 8) cluster_.Join();
      return;
    }
    const std::uint32_t who = there[random_.Below(there.size())];
    if (what == 1) {
      cluster_.Leave(who);
      return;
    }
    ++tally_.killed_workers;
    End(who);
  }

  void DisturbHead() {
    if (!cluster_.HeadIsAlive()) {
      cluster_.StartHead();
      return;
    }
    switch (random_.Below(4)) {
      case 0: cluster_.KillHead(); break;
      case 1:
        ++tally_.crashes_at_commit;
        cluster_.CrashHeadAtNextCommit(random_.Below(2) == 0
                                           ? TrainingCluster::Crash::kBeforeRecord
                                           : TrainingCluster::Crash::kAfterRecord);
        break;
      case 2: {
        const auto who = static_cast<std::uint32_t>(random_.Below(cluster_.workers()));
        ++tally_.cuts;
        if (cluster_.IsAlive(who)) cluster_.CutHead(who);
        break;
      }
      case 3:
        ++tally_.cuts;
        for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
          if (cluster_.IsAlive(k)) cluster_.CutHead(k);
        }
        break;
    }
    if (random_.Below(2) == 0) return;  // Something else happens first.
    Wait(random_.Below(2) == 0 ? 1'000'000 : 8'000'000);
    if (!IsOver()) Mend();
  }

  void Mend() {
    if (!cluster_.HeadIsAlive()) cluster_.StartHead();
    cluster_.HealHead();
  }

  // Of a worker that goes, or is without its head: what it trained before and after the ring that
  // it is in doubt about may be in a commit each by itself.
  void NoteDrift(std::uint32_t k) {
    const actors::Replica* const replica = cluster_.replica(k);
    if (replica == nullptr) return;
    const double before =
        replica->mark().empty()
            ? DriftSteps(k)
            : static_cast<double>(replica->mark()[0] - replica->base()[0]) / actors::kIntegerStep;
    for (const double part : {before, DriftSteps(k) - before}) {
      if (part != 0) gone_.push_back(part);
    }
  }

  // Steps in the drift of a worker that lives.
  double DriftSteps(std::uint32_t k) const {
    const actors::Replica* const replica = cluster_.replica(k);
    if (replica == nullptr) return 0;
    return static_cast<double>(replica->local()[0] - replica->base()[0]) / actors::kIntegerStep;
  }

  bool IsMember(std::uint32_t k) const {
    return std::ranges::find(cluster_.record().members, cluster_.node(k), &actors::Member::node) !=
           cluster_.record().members.end();
  }

  void ExpectEqualReplicas() {
    const auto& record = cluster_.record();
    EXPECT_TRUE(record.summary->replicas_equal);
    for (const actors::Member& member : record.members) {
      bool found = false;
      for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
        if (!cluster_.IsAlive(k) || cluster_.node(k) != member.node) continue;
        found = true;
        EXPECT_EQ(cluster_.replica(k)->root(), record.summary->root) << "worker " << k;
      }
      EXPECT_TRUE(found || ended_ > 0);
    }
  }

  // All steps = those in commits + those in live drifts + those that died or left with a worker. A
  // killed worker's drift may be in a late commit, or not: any subset of theirs will do.
  void ExpectEveryStepOnce() {
    // Whoever took part in the last commit may have died before taking it: then its steps went with
    // those drifts.
    const auto& commits = cluster_.journal().commits();
    bool any_member = false;
    for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
      any_member |= cluster_.IsAlive(k) && IsMember(k);
    }
    ASSERT_TRUE(bases_.size() == commits.size() ||
                (!any_member && bases_.size() + 1 == commits.size()));
    const double committed = undone_ + StepsIn(0, bases_.size());
    double taken = 0, live = 0;
    for (std::uint32_t k = 0; k < cluster_.workers(); ++k) {
      taken += static_cast<double>(cluster_.steps(k));
      if (!cluster_.IsAlive(k)) continue;
      if (IsMember(k)) {
        live += DriftSteps(k);
      } else {
        NoteDrift(k);
      }
    }
    std::vector<double> sums = {0};
    for (const double drift : gone_) {
      for (std::size_t i = sums.size(); i-- > 0;) sums.push_back(sums[i] + drift);
    }
    EXPECT_THAT(sums, testing::Contains(taken - live - committed))
        << "taken " << taken << ", committed " << committed << ", live " << live;
  }

  runtime::SeededRandom random_;
  TrainingClusterOptions options_;
  TrainingCluster cluster_;
  Tally& tally_;
  std::vector<double> bases_;         // After each commit of the run as it is now.
  std::vector<double> contributors_;  // To each of them.
  std::size_t rollbacks_ = 0;
  double undone_ = 0;  // Steps in commits that were rolled back.
  int ended_ = 0;
  std::vector<double> gone_;  // Steps in the drifts of those that were killed or have left.
};

Tally PlayAll(actors::DecisionName decision, const char* filter) {
  const std::uint64_t first = FirstSeed();
  Tally tally;
  for (std::uint64_t seed = first; seed < first + Seeds(kSeeds); ++seed) {
    SCOPED_TRACE("replay with: RONDO_SIM_SEEDS=1 RONDO_SIM_FIRST_SEED=" + std::to_string(seed) +
                 " sim_test --gtest_filter='" + filter + "'");
    ElasticRun(seed, decision, tally).Play();
    if (testing::Test::HasFailure()) break;
  }
  std::cout << tally.ended_well << " runs ended well, " << tally.lacked_workers
            << " for want of workers; " << tally.commits << " commits, " << tally.aborts
            << " aborts, " << tally.views << " views, " << tally.passed_over << " passed over, "
            << tally.killed_workers << " workers killed, " << tally.heads << " heads, "
            << tally.crashes_at_commit << " of them told to die at a commit, " << tally.cuts
            << " cuts, " << tally.rollbacks << " rollbacks, " << tally.damaged
            << " damaged chunks, " << tally.overlapped << " rounds with overlap\n";
  return tally;
}

TEST(ElasticSim, WhoeverComesGoesOrDiesTheReplicasAreEqualAndEveryStepCountsOnce) {
  const Tally tally = PlayAll(actors::DecisionName::kLockstep, "ElasticSim.Whoever*");
  if (Seeds(kSeeds) >= 1000) {
    EXPECT_GT(tally.damaged, 0);
  }
}

TEST(ElasticSim, WithoutABarrierToo) {
  const Tally tally = PlayAll(actors::DecisionName::kQuantum, "ElasticSim.Without*");
  if (Seeds(kSeeds) >= 1000) {
    EXPECT_GT(tally.passed_over, 0);
    EXPECT_GT(tally.damaged, 0);
    EXPECT_GT(tally.overlapped, 0);
  }
}

}  // namespace
}  // namespace tests
