#include "runtime/collective/ring_allreduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "runtime/collective/ring_reference.h"
#include "runtime/sim/sim_ring.h"
#include "tests/support/slowness.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::HasCode;
using tests::HasMessage;

// Virtual time, and messages with random delays from a seed.
class World final : public Clock {
 public:
  explicit World(std::uint64_t seed)
      : generator_(seed),
        network_(
            {.schedule = [this](Duration delay,
                                auto action) { Schedule(delay, std::move(action)); },
             .transit = [this](NodeId from, NodeId to, std::size_t) { return Transit(from, to); },
             .tamper =
                 [this](NodeId from, NodeId to, std::span<float> floats) {
                   if (tamper) tamper(from, to, floats);
                 }},
            *this) {}

  Time Now() const override { return now_; }
  std::mt19937_64& generator() { return generator_; }
  sim::SimRingNetwork& network() { return network_; }

  void Schedule(Duration delay, absl::AnyInvocable<void()> action) {
    events_.push_back({now_ + delay, next_++, std::move(action)});
    std::push_heap(events_.begin(), events_.end());
  }
  // False: nothing is left to happen.
  bool Step() {
    if (events_.empty()) return false;
    std::pop_heap(events_.begin(), events_.end());
    Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.at;
    event.action();
    return true;
  }

  absl::AnyInvocable<void(NodeId, NodeId, std::span<float>)> tamper;
  absl::AnyInvocable<bool(NodeId, NodeId)> lost;

 private:
  struct Event {
    Time at;
    std::uint64_t order;
    absl::AnyInvocable<void()> action;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  std::optional<Duration> Transit(NodeId from, NodeId to) {
    if (lost && lost(from, to)) return std::nullopt;
    // Mostly alike, now and then a thousand times longer.
    const std::uint64_t longest = generator_() % 50 == 0 ? 1000000 : 1000;
    return Duration(static_cast<std::int64_t>(generator_() % longest));
  }

  std::mt19937_64 generator_;
  Time now_{};
  std::uint64_t next_ = 0;
  std::vector<Event> events_;
  sim::SimRingNetwork network_;
};

// K members with random models near a common base.
struct Cluster {
  Cluster(World& world, std::uint32_t world_size, std::size_t floats,
          const RingOptions& ring_options = {.chunk_bytes = kLeafBytes, .credits = 2})
      : options(ring_options), base(floats), weights(world_size, 1.0F), results(world_size) {
    std::normal_distribution<float> normal;
    for (float& value : base) value = normal(world.generator());
    for (std::uint32_t rank = 0; rank < world_size; ++rank) {
      locals.emplace_back(base);
      for (float& value : locals.back()) value += 0.1F * normal(world.generator());
      shadows.emplace_back(floats, std::numeric_limits<float>::quiet_NaN());
      members.push_back({.node = {.high = 77, .low = rank + 1}});
      rings.push_back(std::make_unique<sim::SimRing>(members.back().node, world.network()));
    }
  }

  RingJob Job(std::uint32_t rank, const Fence& fence) {
    for (std::size_t i = 0; i < members.size(); ++i) members[i].weight = weights[i];
    return {.fence = fence,
            .members = members,
            .rank = rank,
            .options = options,
            .local = locals[rank],
            .base = base,
            .shadow = shadows[rank],
            .layout_hash = 5};
  }
  void Start(std::uint32_t rank, const Fence& fence) {
    results[rank].reset();
    rings[rank]->Start(Job(rank, fence), [this, rank](absl::StatusOr<RingResult> result) {
      results[rank] = std::move(result);
    });
  }
  // At random times, as START arrives; never after a newer one.
  void StartAll(World& world, const Fence& fence) {
    newest = fence;
    for (std::uint32_t rank = 0; rank < members.size(); ++rank) {
      world.Schedule(Duration(static_cast<std::int64_t>(world.generator()() % 3000)),
                     [this, rank, fence] {
                       if (fence == newest) Start(rank, fence);
                     });
    }
  }
  void ExpectMean() {
    const std::vector<float> expected = ReduceInRingOrder(locals, base, weights);
    for (std::size_t rank = 0; rank < members.size(); ++rank) {
      ASSERT_TRUE(results[rank].has_value()) << "rank " << rank << " is not done";
      ASSERT_OK(*results[rank]);
      ASSERT_EQ(shadows[rank], expected) << "rank " << rank;
      ASSERT_EQ((*results[rank])->root, RootOf(5, expected)) << "rank " << rank;
    }
  }

