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
#include "runtime/net/zmq_input.h"

namespace runtime {

class ZmqRingLink final : public RingLink {
 public:
  // Binds. `counters` outlives it.
  static absl::StatusOr<std::unique_ptr<ZmqRingLink>> Open(const ZmqRingOptions& options,
                                                           RingCounters& counters);
  ~ZmqRingLink() override;

  const RingEndpoint& endpoint() const { return endpoint_; }

  std::uint64_t Connect(const RingJob& job, const RingMember& next) override;
  std::uint64_t SendCredit(NodeId previous, const Fence& fence, RingCredit credit) override;
  std::uint64_t SendChunk(const Fence& fence, const ChunkHeader& header,
                          std::span<const float> floats, RingLease lease) override;
  void Disconnect() override;

  // Each takes at most one thing that came, hands it to `machine`, and says whether there was one.
  bool TakeFromPrevious(RingAllreduce& machine);
  bool TakeFromNext(RingAllreduce& machine);
  bool TakeReleases(RingAllreduce& machine);
  // The connection to the next member failed since the last call.
  bool TakeFailure(RingAllreduce& machine);
  std::uint64_t RepeatHello();  // Bytes on the wire.

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
    Fence fence;
    std::string id;  // The ROUTER's name for it.
  };

  ZmqRingLink(const ZmqRingOptions& options, RingCounters& counters)
      : options_(options), counters_(counters) {}
  absl::Status Bind();
  absl::Status BindTcp();
  void OpenNext(const std::string& address);
  std::string AddressOf(const RingEndpoint& peer, RingTransport transport) const;
  const Route* RouteById(std::string_view id) const;
  bool SetRoute(const Route& route);
  void OnMessage(RingAllreduce& machine, std::string_view id, std::span<const std::byte> header,
                 const std::span<const std::byte>* body);
  void OnHello(RingAllreduce& machine, std::string_view id, const Fence& fence,
               const RingHello& hello);
  void OnChunk(RingAllreduce& machine, NodeId from, const Fence& fence, const ChunkHeader& header,
               std::span<const std::byte> body);
  // Copies; false if it could not be sent.
  bool SendSmall(void* socket, std::span<const std::byte> bytes, bool more);
  std::uint64_t SendHello();
  void ReadMonitor();
  void SetFailure(std::string why);
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
  void* listener_ = nullptr;  // ROUTER.
  void* next_ = nullptr;      // DEALER, or null.
  void* monitor_ = nullptr;   // PAIR: what happens to next_'s connection.
  ZmqInput from_listener_, from_next_, from_monitor_;
  std::uint64_t opened_ = 0;  // Connections so far; names the monitors.
  RingMember next_member_;
  RingTransport next_transport_ = RingTransport::kAuto;
  Fence next_fence_;     // Of the last job that connected.
  std::string failure_;  // Why next_ cannot be used; empty: it can.
  bool failure_is_news_ = false;
  bool evaluation_ = false;
  std::vector<Route> routes_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_LINK_H_
