// `rondo sweep` as it is used: real runs, killed in the middle, called again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "actors/sweep/sweep_results.h"
#include "tests/support/cluster.h"
#include "tests/support/processes.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace tests {
namespace {

using actors::SweepLine;
using testing::HasSubstr;

// Three strategies, two seeds, without torch; the paced ones take half a second each.
constexpr char kSweep[] = R"(
[run]
workers = 2
max_steps = 100
evaluate_every = 0
[model]
name = "quadratic"
dimension = 100
noise = 0.1
step_time = 0.005
[optimizer]
name = "sgd"
learning_rate = 0.05
[strategy]
theta = 0.05
[sweep]
seeds = [1, 2]
match_tau = "fda"
[sweep.axes]
strategy.name = ["fda", "local", "synchronous"]
)";

class Sweep : public testing::Test {
 protected:
  Sweep() : config_(sandbox_.Write("grid.toml", kSweep)), out_(sandbox_.folder() + "/out") {}

  std::vector<std::string> Command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {"rondo", "sweep", config_, "--out", out_};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  std::vector<SweepLine> Lines() const {
    const auto lines = actors::ReadSweepLines(ReadWholeFile(out_ + "/results.jsonl"), "results");
    EXPECT_OK(lines);
    return lines.ok() ? *lines : std::vector<SweepLine>();
  }
  std::size_t CountLines() const {
    const std::string text = ReadWholeFile(out_ + "/results.jsonl");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  Sandbox sandbox_;
  const std::string config_;
  const std::string out_;
};

TEST_F(Sweep, GoesOnAfterAKillAndMakesNoRunTwice) {
  std::vector<std::string> first;
  {
    const auto sweep = sandbox_.Start(Command());
    ASSERT_TRUE(Eventually([this] { return CountLines() >= 2; })) << sweep->Describe();
    sweep->Signal(SIGKILL);
    (void)sweep->WaitExit();
  }
  // Nobody is left of the run that was on.
  EXPECT_THAT(sandbox_.Leftovers(), testing::IsEmpty());
  for (const SweepLine& line : Lines()) first.push_back(line.result->run_id);
  // As a crash in the middle of a write leaves it.
  std::ofstream(out_ + "/results.jsonl", std::ios::app) << R"({"schema":1,"point":{"strat)";

  const auto again = sandbox_.Run(Command({"--json"}));
  ASSERT_EQ(again->WaitExit(), 0) << again->Describe();
  const std::vector<SweepLine> lines = Lines();
  ASSERT_EQ(lines.size(), 6u);
  std::set<std::string> runs;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    ASSERT_TRUE(lines[i].result.has_value());
    EXPECT_EQ(lines[i].result->steps, 100u);
    EXPECT_TRUE(std::filesystem::exists(out_ + "/" + lines[i].folder + "/metrics.jsonl"));
    runs.insert(lines[i].result->run_id);
    if (i < first.size()) {
      EXPECT_EQ(lines[i].result->run_id, first[i]);
    }
  }
  EXPECT_EQ(runs.size(), 6u);
  const nlohmann::json data = again->Json()["data"];
  EXPECT_EQ(data["runs"], 6);
  EXPECT_EQ(data["made"], 6 - static_cast<int>(first.size()));
  EXPECT_EQ(data["points"].size(), 3u);

  const auto third = sandbox_.Run(Command({"--json"}));
  EXPECT_EQ(third->Json()["data"]["made"], 0) << third->Describe();
}

TEST_F(Sweep, LocalSynchronizesAsOftenAsTheFdaOfItsSeed) {
  ASSERT_EQ(sandbox_.Run(Command())->WaitExit(), 0);
  std::map<std::uint64_t, std::uint64_t> syncs_of_fda;
  int compared = 0;
  for (const SweepLine& line : Lines()) {
    if (line.result->strategy == "fda") {
      syncs_of_fda[line.seed] = line.result->syncs;
      EXPECT_GT(line.intervals.count, 1u);
    }
    if (line.result->strategy != "local") continue;
    ++compared;
    ASSERT_TRUE(line.tau.has_value());
    EXPECT_EQ(*line.tau, actors::MatchedTau(100, syncs_of_fda.at(line.seed)));
    EXPECT_EQ(line.result->syncs, (100 + *line.tau - 1) / *line.tau);
  }
  EXPECT_EQ(compared, 2);
}

