// The ring allreduce of one member as a state machine: messages in, messages out, no sockets, no
// threads, no clock but the one passed in. ZmqRing drives it over sockets, sim::SimRing over a
// simulated network.
//
// One thread. The driver calls an On... function for each message, and SendOne until it returns
// false after each of them; receiving comes before sending. A chunk is reduced straight from the
// received memory into `shadow`, its credit returned at once, and it is sent on from `shadow`.
//
// Leases: a chunk handed to RingLink::SendChunk stays leased until the driver says OnReleased. A
// leased chunk is not written: a final value that arrives over a partial sum which is still leased
// is kept aside until then, and its credit with it. A job is over when all leases are back.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_ALLREDUCE_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_ALLREDUCE_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/collective/hash_tree.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/ring_message.h"
#include "runtime/collective/ring_plan.h"

namespace runtime {

// A chunk that is being sent from `shadow`.
struct RingLease {
  std::uint64_t job = 0;    // Leases of older jobs may come back late.
  std::uint32_t chunk = 0;  // Index into RingPlan::chunks().
};

// What the state machine does to the world. Nothing here calls back. Each Send and Connect returns
// the bytes that it puts on the wire, framing included.
class RingLink {
 public:
  virtual ~RingLink() = default;

  // Opens the ways to the neighbours for `job`, or keeps those that are open if they served the
  // same view and nothing went wrong on them. On a fresh way the first message is a hello.
  virtual std::uint64_t Connect(const RingJob& job, const RingMember& previous,
                                const RingMember& next) = 0;
  // To the previous member; lost without a word if there is no way to it yet (its hello follows).
  virtual std::uint64_t SendCredit(NodeId previous, const Fence& fence, RingCredit credit) = 0;
  // To the next member, in order. `floats` is borrowed until the lease is released, once.
  virtual std::uint64_t SendChunk(const Fence& fence, const ChunkHeader& header,
                                  std::span<const float> floats, RingLease lease) = 0;
  // Closes the ways and gives up what was not sent: its leases come back soon.
  virtual void Disconnect() = 0;
  // The same of the way to the next member alone.
  virtual void DisconnectNext() = 0;
};

// Sum of the weights in ring order, rounded once: the W that owners divide by.
float TotalWeight(std::span<const RingMember> members);

enum class ChunkFate {
  kTaken,
  kStale,    // Of another fence or another sender: dropped.
  kCorrupt,  // Not the chunk that had to come: the job failed.
};

class RingAllreduce {
 public:
  // `link` and `clock` outlive it.
  RingAllreduce(NodeId self, RingLink& link, const Clock& clock);
  RingAllreduce(const RingAllreduce&) = delete;
  RingAllreduce& operator=(const RingAllreduce&) = delete;
  ~RingAllreduce();

  // An unfinished older job is aborted first; the new one begins when its leases are back. `done`
  // may be called before Start returns (a ring of one, a job that makes no sense).
  void Start(RingJob job, Ring::Done done);
  // Ends the job of `fence`. If it is over already, the way that served it is closed.
  void Abort(const Fence& fence);
  // Ends whatever there is; for a driver that stops.
  void AbortAll(const absl::Status& why);
  // A job that ended badly stops waiting for its leases: `done` is called now, with the mark
  // ShadowInUse. Nothing unless Draining() and the job has a shadow_owner.
  void StopWaitingForLeases();

  bool HasJob() const { return job_ != nullptr; }
  // The job ended badly, and waits for its leases before it calls `done`.
  bool Draining() const { return job_ != nullptr && !failure_.ok(); }
  // Nothing goes on until a lease is back.
  bool WaitsForLeases() const;
  // The successor has not said yet that it is in this fence: its hello may need another try.
  bool WaitsForFirstCredit() const;
  // The predecessor has sent no chunk yet: it may not know of a way that we opened to it.
  bool WaitsForFirstChunk() const;
  // The credit for it once more.
  void RepeatCredit();
  // A hello was sent again, of so many bytes.
  void OnHelloRepeated(std::uint64_t bytes) { result_.total_bytes += bytes; }
  // The present job's; null fence without one.
  Fence fence() const { return job_ ? job_->fence : Fence(); }
  // How far it is; of a null fence without one.
  RingFlow Flow() const;

