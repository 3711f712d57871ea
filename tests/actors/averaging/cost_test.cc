#include "actors/averaging/cost.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace actors {
namespace {

constexpr std::uint64_t kLenet = 61'706;

SyncPolicyOptions Fda(EstimatorKind kind, double theta = 2) {
  return {.strategy = Strategy::kFda,
          .estimator = {.kind = kind, .parameters = kLenet},
          .theta = theta,
          .max_steps = 1000};
}
const SyncPolicyOptions kSynchronous = {.strategy = Strategy::kSynchronous, .max_steps = 1000};
const SyncPolicyOptions kLocal = {.strategy = Strategy::kLocal, .tau = 76, .max_steps = 1000};

// A row and column of the reference table: gigabytes / synchronizations / steps, three digits.
struct Reference {
  SyncPolicyOptions options;
  std::uint64_t members;
  double gigabytes;
  std::uint64_t synchronizations, steps;
};

TEST(Cost, PaperBytesReproduceTheReferenceTable) {
  const SyncPolicyOptions linear = Fda(EstimatorKind::kLinear);
  const SyncPolicyOptions sketch = Fda(EstimatorKind::kSketch);
  // FedAdam sends no states and pays the initial exchange, as `local` does.
  const std::vector<Reference> table = {
      {kSynchronous, 5, 5.55, 2250, 2250},  {kLocal, 5, .518, 209, 78375},
      {linear, 5, .390, 157, 3375},         {linear, 5, .0964, 38, 3000},
      {linear, 5, .0297, 11, 3000},         {sketch, 5, .163, 31, 3375},
      {kSynchronous, 10, 9.26, 1875, 1875}, {kLocal, 10, 1.25, 252, 47250},
      {linear, 10, .523, 105, 2250},        {linear, 10, .178, 35, 2438},
      {linear, 10, .0694, 13, 3188},        {sketch, 10, .314, 34, 2813},
      {kSynchronous, 20, 17.6, 1782, 1782}, {kLocal, 20, 2.92, 295, 27657},
      {linear, 20, 1.05, 105, 2250},        {linear, 20, .356, 35, 2438},
      {linear, 20, .178, 17, 4125},         {sketch, 20, .609, 35, 2532},
      {kSynchronous, 5, 14.8, 6000, 6000},  {kLocal, 5, .758, 306, 114750},
      {linear, 5, .728, 294, 6375},         {linear, 5, .171, 68, 5250},
      {linear, 5, .0521, 20, 5625},         {sketch, 5, .399, 81, 7875},
      {kSynchronous, 10, 18.5, 3750, 3750}, {kLocal, 10, 1.78, 360, 67500},
      {linear, 10, .928, 187, 4125},        {linear, 10, .297, 59, 4313},
      {linear, 10, .114, 22, 5625},         {sketch, 10, .747, 82, 6750},
  };
  for (const Reference& row : table) {
    const std::uint64_t bytes =
        PaperBytes(row.options, kLenet, CountsOf(row.members, row.steps, row.synchronizations));
    // Three significant digits are printed: half a unit of the last is at most 0.5 %.
    EXPECT_NEAR(static_cast<double>(bytes) / 1e9, row.gigabytes, 0.005 * row.gigabytes)
        << row.members << " workers, " << row.synchronizations << " synchronizations";
  }
}

TEST(Cost, PaperBytesAddUpOverChangingMembership) {
  const SyncPolicyOptions linear = Fda(EstimatorKind::kLinear);
  // 3 workers for 10 steps and a synchronization, then 2 for 5 steps and another.
  const RunCounts counts = {
      .member_synchronizations = 3 + 2, .member_steps = 30 + 10, .initial_members = 3};
  EXPECT_EQ(PaperBytes(linear, 100, counts), 800u * (3 + 2 + 3) + 8u * 40);
}

TEST(Cost, TheRingSendsTwoTimesAllButOneShare) {
  EXPECT_EQ(RingLowerBound(1, 1000), 0u);
  EXPECT_EQ(RingLowerBound(2, 1000), 8000u);
  EXPECT_EQ(RingLowerBound(4, 1000), 24'000u);
}

TEST(Cost, PredictionsSplitRingAndState) {
  const PredictedBytes fda = PredictBytes(Fda(EstimatorKind::kLinear), kLenet, 4, 1000, 14);
  EXPECT_EQ(fda.ring, 14u * 6 * 4 * kLenet);
  EXPECT_EQ(fda.state, 8u * 4 * 1000);
  EXPECT_EQ(fda.total, fda.ring + fda.state);
  EXPECT_EQ(PredictBytes(kLocal, kLenet, 4, 1000, 14).state, 0u);
  EXPECT_EQ(PredictBytes(kSynchronous, kLenet, 4, 1000, 1000).ring, 1000u * 6 * 4 * kLenet);
}

TEST(Cost, SynchronizationsArePredictedWithTheLastOne) {
  const auto predict = [](const SyncPolicyOptions& options, std::uint64_t steps) {
    return PredictSynchronizations(options, kLenet, steps);
  };
  EXPECT_EQ(predict(kSynchronous, 1000), 1000u);
  EXPECT_EQ(predict(kLocal, 760), 10u);
  EXPECT_EQ(predict(kLocal, 761), 11u);
  // The measured interval at theta = 2 is about 76 steps.
  EXPECT_EQ(predict(Fda(EstimatorKind::kLinear), 730), 10u);
  EXPECT_EQ(predict(Fda(EstimatorKind::kLinear, 0), 1000), 1000u);
  EXPECT_EQ(predict(Fda(EstimatorKind::kLinear, 1e9), 1000), 1u);
  SyncPolicyOptions capped = Fda(EstimatorKind::kLinear, 1e9);
  capped.max_interval = 100;
  EXPECT_EQ(predict(capped, 1000), 10u);
  SyncPolicyOptions still = Fda(EstimatorKind::kLinear);
  still.schedule.learning_rate = 0;
  EXPECT_EQ(predict(still, 1000), 1u);
}

TEST(Cost, SynchronizationsAtChangingRatesAreCounted) {
  SyncPolicyOptions clock = {.strategy = Strategy::kClock, .tau = 4, .max_steps = 60};
  const auto predict = [](const SyncPolicyOptions& options, std::uint64_t steps) {
    return PredictSynchronizations(options, kLenet, steps);
  };
  EXPECT_EQ(predict(clock, 60), 15u);
  EXPECT_EQ(predict(clock, 1'000'000'000'000), 250'000'000'000u);
  clock.schedule = {.name = Schedule::kStep, .decay_every = 20, .decay_factor = 0.5};
  EXPECT_EQ(predict(clock, 60), 7u);  // sync_policy_test.cc: at 4, 8, 12, 16, 20, 36, 60.
  EXPECT_EQ(predict(clock, 20), 5u);
  clock.max_interval = 10;
  EXPECT_EQ(predict(clock, 60), 9u);  // At 30, 40, 50, 60 after the first 20 steps.
  EXPECT_EQ(predict(clock, kMostStepsForetold + 1), std::nullopt);
  // 73 steps of Adam at the full rate; at a tenth of it the 1,000 steps that are left are 10.
  SyncPolicyOptions fda = Fda(EstimatorKind::kLinear);
  fda.schedule = {.name = Schedule::kStep, .decay_every = 730, .decay_factor = 0.1};
  EXPECT_EQ(predict(fda, 730), 10u);
  EXPECT_EQ(predict(fda, 1400), 11u);
}

}  // namespace
}  // namespace actors
