#include "actors/averaging/server_optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace actors {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;
using testing::Pointwise;

// A model of `n` floats through one round after the other.
class Server {
 public:
  Server(const ServerOptimizerOptions& options, std::vector<float> model, std::size_t buffers = 0)
      : options_(options), n_(model.size()), trainable_(n_ - buffers), base_(std::move(model)) {
    base_.resize(CommittedFloats(options, n_));
  }

  std::vector<float> Step(const std::vector<float>& mean) {
    std::vector<float> next(base_.size(), 77);  // Whatever a round before has left there.
    std::ranges::copy(mean, next.begin());
    ServerStep(options_, n_, trainable_, base_, next);
    base_ = next;
    return {base_.begin(), base_.begin() + static_cast<std::ptrdiff_t>(n_)};
  }
  const std::vector<float>& committed() const { return base_; }

 private:
  const ServerOptimizerOptions options_;
  const std::size_t n_, trainable_;
  std::vector<float> base_;
};

TEST(ServerOptimizer, SgdWithRateOneTakesTheMean) {
  Server server({.name = ServerOptimizer::kSgd}, {1, 2, 3});
  EXPECT_THAT(server.Step({5, -6, 7.5}), ElementsAre(5, -6, 7.5));
  EXPECT_EQ(server.committed().size(), 3u);
}

TEST(ServerOptimizer, SgdGoesAShareOfTheWay) {
  Server server({.name = ServerOptimizer::kSgd, .learning_rate = 0.25}, {8, 0});
  EXPECT_THAT(server.Step({4, 1}), ElementsAre(7, 0.25));
}

// torch.optim.SGD: the first velocity is the gradient.
TEST(ServerOptimizer, MomentumGoesOnWhereTheRoundsBeforeWent) {
  Server server({.name = ServerOptimizer::kSgd, .learning_rate = 1, .momentum = 0.5}, {0});
  EXPECT_THAT(server.Step({1}), ElementsAre(1));       // v = -1.
  EXPECT_THAT(server.Step({1}), ElementsAre(1.5));     // g = 0, v = -0.5.
  EXPECT_THAT(server.Step({1.5}), ElementsAre(1.75));  // v = -0.25.
  EXPECT_THAT(server.committed(), ElementsAre(1.75, -0.25));
}

TEST(ServerOptimizer, NesterovLooksAhead) {
  Server server(
      {.name = ServerOptimizer::kSgd, .learning_rate = 1, .momentum = 0.5, .nesterov = true}, {0});
  EXPECT_THAT(server.Step({1}), ElementsAre(1.5));  // g = v = -1: 1 + 0.5.
  EXPECT_THAT(server.Step({1.5}), ElementsAre(1.75));
}

// By another order of operations, in double: torch.optim.Adam.
TEST(ServerOptimizer, AdamIsAdam) {
  const ServerOptimizerOptions options{
      .name = ServerOptimizer::kAdam, .learning_rate = 0.1, .epsilon = 1e-3};
  Server server(options, {0.5, -2, 0});
  std::vector<double> model = {0.5, -2, 0}, first(3), second(3);
  for (int round = 1; round <= 20; ++round) {
    std::vector<float> mean;
    for (std::size_t i = 0; i < 3; ++i) {
      const double gradient = (i + 1) * std::sin(round + 3.0 * static_cast<double>(i));
      mean.push_back(static_cast<float>(model[i] - gradient));
      first[i] += (1 - options.beta1) * (gradient - first[i]);
      second[i] += (1 - options.beta2) * (gradient * gradient - second[i]);
      const double m = first[i] / (1 - std::pow(options.beta1, round));
      const double v = second[i] / (1 - std::pow(options.beta2, round));
      model[i] -= options.learning_rate * m / (std::sqrt(v) + options.epsilon);
    }
    const std::vector<float> next = server.Step(mean);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(next[i], model[i], 1e-5) << round;
  }
  EXPECT_EQ(server.committed().size(), 10u);
  EXPECT_EQ(server.committed().back(), 20);
}