  const RingOptions options;
  Fence newest;
  std::vector<float> base;
  std::vector<std::vector<float>> locals, shadows;
  std::vector<float> weights;
  std::vector<RingMember> members;
  std::vector<std::unique_ptr<sim::SimRing>> rings;
  std::vector<std::optional<absl::StatusOr<RingResult>>> results;
};

Fence FenceOf(std::uint32_t attempt) {
  return {.run = 42, .head_epoch = 1, .view = ViewId{1}, .round = RoundId{0}, .attempt = attempt};
}

TEST(RingAllreduce, EveryReplicaHasTheReferencesBitsForAnyLengthAndWorldSize) {
  for (std::uint32_t world_size = 1; world_size <= 8; ++world_size) {
    for (const std::size_t floats :
         {std::size_t{1}, std::size_t{std::max(1U, world_size - 1)}, std::size_t{world_size},
          std::size_t{world_size} + 1, std::size_t{97}, std::size_t{7919}, std::size_t{104729},
          std::size_t{300007}}) {
      const std::uint64_t seed = world_size * 1000003 + floats;
      SCOPED_TRACE(testing::Message() << "K " << world_size << ", floats " << floats);
      World world(seed);
      Cluster cluster(world, world_size, floats);
      cluster.StartAll(world, FenceOf(1));
      while (world.Step()) {
      }
      cluster.ExpectMean();
    }
  }
}

TEST(RingAllreduce, WeightedMeanAgreesWithDoubleToRounding) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed);
    const std::uint32_t world_size = 2 + seed % 7;
    Cluster cluster(world, world_size, 20011);
    double total = 0;
    for (float& weight : cluster.weights) {
      weight = static_cast<float>(1 + world.generator()() % 1000) / 7;
      total += weight;
    }
    cluster.StartAll(world, FenceOf(1));
    while (world.Step()) {
    }
    cluster.ExpectMean();
    for (std::size_t i = 0; i < cluster.base.size(); ++i) {
      double mean = 0;
      for (std::uint32_t k = 0; k < world_size; ++k) {
        mean += cluster.weights[k] * (static_cast<double>(cluster.locals[k][i]) - cluster.base[i]) /
                total;
      }
      ASSERT_NEAR(cluster.shadows[0][i], cluster.base[i] + mean,
                  1e-6 * (1 + std::abs(cluster.base[i])));
    }
  }
}

