// Clusters on an emulated network: an edge of the ring that swallows everything, and a slow one.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/memory.h"
#include "tests/support/network_cluster.h"
#include "tests/support/root_network.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/net_emulator.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::size_t kFloats = 100'000;

double TimeOf(const json& event) { return event.value("t", 0.0); }

// A network, and a run of the integer trainer on it: each step adds 840 to each float of each
// worker, so that the last model tells how many of them were averaged in.
class Network : public testing::TestWithParam<bool> {
 protected:
  static bool HasBarrier() { return GetParam(); }
  // Synchronizes every `interval` steps; without a barrier of the mean of all workers' counts.
  static std::vector<std::string> StrategyOf(int interval) {
    if (HasBarrier()) return {"strategy.name=local", absl::StrCat("strategy.tau=", interval)};
    return {"strategy.name=fda", "strategy.estimator=naive", "strategy.decision=quantum",
            "strategy.theta=1e29", absl::StrCat("strategy.max_interval=", interval)};
  }
  // Host 0 has the head, each worker one of the next, and one is left for whoever joins later.
  void StartRun(int workers, int interval, std::vector<std::string> settings,
                const std::vector<std::size_t>& behind_routers = {}) {
    for (std::string& setting : StrategyOf(interval)) settings.push_back(std::move(setting));
    const auto hosts = static_cast<std::size_t>(workers) + 1;
    auto network = NetEmulator::Start(hosts + 1, {});
    ASSERT_OK(network);
    network_ = *std::move(network);
    for (const std::size_t host : behind_routers) network_->SetBehindRouter(host, true);
    cluster_ = std::make_unique<NetworkCluster>(sandbox_, *network_);
    for (std::size_t host = 1; host < hosts; ++host) cluster_->Join(host);
    ASSERT_TRUE(cluster_->WaitForWorkers(hosts - 1)) << cluster_->Status();
    settings.insert(settings.end(), {absl::StrCat("run.workers=", workers), "run.max_steps=19000",
                                     "run.checkpoint_every=0", "model.integer=true"});
    run_ = cluster_->Run(settings);
    ASSERT_TRUE(WaitForSyncsAfter(0, 3));
  }
  std::vector<json> Events(const char* kind) const { return EventsOf(cluster_->folder(), kind); }
  // `count` synchronizations after the last of the aborts and after `time`, in seconds of the run.
  bool WaitForSyncsAfter(double time, std::ptrdiff_t count,
                         runtime::Duration timeout = kSlowness * kPatience) const {
    return Eventually(
        [&] {
          const std::vector<json> syncs = Events("sync"), aborts = Events("abort");
          const double since = aborts.empty() ? time : std::max(time, TimeOf(aborts.back()));
          return std::ranges::count_if(
                     syncs, [&](const json& sync) { return TimeOf(sync) > since; }) >= count;
        },
        timeout);
  }
  void ExpectNobodyWasEvictedAndEveryStepCounts() {
    EXPECT_THAT(Events("death"), IsEmpty());
    EXPECT_TRUE(cluster_->StopRun());
    ASSERT_EQ(run_->WaitExit(), 0) << run_->Describe();
    const json data = run_->Json()["data"];
    EXPECT_EQ(data["replicas_equal"], true);
    EXPECT_EQ(data["events"]["deaths"], 0);
    const std::vector<float> model = FloatsOf(cluster_->folder() + "/model.pt");
    ASSERT_THAT(model, Not(IsEmpty()));
    EXPECT_THAT(model, Each(model[0]));
    // Who was passed over in one round without a barrier has another weight in the next.
    if (HasBarrier()) {
      EXPECT_EQ(model[0], 840.0F * data["steps"].get<float>());
    }
    EXPECT_GT(model[0], 840.0F * 30);
    cluster_->Stop();
    EXPECT_THAT(sandbox_.Leftovers(), IsEmpty());
  }

  Sandbox sandbox_;
  std::unique_ptr<NetEmulator> network_;
  std::unique_ptr<NetworkCluster> cluster_;
  std::unique_ptr<Process> run_;
};

TEST_P(Network, ABlackHoledEdgeOfFourIsLeftOutOfTheRingAndNobodyIsEvicted) {
  NEEDS_ROOT_NETWORK();
  ASSERT_NO_FATAL_FAILURE(
      StartRun(4, 10, {"model.step_time=0.005", absl::StrCat("model.dimension=", kFloats)}));
  const std::size_t from = cluster_->HostOf(1), to = cluster_->HostOf(2);
  const std::size_t other = cluster_->HostOf(3);
  const std::uint64_t before = network_->CountsOf(from, other).bytes;
  const double cut = TimeOf(LastEvent(cluster_->folder()));
  network_->SetBlackHole(from, to, true);
  ASSERT_TRUE(Eventually([&] { return Events("abort").size() >= 2; }, 2 * kSlowness * kPatience));
  ASSERT_TRUE(WaitForSyncsAfter(cut, 20)) << cluster_->Status();
  const std::vector<json> aborts = Events("abort");
  for (const json& abort : aborts) {
    std::cout << "abort " << TimeOf(abort) - cut << " s after the cut: " << abort["reason"] << "\n";
  }
  EXPECT_THAT(aborts.back().value("reason", ""), HasSubstr("nothing comes from slot 1 to slot 2"));
  // What slot 1 has now goes to slot 3.
  EXPECT_GT(network_->CountsOf(from, other).bytes - before, 10 * kFloats);
  EXPECT_GT(network_->CountsOf(from, to).swallowed, 0U);
  ExpectNobodyWasEvictedAndEveryStepCounts();
}

