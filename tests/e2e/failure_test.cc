// Processes killed in the middle of a run: everybody else ends soon, says why, and leaves nothing.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace fs = std::filesystem;

// Five times the bound of five seconds, as between real processes everywhere.
constexpr runtime::Duration kEndBound = kSlowness * std::chrono::seconds(25);

class Stopwatch {
 public:
  explicit Stopwatch(std::string what) : what_(std::move(what)) {}
  ~Stopwatch() { std::cout << what_ << " took " << Passed() << " s\n"; }
  runtime::Duration Left() const { return begin_ + kEndBound - std::chrono::steady_clock::now(); }

 private:
  double Passed() const { return runtime::ToSeconds(std::chrono::steady_clock::now() - begin_); }
  const std::string what_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

json ErrorOf(const Process& process) {
  const json result = process.Json();
  EXPECT_TRUE(result.is_object() && result.value("ok", true) == false) << process.Describe();
  return result.is_object() ? result : json::object();
}

// The error of a run whose worker in `slot` was killed.
void ExpectWorkerLost(const Process& run, int slot, const std::string& folder) {
  const json error = ErrorOf(run);
  EXPECT_EQ(error.value("code", ""), "WORKER_LOST");
  EXPECT_EQ(error.value("exit", 0), 1);
  const std::string message = error.value("message", "");
  EXPECT_THAT(message, HasSubstr(absl::StrCat("slot ", slot)));
  EXPECT_THAT(message, HasSubstr("signal 9"));
  EXPECT_THAT(message, HasSubstr("the last lines of its log"));
  EXPECT_EQ(LastEvent(folder).value("terminal", false), true);
  EXPECT_THAT(FloatsOf(folder + "/model.pt"), SizeIs(1000)) << "the last committed model";
}

class WorkerKilled : public testing::TestWithParam<int> {};

TEST_P(WorkerKilled, EndsAnEmbeddedRun) {
  const int slot = GetParam();
  Sandbox sandbox;
  const auto run = sandbox.Start(RunCommand(WriteQuadratic(sandbox), Endless(3), {"--json"}));
  const std::string runs = sandbox.folder() + "/runs";
  ASSERT_TRUE(Eventually([&] { return StepsOf(OnlyRunFolder(runs)) > 10; })) << run->Describe();
  const std::string folder = OnlyRunFolder(runs);
  std::ofstream(absl::StrCat(folder, "/logs/slot-", slot, ".log"), std::ios::app)
      << "last words of the victim\n";
  const auto victims = sandbox.LivingWith(absl::StrCat("--slot ", slot));
  ASSERT_THAT(victims, SizeIs(1));
  sandbox.NoteSockets();
  {
    const Stopwatch watch("the end of the run");
    kill(victims[0], SIGKILL);
    EXPECT_EQ(run->WaitExit(watch.Left()), 1) << run->Describe();
  }
  ExpectWorkerLost(*run, slot, folder);
  EXPECT_THAT(ErrorOf(*run).value("message", ""), HasSubstr("last words of the victim"));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST_P(WorkerKilled, EndsTheClusterOfARun) {
  const auto victim_join = static_cast<std::size_t>(GetParam());
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  const auto run = cluster.StartEndless(WriteQuadratic(sandbox), 3);
  const auto victims = sandbox.LivingWith(absl::StrCat("--name machine", victim_join, "-0"));
  ASSERT_THAT(victims, SizeIs(1));
  sandbox.NoteSockets();
  const Stopwatch watch("the end of the cluster");
  kill(victims[0], SIGKILL);
  EXPECT_EQ(run->WaitExit(watch.Left()), 1) << run->Describe();
  EXPECT_EQ(cluster.head().WaitExit(watch.Left()), 1) << cluster.head().Describe();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(cluster.join(i).WaitExit(watch.Left()), 1) << cluster.join(i).Describe();
  }
  const json error = ErrorOf(*run);
  EXPECT_EQ(error.value("code", ""), "WORKER_LOST") << run->Describe();
  EXPECT_THAT(cluster.head().err(), HasSubstr("WORKER_LOST"));
  EXPECT_THAT(FloatsOf(OnlyRunFolder(cluster.runs()) + "/model.pt"), SizeIs(1000));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Slots, WorkerKilled, testing::Values(0, 2));

TEST(WorkerKilledEarly, EndsTheRunBeforeItBegins) {
  Sandbox sandbox;
  const auto run = sandbox.Start(RunCommand(WriteQuadratic(sandbox), Endless(2), {"--json"}));
  std::vector<pid_t> victims;
  ASSERT_TRUE(Eventually([&] {
    victims = sandbox.LivingWith("--slot 1");
    return victims.size() == 1;
  })) << run->Describe();
  {
    const Stopwatch watch("the end of the run");
    kill(victims[0], SIGKILL);
    EXPECT_EQ(run->WaitExit(watch.Left()), 1) << run->Describe();
  }
  EXPECT_EQ(ErrorOf(*run).value("code", ""), "WORKER_LOST");
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(HeadKilled, EndsJoinsWorkersAndFollowerAndTheSmallestSlotKeepsTheModel) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  const auto run = cluster.StartEndless(WriteQuadratic(sandbox), 3);
  sandbox.NoteSockets();
  {
    const Stopwatch watch("the end of all others");
    cluster.head().Signal(SIGKILL);
    EXPECT_EQ(run->WaitExit(watch.Left()), 3) << run->Describe();
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(cluster.join(i).WaitExit(watch.Left()), 3) << cluster.join(i).Describe();
    }
  }
  EXPECT_EQ(ErrorOf(*run).value("code", ""), "HEAD_LOST");
  std::vector<std::string> models;
  for (const auto& entry : fs::recursive_directory_iterator(sandbox.folder() + "/tmp")) {
    if (entry.path().extension() == ".pt") models.push_back(entry.path().string());
  }
  ASSERT_THAT(models, SizeIs(1));
  EXPECT_THAT(models[0], HasSubstr("/orphan-"));
  EXPECT_THAT(FloatsOf(models[0]), SizeIs(1000));
  // Where it is, the machine that keeps it says.
  std::string said;
  for (std::size_t i = 0; i < 3; ++i) said += cluster.join(i).err();
  EXPECT_THAT(said, HasSubstr(models[0]));
  // The dead head could not take its registration away; the next to look for a head does.
  EXPECT_THAT(sandbox.Leftovers(),
              Each(testing::AnyOf(HasSubstr("/rondo-heads-"), HasSubstr("/rondo-join-"))));
}

TEST(JoinKilled, TakesItsWorkersWithItAndEndsTheRun) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const auto run = cluster.StartEndless(WriteQuadratic(sandbox), 2);
  const Stopwatch watch("the end of the cluster");
  cluster.join(1).Signal(SIGKILL);
  EXPECT_EQ(run->WaitExit(watch.Left()), 1) << run->Describe();
  EXPECT_EQ(ErrorOf(*run).value("code", ""), "WORKER_LOST");
  EXPECT_EQ(cluster.head().WaitExit(watch.Left()), 1) << cluster.head().Describe();
  EXPECT_EQ(cluster.join(0).WaitExit(watch.Left()), 1) << cluster.join(0).Describe();
  EXPECT_TRUE(Eventually([&] { return sandbox.Living().empty(); }, watch.Left()));
}

}  // namespace
}  // namespace tests
