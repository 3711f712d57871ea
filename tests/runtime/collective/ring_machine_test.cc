#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "runtime/collective/ring_allreduce.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::HasCode;
using tests::HasMessage;

Fence FenceOf(std::uint32_t attempt) {
  return {.run = 42, .head_epoch = 1, .view = ViewId{1}, .round = RoundId{0}, .attempt = attempt};
}

// A link that keeps everything, to put single messages before the machine.
class RecordingLink final : public RingLink {
 public:
  std::uint64_t Connect(const RingJob&, const RingMember&, const RingMember&) override { return 0; }
  std::uint64_t SendCredit(NodeId, const Fence&, RingCredit credit) override {
    credits.push_back(credit.limit);
    return 0;
  }
  std::uint64_t SendChunk(const Fence&, const ChunkHeader& header, std::span<const float> floats,
                          RingLease lease) override {
    headers.push_back(header);
    payloads.emplace_back(floats.begin(), floats.end());
    leases.push_back(lease);
    return 0;
  }
  void Disconnect() override { ++disconnects; }
  void DisconnectNext() override { ++disconnects; }

  std::vector<std::uint32_t> credits;
  std::vector<ChunkHeader> headers;
  std::vector<std::vector<float>> payloads;
  std::vector<RingLease> leases;
  int disconnects = 0;
};

// Two machines side by side, whose messages the test carries itself.
class TwoMachines : public testing::Test {
 protected:
  static constexpr std::size_t kFloats = 4 * kLeafFloats;

  void Start(const Fence& fence, std::shared_ptr<const void> owner = nullptr) {
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      machines_[rank].Start(
          {.fence = fence,
           .members = members_,
           .rank = rank,
           .options = {.chunk_bytes = kLeafBytes, .credits = 3},
           .local = locals_[rank],
           .base = base_,
           .shadow = shadows_[rank],
           .shadow_owner = owner},
          [this, rank](absl::StatusOr<RingResult> result) { results_[rank] = std::move(result); });
    }
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      machines_[rank].OnCredit(members_[1 - rank].node, fence, {.limit = 100});
    }
  }
  bool Carry(std::uint32_t from, const Fence& fence, std::size_t index) {
    return machines_[1 - from].OnChunk(members_[from].node, fence, links_[from].headers[index],
                                       links_[from].payloads[index]) != ChunkFate::kStale;
  }
  void Pump() {
    for (auto& machine : machines_) {
      while (machine.SendOne()) {
      }
    }
  }

  SteadyClock clock_;
  std::vector<RingMember> members_ = {{.node = {0, 1}}, {.node = {0, 2}}};
  std::vector<float> base_ = std::vector<float>(kFloats, 1);
  std::vector<std::vector<float>> locals_ = {std::vector<float>(kFloats, 2),
                                             std::vector<float>(kFloats, 4)};
  std::vector<std::vector<float>> shadows_ = {std::vector<float>(kFloats),
                                              std::vector<float>(kFloats)};
  RecordingLink links_[2];
  RingAllreduce machines_[2] = {{{0, 1}, links_[0], clock_}, {{0, 2}, links_[1], clock_}};
  std::optional<absl::StatusOr<RingResult>> results_[2];
};

