// The two ends of the star: what the control thread of a ZmqTransport does with its sockets.
#ifndef RONDO_RUNTIME_NET_ZMQ_SIDE_H_
#define RONDO_RUNTIME_NET_ZMQ_SIDE_H_

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <zmq.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/mutex.h"
#include "runtime/net/address.h"
#include "runtime/net/connect_diagnosis.h"
#include "runtime/net/traffic.h"
#include "runtime/net/transport.h"
#include "runtime/net/zmq_input.h"

namespace runtime {

struct ZmqTransportOptions {
  enum class Role : std::uint8_t { kListen, kConnect };

  NodeId self;
  Role role = Role::kConnect;
  // Where to listen, or whom to connect to. All addresses of ipc are of one host.
  Address address;
  // Listening side: where the broadcast socket may be; else the system chooses.
  std::optional<PortRange> broadcast_ports;
  // What may wait for the control thread, or for the connection.
  std::size_t max_outbox_frames = 65536;
  std::size_t max_outbox_bytes = 64 << 20;
  // Listening side: nodes that are remembered before they are welcomed; the oldest gives way.
  std::size_t max_unwelcomed = 1024;
  // Delivered at once from a node that is not welcomed; one a second after that.
  int frames_before_welcome = 8;
};

// Shared between the control thread, which writes, and any other.
class TransportBoard {
 public:
  void Sent(Traffic kind, std::size_t bytes) {
    MutexLock lock(mutex_);
    sent_.Add(kind, bytes);
  }
  void Dropped(std::uint64_t Drops::*reason, std::uint64_t count = 1) {
    MutexLock lock(mutex_);
    drops_.*reason += count;
  }
  void SetReachable(NodeId peer, bool reachable) {
    MutexLock lock(mutex_);
    if (reachable) {
      reachable_.insert(peer);
    } else {
      reachable_.erase(peer);
    }
  }
  void SetDiagnosis(const ConnectDiagnosis& diagnosis) {
    MutexLock lock(mutex_);
    diagnosis_ = diagnosis;
  }

  Ledger sent() const {
    MutexLock lock(mutex_);
    return sent_;
  }
  Drops drops() const {
    MutexLock lock(mutex_);
    return drops_;
  }
  bool IsReachable(NodeId peer) const {
    MutexLock lock(mutex_);
    return reachable_.contains(peer);
  }
  ConnectDiagnosis diagnosis() const {
    MutexLock lock(mutex_);
    return diagnosis_;
  }

 private:
  mutable Mutex mutex_;
  Ledger sent_ ABSL_GUARDED_BY(mutex_);
  Drops drops_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<NodeId> reachable_ ABSL_GUARDED_BY(mutex_);
  ConnectDiagnosis diagnosis_ ABSL_GUARDED_BY(mutex_);
};

// Opened by the thread that starts the transport, then the control thread's alone.
class ZmqSide {
 public:
  virtual ~ZmqSide() = default;

  virtual absl::Status Open() = 0;
  // What Read reads from, for WaitForInput.
  virtual void AddInputs(std::vector<ZmqInput*>& inputs) = 0;
  // Has something to write itself, and no room: wait with zmq_poll.
  virtual bool WaitsToWrite() const { return false; }
  // The same for zmq_poll. `writable`: also until a send that had to wait may be tried again.
  virtual void AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) = 0;
  // Delivers what arrived, a bounded number of frames, and does what is due.
  virtual void Read(Time now) = 0;
  // When Read is due though nothing arrives.
  virtual std::optional<Time> NextDeadline() const { return std::nullopt; }

  // False: cannot leave now, `frame` is untouched, try again. Else it is on its way, or dropped and
  // counted.
  virtual bool Send(NodeId to, Traffic kind, Frame& frame) = 0;
  // Everything that Send took has left to libzmq; tries to get there.
  virtual bool IsDrained() { return true; }
  virtual void Publish(Traffic kind, Frame frame) = 0;
  virtual void Welcome(NodeId peer) = 0;
  virtual void Disconnect(NodeId peer) = 0;

  // Closes the sockets; what was sent has `linger` to leave.
  virtual void Close(Duration linger) = 0;
};

// A zmq_pollitem_t for reading.
inline zmq_pollitem_t Readable(void* socket) { return {socket, 0, ZMQ_POLLIN, 0}; }

// Frames that are read before the control thread looks at its other duties again.
inline constexpr int kReadsPerTurn = 256;

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_SIDE_H_