  // A hello that belongs to the present fence, or to one to come. Others are stale.
  bool Accepts(NodeId from, const RingHello& hello, const Fence& fence) const;
  // An accepted hello of the predecessor: the way to `from` is open, a credit can be sent.
  void OnHello(NodeId from, const Fence& fence);
  // Of the next member. A credit of a newer fence is kept until its own Start. False: stale.
  bool OnCredit(NodeId from, const Fence& fence, RingCredit credit);
  // `floats` is valid during the call.
  ChunkFate OnChunk(NodeId from, const Fence& fence, const ChunkHeader& header,
                    std::span<const float> floats);
  // Bytes on the connection from the previous member that are no ring message.
  void OnCorrupt(NodeId from, std::string_view what);
  void OnReleased(RingLease lease);
  // The connection to the next member is gone, or that which was opened to the previous one.
  void OnNextUnavailable(std::string_view why);
  void OnPreviousUnavailable(std::string_view why);
  // Sends one chunk if there is one, and the credit for it.
  bool SendOne();

 private:
  struct EarlyCredit {
    NodeId from;
    Fence fence;
    RingCredit credit;
  };
  // A final value that waits until its place is no longer leased.
  struct Parked {
    std::uint32_t chunk;
    ChunkHeader header;
    std::vector<float> floats;
  };

  struct Pending {
    RingJob job;
    Ring::Done done;
  };

  static absl::Status Check(const RingJob& job, NodeId self);
  void DropPending(const absl::Status& why);
  void Begin(RingJob job, Ring::Done done);
  const RingMember& Next() const { return job_->members[plan_->NextRank(job_->rank)]; }
  const RingMember& Previous() const { return job_->members[plan_->PreviousRank(job_->rank)]; }
  std::string EdgeFromPrevious() const;
  bool Live() const { return job_ != nullptr && failure_.ok(); }
  std::span<float> Shadow(FloatRange range) const;

  void RunAlone();
  void Arm();
  absl::Status CheckExpected(const ChunkHeader& header, std::span<const float> floats) const;
  // The first addition of this member's own segment.
  void StartChunk(std::uint32_t chunk);
  // These two write to `shadow`, and return false if a checksum differs.
  bool Reduce(std::uint32_t chunk, const ChunkHeader& header, std::span<const float> floats);
  bool Store(std::uint32_t chunk, const ChunkHeader& header, std::span<const float> floats);
  void AddOwnDrift(FloatRange part, std::span<const float> received);
  ChunkFate OnConsumed(bool intact, const ChunkHeader& header);
  void Unpark();
  void ReturnCredit();
  std::uint32_t ReadyForNext() const;  // In chunks of the outgoing stream.
  void FinishIfComplete();
  void Fail(absl::Status why);
  void CallDone(absl::StatusOr<RingResult> result);

  const NodeId self_;
  RingLink& link_;
  const Clock& clock_;
  std::optional<EarlyCredit> early_credit_;
  std::optional<Pending> pending_;  // Begins when the present job has called its `done`.
  Fence last_fence_;                // Of the last job that is over.
  std::uint64_t jobs_ = 0;

  // The rest belongs to the present job; null: none.
  std::unique_ptr<RingJob> job_;
  Ring::Done done_;
  absl::Status failure_;
  Time started_{};
  float total_weight_ = 1;
  RingResult result_;
  std::optional<RingPlan> plan_;
  std::optional<HashTree> tree_;
  std::optional<ChunkStream> incoming_;
  std::optional<ChunkStream> outgoing_;
  std::vector<std::uint64_t> part_hashes_;  // Of what `shadow` holds, for each part of the plan.
  std::vector<bool> leased_;                // For each chunk of the plan.
  std::uint32_t leases_ = 0;
  std::uint32_t incoming_length_ = 0;
  std::uint32_t outgoing_length_ = 0;
  std::uint32_t consumed_ = 0;      // Received and written to `shadow`.
  std::uint32_t granted_ = 0;       // How far we allowed the predecessor to send.
  std::uint32_t credit_limit_ = 0;  // How far the successor allows us to send.
  bool armed_ = false;              // It did so at least once.
  std::deque<Parked> parked_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_ALLREDUCE_H_
