// Thousands of histories of the policy `quantum` (quantum_schedule.h): at every instant the true
// variance is at most theta plus the steps the monitor could not know of; and a policy that is
// wrong is found out by the same check.
//
// RONDO_SIM_SEEDS is how many seeds in all, RONDO_SIM_FIRST_SEED the first of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "tests/sim/quantum_schedule.h"
#include "tests/support/sim_seeds.h"

namespace tests {
namespace {

#ifdef RONDO_SANITIZED
constexpr std::uint64_t kSeeds = 300;
#else
constexpr std::uint64_t kSeeds = 4000;
#endif

// The value that a share of `values` does not exceed.
double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * (values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::string Quantiles(const std::vector<double>& values) {
  return "median " + std::to_string(Quantile(values, 0.5)) + ", 90 % " +
         std::to_string(Quantile(values, 0.9)) + ", largest " + std::to_string(Quantile(values, 1));
}

TEST(QuantumPolicySim, TheVarianceNeverExceedsThetaByMoreThanStepsNobodyCouldKnowOf) {
  const std::uint64_t first = FirstSeed();
  std::vector<double> messages, margins, variances;
  Outcome total;
  for (std::uint64_t seed = first; seed < first + Seeds(kSeeds); ++seed) {
    const Outcome outcome = QuantumSchedule(DrawSchedule(seed)).Run();
    ASSERT_EQ(outcome.violation, "")
        << "replay with: RONDO_SIM_SEEDS=1 RONDO_SIM_FIRST_SEED=" << seed
        << " sim_test --gtest_filter='QuantumPolicySim.TheVariance*'";
    messages.insert(messages.end(), outcome.messages.begin(), outcome.messages.end());
    margins.push_back(outcome.margin);
    variances.push_back(outcome.variance);
    total.steps += outcome.steps;
    total.synchronizations += outcome.synchronizations;
    total.passed_over += outcome.passed_over;
    total.late_polls += outcome.late_polls;
    total.views += outcome.views;
    total.dropped += outcome.dropped;
    total.kept += outcome.kept;
  }
  std::cout << total.steps << " steps, " << total.synchronizations
            << " synchronizations that passed " << total.passed_over << " members over, "
            << total.late_polls << " polls not answered, " << total.views << " views, "
            << total.dropped << " reports too late, " << total.kept
            << " members with drift left by a commit\n"
            << "messages per member and round: " << Quantiles(messages)
            << "\nlargest margin of a schedule, in thetas: " << Quantiles(margins)
            << "\nlargest variance of a schedule, as a share of theta and margin: "
            << Quantiles(variances) << '\n';
  if (margins.size() < 100) return;
  // Everything was tried, and the bound is no loose one: half of the schedules come near it.
  EXPECT_GT(total.passed_over, 0u);
  EXPECT_GT(total.late_polls, 0u);
  EXPECT_GT(total.dropped, 0u);
  EXPECT_GT(total.kept, 0u);
  EXPECT_GT(total.views, margins.size());
  EXPECT_GT(Quantile(variances, 0.5), 0.7);
}

TEST(QuantumPolicySim, TheSameCheckFindsOutAWrongPolicy) {
  struct Case {
    Mutant mutant;
    Motion motion;
    std::uint64_t longest_delay;
  };
  for (const Case& c :
       {Case{Mutant::kNone, Motion::kRotate, 0}, Case{Mutant::kWatchesTheNorm, Motion::kRotate, 0},
        Case{Mutant::kSilentAtTheMarks, Motion::kDiffusion, 200},
        Case{Mutant::kHearsVoidReports, Motion::kTogether, 30}}) {
    int found = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      ScheduleOptions options = DrawSchedule(seed);
      options.mutant = c.mutant;
      options.motion = c.motion;
      options.estimator = actors::EstimatorKind::kLinear;
      options.longest_delay = c.longest_delay;
      if (!QuantumSchedule(options).Run().violation.empty()) ++found;
    }
    std::cout << "mutant " << static_cast<int>(c.mutant) << ": found in " << found << " of 200\n";
    if (c.mutant == Mutant::kNone) {
      EXPECT_EQ(found, 0);
    } else {
      EXPECT_GE(found, 5) << "mutant " << static_cast<int>(c.mutant);
    }
  }
}

TEST(QuantumPolicySim, RandomWalksCostFewMessagesAndHardlyMoreSynchronizationsThanLockstep) {
  struct Case {
    int members;
    double spread;
    std::uint64_t longest_delay;
  };
  for (const Case& c : {Case{5, 1, 10}, Case{5, 10, 100}, Case{8, 3, 10}, Case{20, 10, 10}}) {
    std::vector<double> messages;
    double quantum = 0, lockstep = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const ScheduleOptions options = {.seed = seed,
                                       .members = c.members,
                                       .dimension = 32,
                                       .step_length = 0.1,
                                       .spread = c.spread,
                                       .jitter = 0.3,
                                       .longest_delay = c.longest_delay,
                                       .steps = 1000ull * c.members};
      const Outcome outcome = QuantumSchedule(options).Run();
      ASSERT_EQ(outcome.violation, "");
      messages.insert(messages.end(), outcome.messages.begin(), outcome.messages.end());
      quantum += outcome.synchronizations;
      lockstep += SynchronizationsInLockstep(options);
    }
    std::cout << c.members << " members, up to " << c.spread << "x as slow, delays up to "
              << c.longest_delay / 10
              << " steps: messages per member and round: " << Quantiles(messages) << "; "
              << quantum / lockstep << " times the synchronizations of lockstep\n";
    EXPECT_LE(Quantile(messages, 0.5), 24);
    EXPECT_LE(quantum, 1.2 * lockstep);
  }
}

}  // namespace
}  // namespace tests
