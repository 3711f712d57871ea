// Real processes that are killed or stopped at named moments of a round (faults.md F01 to F10, F22,
// F23): the run goes on, and every step is counted once.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::Each;

// Whether the workers train on while the ring runs, or take a step of their own between ring and
// DONE.
enum class Mode { kLockstep, kOverlap, kServerOptimizer };

std::string SuffixOf(Mode mode) {
  switch (mode) {
    case Mode::kLockstep: return "";
    case Mode::kOverlap: return "_overlap";
    case Mode::kServerOptimizer: return "_server";
  }
  return "";
}

// Four chunks of the ring for each of four workers; every step adds 840 to each float.
std::vector<std::string> Counting(Mode mode = Mode::kLockstep) {
  std::vector<std::string> settings = Endless(4);
  settings.insert(settings.end(),
                  {"model.dimension=300000", "model.integer=true", "strategy.theta=1e30",
                   "strategy.max_interval=10", "network.chunk_bytes=65536", "run.min_workers=2"});
  if (mode == Mode::kOverlap) {
    settings.insert(settings.end(), {"strategy.decision=quantum", "strategy.overlap=true"});
  }
  // One that takes the mean as it is, so that steps can be counted.
  if (mode == Mode::kServerOptimizer) settings.push_back("server.name=sgd");
  return settings;
}

struct Moment {
  const char* failpoint;
  Mode mode = Mode::kLockstep;
};

std::string NameOf(const testing::TestParamInfo<Moment>& info) {
  return NameOfFailpoint(info.param.failpoint) + SuffixOf(info.param.mode);
}

// The longest time between two synchronizations, and when the death was noticed, as metrics say.
void PrintPause(const std::string& folder, const std::string& what) {
  double before = 0, longest = 0;
  for (const json& sync : EventsOf(folder, "sync")) {
    const double at = sync.value("t", 0.0);
    if (before > 0) longest = std::max(longest, at - before);
    before = at;
  }
  std::cout << what << ": longest time between two synchronizations " << longest << " s\n";
}

// How long the member in `slot` had said nothing, as an abort's flight record has it.
double SilenceIn(const json& abort, std::uint32_t slot) {
  for (const json& member : abort["members"]) {
    if (member["slot"] == slot) return member["silent_seconds"];
  }
  return 0;
}

json Stop(Sandbox& sandbox, Cluster& cluster, const std::string& folder) {
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  EXPECT_TRUE(Eventually([&] { return LastEvent(folder).value("terminal", false); }));
  return LastEvent(folder).value("result", json::object());
}

class WorkerFailpoint : public testing::TestWithParam<Moment> {};
INSTANTIATE_TEST_SUITE_P(At, WorkerFailpoint,
                         testing::Values(Moment{"worker.step:50"}, Moment{"worker.ready:4"},
                                         Moment{"ring.reduce:30"}, Moment{"ring.store:30"},
                                         Moment{"worker.done:4"}, Moment{"worker.commit:4"},
                                         Moment{"worker.step:50", Mode::kOverlap},
                                         Moment{"worker.ready:4", Mode::kOverlap},
                                         Moment{"ring.reduce:30", Mode::kOverlap},
                                         Moment{"ring.store:30", Mode::kOverlap},
                                         Moment{"worker.done:4", Mode::kOverlap},
                                         Moment{"worker.commit:4", Mode::kOverlap}),
                         NameOf);

TEST_P(WorkerFailpoint, KilledThereTheOthersGoOnAndItIsReplaced) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  cluster.Join(1, absl::StrCat(GetParam().failpoint, ":kill:", sandbox.folder(), "/once"));
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), Counting(GetParam().mode));
  const std::string folder = OnlyRunFolder(cluster.runs());
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "join").size() == 5; }))
      << cluster.Status().dump();
  EXPECT_TRUE(std::filesystem::exists(sandbox.folder() + "/once"));
  const std::size_t syncs = EventsOf(folder, "sync").size();
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() >= syncs + 5; }));
  PrintPause(folder, GetParam().failpoint);
  const json result = Stop(sandbox, cluster, folder);
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
  EXPECT_EQ(result["events"]["deaths"], 1);
  EXPECT_EQ(result["workers_final"], 4);
  EXPECT_THAT(FloatsOf(folder + "/model.pt"), Each(FloatsOf(folder + "/model.pt")[0]));
}

// F10: the others commit without it; on SIGCONT it hears that it was let go, and comes as another.
class StoppedWorkerInTheRing : public testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(In, StoppedWorkerInTheRing,
                         testing::Values(Mode::kLockstep, Mode::kOverlap), [](const auto& info) {
                           return info.param == Mode::kOverlap ? "Overlap" : "Lockstep";
                         });

TEST_P(StoppedWorkerInTheRing, IsLeftOutAndComesBackAsAnother) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  cluster.Join(1, absl::StrCat("ring.store:30:stop:", sandbox.folder(), "/once"));
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), Counting(GetParam()));
  const std::string folder = OnlyRunFolder(cluster.runs());
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "death").size() == 1; }))
      << cluster.Status().dump();
  const std::size_t syncs = EventsOf(folder, "sync").size();
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() >= syncs + 3; }));
  PrintPause(folder, "stopped in the ring");
  const std::uint32_t stopped_slot = EventsOf(folder, "death")[0]["slot"];
  EXPECT_GE(SilenceIn(EventsOf(folder, "abort")[0], stopped_slot), 0.5);
  const auto stopped = sandbox.LivingWith("--name machine3-0");
  ASSERT_EQ(stopped.size(), 1u);
  kill(stopped[0], SIGCONT);
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "join").size() == 5; }))
      << cluster.Status().dump();
  const json result = Stop(sandbox, cluster, folder);
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
}

class HeadFailpoint : public testing::TestWithParam<Moment> {};
INSTANTIATE_TEST_SUITE_P(At, HeadFailpoint,
                         testing::Values(Moment{"head.commit"}, Moment{"head.committed"},
                                         Moment{"head.commit", Mode::kOverlap},
                                         Moment{"head.committed", Mode::kOverlap},
                                         Moment{"head.commit", Mode::kServerOptimizer},
                                         Moment{"head.committed", Mode::kServerOptimizer}),
                         NameOf);

// F22, F23: kill -9 right before and right after COMMIT is on the disk, before anyone hears of it.
TEST_P(HeadFailpoint, KilledThereTheRoundIsResolvedTheSameWayByAll) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  std::vector<std::string> settings = Counting(GetParam().mode);
  settings[0] = "run.workers=3";
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  const auto syncs = [&] { return EventsOf(folder, "sync").size(); };
  ASSERT_TRUE(Eventually([&] { return syncs() >= 3; }));
  cluster.head().Signal(SIGKILL);
  ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGKILL);
  cluster.ResumeHead(absl::StrCat(GetParam().failpoint, ":3:kill:", sandbox.folder(), "/once"));
  ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGKILL) << cluster.head().Describe();
  const std::size_t before = syncs();
  cluster.ResumeHead();
  ASSERT_TRUE(Eventually([&] { return syncs() >= before + 3; })) << cluster.Status().dump();
  const json result = Stop(sandbox, cluster, folder);
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
  const std::vector<float> model = FloatsOf(folder + "/model.pt");
  ASSERT_EQ(model.size(), 300000u);
  EXPECT_THAT(model, Each(model[0]));
  constexpr double kBatch = 32;
  EXPECT_EQ(static_cast<double>(model[0]) * 3 / 840, result.value("samples", 0.0) / kBatch);
}

}  // namespace
}  // namespace tests
