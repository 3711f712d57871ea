// Who sends what when: a pure description of one ring allreduce, the same on every member.
//
// The vector is cut into one segment per rank, and each segment into chunks, the pieces on the
// wire. A ring of K members takes 2(K-1) steps; in step t rank r sends segment r - t and receives
// segment r - 1 - t (modulo K). Steps 0 to K-2 are the reduce-scatter: segment s starts at rank s,
// every rank it passes adds its drift, and rank s - 1, its owner, is the last and finalises it.
// Steps K-1 to 2K-3 are the allgather: the owner's bytes travel on to everybody else.
//
// So what a rank sends in step t+1 is what it received in step t, and the chunks on an edge are one
// stream: those of its own segment, then each received chunk in the order of arrival.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_PLAN_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/hash.h"

namespace runtime {

inline constexpr std::uint32_t kMaxWorldSize = 32;
// Segment borders are multiples of it, so that vectors in a segment start on a cache line.
inline constexpr std::size_t kSegmentAlignment = 16;
inline constexpr std::size_t kLeafBytes = kLeafFloats * sizeof(float);
// A chunk touches at most this many leaves of the hash tree.
inline constexpr std::size_t kMaxLeavesPerChunk = 64;
inline constexpr std::size_t kMaxChunkBytes = kMaxLeavesPerChunk * kLeafBytes;

enum class RingPhase : std::uint8_t { kReduceScatter, kAllgather };

// Half-open range of floats.
struct FloatRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  std::size_t size() const { return end - begin; }
  bool operator==(const FloatRange&) const = default;
};

// Borders inside a segment lie on leaf borders.
struct Chunk {
  FloatRange range;
  std::uint32_t segment = 0;
  std::uint32_t index = 0;     // Within the segment.
  std::size_t first_part = 0;  // Place of its first part in RingPlan::parts().
};

class RingPlan {
 public:
  // `floats` >= 1, 1 <= `world_size` <= kMaxWorldSize, `chunk_bytes` a multiple of kLeafBytes and
  // at most kMaxChunkBytes. A short vector has empty segments.
  RingPlan(std::size_t floats, std::uint32_t world_size, std::size_t chunk_bytes);

  std::size_t floats() const { return floats_; }
  std::uint32_t world_size() const { return world_size_; }
  std::uint32_t steps() const { return 2 * (world_size_ - 1); }
  RingPhase PhaseOf(std::uint32_t step) const {
    return step + 1 < world_size_ ? RingPhase::kReduceScatter : RingPhase::kAllgather;
  }

  std::uint32_t SentSegment(std::uint32_t rank, std::uint32_t step) const {
    return (rank + 2 * world_size_ - step) % world_size_;
  }
  std::uint32_t ReceivedSegment(std::uint32_t rank, std::uint32_t step) const {
    return SentSegment(PreviousRank(rank), step);
  }
  std::uint32_t NextRank(std::uint32_t rank) const { return (rank + 1) % world_size_; }
  std::uint32_t PreviousRank(std::uint32_t rank) const {
    return (rank + world_size_ - 1) % world_size_;
  }
  // Who finalises the segment.
  std::uint32_t Owner(std::uint32_t segment) const { return PreviousRank(segment); }
  // The ranks whose drifts are added, in order, the first to zero: a reference that adds in this
  // order, rounding to float each time, has the ring's bits.
  std::vector<std::uint32_t> OrderOfAddition(std::uint32_t segment) const;

  // The segments tile the vector in order.
  FloatRange Segment(std::uint32_t segment) const;
  // All chunks, in the order of the vector; those of a segment are neighbours.
  const std::vector<Chunk>& chunks() const { return chunks_; }
  // Indices into chunks().
  std::uint32_t FirstChunk(std::uint32_t segment) const { return first_chunk_[segment]; }
  std::uint32_t ChunkCount(std::uint32_t segment) const {
    return first_chunk_[segment + 1] - first_chunk_[segment];
  }
  // The pieces of leaves that the chunks consist of, in the order of the vector: a whole leaf,
  // unless a segment border cuts it.
  const std::vector<FloatRange>& parts() const { return parts_; }
  std::size_t PartCount(std::uint32_t chunk) const {
    const std::size_t end =
        chunk + 1 < chunks_.size() ? chunks_[chunk + 1].first_part : parts_.size();
    return end - chunks_[chunk].first_part;
  }

 private:
  void CutSegment(std::uint32_t segment, std::size_t leaves_per_chunk);

  std::size_t floats_;
  std::uint32_t world_size_;
  std::vector<Chunk> chunks_;
  std::vector<std::uint32_t> first_chunk_;  // Of each segment, and the end.
  std::vector<FloatRange> parts_;
};

// A place in the stream of chunks on one edge. Steps whose segment is empty are passed over.
class ChunkStream {
 public:
  // The stream that `sender` sends; borrows `plan`.
  ChunkStream(const RingPlan& plan, std::uint32_t sender);

  bool AtEnd() const { return step_ == plan_->steps(); }
  // Chunks before this one in the stream.
  std::uint32_t sequence() const { return sequence_; }
  std::uint32_t step() const { return step_; }
  RingPhase phase() const { return plan_->PhaseOf(step_); }
  // Index into plan.chunks().
  std::uint32_t chunk() const {
    return plan_->FirstChunk(plan_->SentSegment(sender_, step_)) + offset_;
  }
  void Advance();

 private:
  void SkipEmptySteps();

  const RingPlan* plan_;
  std::uint32_t sender_;
  std::uint32_t step_ = 0;
  std::uint32_t offset_ = 0;  // Of the chunk, within the step's segment.
  std::uint32_t sequence_ = 0;
};

// Chunks in the whole stream that `sender` sends.
std::uint32_t StreamLength(const RingPlan& plan, std::uint32_t sender);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_PLAN_H_
