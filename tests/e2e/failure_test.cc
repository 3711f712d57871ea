// Processes killed in the middle of a run that cannot go on: the run ends soon and says why; what
// nobody needs any more ends, too, and leaves nothing.
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

// Settings of an endless run that does not go on with fewer workers, and waits a second for others.
std::vector<std::string> NeedsAll(int workers) {
  std::vector<std::string> settings = Endless(workers);
  settings.push_back(absl::StrCat("run.min_workers=", workers));
  settings.emplace_back("run.wait=1");
  return settings;
}

TEST(HeadKilled, ForTooLongEndsJoinsAndWorkersAndTheSmallestSlotKeepsTheModel) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  std::vector<std::string> settings = Endless(3);
  settings.emplace_back("run.orphan_timeout=1");
  const auto run = cluster.StartEndless(WriteQuadratic(sandbox), settings);
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
  EXPECT_THAT(said, HasSubstr("the head is gone; the workers train on"));
  // The dead head could not take its registration away; the next to look for a head does.
  EXPECT_THAT(sandbox.Leftovers(),
              Each(testing::AnyOf(HasSubstr("/rondo-heads-"), HasSubstr("/rondo-join-"))));
}

TEST(JoinKilled, TakesItsWorkersWithItAndEndsARunThatNeedsThemAndNothingElse) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const std::string config = WriteQuadratic(sandbox);
  const auto run = cluster.StartEndless(config, NeedsAll(2));
  const Stopwatch watch("the end of the run");
  cluster.join(1).Signal(SIGKILL);
  EXPECT_EQ(run->WaitExit(watch.Left()), 5) << run->Describe();
  const json error = ErrorOf(*run);
  EXPECT_EQ(error.value("code", ""), "NOT_ENOUGH_WORKERS");
  EXPECT_THAT(error.value("message", ""), HasSubstr("was lost at step"));
  EXPECT_THAT(FloatsOf(OnlyRunFolder(cluster.runs()) + "/model.pt"), SizeIs(1000));
  // Head and machines stay, for another run.
  cluster.Join();
  std::vector<std::string> command = RunCommand(config, {"run.workers=2"}, {"--json"});
  command.insert(command.end(), {"--head", cluster.address()});
  const auto next = sandbox.Start(command);
  EXPECT_EQ(next->WaitExit(), 0) << next->Describe();
  EXPECT_EQ(next->Json()["data"].value("workers_final", 0), 2);
}

TEST(AllWorkersKilled, EndARunForNobodyHoldsItsModel) {
  Sandbox sandbox;
  const auto run = sandbox.Start(RunCommand(WriteQuadratic(sandbox), Endless(2), {"--json"}));
  const std::string runs = sandbox.folder() + "/runs";
  ASSERT_TRUE(Eventually([&] { return StepsOf(OnlyRunFolder(runs)) > 10; })) << run->Describe();
  const std::string folder = OnlyRunFolder(runs);
  std::ofstream(absl::StrCat(folder, "/logs/slot-1.log"), std::ios::app) << "last words\n";
  const auto victims = sandbox.LivingWith("--slot ");
  ASSERT_THAT(victims, SizeIs(2));
  const Stopwatch watch("the end of the run");
  for (const pid_t victim : victims) kill(victim, SIGKILL);
  EXPECT_EQ(run->WaitExit(watch.Left()), 1) << run->Describe();
  const json error = ErrorOf(*run);
  EXPECT_EQ(error.value("code", ""), "WORKER_LOST");
  // How it ended, or, where this machine is too busy to say so in time, that it is silent.
  EXPECT_THAT(
      error.value("message", ""),
      testing::AnyOf(testing::AllOf(HasSubstr("signal 9"), HasSubstr("the last lines of its log")),
                     HasSubstr("its connection was lost")));
  EXPECT_EQ(LastEvent(folder).value("terminal", false), true);
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace tests
