// The listening side of a ZmqTransfer: answers requests out of the vector that is offered.
//
// Transfer thread only, but for Open, Offer and endpoint.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_SERVER_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_SERVER_H_

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/mutex.h"
#include "runtime/collective/transfer.h"
#include "runtime/collective/transfer_answer.h"
#include "runtime/collective/transfer_message.h"
#include "runtime/collective/zmq_transfer.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_input.h"

namespace runtime {

class ZmqTransferServer {
 public:
  // Binds. `context` and `counters` outlive it.
  static absl::StatusOr<std::unique_ptr<ZmqTransferServer>> Open(void* context,
                                                                 const ZmqTransferOptions& options,
                                                                 TransferCounters& counters);

  const RingEndpoint& endpoint() const { return endpoint_; }
  // As Transfer says. Any thread.
  void Offer(TransferOffer offer);
  void Lend(TransferOffer loan);

  // Takes at most one message; false: there was none.
  bool TakeRequest();
  void ReadConnectionEvents();
  // What to wait for.
  ZmqInput* requests() { return &from_router_; }
  ZmqInput* events() { return events_.input(); }
  // What is still queued is dropped.
  void Close();

 private:
  // How many answers to one peer libzmq still holds. Shared with them, for they may outlive the
  // peer.
  using Queued = std::shared_ptr<std::atomic<std::uint32_t>>;

  explicit ZmqTransferServer(TransferCounters& counters) : counters_(counters) {}
  absl::Status Bind(void* context, const ZmqTransferOptions& options);
  void OnMessage(const std::string& peer, std::span<const std::byte> bytes);
  // Null: too many peers.
  Queued QueuedFor(const std::string& peer);
  void Send(const std::string& peer, Queued queued, std::shared_ptr<const void> owner,
            const TransferAnswer& answer, Traffic traffic);
  void NoteSpoken(int fd);

  TransferCounters& counters_;
  RingEndpoint endpoint_;
  ZmqSocket router_;
  ConnectionMonitor events_;  // Of router_.
  ZmqInput from_router_;
  TransferEncoder encoder_;
  std::map<std::string, Queued> peers_;  // By the ROUTER's name of the connection.
  // Descriptors of connections that did not say anything yet; bounded by the descriptors there are.
  absl::flat_hash_set<int> silent_;
  int silent_visits_ = 0;  // That are expected, and not counted.

  Mutex mutex_;
  TransferOffer offer_ ABSL_GUARDED_BY(mutex_);
  TransferOffer loan_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_SERVER_H_
