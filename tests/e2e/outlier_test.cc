// Four nodes, each with data of its own, of which one is unlike the others.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/idx_files.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kNodes = 4;
constexpr char kOddNode[] = "machine2-0";

std::string WriteFolder(const Sandbox& sandbox, const std::string& name,
                        const std::vector<IdxSample>& samples) {
  const std::string folder = sandbox.folder() + "/" + name;
  WriteIdxSet(folder, 20, 20);
  WriteIdxSamples(folder + "/train", samples, 28);
  return folder;
}

std::vector<IdxSample> Samples(std::uint32_t count, std::uint32_t first, std::uint32_t classes) {
  std::vector<IdxSample> samples;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t label = first + i % classes;
    samples.push_back({.image = label, .label = label});
  }
  return samples;
}

std::vector<IdxSample> Shuffled(std::vector<IdxSample> samples) {
  std::mt19937 random(5);
  for (std::size_t i = samples.size() - 1; i > 0; --i) {
    std::swap(samples[i].label, samples[random() % (i + 1)].label);
  }
  return samples;
}

// Joins three honest nodes and, as kOddNode, one with labels that mean nothing.
void JoinWithShuffled(Sandbox& sandbox, Cluster& cluster) {
  for (int i = 0; i < kNodes; ++i) {
    const std::vector<IdxSample> samples = Samples(400, 0, 10);
    cluster.JoinWith({"--data", WriteFolder(sandbox, absl::StrCat("node", i),
                                            i == 2 ? Shuffled(samples) : samples)});
  }
}

// Notes about drifts.
std::vector<std::string> Namings(const std::string& folder) {
  std::vector<std::string> found;
  for (const json& note : EventsOf(folder, "note")) {
    const std::string message = note.value("message", "");
    if (message.find("drift") != std::string::npos) found.push_back(message);
  }
  return found;
}

// Of the worker on that machine.
json SlotOf(const std::string& folder, const std::string& node) {
  for (const json& join : EventsOf(folder, "join")) {
    if (join["node"] == node) return join["slot"];
  }
  ADD_FAILURE() << "nobody joined from " << node;
  return -1;
}

bool AwaitSynchronizations(const std::string& folder, std::size_t count) {
  return Eventually([&] { return EventsOf(folder, "sync").size() >= count; });
}

json StopAndResult(Sandbox& sandbox, const Cluster& cluster, Process& run) {
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address()});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  EXPECT_EQ(run.WaitExit(), 0) << run.Describe();
  return run.Json()["data"];
}

TEST(Outlier, WithShuffledLabelsIsNamedByItsFirstThreeRoundsInMetricsNotesAndStatus) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  JoinWithShuffled(sandbox, cluster);
  const auto run = cluster.StartEndless(WriteOwnData(sandbox, kNodes), std::vector<std::string>{});
  const std::string folder = OnlyRunFolder(cluster.runs());
  ASSERT_TRUE(AwaitSynchronizations(folder, 6)) << run->Describe();
  const json odd_slot = SlotOf(folder, kOddNode);
  const std::vector<json> syncs = EventsOf(folder, "sync");
  EXPECT_THAT(syncs[0]["drifts"], IsEmpty());
  for (std::size_t i = 1; i < 6; ++i) {
    // Told by the one that follows.
    const json& drifts = syncs[i]["drifts"];
    ASSERT_THAT(drifts, SizeIs(kNodes));
    for (const json& drift : drifts) {
      const bool odd = drift["slot"] == odd_slot;
      EXPECT_GT(drift["norm"], 0);
      if (i >= 2) {
        EXPECT_EQ(drift["cosine_to_others"] < 0.2, odd) << "round " << i << ": " << drifts;
      }
      EXPECT_EQ(drift["z"] > 3, odd) << "round " << i << ": " << drifts;
      if (odd && i == 2) continue;  // It may be named one round early.
      EXPECT_EQ(drift["outlier"], odd && i >= 3) << "round " << i << ": " << drifts;
    }
    EXPECT_EQ(syncs[i]["contributors"], kNodes);
  }
  ASSERT_THAT(Namings(folder), SizeIs(1));
  EXPECT_THAT(Namings(folder)[0],
              AllOf(HasSubstr(absl::StrCat("slot ", odd_slot.dump(), " (", kOddNode,
                                           "): its drift is unlike the others': cosine -0.")),
                    HasSubstr("averaged in all the same"), HasSubstr("labels")));
  const json status = cluster.Status();
  for (const json& node : status["nodes"]) {
    if (node["role"] != "worker") continue;
    const bool odd = node["slot"] == odd_slot;
    EXPECT_EQ(node["drift"]["outlier"], odd) << node;
    EXPECT_EQ(node["reason"] == "its drift is unlike the others'", odd) << node;
  }
  const auto text = sandbox.Run({"rondo", "status", "--head", cluster.address()});
  EXPECT_THAT(text->out(), AllOf(HasSubstr("drift  cosine"), HasSubstr("unlike the others'")));
  EXPECT_EQ(StopAndResult(sandbox, cluster, *run)["events"]["outliers"], 1);
}