TEST_F(TwoMachines, AFinalValueWaitsForTheLeaseOfItsPartialSumAndItsCreditToo) {
  Start(FenceOf(1));
  Pump();
  ASSERT_EQ(links_[0].headers.size(), 2U);
  ASSERT_TRUE(Carry(0, FenceOf(1), 0));  // Rank 1 owns that segment and finalises it.
  Pump();
  ASSERT_EQ(links_[1].headers.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(Carry(1, FenceOf(1), i));
  // The partial sum of the first chunk is still leased: 1 = weight (2 - 1).
  EXPECT_EQ(shadows_[0][0], 1.0F);
  EXPECT_EQ(links_[0].credits, (std::vector<std::uint32_t>{3, 4}));
  machines_[0].OnReleased(links_[0].leases[0]);
  EXPECT_EQ(shadows_[0][0], 3.0F);
}

// Each credit wakes the predecessor's thread: one for half a window is enough.
TEST(RingMachine, CreditsComeBackByHalvesOfTheWindow) {
  constexpr std::size_t kChunks = 16;  // Of which the predecessor sends each once.
  const std::vector<float> base(kChunks * kLeafFloats, 1), local(base.size(), 2);
  std::vector<float> shadow(base.size());
  const std::vector<RingMember> members = {{.node = {0, 1}}, {.node = {0, 2}}};
  const SteadyClock clock;
  RecordingLink link;
  RingAllreduce machine(members[0].node, link, clock);
  machine.Start({.fence = FenceOf(1),
                 .members = members,
                 .rank = 0,
                 .options = {.chunk_bytes = kLeafBytes, .credits = 6},
                 .local = local,
                 .base = base,
                 .shadow = shadow},
                [](const absl::StatusOr<RingResult>&) {});
  const RingPlan plan(base.size(), 2, kLeafBytes);
  for (ChunkStream incoming(plan, 1); !incoming.AtEnd() && incoming.step() == 0;
       incoming.Advance()) {
    const Chunk& chunk = plan.chunks()[incoming.chunk()];
    const std::vector<float> floats(chunk.range.size(), 1);
    ChunkHeader header = {.sequence = incoming.sequence(),
                          .phase = incoming.phase(),
                          .segment = chunk.segment,
                          .index = chunk.index,
                          .floats = static_cast<std::uint32_t>(floats.size())};
    header.checksums.Append(HashFloats(floats));
    ASSERT_EQ(machine.OnChunk(members[1].node, FenceOf(1), header, floats), ChunkFate::kTaken);
  }
  // Eight came; six and two more windows' halves were allowed, the rest of the third is not due.
  EXPECT_EQ(link.credits, (std::vector<std::uint32_t>{6, 9, 12}));
  machine.Abort(FenceOf(1));
}

TEST_F(TwoMachines, TheFlowTellsWhatCameAndWhatIsThereForTheNext) {
  EXPECT_EQ(machines_[0].Flow(), RingFlow());
  Start(FenceOf(1));
  EXPECT_EQ(machines_[0].Flow(), (RingFlow{.fence = FenceOf(1), .received = 0, .for_next = 2}));
  Pump();
  Carry(1, FenceOf(1), 0);
  EXPECT_EQ(machines_[0].Flow(), (RingFlow{.fence = FenceOf(1), .received = 1, .for_next = 3}));
  // What rank 0 has is not at rank 1: the edge between them is silent.
  EXPECT_EQ(machines_[1].Flow(), (RingFlow{.fence = FenceOf(1), .received = 0, .for_next = 2}));
  for (auto& machine : machines_) machine.Abort(FenceOf(1));
  EXPECT_EQ(machines_[0].Flow(), RingFlow());
}

TEST_F(TwoMachines, TheJobIsOverWhenEveryLeaseIsBack) {
  Start(FenceOf(1));
  Pump();
  for (std::size_t i = 0; i < 2; ++i) Carry(0, FenceOf(1), i), Carry(1, FenceOf(1), i);
  for (std::size_t i = 0; i < 2; ++i) {
    for (auto rank : {0, 1}) machines_[rank].OnReleased(links_[rank].leases[i]);
  }
  Pump();
  for (std::size_t i = 2; i < 4; ++i) Carry(0, FenceOf(1), i), Carry(1, FenceOf(1), i);
  machines_[0].OnReleased(links_[0].leases[2]);
  EXPECT_FALSE(results_[0].has_value());
  machines_[0].OnReleased(links_[0].leases[3]);
  ASSERT_TRUE(results_[0].has_value());
  EXPECT_OK(*results_[0]);
  EXPECT_EQ(shadows_[0], std::vector<float>(kFloats, 3));
}

TEST_F(TwoMachines, AnAbortWaitsForTheLeasesUnlessTheShadowHasAnOwner) {
  Start(FenceOf(1), std::make_shared<int>());
  Pump();
  machines_[0].Abort(FenceOf(1));
  EXPECT_FALSE(results_[0].has_value());
  EXPECT_TRUE(machines_[0].Draining());
  EXPECT_EQ(links_[0].disconnects, 1);
  machines_[0].StopWaitingForLeases();
  ASSERT_TRUE(results_[0].has_value());
  EXPECT_THAT(*results_[0], HasCode(absl::StatusCode::kAborted));
  EXPECT_TRUE(ShadowInUse(results_[0]->status()));

  machines_[1].Abort(FenceOf(1));
  for (const RingLease& lease : links_[1].leases) machines_[1].OnReleased(lease);
  ASSERT_TRUE(results_[1].has_value());
  EXPECT_FALSE(ShadowInUse(results_[1]->status()));
}

TEST_F(TwoMachines, LeasesOfAnOlderJobDoNotTouchTheNext) {
  Start(FenceOf(1), std::make_shared<int>());
  Pump();
  for (auto& machine : machines_) {
    machine.Abort(FenceOf(1));
    machine.StopWaitingForLeases();
  }
  shadows_ = {std::vector<float>(kFloats), std::vector<float>(kFloats)};  // The spare vectors.
  const std::vector<RingLease> old = links_[0].leases;
  Start(FenceOf(2));
  Pump();
  for (const RingLease& lease : old) machines_[0].OnReleased(lease);
  machines_[0].Abort(FenceOf(2));
  EXPECT_TRUE(machines_[0].Draining());
}

TEST_F(TwoMachines, StaleChunksAndCreditsAreRefused) {
  Start(FenceOf(2));
  Pump();
  EXPECT_FALSE(Carry(0, FenceOf(1), 0));
  EXPECT_FALSE(Carry(0, FenceOf(3), 0));
  Fence other_run = FenceOf(2);
  other_run.run = 1;
  EXPECT_FALSE(Carry(0, other_run, 0));
  EXPECT_FALSE(machines_[0].OnCredit(members_[1].node, FenceOf(1), {.limit = 7}));
  EXPECT_EQ(machines_[1].OnChunk({9, 9}, FenceOf(2), links_[0].headers[0], links_[0].payloads[0]),
            ChunkFate::kStale);
  EXPECT_TRUE(Carry(0, FenceOf(2), 0));
}

TEST_F(TwoMachines, ACreditOfANewerFenceIsKeptUntilItsOwnStart) {
  EXPECT_TRUE(machines_[0].OnCredit(members_[1].node, FenceOf(5), {.limit = 1}));
  machines_[0].Start({.fence = FenceOf(5),
                      .members = members_,
                      .rank = 0,
                      .local = locals_[0],
                      .base = base_,
                      .shadow = shadows_[0]},
                     [](const absl::StatusOr<RingResult>&) {});
  EXPECT_FALSE(machines_[0].WaitsForFirstCredit());
  EXPECT_TRUE(machines_[0].SendOne());
  EXPECT_FALSE(machines_[0].SendOne());
}

TEST_F(TwoMachines, GapsDuplicatesAndMisfitsAreDataLoss) {
  struct Case {
    std::size_t first, second;
    const char* message;
  };
  for (const Case& wrong : {Case{0, 0, "is a duplicate"}, Case{1, 1, "follows a gap"}}) {
    links_[0] = RecordingLink();
    Start(FenceOf(1), std::make_shared<int>());
    Pump();
    Carry(0, FenceOf(1), wrong.first);
    if (wrong.first != 1) Carry(0, FenceOf(1), wrong.second);
    machines_[1].StopWaitingForLeases();
    ASSERT_TRUE(results_[1].has_value());
    EXPECT_THAT(*results_[1], HasCode(absl::StatusCode::kDataLoss));
    EXPECT_THAT(*results_[1], HasMessage(wrong.message));
    EXPECT_THAT(*results_[1], HasMessage("rank 0 (node 00000000) to rank 1"));
    machines_[0].Abort(FenceOf(1));
    machines_[0].StopWaitingForLeases();
    links_[1] = RecordingLink();
  }
}

}  // namespace
}  // namespace runtime
