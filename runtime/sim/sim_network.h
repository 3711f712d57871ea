// A network in virtual time: one head, nodes that connect to it, frames that take a while.
//
// Frames between two nodes arrive in order, each after a delay drawn from the seed; what is
// published goes a way of its own, may overtake and may be lost. A process that dies shows as a
// lost connection at its peers, a cut one shows as silence. One thread.
#ifndef RONDO_RUNTIME_SIM_SIM_NETWORK_H_
#define RONDO_RUNTIME_SIM_SIM_NETWORK_H_

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "runtime/net/transport.h"
#include "runtime/sim/scheduler.h"

namespace runtime::sim {

// A frame about to leave.
struct Departure {
  NodeId from;
  NodeId to;
  Traffic traffic = Traffic::kControl;
  bool published = false;
  const Frame& frame;
};

// What becomes of it. The default is an ordinary delivery.
struct Fate {
  int copies = 1;          // 0: lost. More than 1: duplicated, one after the other.
  Duration extra_delay{};  // Holds up those behind it, too.
};

class SimNetwork {
 public:
  struct Options {
    Duration shortest_delay = std::chrono::microseconds(50);
    Duration longest_delay = std::chrono::milliseconds(2);
    double publish_loss = 0;  // Chance that one copy of a published frame is lost.
    // Bytes a node may have under way to another before Send answers kResourceExhausted.
    std::size_t outbox_bytes = std::size_t{64} << 20;
  };

  SimNetwork(Scheduler& scheduler, const Options& options)
      : scheduler_(scheduler), options_(options) {}

  // The transport of the head, or of a node that connects to it. The network outlives it.
  std::unique_ptr<Transport> MakeHead(NodeId id);
  std::unique_ptr<Transport> MakeNode(NodeId id);

  // Decides on every frame from now on: where faults are planned.
  void SetFate(absl::AnyInvocable<Fate(const Departure&)> decide) { decide_ = std::move(decide); }
  // Frames between the two vanish without a sign, until Heal.
  void Cut(NodeId a, NodeId b) { cut_.insert(std::minmax(a, b)); }
  void Heal(NodeId a, NodeId b) { cut_.erase(std::minmax(a, b)); }

  std::uint64_t frames() const { return frames_; }

 private:
  class SimTransport;
  enum class Channel { kDirect, kPublished };
  // Frames under way from one node to another.
  struct Way {
    Time last_arrival{};
    std::size_t bytes = 0;
  };
  using WayKey = std::pair<std::pair<NodeId, NodeId>, Channel>;

  SimTransport* Find(NodeId id);
  Duration DrawDelay();
  absl::Status Carry(NodeId from, NodeId to, Channel channel, Traffic traffic, Frame frame);
  void Arrive(NodeId from, NodeId to, Frame frame, std::uint64_t connection);
  void OnStarted(SimTransport& transport);
  void OnStopped(SimTransport& transport);

  Scheduler& scheduler_;
  const Options options_;
  NodeId head_;
  std::map<NodeId, SimTransport*> running_;
  std::map<WayKey, Way> ways_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  absl::AnyInvocable<Fate(const Departure&)> decide_;
  std::uint64_t frames_ = 0;
};

}  // namespace runtime::sim

#endif  // RONDO_RUNTIME_SIM_SIM_NETWORK_H_
