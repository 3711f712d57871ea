// A head that is killed in the middle of a run, and started again on its journal.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;

// Every step adds 840 to each float, so that the model tells how many steps are in it.
std::vector<std::string> Counting(int workers) {
  std::vector<std::string> settings = Endless(workers);
  settings.insert(settings.end(), {"model.integer=true", "strategy.theta=1e30",
                                   "strategy.max_interval=10", "run.orphan_timeout=60"});
  return settings;
}

TEST(HeadKilledAndResumed, ItsRunGoesOnAndEveryStepCountsOnce) {
  constexpr int kWorkers = 3;
  Sandbox sandbox;
  Cluster cluster(sandbox, kWorkers);
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), Counting(kWorkers));
  const std::string folder = OnlyRunFolder(cluster.runs());
  const auto syncs = [&] { return EventsOf(folder, "sync").size(); };
  for (int crash = 0; crash < 3; ++crash) {
    const std::size_t before = syncs();
    ASSERT_TRUE(Eventually([&] { return syncs() >= before + 3; })) << cluster.head().Describe();
    cluster.head().Signal(SIGKILL);
    ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGKILL);
    const std::size_t at_crash = syncs();
    cluster.ResumeHead();
    ASSERT_TRUE(Eventually([&] { return syncs() >= at_crash + 3; })) << cluster.Status().dump();
  }
  EXPECT_EQ(follower->WaitExit(), 3) << follower->Describe();
  const std::string id = std::filesystem::path(folder).filename();
  const auto stop = sandbox.Run({"rondo", "stop", id, "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  ASSERT_TRUE(Eventually([&] { return LastEvent(folder).value("terminal", false); }));
  const json result = LastEvent(folder).value("result", json::object());
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
  EXPECT_EQ(result.value("workers_final", 0), kWorkers);
  const std::vector<float> model = FloatsOf(folder + "/model.pt");
  ASSERT_EQ(model.size(), 1000u);
  EXPECT_THAT(model, Each(model[0]));
  const json config_batch = 32;
  EXPECT_EQ(static_cast<double>(model[0]) * kWorkers / 840,
            result.value("samples", 0.0) / config_batch.get<double>());
  // Whoever asks the new head hears of it.
  const auto runs = sandbox.Run({"rondo", "runs", "--head", cluster.address(), "--json"});
  EXPECT_THAT(runs->out(), HasSubstr(id));
  cluster.Stop();
}

TEST(HeadKilledAndResumed, KnowsTheRunsThatEndedBefore) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const auto run =
      sandbox.Run(RunCommand(WriteQuadratic(sandbox), {}, {"--head", cluster.address(), "--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const std::string id = run->Json()["data"]["run_id"];
  cluster.head().Signal(SIGKILL);
  ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGKILL);
  cluster.ResumeHead();
  const auto runs = sandbox.Run({"rondo", "runs", "--head", cluster.address(), "--json"});
  ASSERT_EQ(runs->WaitExit(), 0) << runs->Describe();
  EXPECT_EQ(runs->Json()["data"]["runs"][0].value("run_id", ""), id) << runs->Describe();
  // And it takes another one, with the workers that waited for it.
  const auto next =
      sandbox.Run(RunCommand(WriteQuadratic(sandbox), {}, {"--head", cluster.address(), "--json"}));
  EXPECT_EQ(next->WaitExit(), 0) << next->Describe();
  cluster.Stop();
}

// The run of a cluster whose workers were all killed, maybe with the head, goes on with others.
class FromTheDisk : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(HeadToo, FromTheDisk, testing::Bool());

TEST_P(FromTheDisk, ARunGoesOnWithAnyNumberOfOtherWorkers) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Counting(2);
  settings.emplace_back("run.checkpoint_every=3");
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  const auto kept = [&] {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("checkpoint-") && name.find("tmp") == std::string::npos) {
        paths.push_back(name);
      }
    }
    return paths;
  };
  ASSERT_TRUE(Eventually([&] { return !kept().empty(); })) << cluster.head().Describe();
  for (std::size_t i = 0; i < 2; ++i) cluster.join(i).Signal(SIGKILL);
  if (GetParam()) {
    cluster.head().Signal(SIGKILL);
    ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGKILL);
    cluster.ResumeHead();
  }
  for (int i = 0; i < 3; ++i) cluster.Join();
  ASSERT_TRUE(Eventually([&] { return !EventsOf(folder, "rollback").empty(); }))
      << cluster.head().Describe();
  const json rollback = EventsOf(folder, "rollback")[0];
  EXPECT_GE(rollback.value("from", 0), rollback.value("to", -1));
  EXPECT_GE(rollback.value("to", -1), 3);
  const std::size_t syncs = EventsOf(folder, "sync").size();
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() >= syncs + 5; }))
      << cluster.Status().dump();
  // It went on with the first of them; the others come in when they have loaded.
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "join").size() == 5; }))
      << cluster.Status().dump();
  EXPECT_LE(kept().size(), 2u);  // The last one, and one that is just being replaced.
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  const json result = LastEvent(folder).value("result", json::object());
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
  EXPECT_EQ(result.value("workers_final", 0), 3);
}

