#include "runtime/sim/sim_ring.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/require.h"

namespace runtime::sim {
namespace {

// Near enough for a simulation: what the messages of schema/ring.capnp take on the wire.
constexpr std::size_t kSmallMessageBytes = 100;

std::size_t ChunkBytes(const ChunkHeader& header) {
  return kSmallMessageBytes + header.checksums.span().size_bytes() + header.floats * sizeof(float);
}

}  // namespace

SimRing::SimRing(NodeId self, SimRingNetwork& network)
    : self_(self), network_(network), machine_(self, *this, network.clock_) {
  const bool inserted = network_.rings_.emplace(self, this).second;
  REQUIRE(inserted);
}

SimRing::~SimRing() {
  network_.rings_.erase(self_);
  for (const auto& [previous, connection] : previous_) {
    if (!connection) continue;
    network_.world_.schedule(Duration(0), [&network = network_, previous = previous, self = self_,
                                           connection = connection] {
      const auto ring = network.rings_.find(previous);
      if (ring == network.rings_.end() || ring->second->connection_ != connection) return;
      connection->broken = true;
      ring->second->machine_.OnNextUnavailable(absl::StrCat("node ", self.ShortName(), " is gone"));
    });
  }
}

RingEndpoint SimRing::endpoint() const { return {.tcp = "sim://" + self_.ToString()}; }

void SimRing::Start(RingJob job, Done done) {
  machine_.Start(std::move(job), std::move(done));
  Pump();
}

void SimRing::Abort(const Fence& fence) {
  machine_.Abort(fence);
  Pump();
}

void SimRing::Pump() {
  while (machine_.SendOne()) {
  }
}

void SimRing::Deliver(Connection& connection, Time& last_arrival, NodeId to, std::size_t bytes,
                      absl::AnyInvocable<void(SimRing&)> action) {
  if (connection.broken) return;
  const std::optional<Duration> transit = network_.world_.transit(self_, to, bytes);
  if (!transit) {
    connection.broken = true;
    return;
  }
  const Time now = network_.clock_.Now();
  last_arrival = std::max(last_arrival, now + *transit);
  network_.world_.schedule(last_arrival - now,
                           [&network = network_, to, action = std::move(action)]() mutable {
                             const auto ring = network.rings_.find(to);
                             if (ring == network.rings_.end()) return;
                             action(*ring->second);
                             ring->second->Pump();
                           });
}

std::uint64_t SimRing::Connect(const RingJob& job, const RingMember& /*previous*/,
                               const RingMember& next) {
  const Fence fence = job.fence;
  const bool kept = connection_ && !connection_->broken && connection_->next == next.node &&
                    connection_->fence.run == fence.run && connection_->fence.view == fence.view &&
                    connection_->fence.head_epoch == fence.head_epoch;
  if (!kept) {
    connection_ = std::make_shared<Connection>(Connection{.next = next.node, .fence = fence});
  }
  const RingHello hello = {.from = self_, .to = next.node};
  Deliver(*connection_, connection_->last_down, next.node, kSmallMessageBytes,
          [hello, fence, way = connection_](SimRing& ring) { ring.OnHello(hello, fence, way); });
  return kSmallMessageBytes;
}

void SimRing::OnHello(const RingHello& hello, const Fence& fence, std::shared_ptr<Connection> way) {
  // The hello of a connection that was given up may come after that of its successor.
  std::shared_ptr<Connection>& known = previous_[hello.from];
  const bool late = known && known->fence.run == way->fence.run && way->fence < known->fence;
  if (late || !machine_.Accepts(hello.from, hello, fence)) {
    ++drops_.fence;
    return;
  }
  known = std::move(way);
  machine_.OnHello(hello.from, fence);
}

std::uint64_t SimRing::SendCredit(NodeId previous, const Fence& fence, RingCredit credit) {
  const auto way = previous_.find(previous);
  if (way == previous_.end() || !way->second) return 0;
  const auto connection = way->second;
  Deliver(*connection, connection->last_up, previous, kSmallMessageBytes,
          [from = self_, fence, credit, connection](SimRing& ring) {
            if (ring.connection_ != connection || !ring.machine_.OnCredit(from, fence, credit)) {
              ++ring.drops_.fence;
            }
          });
  return kSmallMessageBytes;
}

std::uint64_t SimRing::SendChunk(const Fence& fence, const ChunkHeader& header,
                                 std::span<const float> floats, RingLease lease) {
  REQUIRE(connection_ != nullptr);
  std::vector<float> wire(floats.begin(), floats.end());
  if (network_.world_.tamper) network_.world_.tamper(self_, connection_->next, wire);
  const std::size_t bytes = ChunkBytes(header);
  Deliver(*connection_, connection_->last_down, connection_->next, bytes,
          [from = self_, fence, header, wire = std::move(wire)](SimRing& ring) {
            const ChunkFate fate = ring.machine_.OnChunk(from, fence, header, wire);
            if (fate == ChunkFate::kStale) ++ring.drops_.fence;
            if (fate == ChunkFate::kCorrupt) ++ring.drops_.checksum;
          });
  ScheduleRelease(floats, lease);
  return bytes;
}

void SimRing::ScheduleRelease(std::span<const float> floats, RingLease lease) {
  const std::optional<Duration> after = network_.world_.transit(self_, self_, floats.size_bytes());
  const std::uint64_t sent = HashFloats(floats);
  network_.world_.schedule(
      after.value_or(Duration(0)), [&network = network_, self = self_, floats, lease, sent] {
        const auto ring = network.rings_.find(self);
        if (ring == network.rings_.end()) return;
        REQUIRE(HashFloats(floats) == sent);  // I4: nobody writes under a lease.
        ring->second->machine_.OnReleased(lease);
        ring->second->Pump();
      });
}

void SimRing::Disconnect() { connection_.reset(); }

}  // namespace runtime::sim
