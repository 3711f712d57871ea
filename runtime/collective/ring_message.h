// Ring messages as plain structs, and their bytes (schema/ring.capnp).
//
// A message is a sealed one (sealed_message.h) with magic "RING" and root schema::RingMessage.
// Pure functions; any thread.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_MESSAGE_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_MESSAGE_H_

#include <absl/status/statusor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "runtime/base/ids.h"
#include "runtime/collective/ring_plan.h"
#include "runtime/collective/sealed_message.h"
#include "runtime/group/fence.h"

namespace runtime {

inline constexpr std::size_t kMaxRingMessageBytes = kMaxSealedBytes;

struct RingHello {
  NodeId from;
  NodeId to;
  bool from_next = false;  // `from` comes after `to` in the ring.
};

struct RingCredit {
  std::uint32_t limit = 0;
};

// The checksums of a chunk's parts. Of fixed size, so that a chunk costs no allocation.
class PartHashes {
 public:
  void Append(std::uint64_t hash) { hashes_[count_++] = hash; }
  std::span<const std::uint64_t> span() const { return {hashes_.data(), count_}; }

 private:
  std::size_t count_ = 0;
  std::array<std::uint64_t, kMaxLeavesPerChunk> hashes_;  // The first `count_` are set.
};

struct ChunkHeader {
  std::uint32_t sequence = 0;
  RingPhase phase = RingPhase::kReduceScatter;
  std::uint32_t segment = 0;
  std::uint32_t index = 0;
  std::uint32_t floats = 0;
  PartHashes checksums;
};

struct RingMessage {
  Fence fence;
  std::variant<RingHello, RingCredit, ChunkHeader> body;
};

// The bytes of a message, in a buffer that is reused from call to call.
class RingEncoder {
 public:
  // Valid until the next call.
  std::span<const std::byte> Encode(const RingMessage& message);

 private:
  MessageSealer sealer_;
};

// Checks size, magic, checksum, structure and ranges. kInvalidArgument: not a ring message, the
// words say in what. Reads any alignment.
absl::StatusOr<RingMessage> DecodeRingMessage(std::span<const std::byte> bytes);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_MESSAGE_H_
