// What takes more than a minute.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/random.h"
#include "tests/support/cluster.h"
#include "tests/support/processes.h"
#include "tests/support/test_data.h"

namespace tests {
namespace {

using nlohmann::json;
using std::chrono::seconds;

TEST(EmbeddedRunsForLong, LeaveNothingBehindFiftyTimesInARow) { ExpectRunsLeaveNothing(50); }

// Machines of one worker each that join and leave in order, one at a time.
class Comings {
 public:
  Comings(Cluster& cluster, std::string folder) : cluster_(cluster), folder_(std::move(folder)) {}

  // 26 joins, the first two included, and 24 leaves.
  void FromTwoToEightAndBack() {
    while (machines_.size() < 8 && !testing::Test::HasFailure()) Join();
    for (int i = 0; i < 38 && !testing::Test::HasFailure(); ++i) {
      const bool more = machines_.size() <= 2 || (machines_.size() < 8 && random_.Below(2) == 0);
      more ? Join() : Leave();
    }
    while (machines_.size() > 2 && !testing::Test::HasFailure()) Leave();
  }
  std::size_t Count(const char* kind) const { return EventsOf(folder_, kind).size(); }
  // After the last synchronization, the run's result.
  json Stop(Sandbox& sandbox) {
    EXPECT_TRUE(Eventually([&] { return Count("sync") >= 200; }, seconds(300)));
    const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster_.address(), "--json"});
    EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
    const json result = LastEvent(folder_).value("result", json::object());
    std::cout << joins_ << " joins, " << leaves_ << " leaves, " << Count("sync")
              << " synchronizations, " << result["steps"] << " steps\n";
    EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder_);
    EXPECT_EQ(Count("abort"), 0u);
    EXPECT_EQ(Count("death"), 0u);
    EXPECT_EQ(result["workers_final"], 2);
    return result;
  }

 private:
  void Join() {
    cluster_.Join();
    machines_.push_back(next_++);
    ASSERT_TRUE(Eventually([&] { return Count("join") == joins_ + 1; })) << cluster_.Status();
    ++joins_;
  }
  void Leave() {
    const auto who =
        machines_.begin() + static_cast<std::ptrdiff_t>(random_.Below(machines_.size()));
    cluster_.join(*who).Signal(SIGTERM);
    ASSERT_EQ(cluster_.join(*who).WaitExit(), 0) << cluster_.join(*who).Describe();
    machines_.erase(who);
    ASSERT_TRUE(Eventually([&] { return Count("leave") == leaves_ + 1; })) << cluster_.Status();
    ++leaves_;
  }

  Cluster& cluster_;
  const std::string folder_;
  runtime::SeededRandom random_{46};
  std::vector<std::size_t> machines_ = {0, 1};
  std::size_t next_ = 2, joins_ = 2, leaves_ = 0;
};

// F46: orderly, so that every step is in the model. Each adds 840 to each float.
TEST(ManyJoinsAndLeaves, FromTwoWorkersToEightAndBackLoseNoRoundAndNoStep) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Endless(2);
  settings.insert(settings.end(),
                  {"model.integer=true", "strategy.theta=1e30", "strategy.max_interval=20"});
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  Comings comings(cluster, folder);
  comings.FromTwoToEightAndBack();
  comings.Stop(sandbox);
  EXPECT_THAT(FloatsOf(folder + "/model.pt"), testing::Each(FloatsOf(folder + "/model.pt")[0]));
}

// F51 between real processes: each worker goes on alone, and all its steps are in the next mean.
TEST(HeadDownForTwentySeconds, TheWorkersTrainOnAndEveryStepCounts) {
  constexpr int kWorkers = 3;
  Sandbox sandbox;
  Cluster cluster(sandbox, kWorkers);
  std::vector<std::string> settings = Endless(kWorkers);
  settings.insert(settings.end(),
                  {"model.integer=true", "model.step_time=0.005", "strategy.theta=1e30",
                   "strategy.max_interval=10", "run.orphan_timeout=60"});
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  cluster.head().Signal(SIGKILL);
  ASSERT_EQ(cluster.head().WaitExit(), 128 + SIGKILL);
  const std::uint64_t before = StepsOf(folder);
  const std::size_t syncs = EventsOf(folder, "sync").size();
  const auto back = std::chrono::steady_clock::now() + seconds(20);
  Eventually([&] { return std::chrono::steady_clock::now() >= back; });
  cluster.ResumeHead();
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() > syncs; }))
      << cluster.Status().dump();
  const std::uint64_t after = EventsOf(folder, "sync").back()["step"];
  std::cout << after - before << " steps of 5 ms while the head was away for 20 s\n";
  EXPECT_GT(after - before, 1000U);
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  const json result = LastEvent(folder).value("result", json::object());
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
  const std::vector<float> model = FloatsOf(folder + "/model.pt");
  EXPECT_THAT(model, testing::Each(model.at(0)));
  constexpr double kBatch = 32;
  EXPECT_EQ(static_cast<double>(model[0]) * kWorkers / 840, result.value("samples", 0.0) / kBatch);
}

