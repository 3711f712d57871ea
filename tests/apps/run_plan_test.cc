#include "apps/rondo/run_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include <nlohmann/json.hpp>

#include "tests/support/status_matchers.h"

namespace apps {
namespace {

using actors::Strategy;

actors::RunConfig ConfigOf(const std::string& text) {
  const auto config = actors::ParseRunConfig(text, "test");
  EXPECT_OK(config);
  return config.ok() ? *config : actors::RunConfig();
}

TEST(RunPlan, PredictsWhatEachStrategySends) {
  const actors::RunConfig config = ConfigOf(
      "[run]\nworkers = 3\nmax_steps = 100\n[model]\nname = \"logistic\"\n"
      "[strategy]\nname = \"local\"\ntau = 10\n");
  const auto plan = PlanRun(config);
  ASSERT_OK(plan);
  EXPECT_EQ(plan->training.parameters, 7850u);
  ASSERT_EQ(plan->predictions.size(), 3u);
  const std::uint64_t ring = 2 * (3 - 1) * 4 * 7850;
  EXPECT_EQ(plan->predictions[1].strategy, Strategy::kLocal);
  EXPECT_EQ(plan->predictions[1].syncs, 10u);
  EXPECT_EQ(plan->predictions[1].bytes.total, 10 * ring);
  EXPECT_EQ(plan->predictions[2].strategy, Strategy::kSynchronous);
  EXPECT_EQ(plan->predictions[2].bytes.total, 100 * ring);
  EXPECT_EQ(plan->predictions[2].bytes.state, 0u);
  EXPECT_EQ(plan->predictions[0].strategy, Strategy::kFda);
  EXPECT_GT(plan->predictions[0].bytes.state, 0u);
  for (const auto& shard : plan->training.samples) {
    EXPECT_EQ(std::accumulate(shard.begin(), shard.end(), std::uint64_t{0}), 20000u);
  }
}

TEST(RunPlan, CountsTheSynchronizationsOfAClock) {
  const std::string text =
      "[run]\nworkers = 3\nmax_steps = 60\n[model]\nname = \"logistic\"\n"
      "[optimizer]\nschedule = \"step\"\ndecay_every = 20\ndecay_factor = 0.5\n"
      "[strategy]\nname = \"clock\"\ntau = 4\n";
  const actors::RunConfig config = ConfigOf(text);
  const auto plan = PlanRun(config);
  ASSERT_OK(plan);
  ASSERT_EQ(plan->predictions.size(), 4u);
  EXPECT_EQ(plan->predictions[1].strategy, Strategy::kLocal);
  EXPECT_EQ(plan->predictions[1].syncs, 15u);
  EXPECT_EQ(plan->predictions[2].strategy, Strategy::kClock);
  EXPECT_EQ(plan->predictions[2].syncs, 7u);
  EXPECT_EQ(plan->predictions[2].bytes.total, 7u * 2 * (3 - 1) * 4 * 7850);
  EXPECT_EQ(nlohmann::json::parse(PlanToJson(*plan))["predicted"]["clock"]["tau"], 4);
  EXPECT_NE(RenderPlan(*plan, config).find("clock, tau 4"), std::string::npos);
}

TEST(RunPlan, DoesNotWalkThroughAnEndlessRun) {
  const actors::RunConfig config = ConfigOf(
      "[run]\nmax_steps = 1000000000000\n[model]\nname = \"logistic\"\n"
      "[optimizer]\nwarmup = 10\n[strategy]\nname = \"clock\"\ntau = 4\n");
  const auto plan = PlanRun(config);
  ASSERT_OK(plan);
  EXPECT_FALSE(plan->predictions[0].syncs.has_value());
  EXPECT_FALSE(plan->predictions[2].syncs.has_value());
  const std::string text = RenderPlan(*plan, config);
  EXPECT_NE(text.find("clock, tau 4: not foretold for more than 20,000,000 steps"),
            std::string::npos)
      << text;
}

TEST(RunPlan, LocalFollowsFdasPaceWhereTheConfigGivesNone) {
  const auto plan = PlanRun(ConfigOf("[run]\nmax_steps = 1000\n[model]\nname = \"logistic\"\n"));
  ASSERT_OK(plan);
  ASSERT_EQ(plan->predictions.size(), 3u);
  EXPECT_FALSE(plan->theta_is_given);
  EXPECT_NEAR(plan->theta.value_or(0), 4.91e-5 * 7850, 1e-6);
  EXPECT_EQ(plan->predictions[1].syncs, plan->predictions[0].syncs);
}

TEST(RunPlan, SaysNothingOfDataThatOnlyTheNodesKnow) {
  const actors::RunConfig config = ConfigOf("[data]\nsource = \"mnist\"\nplacement = \"own\"\n");
  const auto plan = PlanRun(config);
  ASSERT_OK(plan);
  const auto json = nlohmann::json::parse(PlanToJson(*plan));
  EXPECT_TRUE(json["train_samples"].is_null());
  EXPECT_TRUE(json["samples"].is_null());
  EXPECT_EQ(json["parameters"], 61706);
  const std::string text = RenderPlan(*plan, config);
  EXPECT_NE(text.find("each node's own data"), std::string::npos) << text;
  EXPECT_EQ(text.find("samples"), std::string::npos) << text;
}

TEST(RunPlan, SaysNothingOfFdaWithoutAdam) {
  const actors::RunConfig config =
      ConfigOf("[model]\nname = \"quadratic\"\n[optimizer]\nname = \"sgd\"\n");
  const auto plan = PlanRun(config);
  ASSERT_OK(plan);
  EXPECT_FALSE(plan->predictions[0].syncs.has_value());
  const auto json = nlohmann::json::parse(PlanToJson(*plan));
  EXPECT_TRUE(json["predicted"]["fda"]["bytes"].is_null());
  EXPECT_GT(json["predicted"]["synchronous"]["bytes"]["total"], 0);
  EXPECT_NE(RenderPlan(*plan, config).find("for adam and a given theta only"), std::string::npos);
}

}  // namespace
}  // namespace apps
