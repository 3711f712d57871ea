#include "actors/sweep/sweep_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<std::vector<SweepPoint>> Points(const std::string& text) {
  const absl::StatusOr<SweepConfig> config = ReadSweepConfig(text, "s.toml");
  if (!config.ok()) return config.status();
  return ExpandSweep(*config);
}

std::vector<std::string> Names(const std::string& text) {
  const absl::StatusOr<std::vector<SweepPoint>> points = Points(text);
  EXPECT_OK(points);
  if (!points.ok()) return {};
  std::vector<std::string> names;
  for (const SweepPoint& point : *points) names.push_back(DescribePoint(point.settings));
  return names;
}

runtime::UserError Refusal(const std::string& text) {
  const absl::StatusOr<std::vector<SweepPoint>> points = Points(text);
  EXPECT_FALSE(points.ok()) << text;
  return points.ok() ? runtime::UserError{} : runtime::ToUserError(points.status());
}

constexpr char kMatched[] = R"(
[sweep]
seeds = [3, 4]
match_tau = "fda"
[[sweep.cases]]
strategy.name = "local"
run.workers = 5
[[sweep.cases]]
strategy.name = "fda"
strategy.theta = [0.5, 2.0]
run.workers = [5, 10]
)";

TEST(SweepPlan, AxesAloneAreAllTheirCombinations) {
  EXPECT_THAT(Names("[sweep]\n[sweep.axes]\nstrategy.theta = [1, 2]\nrun.workers = [3, 4]\n"),
              ElementsAre("workers 3, theta 1", "workers 3, theta 2", "workers 4, theta 1",
                          "workers 4, theta 2"));
  EXPECT_THAT(Names("[sweep]\n"), ElementsAre("the config as it is"));
}

TEST(SweepPlan, ACaseSaysWhatItWantsOtherwise) {
  EXPECT_THAT(Names("[sweep.axes]\nrun.workers = [3, 4]\n[[sweep.cases]]\nstrategy.name = \"fda\"\n"
                    "[[sweep.cases]]\nstrategy.name = \"synchronous\"\nrun.workers = 3\n"),
              ElementsAre("fda, workers 3", "fda, workers 4", "synchronous, workers 3"));
}

TEST(SweepPlan, APointThatStandsThereTwiceIsMadeOnceWithTheSeedsOfBoth) {
  const auto points = Points(
      "[sweep]\nseeds = [1, 2]\n[[sweep.cases]]\nrun.workers = 3\n[[sweep.cases]]\n"
      "run.workers = [3, 4]\nseeds = [2, 7]\n");
  ASSERT_OK(points);
  ASSERT_EQ(points->size(), 2u);
  EXPECT_THAT((*points)[0].seeds, ElementsAre(1, 2, 7));
  EXPECT_THAT((*points)[1].seeds, ElementsAre(2, 7));
}

TEST(SweepPlan, LocalIsMatchedToEveryFdaThatAgreesWithIt) {
  const auto points = Points(kMatched);
  ASSERT_OK(points);
  ASSERT_EQ(points->size(), 6u);  // Four of fda, and local to the two with 5 workers.
  for (std::size_t i = 4; i < 6; ++i) {
    const SweepPoint& local = (*points)[i];
    EXPECT_EQ(DescribePoint(local.settings), "local, workers 5");
    ASSERT_TRUE(local.matched.has_value());
    EXPECT_EQ((*points)[*local.matched].settings.at("run.workers"), ConfigValue(std::int64_t{5}));
  }
  EXPECT_NE((*points)[4].matched, (*points)[5].matched);
}

TEST(SweepPlan, GoesSeedBySeedAndMatchesWithinOne) {
  const auto points = Points(kMatched);
  ASSERT_OK(points);
  const std::vector<SweepRun> runs = OrderSweep(*points);
  ASSERT_EQ(runs.size(), 12u);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(runs[i].seed, i < 6 ? 3u : 4u);
    if (!runs[i].matched.has_value()) continue;
    ASSERT_LT(*runs[i].matched, i);
    EXPECT_EQ(runs[*runs[i].matched].seed, runs[i].seed);
    EXPECT_EQ(runs[*runs[i].matched].point, *(*points)[runs[i].point].matched);
  }
}

TEST(SweepPlan, ResolvesARunBeforeFlagsAndEnvironment) {
  const ConfigSources base{
      .text = "[run]\nworkers = 2\n[strategy]\ntheta = 9.0\n[sweep]\nseeds = [3]\n",
      .name = "s.toml",
      .environment = {"RONDO_STRATEGY_THETA=8", "RONDO_RUN_SEED=99"},
      .overrides = {{"run.max_steps", "77", "--set"}}};
  const auto points = Points(
      "[sweep]\nmatch_tau = \"fda\"\n[[sweep.cases]]\nstrategy.theta = 2.0\n"
      "strategy.name = \"fda\"\n[[sweep.cases]]\nstrategy.name = \"local\"\n");
  ASSERT_OK(points);
  const auto fda = ResolveSweepRun(base, (*points)[0], 3, std::nullopt);
  ASSERT_OK(fda);
  EXPECT_EQ(fda->config.strategy.theta, 2.0);
  EXPECT_EQ(fda->config.run.seed, 3u);
  EXPECT_EQ(fda->config.run.max_steps, 77u);
  EXPECT_EQ(fda->origins.at("strategy.theta"), "s.toml:4");
  const auto local = ResolveSweepRun(base, (*points)[1], 3, 41);
  ASSERT_OK(local);
  EXPECT_EQ(local->config.strategy.tau, 41u);
}

