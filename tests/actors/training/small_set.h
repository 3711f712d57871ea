// What the tests of the torch trainer share: a small set, and a trainer on it.
#ifndef RONDO_TESTS_ACTORS_TRAINING_SMALL_SET_H_
#define RONDO_TESTS_ACTORS_TRAINING_SMALL_SET_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "actors/training/digits.h"
#include "actors/training/torch_trainer.h"
#include "tests/support/status_matchers.h"

namespace actors {

inline constexpr double kLearningRate = 1e-3;

// 2,000 digits to train on and 300 to test with; the part of the set that most tests need.
inline std::shared_ptr<const Dataset> SmallSet() {
  static const auto set =
      std::make_shared<const Dataset>(Dataset{DrawDigits(0, 2000), DrawDigits(kDigitsTrain, 300)});
  return set;
}

inline std::unique_ptr<Trainer> Make(const TrainingOptions& options,
                                     std::shared_ptr<const Dataset> set = SmallSet()) {
  auto trainer = MakeTorchTrainer(options, std::move(set));
  EXPECT_OK(trainer);
  return *std::move(trainer);
}

inline std::vector<float> Values(Trainer& trainer) {
  return {trainer.local().begin(), trainer.local().end()};
}

inline void Train(Trainer& trainer, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t step = first; step <= last; ++step)
    ASSERT_OK(trainer.Step(step, kLearningRate));
}

inline double Accuracy(Trainer& trainer) {
  const auto counts = trainer.Evaluate(trainer.local(), 0, 1);
  EXPECT_OK(counts);
  return static_cast<double>(counts->correct) / static_cast<double>(counts->samples);
}

}  // namespace actors

#endif  // RONDO_TESTS_ACTORS_TRAINING_SMALL_SET_H_
