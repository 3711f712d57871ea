#include "actors/averaging/learning_rate.h"

#include <algorithm>
#include <numbers>

#include "actors/averaging/power.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

// sin(pi x / 2)² for x in [0, 1/2]. Not by std::sin, which each C library rounds as it likes: the
// members of a run must agree on the last bit (sync_policy.h). Behind the last term that counts,
// y^19 / 19!, y <= pi/4, is below 1e-19.
double SquaredSineOfQuarterTurns(double x) {
  const double y = std::numbers::pi / 2 * x;
  double series = 1;
  for (int n = 16; n >= 2; n -= 2) series = 1 - y * y / (n * (n + 1)) * series;
  return y * series * (y * series);
}

// From 1 at `done` = 0 to `least` at `done` = `all`, on half a period of a cosine:
// (1 + cos(pi x)) / 2 = 1 - sin(pi x / 2)² = sin(pi (1 - x) / 2)².
double CosineFactor(double least, std::uint64_t done, std::uint64_t all) {
  const auto part = [all](std::uint64_t steps) {
    return SquaredSineOfQuarterTurns(static_cast<double>(steps) / static_cast<double>(all));
  };
  if (done <= all / 2) return 1 - (1 - least) * part(done);
  return least + (1 - least) * part(all - done);
}

}  // namespace

double LearningRateFactor(const LearningRateSchedule& schedule, std::uint64_t step) {
  step = std::max<std::uint64_t>(step, 1);
  if (step <= schedule.warmup) {
    return static_cast<double>(step) / static_cast<double>(schedule.warmup);
  }
  const std::uint64_t done = step - 1 - schedule.warmup;
  switch (schedule.name) {
    case Schedule::kConstant: return 1;
    case Schedule::kCosine: {
      const std::uint64_t all = schedule.max_steps - schedule.warmup;
      return CosineFactor(schedule.final_learning_rate / schedule.learning_rate,
                          std::min(done, all), all);
    }
    case Schedule::kStep: return Power(schedule.decay_factor, done / schedule.decay_every);
  }
  REQUIRE(false);
}

bool IsFlat(const LearningRateSchedule& schedule) {
  return schedule.name == Schedule::kConstant && schedule.warmup == 0;
}

double LearningRateAt(const LearningRateSchedule& schedule, std::uint64_t step) {
  return schedule.learning_rate * LearningRateFactor(schedule, step);
}

}  // namespace actors