// Steps differ between members, and drifts outlive a commit; what is read is what the ring had.
// With overlap the first rounds are shorter, and tell less.
TEST(Outlier, IsNamedByItsThirdRoundWithoutABarrierAndSoonWithOverlapToo) {
  for (const std::string overlap : {"false", "true"}) {
    SCOPED_TRACE("overlap " + overlap);
    const std::size_t rounds = overlap == "true" ? 12 : 3;
    Sandbox sandbox;
    Cluster cluster(sandbox, 0);
    JoinWithShuffled(sandbox, cluster);
    const auto run = cluster.StartEndless(
        WriteOwnData(sandbox, kNodes),
        std::vector<std::string>{"strategy.name=fda", "strategy.decision=quantum",
                                 "strategy.overlap=" + overlap, "strategy.theta=2",
                                 "model.name=lenet5"});
    const std::string folder = OnlyRunFolder(cluster.runs());
    // The drifts of a round are told with the one that follows.
    ASSERT_TRUE(AwaitSynchronizations(folder, rounds + 1)) << run->Describe();
    const json odd_slot = SlotOf(folder, kOddNode);
    bool named = false;
    const std::vector<json> syncs = EventsOf(folder, "sync");
    for (std::size_t i = 0; i <= rounds; ++i) {
      for (const json& drift : syncs[i]["drifts"]) {
        if (drift["outlier"] == false) continue;
        named = true;
        EXPECT_EQ(drift["slot"], odd_slot) << drift;
      }
    }
    EXPECT_TRUE(named) << syncs[rounds];
    EXPECT_EQ(StopAndResult(sandbox, cluster, *run)["events"]["outliers"], 1);
  }
}

TEST(Outlier, ThatIsRefusedAddsNothingAndStays) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  JoinWithShuffled(sandbox, cluster);
  const auto run = cluster.StartEndless(WriteOwnData(sandbox, kNodes),
                                        std::vector<std::string>{"strategy.outliers=refuse"});
  const std::string folder = OnlyRunFolder(cluster.runs());
  ASSERT_TRUE(AwaitSynchronizations(folder, 9)) << run->Describe();
  const std::vector<json> syncs = EventsOf(folder, "sync");
  for (std::size_t i = 0; i < 9; ++i) {
    if (i == 2) continue;  // As above.
    EXPECT_EQ(syncs[i]["contributors"], i < 3 ? kNodes : kNodes - 1) << "round " << i + 1;
  }
  ASSERT_THAT(Namings(folder), SizeIs(1));
  EXPECT_THAT(Namings(folder)[0], HasSubstr("it is left out of the mean while that is so"));
  const json result = StopAndResult(sandbox, cluster, *run);
  EXPECT_EQ(result["events"]["outliers"], 1);
  EXPECT_EQ(result["events"]["resets"], 0);
  EXPECT_EQ(result["events"]["deaths"], 0);
  EXPECT_EQ(result["workers_final"], kNodes);
  EXPECT_EQ(result["replicas_equal"], true);
}

// With default settings, as partition "label:0" deals: all of label 0 is one node's, with others.
TEST(Outlier, IsNoHonestNodeThatHasALabelForItself) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  std::vector<IdxSample> with_zero = Samples(216, 1, 9);
  for (const IdxSample& zero : Samples(144, 0, 1)) with_zero.push_back(zero);
  cluster.JoinWith({"--data", WriteFolder(sandbox, "zero", with_zero)});
  for (int i = 1; i < kNodes; ++i) {
    cluster.JoinWith({"--data", WriteFolder(sandbox, absl::StrCat("rest", i), Samples(360, 1, 9))});
  }
  const auto run =
      cluster.StartEndless(WriteOwnData(sandbox, kNodes),
                           std::vector<std::string>{"model.name=lenet5", "strategy.name=fda"});
  const std::string folder = OnlyRunFolder(cluster.runs());
  ASSERT_TRUE(AwaitSynchronizations(folder, 4)) << run->Describe();
  EXPECT_THAT(Namings(folder), IsEmpty());
  for (const json& sync : EventsOf(folder, "sync")) {
    EXPECT_EQ(sync["contributors"], kNodes) << sync;
    for (const json& drift : sync["drifts"]) EXPECT_EQ(drift["outlier"], false) << sync;
  }
  EXPECT_EQ(StopAndResult(sandbox, cluster, *run)["events"]["outliers"], 0);
}

TEST(Outlier, IsNobodyInAPartitionByLabelEvenIfItWouldBeRefused) {
  Sandbox sandbox;
  const auto run =
      sandbox.Run(RunCommand(WriteLenet(sandbox, "digits"),
                             {"run.workers=4", "run.max_steps=400", "run.evaluate_every=0",
                              "data.partition=label:0", "strategy.outliers=refuse"},
                             {"--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  EXPECT_EQ(run->Json()["data"]["events"]["outliers"], 0);
  const std::vector<json> syncs = EventsOf(OnlyRunFolder(sandbox.folder() + "/runs"), "sync");
  EXPECT_GT(syncs.size(), 5u);
  for (const json& sync : syncs) EXPECT_EQ(sync["contributors"], 4) << sync;
}

}  // namespace
}  // namespace tests