double AccuracyOf(const json& result) { return result.value("accuracy", 0.0); }

// Against a run that nobody joins or leaves, of as many samples.
TEST(ManyJoinsAndLeaves, CostNoAccuracy) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Endless(2);
  settings.insert(settings.end(), {"run.evaluate_every=0", "strategy.max_interval=50"});
  const std::string config = WriteLenet(sandbox, "digits");
  const auto follower = cluster.StartEndless(config, settings);
  Comings comings(cluster, OnlyRunFolder(cluster.runs()));
  comings.FromTwoToEightAndBack();
  const json result = comings.Stop(sandbox);
  cluster.Stop();
  const auto steps = static_cast<std::uint64_t>(result.value("samples", 0.0) / (4 * 32));
  const auto undisturbed =
      sandbox.Start(RunCommand(config,
                               {"run.workers=4", "run.evaluate_every=0", "strategy.max_interval=50",
                                absl::StrCat("run.max_steps=", steps)},
                               {"--json"}));
  ASSERT_EQ(undisturbed->WaitExit(seconds(300)), 0) << undisturbed->Describe();
  const json other = undisturbed->Json()["data"];
  std::cout << "accuracy with 26 joins and 24 leaves " << AccuracyOf(result) << ", undisturbed "
            << AccuracyOf(other) << ", " << result["samples"] << " and " << other["samples"]
            << " samples\n";
  EXPECT_GT(AccuracyOf(other), 0.9);
  EXPECT_NEAR(AccuracyOf(result), AccuracyOf(other), 0.005);
}

// The longest time in which no step was seen, at most a progress interval too long, beside what a
// death may take: its detection and 1.1 of a synchronization, by the median.
void PrintPause(const std::string& folder, const std::string& what) {
  std::vector<double> times, rings;
  for (const json& step : EventsOf(folder, "step")) times.push_back(step.value("t", 0.0));
  for (const json& sync : EventsOf(folder, "sync")) {
    times.push_back(sync.value("t", 0.0));
    rings.push_back(sync.value("seconds", 0.0));
  }
  std::ranges::sort(times);
  std::ranges::sort(rings);
  const double ring = rings.empty() ? 0 : rings[rings.size() / 2];
  double longest = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    longest = std::max(longest, times[i] - times[i - 1]);
  }
  std::cout << what << ": longest pause " << longest << " s; 0.7 s of detection and 1.1 x " << ring
            << " s of a synchronization: " << 0.7 + 1.1 * ring << " s\n";
}

class MnistFailpoint : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(At, MnistFailpoint,
                         testing::Values("worker.step:700", "ring.reduce:9", "ring.store:9",
                                         "worker.done:4", "worker.commit:4"),
                         [](const auto& info) { return NameOfFailpoint(info.param); });

TEST_P(MnistFailpoint, KilledThereTheRunReachesItsTarget) {
  NEEDS_DATA(mnist, "mnist");
  Sandbox sandbox;
  Cluster cluster(sandbox, 3);
  cluster.Join(1, absl::StrCat(GetParam(), ":kill:", sandbox.folder(), "/once"));
  const auto follower = cluster.StartEndless(
      WriteLenet(sandbox, "mnist"),
      {"run.workers=4", "run.max_steps=3750", "run.target_accuracy=0.98", "run.evaluate=mean",
       "run.evaluate_every=375", absl::StrCat("data.dir=", mnist)});
  EXPECT_EQ(follower->WaitExit(seconds(300)), 0) << follower->Describe();
  const std::string folder = OnlyRunFolder(cluster.runs());
  const json result = LastEvent(folder).value("result", json::object());
  PrintPause(folder, GetParam());
  EXPECT_EQ(result["events"]["deaths"], 1);
  EXPECT_GE(AccuracyOf(result), 0.98);
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
}

}  // namespace
}  // namespace tests
