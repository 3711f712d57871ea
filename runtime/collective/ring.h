// The seam between a worker and the ring: one weighted allreduce of drifts at a time.
//
// Every member holds the same `base` and its own `local`; the ring leaves in `shadow`
//   base + (1/W) sum_k weight_k (local_k - base)        with W = sum_k weight_k
// the same bits on every member, because the owner of a segment alone finalises it and the others
// copy its bytes (protocol.md 4.4). `local` and `base` are only read, so an aborted ring loses
// nothing. Implementations: ZmqRing (sockets and a thread) and sim::SimRing.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/base/ids.h"
#include "runtime/group/fence.h"
#include "runtime/net/traffic.h"

namespace runtime {

// Where a worker's ring socket listens.
struct RingEndpoint {
  std::string tcp;  // "tcp://host:port"
  std::string ipc;  // "ipc://@rondo-<incarnation>", or empty if the worker offers none.
  // Boot id and network namespace; two members with equal keys may use ipc.
  std::string host_key;

  bool operator==(const RingEndpoint&) const = default;
};

struct RingMember {
  NodeId node;
  RingEndpoint endpoint;
  // Share in the mean; finite, >= 0. A member of weight 0 is skipped, never multiplied.
  float weight = 1;
};

// How chunks travel; equal on all members of a ring.
struct RingOptions {
  std::size_t chunk_bytes = 512 * 1024;  // A multiple of kLeafBytes, at most kMaxChunkBytes.
  std::uint32_t credits = 16;  // Chunks on the way to a member, at most. 1 to kMaxCredits.
};
inline constexpr std::uint32_t kMaxCredits = 32;

// How long a vector of so many floats may take, by ring or by transfer, before anything was
// measured: 10 s, and 1 MB/s (protocol.md 6, L3).
inline Duration LongestCarriage(std::uint64_t floats) {
  return FromSeconds(10 + static_cast<double>(floats) * sizeof(float) / 1e6);
}

// How long nothing may move on a ring before an edge of it is held to be dead: 2 s, and the time
// that a chunk of so many bytes takes at 1 Mbit/s.
Duration LongestStandstill(std::uint64_t chunk_bytes);

// How far a member is in a ring, in chunks. Both counts only rise. On an edge that works the
// successor soon has received what is there for it; where a ring stands still and one lacks what
// its predecessor has, the edge between them is to blame.
struct RingFlow {
  Fence fence;                 // Of the ring; null: of none.
  std::uint32_t received = 0;  // From the previous member, and added or stored.
  std::uint32_t for_next = 0;  // Ready for the next member: sent, or waiting to be.

  bool operator==(const RingFlow&) const = default;
};

enum class RingTransport {
  kAuto,  // ipc between members of one host, else tcp.
  kTcp,
  kIpc,  // kUnavailable for a neighbour on another host.
};

struct RingJob {
  Fence fence;
  Traffic traffic = Traffic::kRing;  // kRing or kEvaluation: whom the bytes are booked to.
  std::vector<RingMember> members;   // In ring order; 1 to 32.
  std::uint32_t rank = 0;            // This worker's place in `members`.
  RingOptions options;
  RingTransport transport = RingTransport::kAuto;
  // All of one length >= 1; borrowed until `done` is called.
  std::span<const float> local;
  std::span<const float> base;
  std::span<float> shadow;
  std::uint64_t layout_hash = 0;  // Goes into the root (runtime/base/hash.h).
  // Owner of the memory behind `shadow`, or null. With an owner an abort never waits long for the
  // sockets to let go of the memory: see ShadowInUse.
  std::shared_ptr<const void> shadow_owner;
};

// True of the status of a ring that ended while the sockets may still read from `shadow` (only
// after an abort, only if the job had a `shadow_owner`, which the ring holds on to meanwhile). The
// caller takes another vector for its next job; this one must be neither written nor unmapped.
bool ShadowInUse(const absl::Status& status);
absl::Status MarkShadowInUse(absl::Status status);

struct RingResult {
  Fence fence;
  Hash128 root;                     // Over the bytes in `shadow`.
  std::uint64_t payload_bytes = 0;  // Floats sent by this member.
  std::uint64_t total_bytes = 0;    // Payload, our headers, ZMTP's framing, credits: all it sent.
  Duration elapsed{0};              // From Start on this member to its last byte.
};

class Ring {
 public:
  // Called once per Start, on the ring's thread. kAborted: Abort was called. kDataLoss: a chunk
  // failed its checksum or is not the one expected; the message names the edge. kUnavailable: a
  // neighbour is gone. kInvalidArgument: the job itself makes no sense. May call Start and Abort.
  using Done = absl::AnyInvocable<void(absl::StatusOr<RingResult>)>;

  virtual ~Ring() = default;

  virtual RingEndpoint endpoint() const = 0;
  // Begins the job; an unfinished older one is aborted first. Never blocks.
  virtual void Start(RingJob job, Done done) = 0;
  // Ends the job of `fence`, if it is the present one. `done` is called with kAborted when the
  // ring no longer touches the job's buffers. If that job is over already, the connections that
  // served it are not used again: call it for every fence that is not committed.
  virtual void Abort(const Fence& fence) = 0;
  // Of the present job, as of a moment ago. Any thread.
  virtual RingFlow Flow() const = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_H_