TEST_P(Network, ABlackHoledRingOfTwoTrainsOnAndSynchronizesWhenItIsHealed) {
  NEEDS_ROOT_NETWORK();
  ASSERT_NO_FATAL_FAILURE(
      StartRun(2, 10, {"model.step_time=0.005", absl::StrCat("model.dimension=", kFloats)}));
  const std::size_t from = cluster_->HostOf(0), to = cluster_->HostOf(1);
  const double cut = TimeOf(LastEvent(cluster_->folder()));
  network_->SetBlackHole(from, to, true);
  ASSERT_TRUE(Eventually([&] { return Events("abort").size() >= 5; }, 2 * kSlowness * kPatience));
  // The round is cancelled: they train on, with drifts that nobody has averaged.
  const std::uint64_t stood_at = StepsOf(cluster_->folder());
  ASSERT_TRUE(Eventually([&] { return StepsOf(cluster_->folder()) > stood_at; }))
      << cluster_->Status();
  const double healed = TimeOf(LastEvent(cluster_->folder()));
  network_->SetBlackHole(from, to, false);
  ASSERT_TRUE(WaitForSyncsAfter(healed, 20)) << cluster_->Status();
  std::cout << Events("abort").size() << " aborts; healed " << healed - cut
            << " s after the cut; synchronized again " <<
      [&] {
        for (const json& sync : Events("sync")) {
          if (TimeOf(sync) > healed) return TimeOf(sync) - healed;
        }
        return 0.0;
      }() << " s after that\n";
  ExpectNobodyWasEvictedAndEveryStepCounts();
}

// Two of four, of whom one comes later: what they send and get goes over edges that they opened.
TEST_P(Network, WorkersBehindRoutersTrainAlong) {
  NEEDS_ROOT_NETWORK();
  ASSERT_NO_FATAL_FAILURE(StartRun(
      3, 10, {"model.step_time=0.005", absl::StrCat("model.dimension=", kFloats)}, {2, 4}));
  cluster_->Join(4);
  ASSERT_TRUE(Eventually([&] { return Events("join").size() == 4; })) << cluster_->Status();
  ASSERT_TRUE(WaitForSyncsAfter(TimeOf(Events("join").back()), 5)) << cluster_->Status();
  const json status = cluster_->Status();
  for (const json& node : status.value("nodes", json::array())) {
    if (node["role"] != "worker") continue;
    const std::string name = node["name"];
    EXPECT_EQ(node["reachable"], name != "host2-0" && name != "host4-0") << node;
  }
  EXPECT_GT(network_->CountsOf(0, 2).refused, 0U);  // The head's attempt to connect back.
  EXPECT_THAT(Events("abort"), IsEmpty());
  ExpectNobodyWasEvictedAndEveryStepCounts();
}

TEST_P(Network, ASlowReceiverIsWaitedForAndItsPredecessorHoldsNoMoreThanItsCredits) {
  NEEDS_ROOT_NETWORK();
  constexpr double kMebibyte = 1 << 20;
  // Each edge carries 4/3 of 6 MB: 12.8 s at 5 Mbit/s.
  ASSERT_NO_FATAL_FAILURE(
      StartRun(3, 5, {"model.step_time=0.02", "model.dimension=1500000", "network.credits=4"}));
  const std::string sender = std::to_string(cluster_->ProcessOf(1));
  const std::size_t receiver = cluster_->HostOf(2);
  const auto resident = static_cast<double>(StatusBytes("VmRSS", sender));
  ForgetPeak(sender);
  const double slowed = TimeOf(LastEvent(cluster_->folder()));
  network_->SetCard(receiver, 0, 5e6);
  // The first of them may have been nearly done.
  ASSERT_TRUE(WaitForSyncsAfter(slowed, 3, 2 * kSlowness * kPatience)) << cluster_->Status();
  const double growth = static_cast<double>(StatusBytes("VmHWM", sender)) - resident;
  const std::vector<json> syncs = Events("sync");
  std::cout << "ring " << syncs.back().value("seconds", 0.0) << " s; the sender grew by "
            << growth / kMebibyte << " MiB from " << resident / kMebibyte << " MiB\n";
  EXPECT_THAT(Events("abort"), IsEmpty());
  // Four credits of 512 KiB, of 16 chunks in all, and 4 MiB for its heap.
  EXPECT_LE(growth, 4 * 0.5 * kMebibyte + 4 * kMebibyte);
  network_->SetCard(receiver, 0, 0);
  ExpectNobodyWasEvictedAndEveryStepCounts();
}

INSTANTIATE_TEST_SUITE_P(Decisions, Network, testing::Bool(), [](const auto& param) {
  return std::string(param.param ? "Lockstep" : "WithoutABarrier");
});

}  // namespace
}  // namespace tests
