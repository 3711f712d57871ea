// `rondo run` alone: a head and workers in processes of their own, which end with it.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace fs = std::filesystem;

// Waits until the endless run of `process` has taken steps; returns its folder.
std::string WaitForSteps(const Sandbox& sandbox, const Process& process) {
  std::string folder;
  EXPECT_TRUE(Eventually([&] {
    folder = OnlyRunFolder(sandbox.folder() + "/runs");
    return StepsOf(folder) > 10;
  })) << process.Describe();
  return folder;
}

void ExpectFields(const json& data) {
  for (const char* name : {"run_id", "strategy", "estimator", "decision", "model", "data",
                           "evaluated", "model_hash", "model_path"}) {
    EXPECT_TRUE(data[name].is_string()) << name;
  }
  for (const char* name :
       {"workers", "workers_final", "parameters", "steps", "samples", "syncs", "seed"}) {
    EXPECT_TRUE(data[name].is_number_unsigned()) << name;
  }
  for (const char* name : {"theta", "accuracy", "best_accuracy", "train_loss", "bytes_paper",
                           "seconds", "steps_per_second"}) {
    EXPECT_TRUE(data[name].is_number()) << name;
  }
  EXPECT_TRUE(data["reached_step"].is_null());
  std::uint64_t sum = 0;
  for (const char* kind :
       {"state", "decision", "ring", "evaluation", "join", "checkpoint", "control"}) {
    ASSERT_TRUE(data["bytes"][kind].is_number_unsigned()) << kind;
    sum += data["bytes"][kind].get<std::uint64_t>();
  }
  EXPECT_EQ(data["bytes"]["total"], sum);
  for (const char* part : {"compute", "wait_decision", "ring", "evaluate"}) {
    EXPECT_TRUE(data["seconds_by"][part].is_number()) << part;
  }
  for (const char* count :
       {"joins", "leaves", "deaths", "aborts", "rebases", "resets", "outliers"}) {
    EXPECT_TRUE(data["events"][count].is_number_unsigned()) << count;
  }
  for (const char* reason : {"handshake", "frame", "checksum", "fence", "decode"}) {
    EXPECT_TRUE(data["dropped"][reason].is_number_unsigned()) << reason;
  }
}

TEST(EmbeddedRun, TellsItsResultAsJsonAndLeavesAFolder) {
  Sandbox sandbox;
  const auto run = sandbox.Run(RunCommand(WriteQuadratic(sandbox), {}, {"--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const json result = run->Json();
  ASSERT_TRUE(result.is_object()) << run->Describe();
  EXPECT_EQ(result["schema"], 1);
  EXPECT_EQ(result["ok"], true);
  EXPECT_EQ(result["verb"], "run");
  const json& data = result["data"];
  ExpectFields(data);
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_EQ(data["steps"], 100);
  EXPECT_EQ(data["workers"], 2);
  EXPECT_GT(data["syncs"], 0);

  const std::string folder = OnlyRunFolder(sandbox.folder() + "/runs");
  EXPECT_EQ(data["model_path"],
            absl::StrCat("runs/", data["run_id"].get<std::string>(), "/model.pt"));
  for (const char* name : {"config.toml", "logs/slot-0.log", "logs/slot-1.log"}) {
    EXPECT_TRUE(fs::exists(folder + "/" + name)) << name;
  }
  EXPECT_EQ(LastEvent(folder)["terminal"], true);
  EXPECT_THAT(FloatsOf(folder + "/model.pt"), SizeIs(1000));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(EmbeddedRun, EndsItsStreamOfEventsWithATerminalOne) {
  Sandbox sandbox;
  const auto run = sandbox.Run(RunCommand(WriteQuadratic(sandbox), {}, {"--jsonl"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  std::istringstream lines(run->out());
  json last;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(last.is_object() && last.contains("terminal")) << line;
    last = json::parse(line, nullptr, false);
    ASSERT_TRUE(last.is_object()) << line;
  }
  EXPECT_EQ(last.value("terminal", false), true) << last.dump();
}

TEST(EmbeddedRun, TrainsEveryStrategyToEqualReplicas) {
  struct Case {
    std::vector<std::string> settings;
    int synchronizations;
  };
  const std::vector<std::string> decays = {"strategy.name=clock", "strategy.tau=10",
                                           "optimizer.schedule=step", "optimizer.decay_every=20",
                                           "optimizer.decay_factor=0.5"};
  for (const Case& c : {Case{{"strategy.name=synchronous"}, 100},
                        Case{{"strategy.name=local", "strategy.tau=10"}, 10},
                        Case{{"strategy.name=clock", "strategy.tau=10"}, 10},
                        // At 10 and 20; the 80 steps at lower rates are worth 6.6.
                        Case{decays, 3}}) {
    Sandbox sandbox;
    const auto run = sandbox.Run(RunCommand(WriteQuadratic(sandbox), c.settings, {"--json"}));
    ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
    const json data = run->Json()["data"];
    EXPECT_EQ(data["replicas_equal"], true) << run->Describe();
    EXPECT_EQ(data["syncs"], c.synchronizations);
  }
}

TEST(EmbeddedRun, StopsAtABoundaryAndSavesTheModelWhenInterrupted) {
  Sandbox sandbox;
  const auto run = sandbox.Start(RunCommand(WriteQuadratic(sandbox), Endless(2), {"--json"}));
  const std::string folder = WaitForSteps(sandbox, *run);
  run->Signal(SIGINT);
  ASSERT_EQ(run->WaitExit(), 130) << run->Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true) << run->Describe();
  EXPECT_GT(data["steps"], 10);
  EXPECT_THAT(FloatsOf(folder + "/model.pt"), SizeIs(1000));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(EmbeddedRun, EndsAtOnceAtTheSecondSignal) {
  Sandbox sandbox;
  // A step of an hour: no boundary comes.
  const auto run = sandbox.Start(RunCommand(
      WriteQuadratic(sandbox), {"model.step_time=3599", "run.max_steps=10"}, {"--json"}));
  ASSERT_TRUE(run->WaitOutput("2 up")) << run->Describe();
  sandbox.NoteSockets();
  EXPECT_GT(sandbox.noted_sockets(), 0U);
  run->Signal(SIGINT);
  ASSERT_TRUE(run->WaitOutput("once more")) << run->Describe();
  const auto before = std::chrono::steady_clock::now();
  run->Signal(SIGINT);
  EXPECT_EQ(run->WaitExit(kSlowness * std::chrono::seconds(5)), 130) << run->Describe();
  RecordProperty("milliseconds", std::to_string((std::chrono::steady_clock::now() - before) /
                                                std::chrono::milliseconds(1)));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(EmbeddedRun, LeavesNothingBehindTenTimesInARow) { ExpectRunsLeaveNothing(10); }

}  // namespace
}  // namespace tests