TEST_F(Sweep, ASignalEndsItAndTheNextCallGoesOn) {
  const auto sweep = sandbox_.Start(Command());
  ASSERT_TRUE(Eventually([this] { return CountLines() >= 1; })) << sweep->Describe();
  sweep->Signal(SIGINT);
  EXPECT_EQ(sweep->WaitExit(), 130) << sweep->Describe();
  EXPECT_THAT(sweep->err(), HasSubstr("the same command goes on with it"));
  EXPECT_LT(CountLines(), 6u);
  EXPECT_EQ(sandbox_.Run(Command())->WaitExit(), 0);
  EXPECT_EQ(CountLines(), 6u);
}

TEST_F(Sweep, ARunThatFailsIsKeptAsFailedAndItsMatchIsLeftOut) {
  // A rate at which the bowl diverges.
  const auto sweep =
      sandbox_.Run(Command({"--json", "--set", "optimizer.learning_rate=1000", "--set",
                            "run.max_steps=1000", "--set", "model.step_time=0"}));
  EXPECT_EQ(sweep->WaitExit(), 1) << sweep->Describe();
  const std::vector<SweepLine> lines = Lines();
  ASSERT_EQ(lines.size(), 4u) << sweep->Describe();  // fda and synchronous, two seeds.
  for (const SweepLine& line : lines) {
    ASSERT_TRUE(line.error.has_value());
    EXPECT_EQ(line.error->code, "DIVERGED");
  }
  const nlohmann::json data = sweep->Json()["data"];
  EXPECT_EQ(data["left_out"], 2);
  for (const auto& point : data["points"]) EXPECT_EQ(point["failed"], 2);
}

TEST_F(Sweep, ARunThatTakesTooLongIsEndedAndMadeAgainIfThatIsWished) {
  const auto first = sandbox_.Run(Command({"--run-timeout", "100ms"}));
  EXPECT_EQ(first->WaitExit(), 1) << first->Describe();
  for (const SweepLine& line : Lines()) {
    ASSERT_TRUE(line.error.has_value());
    EXPECT_EQ(line.error->code, "RUN_TIMED_OUT");
  }
  EXPECT_EQ(sandbox_.Run(Command({"--retry-failed"}))->WaitExit(), 0);
  const auto third = sandbox_.Run(Command({"--json"}));
  EXPECT_EQ(third->WaitExit(), 0) << third->Describe();
  const nlohmann::json data = third->Json()["data"];
  EXPECT_EQ(data["made"], 0);
  for (const auto& point : data["points"]) EXPECT_EQ(point["failed"], 0);
}

TEST_F(Sweep, OnAClusterARunThatTakesTooLongLeavesItsPlaceToTheNext) {
  Cluster cluster(sandbox_, /*joins=*/2);
  const auto sweep =
      sandbox_.Run(Command({"--head", cluster.address(), "--run-timeout", "3s", "--set",
                            "run.max_steps=1000000", "--set", "strategy.max_interval=10"}));
  EXPECT_EQ(sweep->WaitExit(), 1) << sweep->Describe();
  const std::vector<SweepLine> lines = Lines();
  EXPECT_FALSE(lines.empty()) << sweep->Describe();
  for (const SweepLine& line : lines) {
    ASSERT_TRUE(line.error.has_value());
    EXPECT_EQ(line.error->code, "RUN_TIMED_OUT") << line.error->message;
  }
  cluster.Stop();
}

// It may come before there is anybody to hear it, or after the last run: never a crash.
TEST_F(Sweep, ASignalToOneThatHasNothingLeftToMakeIsNoFailure) {
  ASSERT_EQ(sandbox_.Run(Command())->WaitExit(), 0);
  const auto again = sandbox_.Start(Command());
  again->Signal(SIGINT);
  const std::optional<int> exit = again->WaitExit();
  ASSERT_TRUE(exit.has_value());
  EXPECT_TRUE(exit == 0 || exit == 130) << again->Describe();
  EXPECT_EQ(CountLines(), 6u);
}

TEST_F(Sweep, TwoInOneFolderAreOneTooMany) {
  const auto first = sandbox_.Start(Command());
  ASSERT_TRUE(Eventually([this] { return std::filesystem::exists(out_ + "/config.toml"); }));
  const auto second = sandbox_.Run(Command());
  EXPECT_EQ(second->WaitExit(), 2);
  EXPECT_THAT(second->err(), HasSubstr("error[SWEEP_RUNS]"));
}

}  // namespace
}  // namespace tests