TEST(SweepPlan, ARunIsKnownByWhatItsConfigSays) {
  RunConfig config;
  const std::string usual = IdentityOf(config);
  EXPECT_EQ(usual.size(), 16u);
  config.run.out = "elsewhere";
  EXPECT_EQ(IdentityOf(config), usual);
  config.run.seed = 5;
  const std::string other = IdentityOf(config);
  EXPECT_NE(other, usual);
  config.strategy.theta = 2.0;
  EXPECT_NE(IdentityOf(config), other);
}

TEST(SweepPlan, TauIsTheNearestWholeMeanInterval) {
  EXPECT_EQ(MatchedTau(3000, 41), 73u);  // 73.17.
  EXPECT_EQ(MatchedTau(3000, 40), 75u);
  EXPECT_EQ(MatchedTau(5, 2), 3u);
  EXPECT_EQ(MatchedTau(10, 10), 1u);
  EXPECT_EQ(MatchedTau(0, 1), 1u);
  EXPECT_EQ(MatchedTau(70, 0), 70u);
}

TEST(SweepPlan, RefusesWhatIsNoSweepWithItsPlace) {
  EXPECT_EQ(Refusal("[run]\nworkers = 2\n").code, "NO_SWEEP");
  const struct {
    const char* text;
    const char* code;
    const char* says;
  } cases[] = {
      {"[sweep]\nseed = [1]\n", "CONFIG_UNKNOWN_KEY", "s.toml:2:1: [sweep] has no such key"},
      {"[sweep]\nseeds = [-1]\n", "CONFIG_INVALID_VALUE", "integers from 0 on"},
      {"[sweep]\nseeds = []\n", "CONFIG_WRONG_TYPE", "a value or a list of 1 to 1000"},
      {"[sweep]\nmatch_tau = \"local\"\n", "CONFIG_INVALID_VALUE", "must be \"fda\""},
      {"[sweep.axes]\nstrategy.teta = [1]\n", "CONFIG_UNKNOWN_KEY", "unknown key strategy.teta"},
      {"[sweep.axes]\ntheta = [1]\n", "CONFIG_UNKNOWN_KEY", "theta is no key of a config"},
      {"[sweep.axes]\nstrategy.theta = [1, 1]\n", "CONFIG_INVALID_VALUE", "names 1 twice"},
      {"[sweep.axes]\nstrategy.theta = [[1]]\n", "CONFIG_WRONG_TYPE", "each of strategy.theta"},
      {"[sweep.axes]\nseeds = [1]\n", "CONFIG_UNKNOWN_KEY", "seeds is no axis"},
      {"[sweep.axes]\nrun.seed = [1]\n", "CONFIG_CONFLICT", "s.toml:2:5: run.seed"},
      {"[sweep.axes]\nrun.out = \"x\"\n", "CONFIG_CONFLICT", "in its own"},
      {"[sweep\n", "CONFIG_SYNTAX", "s.toml:1:"},
      {"[sweep]\nmatch_tau = \"fda\"\n[sweep.axes]\nstrategy.name = \"clock\"\n", "CONFIG_CONFLICT",
       "no fda point of the sweep agrees with clock"},
      {"[sweep]\nmatch_tau = \"fda\"\n[[sweep.cases]]\nstrategy.name = \"fda\"\n"
       "[[sweep.cases]]\nstrategy.name = \"local\"\nseeds = 5\n",
       "CONFIG_CONFLICT", "seed 5 of local has no run of fda"},
  };
  for (const auto& wrong : cases) {
    const runtime::UserError error = Refusal(wrong.text);
    EXPECT_EQ(error.code, wrong.code) << wrong.text;
    EXPECT_EQ(error.exit, runtime::Exit::kUsage) << wrong.text;
    EXPECT_THAT(error.message, HasSubstr(wrong.says)) << wrong.text;
  }
}

TEST(SweepPlan, RefusesMoreRunsThanAnybodyWantsWithoutMakingThem) {
  std::string many = "[sweep.axes]\n";
  for (const char* key : {"run.workers", "run.max_steps", "run.threads", "run.evaluate_every"}) {
    many += std::string(key) + " = [";
    for (int i = 1; i <= 500; ++i) many += std::to_string(i) + ",";
    many += "]\n";
  }
  EXPECT_THAT(Refusal(many).message, HasSubstr("more than 10000 runs"));
}

// Few fda and few local points make many pairs.
TEST(SweepPlan, RefusesMorePairsThanAnybodyWants) {
  std::string text = "[sweep]\nmatch_tau = \"fda\"\n";
  for (const char* strategy : {"fda", "local"}) {
    const std::string key = std::string(strategy) == "fda" ? "strategy.theta" : "run.max_steps";
    text += std::string("[[sweep.cases]]\nstrategy.name = \"") + strategy + "\"\n" + key + " = [";
    for (int i = 1; i <= 150; ++i) text += std::to_string(i) + ",";
    text += "]\n";
  }
  EXPECT_THAT(Refusal(text).message, HasSubstr("more than 10000 runs"));
}

}  // namespace
}  // namespace actors
