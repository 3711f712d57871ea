// The ring over ZeroMQ: one thread of its own, a listening ROUTER for the previous member and a
// DEALER to the next one. Where a member cannot connect to its next one (ring_order.h), that one
// connects to it with a DEALER of its own.
//
// DEALERs are opened afresh for each view and after anything but a success; the listening socket
// stays. Chunks leave `shadow` without a copy. Only the neighbours of the present fence are
// listened to: what anybody else sends is counted and dropped. There is no authentication yet.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/clock.h"
#include "runtime/base/mutex.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/ring_allreduce.h"
#include "runtime/collective/zmq_listen.h"

namespace runtime {

struct ZmqRingOptions {
  NodeId node;
  ListenOptions listen = {};
};

// What ring sockets counted. Any thread.
struct RingCounters {
  std::atomic<std::uint64_t> progress{0};          // Bytes of chunks sent and received.
  std::atomic<std::uint64_t> ring_bytes{0};        // Sent, booked to Traffic::kRing and
  std::atomic<std::uint64_t> evaluation_bytes{0};  // to Traffic::kEvaluation.
  std::atomic<std::uint64_t> dropped_handshake{0};
  std::atomic<std::uint64_t> dropped_frame{0};
  std::atomic<std::uint64_t> dropped_checksum{0};
  std::atomic<std::uint64_t> dropped_fence{0};
};

class ZmqRingLink;

class ZmqRing final : public Ring {
 public:
  // Binds and starts the thread. Raises malloc's thresholds for the whole process (zmq_ring.cc says
  // why). kUnavailable: no port could be bound; kResourceExhausted: no descriptors left.
  static absl::StatusOr<std::unique_ptr<ZmqRing>> Create(const ZmqRingOptions& options);
  // Ends an unfinished job with kAborted, closes the sockets, joins the thread. Not from `done`.
  ~ZmqRing() override;

  // Any thread.
  RingEndpoint endpoint() const override { return endpoint_; }
  void Start(RingJob job, Done done) override;
  void Abort(const Fence& fence) override;
  // Bytes of chunks sent and received since its creation.
  std::uint64_t ProgressCounter() const { return counters_.progress.load(); }
  RingFlow Flow() const override;
  // All that this ring put on the wire since its creation: payload, headers, ZMTP's framing and
  // handshakes, credits.
  Ledger SentBytes() const;
  Drops Dropped() const;

 private:
  struct Command {
    bool start = false;
    RingJob job;  // Or only its fence, to abort.
    Done done;
  };

  ZmqRing() = default;
  void Post(Command command);
  // The rest: ring thread.
  void Run();
  void RunCommands();
  bool Work();
  bool WaitsForANeighbour() const;
  void RepeatHellos();
  void Sleep();
  void Finish();

  SteadyClock clock_;
  RingCounters counters_;
  RingEndpoint endpoint_;
  std::unique_ptr<ZmqRingLink> link_;
  std::unique_ptr<RingAllreduce> machine_;
  Time drain_deadline_ = Time::max();  // Max: not draining.
  Time next_hello_ = Time::max();      // Max: nobody is waited for.

  mutable Mutex mutex_;
  std::deque<Command> commands_ ABSL_GUARDED_BY(mutex_);  // A few; bounded by its one caller.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RingFlow flow_ ABSL_GUARDED_BY(mutex_);  // As of the last turn.
  std::thread thread_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_H_