// torch.optim.AdamW: the decay is of the model and never enters the moments.
TEST(ServerOptimizer, AdamWShrinksTheModelBesideAdamsStep) {
  ServerOptimizerOptions options{
      .name = ServerOptimizer::kAdam, .learning_rate = 0.1, .epsilon = 1e-3};
  Server adam(options, {4, -2});
  options.name = ServerOptimizer::kAdamW;
  options.weight_decay = 0.5;
  Server adamw(options, {4, -2});
  const std::vector<float> plain = adam.Step({5, -4});
  EXPECT_THAT(adamw.Step({5, -4}),
              ElementsAre(FloatEq(plain[0] - 0.05F * 4), FloatEq(plain[1] + 0.05F * 2)));
  EXPECT_EQ(adamw.committed().size(), 7u);
}

// torch.optim.SGD: g = (2 - 5) + 0.5 · 2 = -2, so that half of it leads to 3.
TEST(ServerOptimizer, WithTheOthersItIsPartOfTheGradient) {
  Server server({.name = ServerOptimizer::kSgd, .learning_rate = 0.5, .weight_decay = 0.5}, {2});
  EXPECT_THAT(server.Step({5}), ElementsAre(3));
}

// torch.optim.Adagrad, by hand: sums of squares 4 and 5, steps 0.5 · 2 / 2 and 0.5 · 1 / sqrt(5).
TEST(ServerOptimizer, AdagradDividesByAllThatItHasSeen) {
  Server server({.name = ServerOptimizer::kAdagrad, .learning_rate = 0.5, .epsilon = 1e-10}, {1});
  EXPECT_THAT(server.Step({3}), ElementsAre(FloatEq(1.5)));
  EXPECT_THAT(server.Step({2.5}), ElementsAre(FloatEq(1.5F + 0.5F / std::sqrt(5.0F))));
  EXPECT_THAT(server.committed(), ElementsAre(FloatEq(1.5F + 0.5F / std::sqrt(5.0F)), 5));
}

TEST(ServerOptimizer, AdamsFirstStepIsTheRateInEachDirection) {
  Server server({.name = ServerOptimizer::kAdam, .learning_rate = 0.125, .epsilon = 1e-12},
                {1, 1, 1});
  EXPECT_THAT(server.Step({101, 0.5, 1}),
              Pointwise(FloatEq(), std::vector<float>{1.125, 0.875, 1}));
}

// A pixel that is never lit.
TEST(ServerOptimizer, WhereNothingMovesAdamDoesNotEither) {
  Server server({.name = ServerOptimizer::kAdam, .learning_rate = 1, .epsilon = 1e-30}, {3, 3});
  for (int round = 0; round < 3; ++round) {
    const std::vector<float> next = server.Step({3, 4});
    EXPECT_EQ(next[0], 3);
    EXPECT_GT(next[1], 3);
  }
}

// Their mean is what they are to be, and nothing of them is remembered.
TEST(ServerOptimizer, BuffersTakeTheMean) {
  for (const ServerOptimizerOptions& options :
       {ServerOptimizerOptions{
            .name = ServerOptimizer::kSgd, .learning_rate = 0.5, .momentum = 0.9},
        ServerOptimizerOptions{.name = ServerOptimizer::kAdam, .learning_rate = 0.5}}) {
    Server server(options, {1, 1, 1, 1}, /*buffers=*/2);
    const std::vector<float> next = server.Step({2, 2, 9, 10});
    EXPECT_NE(next[0], 2);
    EXPECT_THAT((std::vector<float>(next.begin() + 2, next.end())), ElementsAre(9, 10));
    const auto slot = server.committed().begin() + 4;
    EXPECT_THAT((std::vector<float>(slot + 2, slot + 4)), Each(0));
  }
}

}  // namespace
}  // namespace actors
