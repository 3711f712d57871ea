#include "runtime/collective/ring_plan.h"

#include <algorithm>

#include "runtime/base/require.h"

namespace runtime {

RingPlan::RingPlan(std::size_t floats, std::uint32_t world_size, std::size_t chunk_bytes)
    : floats_(floats), world_size_(world_size) {
  REQUIRE(floats >= 1 && world_size >= 1 && world_size <= kMaxWorldSize);
  REQUIRE(chunk_bytes > 0 && chunk_bytes % kLeafBytes == 0 && chunk_bytes <= kMaxChunkBytes);
  for (std::uint32_t segment = 0; segment < world_size; ++segment) {
    first_chunk_.push_back(static_cast<std::uint32_t>(chunks_.size()));
    CutSegment(segment, chunk_bytes / kLeafBytes);
  }
  first_chunk_.push_back(static_cast<std::uint32_t>(chunks_.size()));
}

FloatRange RingPlan::Segment(std::uint32_t segment) const {
  // The first `rest` segments are one unit longer.
  const std::size_t units = (floats_ + kSegmentAlignment - 1) / kSegmentAlignment;
  const std::size_t quotient = units / world_size_, rest = units % world_size_;
  const auto border = [&](std::size_t index) {
    return std::min(floats_, (index * quotient + std::min(index, rest)) * kSegmentAlignment);
  };
  return {.begin = border(segment), .end = border(segment + 1)};
}

void RingPlan::CutSegment(std::uint32_t segment, std::size_t leaves_per_chunk) {
  const FloatRange whole = Segment(segment);
  if (whole.size() == 0) return;
  // The leaves are shared out evenly, so that no chunk is a small rest which costs a full turn.
  const std::size_t first_leaf = whole.begin / kLeafFloats;
  const std::size_t leaves = LeafCount(whole.end) - first_leaf;
  const std::size_t count = (leaves + leaves_per_chunk - 1) / leaves_per_chunk;
  for (std::size_t index = 0; index < count; ++index) {
    const std::size_t leaf = first_leaf + index * leaves / count;
    const std::size_t end_leaf = first_leaf + (index + 1) * leaves / count;
    const FloatRange range = {.begin = std::max(whole.begin, leaf * kLeafFloats),
                              .end = std::min(whole.end, end_leaf * kLeafFloats)};
    chunks_.push_back({.range = range,
                       .segment = segment,
                       .index = static_cast<std::uint32_t>(index),
                       .first_part = parts_.size()});
    for (std::size_t at = leaf; at < end_leaf; ++at) {
      parts_.push_back({.begin = std::max(range.begin, at * kLeafFloats),
                        .end = std::min(range.end, (at + 1) * kLeafFloats)});
    }
  }
}

std::vector<std::uint32_t> RingPlan::OrderOfAddition(std::uint32_t segment) const {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < world_size_; ++i) order.push_back((segment + i) % world_size_);
  return order;
}

ChunkStream::ChunkStream(const RingPlan& plan, std::uint32_t sender)
    : plan_(&plan), sender_(sender) {
  REQUIRE(sender < plan.world_size());
  SkipEmptySteps();
}

void ChunkStream::Advance() {
  REQUIRE(!AtEnd());
  ++sequence_;
  ++offset_;
  SkipEmptySteps();
}

void ChunkStream::SkipEmptySteps() {
  while (!AtEnd() && offset_ == plan_->ChunkCount(plan_->SentSegment(sender_, step_))) {
    ++step_;
    offset_ = 0;
  }
}

std::uint32_t StreamLength(const RingPlan& plan, std::uint32_t sender) {
  std::uint32_t length = 0;
  for (std::uint32_t step = 0; step < plan.steps(); ++step) {
    length += plan.ChunkCount(plan.SentSegment(sender, step));
  }
  return length;
}

}  // namespace runtime