TEST(RingAllreduce, AMemberOfWeightZeroAddsNothingNotEvenItsNans) {
  for (std::uint32_t silent = 0; silent < 4; ++silent) {
    World world(silent);
    Cluster cluster(world, 4, 1001);
    cluster.weights[silent] = 0;
    for (float& value : cluster.locals[silent]) value = std::numeric_limits<float>::quiet_NaN();
    cluster.StartAll(world, FenceOf(1));
    while (world.Step()) {
    }
    cluster.ExpectMean();
    for (const float value : cluster.shadows[0]) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(RingAllreduce, WeightsThatMakeNoMeanAreRefused) {
  World world(1);
  Cluster cluster(world, 2, 10);
  for (const float bad : {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    cluster.weights = {bad, 0};
    cluster.Start(0, FenceOf(1));
    ASSERT_TRUE(cluster.results[0].has_value());
    EXPECT_THAT(*cluster.results[0], HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST(RingAllreduce, AnyInterleavingGivesTheSameBits) {
  std::uint64_t with_stale = 0;
  for (std::uint64_t seed = 0; seed < 200 / tests::kSlowness; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed);
    const auto world_size = static_cast<std::uint32_t>(2 + seed % 7);
    const std::size_t floats = 1 + world.generator()() % 120000;
    Cluster cluster(world, world_size, floats,
                    {.chunk_bytes = kLeafBytes,
                     .credits = static_cast<std::uint32_t>(1 + world.generator()() % 4)});
    const auto locals = cluster.locals;
    const auto base = cluster.base;
    // Attempts that are cut short at a random moment, then one that is not.
    const auto aborted = static_cast<std::uint32_t>(world.generator()() % 3);
    for (std::uint32_t attempt = 1; attempt <= aborted; ++attempt) {
      cluster.StartAll(world, FenceOf(attempt));
      for (std::uint64_t steps = world.generator()() % 400; steps > 0 && world.Step(); --steps) {
      }
      for (auto& ring : cluster.rings) ring->Abort(FenceOf(attempt));
      EXPECT_EQ(cluster.locals, locals);
      EXPECT_EQ(cluster.base, base);
    }
    cluster.StartAll(world, FenceOf(aborted + 1));
    while (world.Step()) {
    }
    cluster.ExpectMean();
    for (const auto& ring : cluster.rings) with_stale += ring->drops().fence > 0 ? 1 : 0;
  }
  EXPECT_GT(with_stale, 10U) << "the test does not reach stale messages any more";
}

TEST(RingAllreduce, ConsecutiveRingsReuseTheConnection) {
  World world(3);
  Cluster cluster(world, 3, 5000);
  for (std::uint32_t round = 1; round <= 20; ++round) {
    cluster.StartAll(world, FenceOf(round));
    while (world.Step()) {
    }
    cluster.ExpectMean();
    for (auto& local : cluster.locals) local = cluster.shadows[0];
    cluster.locals[round % 3][0] += 1;
    cluster.base = cluster.shadows[0];
  }
}

TEST(RingAllreduce, AFlippedBitIsDetectedAndNamesTheEdge) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed);
    Cluster cluster(world, 4, 70000);
    std::uint64_t countdown = world.generator()() % 40;
    world.tamper = [&](NodeId from, NodeId to, std::span<float> floats) {
      if (from != cluster.members[2].node || countdown-- != 0) return;
      auto* bytes = reinterpret_cast<unsigned char*>(floats.data());
      bytes[world.generator()() % floats.size_bytes()] ^= 1U << world.generator()() % 8;
    };
    countdown %= 12;
    cluster.StartAll(world, FenceOf(1));
    while (world.Step()) {
    }
    ASSERT_TRUE(cluster.results[3].has_value());
    EXPECT_THAT(*cluster.results[3], HasCode(absl::StatusCode::kDataLoss));
    EXPECT_THAT(*cluster.results[3], HasMessage("chunk from rank 2 (node 00000000) to rank 3"));
    EXPECT_THAT(*cluster.results[3], HasMessage("failed its checksum"));
    for (auto& ring : cluster.rings) ring->Abort(FenceOf(1));
    cluster.StartAll(world, FenceOf(2));
    while (world.Step()) {
    }
    cluster.ExpectMean();
  }
}

TEST(RingAllreduce, ADeadSuccessorIsNoticedAndALostMessageWaitsForTheAbort) {
  World world(5);
  Cluster cluster(world, 4, 200000);
  cluster.StartAll(world, FenceOf(1));
  for (int i = 0; i < 60; ++i) world.Step();
  cluster.rings[2].reset();
  while (world.Step()) {
  }
  ASSERT_TRUE(cluster.results[1].has_value());
  EXPECT_THAT(*cluster.results[1], HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(*cluster.results[1], HasMessage("from rank 1"));
  EXPECT_FALSE(cluster.results[0].has_value());
  cluster.rings[0]->Abort(FenceOf(1));
  while (world.Step()) {
  }
  ASSERT_TRUE(cluster.results[0].has_value());
  EXPECT_THAT(*cluster.results[0], HasCode(absl::StatusCode::kAborted));
}

TEST(RingAllreduce, ANewerStartAbortsTheUnfinishedJobFirst) {
  World world(6);
  Cluster cluster(world, 2, 100000);
  std::vector<absl::StatusCode> seen;
  cluster.rings[0]->Start(cluster.Job(0, FenceOf(1)), [&](absl::StatusOr<RingResult> result) {
    seen.push_back(result.status().code());
  });
  cluster.Start(1, FenceOf(1));
  for (int i = 0; i < 10; ++i) world.Step();
  cluster.StartAll(world, FenceOf(2));
  while (world.Step()) {
  }
  EXPECT_EQ(seen, std::vector{absl::StatusCode::kAborted});
  cluster.ExpectMean();
}

TEST(RingAllreduce, DoneMayStartTheNextRing) {
  World world(8);
  Cluster cluster(world, 3, 2000);
  std::vector<int> finished(3);
  std::function<void(std::uint32_t, std::uint32_t)> run = [&](std::uint32_t rank,
                                                              std::uint32_t attempt) {
    cluster.rings[rank]->Start(cluster.Job(rank, FenceOf(attempt)),
                               [&, rank, attempt](const absl::StatusOr<RingResult>& result) {
                                 ASSERT_OK(result);
                                 ++finished[rank];
                                 if (attempt < 10) run(rank, attempt + 1);
                               });
  };
  for (std::uint32_t rank = 0; rank < 3; ++rank) run(rank, 1);
  while (world.Step()) {
  }
  EXPECT_EQ(finished, (std::vector<int>{10, 10, 10}));
}

TEST(RingAllreduce, PayloadIsTheRingsLowerBoundAndTotalStaysWithinHalfAPercent) {
  for (const std::uint32_t world_size : {2U, 4U, 8U}) {
    World world(world_size);
    const std::size_t floats = 1000000;
    Cluster cluster(world, world_size, floats, {});
    cluster.StartAll(world, FenceOf(1));
    while (world.Step()) {
    }
    cluster.ExpectMean();
    const double bound = 2.0 * (world_size - 1) / world_size * 4 * floats;
    for (const auto& result : cluster.results) {
      EXPECT_NEAR(static_cast<double>((*result)->payload_bytes), bound, 200);
      EXPECT_LE(static_cast<double>((*result)->total_bytes), 1.005 * bound);
    }
  }
}

}  // namespace
}  // namespace runtime