// checkpoint_every is far off: what the disk holds is what the head fetched when it was told to
// end.
TEST(HeadStopped, BySignalKeepsTheRunAsFarAsItHasCome) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Counting(2);
  settings.emplace_back("run.checkpoint_every=1000000");
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() > 10; }));
  const int rounds = EventsOf(folder, "sync").back().value("syncs", -1);
  cluster.head().Signal(SIGTERM);
  ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGTERM) << cluster.head().Describe();
  cluster.ResumeHead();
  for (int i = 0; i < 2; ++i) cluster.Join();
  ASSERT_TRUE(Eventually([&] { return !EventsOf(folder, "rollback").empty(); }))
      << cluster.head().Describe();
  EXPECT_GE(EventsOf(folder, "rollback")[0].value("to", -1), rounds);
  const std::size_t syncs = EventsOf(folder, "sync").size();
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() >= syncs + 5; }))
      << cluster.Status().dump();
}

TEST(SecondHead, OnTheSameStateDirectoryIsRefusedWithItsHolder) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  const std::string state = sandbox.folder() + "/state";
  const auto resumed = sandbox.Run(
      {"rondo", "head", "--listen", "tcp://127.0.0.1:0", "--state-dir", state, "--resume"});
  EXPECT_EQ(resumed->WaitExit(), 2) << resumed->Describe();
  EXPECT_THAT(resumed->err(), HasSubstr(absl::StrCat("process ", cluster.head().pid())));
  cluster.Stop();
  const auto fresh =
      sandbox.Run({"rondo", "head", "--listen", "tcp://127.0.0.1:0", "--state-dir", state});
  EXPECT_EQ(fresh->WaitExit(), 2) << fresh->Describe();
  EXPECT_THAT(fresh->err(), HasSubstr("--resume"));
}

TEST(Resume, OfADamagedJournalIsRefusedWithItsPlaceAndATornEndIsNot) {
  Sandbox sandbox;
  const std::string state = sandbox.folder() + "/state";
  { Cluster(sandbox, 0).Stop(); }
  std::ofstream(state + "/journal", std::ios::app) << "0123456789abcdef {\"rec";
  const std::vector<std::string> resume = {"rondo",       "head", "--listen", "tcp://127.0.0.1:0",
                                           "--state-dir", state,  "--resume"};
  const auto torn = sandbox.Start(resume);
  EXPECT_TRUE(torn->WaitOutput("rondo down")) << torn->Describe();
  EXPECT_THAT(torn->err(), HasSubstr("is torn and ignored"));
  torn->Signal(SIGTERM);
  EXPECT_EQ(torn->WaitExit(), 128 + SIGTERM);
  std::fstream(state + "/journal", std::ios::in | std::ios::out).put('x');
  const auto damaged = sandbox.Run(resume);
  EXPECT_EQ(damaged->WaitExit(), 8) << damaged->Describe();
  EXPECT_THAT(damaged->err(), HasSubstr("damaged at byte 0"));
}

TEST(Resume, WithoutAJournalIsRefused) {
  Sandbox sandbox;
  const auto resumed =
      sandbox.Run({"rondo", "head", "--state-dir", sandbox.folder() + "/none", "--resume"});
  EXPECT_EQ(resumed->WaitExit(), 2) << resumed->Describe();
  EXPECT_THAT(resumed->err(), HasSubstr("no journal"));
}

}  // namespace
}  // namespace tests
