// The sockets of one ring member: what RingAllreduce says goes out, what comes in goes to it.
//
// Ring thread only, but for Open and Wake.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_LINK_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_LINK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/collective/lease_book.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/ring_allreduce.h"
#include "runtime/collective/ring_message.h"
#include "runtime/collective/zmq_ring.h"
#include "runtime/collective/zmq_ring_dial.h"
#include "runtime/net/zmq_input.h"

namespace runtime {

class ZmqRingLink final : public RingLink {
 public:
  // Binds. `counters` outlives it.
  static absl::StatusOr<std::unique_ptr<ZmqRingLink>> Open(const ZmqRingOptions& options,
                                                           RingCounters& counters);
  ~ZmqRingLink() override;

  const RingEndpoint& endpoint() const { return endpoint_; }

  std::uint64_t Connect(const RingJob& job, const RingMember& previous,
                        const RingMember& next) override;
  std::uint64_t SendCredit(NodeId previous, const Fence& fence, RingCredit credit) override;
  std::uint64_t SendChunk(const Fence& fence, const ChunkHeader& header,
                          std::span<const float> floats, RingLease lease) override;
  void Disconnect() override;
  void DisconnectNext() override;

  // Each takes at most one thing that came, hands it to `machine`, and says whether there was one.
  bool TakeFromPrevious(RingAllreduce& machine);
  bool TakeFromNext(RingAllreduce& machine);
  bool TakeReleases(RingAllreduce& machine);
  // A connection to a neighbour failed since the last call.
  bool TakeFailure(RingAllreduce& machine);
  // Whether the previous member cannot connect to us, so that we do to it.
  bool OpensWayToPrevious() const { return connected_ && opens_to_previous_; }
  // Bytes on the wire.
  std::uint64_t RepeatHelloToNext();
  std::uint64_t RepeatHelloToPrevious();

  // Sleeps until something comes, Wake, `wake_on_release` and a lease comes back, or the timeout.
  void Wait(Duration timeout, bool wake_on_release);
  // Any thread.
  void Wake();
  // Closes everything, so that every lease is back when it returns; take them once more then.
  void Close();

 private:
  // The connection of a member that said hello.
  struct Route {
    NodeId node;
    bool from_next = false;  // It comes after us, and opened it because we cannot.
    Fence fence;
    std::string id;  // The ROUTER's name for it.
  };

  ZmqRingLink(const ZmqRingOptions& options, RingCounters& counters)
      : options_(options), counters_(counters) {}
  absl::Status Bind();
  std::uint64_t OpenWays(const RingEndpoint& self);
  bool KeepsWays(const RingJob& job, const RingMember& previous, const RingMember& next) const;
  const Route* RouteById(std::string_view id) const;
  const Route* RouteTo(NodeId node, bool from_next) const;
  bool TakeFromListener(RingAllreduce& machine);
  bool TakeFromDialedPrevious(RingAllreduce& machine);
  bool SetRoute(const Route& route);
  void OnMessage(RingAllreduce& machine, std::string_view id, std::span<const std::byte> header,
                 const std::span<const std::byte>* body);
  void OnHello(RingAllreduce& machine, std::string_view id, const Fence& fence,
               const RingHello& hello);
  void OnChunk(RingAllreduce& machine, NodeId from, const Fence& fence, const ChunkHeader& header,
               std::span<const std::byte> body);
  // Copies; false if it could not be sent.
  bool SendToRoute(const Route& route, std::span<const std::byte> bytes, bool more);
  bool SendChunkParts(std::span<const std::byte> header, zmq_msg_t& body);
  std::uint64_t SendHello(ZmqRingDial& way, const RingHello& hello);
  std::uint64_t Booked(std::uint64_t bytes);

  const ZmqRingOptions options_;
  RingCounters& counters_;
  RingEndpoint endpoint_;
  int event_fd_ = -1;
  std::unique_ptr<ReleaseQueue> releases_;
  std::list<std::unique_ptr<LeaseBook>> books_;  // The present job's is the last.
  RingEncoder encoder_;
  std::vector<float> aligned_;  // For bodies that arrive at odd addresses (small ones may).

  void* context_ = nullptr;
  ZmqSocket listener_;  // ROUTER.
  ZmqInput from_listener_;
  // Of the last job that connected.
  bool connected_ = false;  // Its ways have not been closed since.
  Fence fence_;
  RingTransport transport_ = RingTransport::kAuto;
  RingMember previous_, next_;
  bool evaluation_ = false;
  ZmqRingDial to_next_;  // Not open if the next one opens that way; its failure is the way's.
  bool next_opens_ = false;
  ZmqRingDial to_previous_;  // Open only if the previous one cannot connect to us.
  bool opens_to_previous_ = false;
  std::vector<Route> routes_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_LINK_H_
