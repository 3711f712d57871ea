// Real workers that are killed, stopped, join and leave in the middle of a run that goes on.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A run on this machine, or one that a cluster was given, and its folder.
class LiveRun {
 public:
  LiveRun(std::unique_ptr<Process> process, std::string folder)
      : process_(std::move(process)), folder_(std::move(folder)) {}

  Process& process() { return *process_; }
  std::size_t Count(const std::string& kind) const { return EventsOf(folder_, kind).size(); }
  // Until `count` events of the kind were written.
  bool Await(const std::string& kind, std::size_t count) const {
    return Eventually([&] { return Count(kind) >= count; });
  }
  // Until the run has synchronized `more` times from now on.
  bool GoesOn(std::size_t more = 3) const { return Await("sync", Count("sync") + more); }
  // Ends the run as Ctrl-C does, and returns its result.
  json Stop() {
    process_->Signal(SIGINT);
    EXPECT_EQ(process_->WaitExit(), 128 + SIGINT) << process_->Describe();
    const json result = process_->Json();
    EXPECT_TRUE(result.is_object() && result.value("ok", false)) << process_->Describe();
    return result.is_object() ? result.value("data", json::object()) : json::object();
  }
  const std::string& folder() const { return folder_; }

 private:
  std::unique_ptr<Process> process_;
  const std::string folder_;
};

LiveRun StartEmbedded(Sandbox& sandbox, int workers) {
  auto process = sandbox.Start(RunCommand(WriteQuadratic(sandbox), Endless(workers), {"--json"}));
  const std::string runs = sandbox.folder() + "/runs";
  EXPECT_TRUE(Eventually([&] { return StepsOf(OnlyRunFolder(runs)) > 10; })) << process->Describe();
  return {std::move(process), OnlyRunFolder(runs)};
}

TEST(KilledWorker, IsReplacedAndTheRunGoesOn) {
  for (const int slot : {0, 2}) {
    SCOPED_TRACE(slot);
    Sandbox sandbox;
    LiveRun run = StartEmbedded(sandbox, 3);
    const auto victims = sandbox.LivingWith(absl::StrCat("--slot ", slot));
    ASSERT_THAT(victims, SizeIs(1));
    kill(victims[0], SIGKILL);
    ASSERT_TRUE(run.Await("death", 1)) << run.process().Describe();
    const json death = EventsOf(run.folder(), "death")[0];
    EXPECT_EQ(death.value("slot", -1), slot);
    EXPECT_THAT(death.value("reason", ""), HasSubstr("signal 9"));
    EXPECT_EQ(death.value("workers", 0), 2);
    ASSERT_TRUE(run.Await("join", 4)) << run.process().Describe();
    EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
    const json result = run.Stop();
    EXPECT_EQ(result["events"]["deaths"], 1);
    EXPECT_EQ(result["events"]["joins"], 4);
    EXPECT_EQ(result["workers_final"], 3);
    EXPECT_EQ(result["replicas_equal"], true);
    EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
  }
}

TEST(StoppedWorker, IsEvictedAndComesBackAsAnotherWhenItIsContinued) {
  Sandbox sandbox;
  LiveRun run = StartEmbedded(sandbox, 3);
  const auto victims = sandbox.LivingWith("--slot 1");
  ASSERT_THAT(victims, SizeIs(1));
  kill(victims[0], SIGSTOP);
  ASSERT_TRUE(run.Await("death", 1)) << run.process().Describe();
  EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
  kill(victims[0], SIGCONT);
  ASSERT_TRUE(run.Await("join", 4)) << run.process().Describe();
  EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
  // It was told, and ended; another process took its place.
  EXPECT_TRUE(Eventually([&] { return !sandbox.Living().contains(victims[0]); }));
  const json result = run.Stop();
  EXPECT_EQ(result["workers_final"], 3);
  EXPECT_EQ(result["replicas_equal"], true);
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(BrieflyStoppedWorker, IsWaitedFor) {
  Sandbox sandbox;
  LiveRun run = StartEmbedded(sandbox, 3);
  const auto victims = sandbox.LivingWith("--slot 1");
  ASSERT_THAT(victims, SizeIs(1));
  kill(victims[0], SIGSTOP);
  // 300 ms, told by the clock of the run itself.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually(
      [&] { return std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(300); }));
  kill(victims[0], SIGCONT);
  EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
  const json result = run.Stop();
  EXPECT_EQ(result["events"]["deaths"], 0);
  EXPECT_EQ(result["events"]["aborts"], 0);
}

TEST(Cluster, WorkersJoinAndLeaveWhileARunIsOn) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  auto process = cluster.StartEndless(WriteQuadratic(sandbox), 2);
  LiveRun run(std::move(process), OnlyRunFolder(cluster.runs()));
  Process& third = cluster.Join();
  ASSERT_TRUE(run.Await("join", 3)) << third.Describe();
  EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
  // In order: its drift is averaged in, and nobody aborts anything.
  third.Signal(SIGTERM);
  EXPECT_EQ(third.WaitExit(), 0) << third.Describe();
  ASSERT_TRUE(run.Await("leave", 1));
  EXPECT_EQ(EventsOf(run.folder(), "leave")[0].value("workers", 0), 2);
  EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
  EXPECT_EQ(run.Count("abort"), 0u);
  EXPECT_EQ(run.Count("death"), 0u);
  // Without a word.
  const auto victims = sandbox.LivingWith("--name machine1-0");
  ASSERT_THAT(victims, SizeIs(1));
  kill(victims[0], SIGKILL);
  ASSERT_TRUE(run.Await("join", 4)) << run.process().Describe();
  EXPECT_TRUE(run.GoesOn()) << run.process().Describe();
  cluster.head().Signal(SIGTERM);
  EXPECT_EQ(cluster.head().WaitExit(), 128 + SIGTERM) << cluster.head().Describe();
}

// Without a barrier nobody waits for the slow one; each of the steps is in the model once.
TEST(WithoutABarrier, ASlowWorkerSlowsNobodyElse) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  cluster.Join(1, "worker.step:1:delay:0.02");
  std::vector<std::string> settings = Endless(4);
  settings.insert(settings.end(), {"model.integer=true", "model.step_time=0.02",
                                   "strategy.decision=quantum", "strategy.theta=1e12"});
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  std::vector<double> paces;
  const bool told = Eventually([&] {
    paces.clear();
    const json status = cluster.Status();
    for (const json& node : status.value("nodes", json::array())) {
      if (node.contains("steps_per_second")) paces.push_back(node["steps_per_second"]);
    }
    std::ranges::sort(paces);
    // In lockstep all four go at the pace of the slow one.
    return paces.size() == 4 && paces[1] > 1.2 * paces[0] && EventsOf(folder, "sync").size() >= 3;
  });
  ASSERT_TRUE(told) << cluster.Status().dump();
  std::cout << "steps/s of four, of whom one is slow: " << paces[0] << " " << paces[1] << " "
            << paces[2] << " " << paces[3] << "\n";
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  ASSERT_TRUE(Eventually([&] { return LastEvent(folder).value("terminal", false); }));
  const json result = LastEvent(folder)["result"];
  EXPECT_EQ(result["replicas_equal"], true);
  const std::vector<float> model = FloatsOf(folder + "/model.pt");
  EXPECT_THAT(model, testing::Each(model.at(0)));
  constexpr double kBatch = 32;
  EXPECT_EQ(static_cast<double>(model[0]) * 4 / 840, result["samples"].get<double>() / kBatch);
}

}  // namespace
}  // namespace tests
