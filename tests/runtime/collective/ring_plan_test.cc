#include "runtime/collective/ring_plan.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

namespace runtime {
namespace {

struct Shape {
  std::size_t floats;
  std::uint32_t world_size;
  std::size_t chunk_bytes;
};

std::vector<Shape> Shapes() {
  std::vector<Shape> shapes;
  for (const std::uint32_t world_size : {1U, 2U, 3U, 4U, 5U, 8U, 31U, 32U}) {
    for (const std::size_t floats :
         {std::size_t{1}, std::size_t{2}, std::size_t{15}, std::size_t{16}, std::size_t{17},
          std::size_t{world_size}, std::size_t{world_size} + 1, 16 * std::size_t{world_size} + 5,
          std::size_t{16384}, std::size_t{61706}, std::size_t{131101}, std::size_t{1000003}}) {
      for (const std::size_t leaves : {1, 2, 8, 64}) {
        shapes.push_back({floats, world_size, leaves * kLeafBytes});
      }
    }
  }
  return shapes;
}

TEST(RingPlan, SegmentsTileTheVectorAndDifferByOneUnitAtMost) {
  for (const Shape& shape : Shapes()) {
    const RingPlan plan(shape.floats, shape.world_size, shape.chunk_bytes);
    std::size_t at = 0, smallest = shape.floats, largest = 0;
    for (std::uint32_t segment = 0; segment < shape.world_size; ++segment) {
      const FloatRange range = plan.Segment(segment);
      ASSERT_EQ(range.begin, at);
      ASSERT_TRUE(range.begin % kSegmentAlignment == 0 || range.begin == shape.floats);
      at = range.end;
      smallest = std::min(smallest, range.size());
      largest = std::max(largest, range.size());
    }
    EXPECT_EQ(at, shape.floats);
    EXPECT_LE(largest - smallest, 2 * kSegmentAlignment);
  }
}

TEST(RingPlan, ChunksTileTheirSegmentsWithoutOverlap) {
  for (const Shape& shape : Shapes()) {
    const RingPlan plan(shape.floats, shape.world_size, shape.chunk_bytes);
    for (std::uint32_t segment = 0; segment < shape.world_size; ++segment) {
      const FloatRange whole = plan.Segment(segment);
      std::size_t at = whole.begin;
      for (std::uint32_t i = 0; i < plan.ChunkCount(segment); ++i) {
        const Chunk& chunk = plan.chunks()[plan.FirstChunk(segment) + i];
        ASSERT_EQ(chunk.range.begin, at);
        ASSERT_GT(chunk.range.size(), 0U);
        ASSERT_LE(chunk.range.size() * sizeof(float), shape.chunk_bytes);
        ASSERT_EQ(chunk.segment, segment);
        ASSERT_EQ(chunk.index, i);
        ASSERT_TRUE(i == 0 || chunk.range.begin % kLeafFloats == 0);
        at = chunk.range.end;
      }
      ASSERT_EQ(at, whole.end);
    }
  }
}

TEST(RingPlan, PartsTileTheirChunksAndNeverCrossALeaf) {
  for (const Shape& shape : Shapes()) {
    const RingPlan plan(shape.floats, shape.world_size, shape.chunk_bytes);
    for (std::uint32_t index = 0; index < plan.chunks().size(); ++index) {
      const Chunk& chunk = plan.chunks()[index];
      ASSERT_LE(plan.PartCount(index), kMaxLeavesPerChunk);
      std::size_t at = chunk.range.begin;
      for (std::size_t i = 0; i < plan.PartCount(index); ++i) {
        const FloatRange part = plan.parts()[chunk.first_part + i];
        ASSERT_EQ(part.begin, at);
        ASSERT_GT(part.size(), 0U);
        ASSERT_EQ(part.begin / kLeafFloats, (part.end - 1) / kLeafFloats);
        at = part.end;
      }
      ASSERT_EQ(at, chunk.range.end);
    }
  }
}

// Plays the steps with sets of contributions in place of sums.
TEST(RingPlan, StepsBringEveryContributionToTheOwnerAndTheResultToEverybody) {
  for (std::uint32_t world_size = 2; world_size <= kMaxWorldSize; ++world_size) {
    const RingPlan plan(1000, world_size, kLeafBytes);
    // What each rank holds of each segment: ranks in the order of addition, or the final value.
    std::vector<std::vector<std::vector<std::uint32_t>>> sums(
        world_size, std::vector<std::vector<std::uint32_t>>(world_size));
    std::vector<std::set<std::uint32_t>> final(world_size);
    for (std::uint32_t rank = 0; rank < world_size; ++rank) sums[rank][rank] = {rank};
    for (std::uint32_t step = 0; step < plan.steps(); ++step) {
      const auto before = sums;
      const auto final_before = final;
      for (std::uint32_t rank = 0; rank < world_size; ++rank) {
        const std::uint32_t previous = plan.PreviousRank(rank);
        const std::uint32_t segment = plan.ReceivedSegment(rank, step);
        ASSERT_EQ(segment, plan.SentSegment(previous, step));
        if (plan.PhaseOf(step) == RingPhase::kReduceScatter) {
          sums[rank][segment] = before[previous][segment];
          sums[rank][segment].push_back(rank);
          if (plan.Owner(segment) == rank) {
            ASSERT_EQ(sums[rank][segment], plan.OrderOfAddition(segment));
            final[rank].insert(segment);
          }
        } else {
          ASSERT_TRUE(final_before[previous].contains(segment));
          final[rank].insert(segment);
        }
      }
    }
    for (const auto& segments : final) EXPECT_EQ(segments.size(), world_size);
  }
}

TEST(RingPlan, WhatGoesOutIsTheOwnSegmentAndThenWhatCameIn) {
  for (const Shape& shape : Shapes()) {
    if (shape.world_size == 1) continue;
    const RingPlan plan(shape.floats, shape.world_size, shape.chunk_bytes);
    for (std::uint32_t rank = 0; rank < shape.world_size; ++rank) {
      ChunkStream in(plan, plan.PreviousRank(rank));
      ChunkStream out(plan, rank);
      for (std::uint32_t i = 0; i < plan.ChunkCount(rank); ++i) {
        ASSERT_EQ(out.step(), 0U);
        ASSERT_EQ(out.chunk(), plan.FirstChunk(rank) + i);
        out.Advance();
      }
      for (; !out.AtEnd(); out.Advance(), in.Advance()) ASSERT_EQ(out.chunk(), in.chunk());
      EXPECT_EQ(out.sequence(), StreamLength(plan, rank));
    }
  }
}

}  // namespace
}  // namespace runtime
