// The ring on a simulated network: the same state machine as ZmqRing's, in one thread, in virtual
// time. Whoever owns the event queue passes it in as two functions.
//
// A connection delivers in order, and loses nothing until it is cut; what was on its way when it is
// closed may still arrive. Sending reads from `shadow` for a while after SendChunk, as libzmq does,
// and ends the process if those bytes changed meanwhile (invariant I4).
#ifndef RONDO_RUNTIME_SIM_SIM_RING_H_
#define RONDO_RUNTIME_SIM_SIM_RING_H_

#include <absl/functional/any_invocable.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/ring_allreduce.h"

namespace runtime::sim {

class SimRing;

// Which rings there are, and how long a message between them takes.
class SimRingNetwork {
 public:
  struct World {
    // Runs the action after a delay >= 0; equal times in the order of the calls.
    absl::AnyInvocable<void(Duration, absl::AnyInvocable<void()>)> schedule;
    // Transit time of the next message, asked once per message and once per release of a lease
    // (from == to). Nothing: the message and all that follow on that connection are lost.
    absl::AnyInvocable<std::optional<Duration>(NodeId from, NodeId to, std::size_t bytes)> transit;
    // Optional: sees, and may change, the floats of each chunk on the wire.
    absl::AnyInvocable<void(NodeId from, NodeId to, std::span<float>)> tamper;
  };

  // `clock` is the virtual clock that `schedule` advances; outlives the network.
  SimRingNetwork(World world, const Clock& clock) : world_(std::move(world)), clock_(clock) {}

 private:
  friend class SimRing;

  World world_;
  const Clock& clock_;
  std::map<NodeId, SimRing*> rings_;
};

class SimRing final : public Ring, private RingLink {
 public:
  // `network` outlives it. Destroying it is the death of its process: no `done` is called, and the
  // ring before it learns that the connection is gone.
  SimRing(NodeId self, SimRingNetwork& network);
  ~SimRing() override;

  RingEndpoint endpoint() const override;
  void Start(RingJob job, Done done) override;
  void Abort(const Fence& fence) override;
  RingFlow Flow() const override { return machine_.Flow(); }

  const Drops& drops() const { return drops_; }

 private:
  struct Connection {
    NodeId next;
    Fence fence;
    bool broken = false;
    Time last_down{};  // Last arrival at the next member, and
    Time last_up{};    // of a credit at the previous one: each direction keeps its order.
  };

  std::uint64_t Connect(const RingJob& job, const RingMember& previous,
                        const RingMember& next) override;
  std::uint64_t SendCredit(NodeId previous, const Fence& fence, RingCredit credit) override;
  std::uint64_t SendChunk(const Fence& fence, const ChunkHeader& header,
                          std::span<const float> floats, RingLease lease) override;
  void Disconnect() override;
  void DisconnectNext() override { Disconnect(); }

  // Runs `action` on the ring `to`, if it lives then, when a message of `bytes` bytes arrives there
  // in the order of `last_arrival`.
  void Deliver(Connection& connection, Time& last_arrival, NodeId to, std::size_t bytes,
               absl::AnyInvocable<void(SimRing&)> action);
  void ScheduleRelease(std::span<const float> floats, RingLease lease);
  void OnHello(const RingHello& hello, const Fence& fence, std::shared_ptr<Connection> way);
  void Pump();

  const NodeId self_;
  SimRingNetwork& network_;
  RingAllreduce machine_;
  std::shared_ptr<Connection> connection_;
  // The way back to each neighbour that said hello, the newest.
  std::map<NodeId, std::shared_ptr<Connection>> previous_;
  Drops drops_;
};

}  // namespace runtime::sim

#endif  // RONDO_RUNTIME_SIM_SIM_RING_H_
