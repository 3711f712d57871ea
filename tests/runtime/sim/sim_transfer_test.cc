#include "runtime/sim/sim_transfer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include "runtime/sim/scheduler.h"
#include "tests/support/status_matchers.h"

namespace runtime::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tests::HasCode;
using tests::HasMessage;
using Result = absl::StatusOr<TransferResult>;

constexpr std::uint64_t kLayout = 5;
constexpr NodeId kJoiner{std::uint64_t{9} << 32, 9};

constexpr NodeId Node(std::uint64_t number) { return {number << 32, number}; }

// A joiner and its donors; one run.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : scheduler_(seed), network_(MakeWorld(), scheduler_.clock()) {
    Boot(kJoiner);
  }

  SimTransferNetwork::World MakeWorld() {
    return {
        .schedule = [this](Duration delay,
                           auto action) { scheduler_.Schedule(delay, std::move(action)); },
        .transit = [this](NodeId from, NodeId to, std::size_t bytes) -> std::optional<Duration> {
          scheduler_.Trace(from.low * 1000 + to.low * 100 + bytes % 100);
          if (deaf_.contains(from) || deaf_.contains(to)) return std::nullopt;
          // A byte a nanosecond, and up to a millisecond of chance.
          return Duration(bytes) + microseconds(scheduler_.random().Below(1000));
        },
        .tamper =
            [this](NodeId from, NodeId, std::span<float> floats) {
              if (liars_.contains(from)) floats[0] += 1;
            }};
  }
  SimTransfer& Boot(NodeId node) {
    auto& transfer = transfers_[node];
    transfer = std::make_unique<SimTransfer>(
        node, network_, TransferClientOptions{.chunk_floats = 1000, .window = 4});
    return *transfer;
  }
  void Offer(NodeId node) {
    Boot(node).Offer({.root = root_, .owner = vector_, .floats = *vector_});
  }
  void Fetch(std::vector<NodeId> nodes, Duration timeout = seconds(60)) {
    std::vector<TransferDonor> donors;
    for (const NodeId node : nodes) donors.push_back({.node = node});
    began_ = scheduler_.Now();
    transfers_[kJoiner]->Fetch({.root = root_,
                                .layout_hash = kLayout,
                                .donors = std::move(donors),
                                .into = into_,
                                .deadline = scheduler_.Now() + timeout},
                               [this](Result result) {
                                 EXPECT_FALSE(result_.has_value());
                                 result_ = std::move(result);
                                 ended_ = scheduler_.Now();
                               });
  }
  void RunAll() {
    while (scheduler_.RunNext()) {
    }
  }
  // Until the joiner asked for its `count`th chunk.
  void RunUntilAsked(std::uint64_t count) {
    while (transfers_[kJoiner]->sent().Total() < count * 74) ASSERT_TRUE(scheduler_.RunNext());
  }

  Scheduler scheduler_;
  std::set<NodeId> deaf_, liars_;
  SimTransferNetwork network_;
  std::shared_ptr<std::vector<float>> vector_ = [] {
    auto vector = std::make_shared<std::vector<float>>(100'500);
    std::iota(vector->begin(), vector->end(), 1.0F);
    return vector;
  }();
  Hash128 root_ = RootOf(kLayout, *vector_);
  std::vector<float> into_ = std::vector<float>(100'500);
  std::map<NodeId, std::unique_ptr<SimTransfer>> transfers_;
  std::optional<Result> result_;
  Time began_{}, ended_{};
};

class SimTransferTest : public testing::Test, protected Simulation {
 protected:
  SimTransferTest() : Simulation(1) {}
};

TEST_F(SimTransferTest, AFetchTakesTheTimeOfItsBytes) {
  Offer(Node(1));
  Fetch({Node(1)});
  RunAll();
  ASSERT_OK(*result_);
  EXPECT_EQ(into_, *vector_);
  EXPECT_EQ((*result_)->bytes, 402'000U);
  EXPECT_EQ((*result_)->elapsed, ended_ - began_);
  EXPECT_GT(ended_ - began_, milliseconds(10));  // 25 windows, each half a millisecond or more.
  EXPECT_EQ(transfers_[Node(1)]->sent().Of(Traffic::kJoin), 402'000U + 101 * 74);
  EXPECT_EQ(transfers_[kJoiner]->sent().Of(Traffic::kJoin), 101U * 74);
}

TEST_F(SimTransferTest, ADonorThatDiesInTheMiddleIsFollowedByTheNextAtOnce) {
  Offer(Node(1));
  Offer(Node(2));
  Fetch({Node(3), Node(1), Node(2)});  // The first has never lived.
  RunUntilAsked(50);
  transfers_.erase(Node(1));
  RunAll();
  ASSERT_OK(*result_);
  EXPECT_EQ(into_, *vector_);
  EXPECT_EQ((*result_)->bytes, 402'000U);
  EXPECT_LT(transfers_[Node(2)]->sent().Total(), 250'000U);
  EXPECT_LT(ended_ - began_, seconds(1));
}

TEST_F(SimTransferTest, ADonorThatFallsSilentIsLeftAfterTwoSeconds) {
  Offer(Node(1));
  Offer(Node(2));
  Fetch({Node(1), Node(2)});
  RunUntilAsked(50);
  const Time silent = scheduler_.Now();
  deaf_.insert(Node(1));
  RunAll();
  ASSERT_OK(*result_);
  EXPECT_EQ(into_, *vector_);
  EXPECT_GT(ended_ - silent, seconds(2));
  EXPECT_LT(ended_ - silent, milliseconds(2200));
}

TEST_F(SimTransferTest, AnOfferThatIsReplacedIsNotFoundAndItsOwnerLetGo) {
  Offer(Node(1));
  Offer(Node(2));
  Fetch({Node(1)});
  RunUntilAsked(50);
  EXPECT_GT(vector_.use_count(), 3);  // Both offers, and chunks on their way.
  transfers_[Node(1)]->Offer({});
  RunAll();
  EXPECT_THAT(*result_, HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(vector_.use_count(), 2);
}

TEST_F(SimTransferTest, ADonorWhoseBytesAreCorruptOnTheWayIsLeft) {
  Offer(Node(1));
  Offer(Node(2));
  liars_.insert(Node(1));
  Fetch({Node(1), Node(2)});
  RunAll();
  ASSERT_OK(*result_);
  EXPECT_EQ(into_, *vector_);
  EXPECT_EQ(transfers_[kJoiner]->drops().checksum, 1U);
  EXPECT_GT(transfers_[kJoiner]->drops().fence, 0U);  // What it had sent besides.
}

TEST_F(SimTransferTest, TheDeadlineEndsAFetchAndTheDeathOfTheJoinerEndsItWithoutAWord) {
  Offer(Node(1));
  deaf_.insert(Node(1));
  Fetch({Node(1)}, seconds(1));
  RunAll();
  EXPECT_THAT(*result_, HasCode(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(ended_ - began_, seconds(1));
  result_.reset();
  deaf_.clear();
  Fetch({Node(1)});
  RunUntilAsked(20);
  transfers_.erase(kJoiner);
  RunAll();
  EXPECT_FALSE(result_.has_value());
  EXPECT_EQ(vector_.use_count(), 2);
}

// With a death and a silence in it.
std::uint64_t TraceOf(std::uint64_t seed) {
  Simulation run(seed);
  for (std::uint64_t node = 1; node <= 3; ++node) run.Offer(Node(node));
  run.Fetch({Node(1), Node(2), Node(3)});
  run.RunUntilAsked(10 + run.scheduler_.random().Below(40));
  run.transfers_.erase(Node(1));
  run.RunUntilAsked(60 + run.scheduler_.random().Below(30));
  run.deaf_.insert(Node(2));
  run.RunAll();
  EXPECT_OK(*run.result_) << "seed " << seed;
  EXPECT_EQ(run.into_, *run.vector_) << "seed " << seed;
  return run.scheduler_.trace_hash();
}

TEST(SimTransfer, ASeedReplaysARun) {
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::uint64_t trace = TraceOf(seed);
    EXPECT_EQ(trace, TraceOf(seed)) << "seed " << seed;
    traces.insert(trace);
  }
  EXPECT_EQ(traces.size(), 50U);
}

}  // namespace
}  // namespace runtime::sim
