// The transfer over ZeroMQ: one thread of its own, a listening ROUTER that serves what is offered,
// and during a fetch a DEALER to the present donor.
//
// Chunks leave the offered vector without a copy. Whoever connects and names a root that is offered
// gets it: there is no authentication yet.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/clock.h"
#include "runtime/base/mutex.h"
#include "runtime/collective/transfer.h"
#include "runtime/collective/transfer_client.h"
#include "runtime/collective/zmq_listen.h"
#include "runtime/net/traffic.h"

namespace runtime {

struct ZmqTransferOptions {
  NodeId node;
  ListenOptions listen = {};
  TransferClientOptions client;
  // So many connections that say nothing are no strangers': of a head that connects back.
  int silent_visits = 0;
};

// What transfer sockets counted. Any thread.
struct TransferCounters {
  std::atomic<std::uint64_t> sent_join{0};
  std::atomic<std::uint64_t> sent_checkpoint{0};
  std::atomic<std::uint64_t> dropped_handshake{0};
  std::atomic<std::uint64_t> dropped_frame{0};
  std::atomic<std::uint64_t> dropped_checksum{0};
  std::atomic<std::uint64_t> dropped_fence{0};
  std::atomic<std::uint64_t> dropped_decode{0};
  std::atomic<std::uint64_t> dropped_full{0};
  std::atomic<std::uint64_t> dropped_route{0};

  void Sent(Traffic traffic, std::uint64_t bytes) {
    (traffic == Traffic::kCheckpoint ? sent_checkpoint : sent_join).fetch_add(bytes);
  }
};

class ZmqTransferLink;
class ZmqTransferServer;

class ZmqTransfer final : public Transfer {
 public:
  // Binds and starts the thread. kUnavailable: no port could be bound, or no descriptors are left.
  static absl::StatusOr<std::unique_ptr<ZmqTransfer>> Create(ZmqTransferOptions options);
  // Ends an unfinished fetch with kAborted, closes the sockets, joins the thread; then nothing
  // refers to what was offered. Waits for nobody but that thread. Not from `done`.
  ~ZmqTransfer() override;

  // Any thread.
  RingEndpoint endpoint() const override;
  void Offer(TransferOffer offer) override;
  void Lend(TransferOffer loan) override;
  void Fetch(TransferJob job, Done done) override;
  // All that this side put on the wire since its creation: payload, headers, ZMTP's framing and
  // handshakes, these always as Traffic::kJoin.
  Ledger SentBytes() const;
  // handshake: connections that ended without a word of ours. frame, checksum: no message of ours,
  // or a chunk that fails. decode: a message out of its ranges, or of the wrong direction. fence:
  // chunks that nobody waits for. full: requests beyond the bound of what is queued for one peer,
  // or of peers. route: answers to a peer that was gone.
  Drops Dropped() const;

 private:
  struct Command {
    TransferJob job;
    Done done;
  };

  explicit ZmqTransfer(ZmqTransferOptions options);
  absl::Status Open();
  // The rest: transfer thread.
  void Run();
  void RunCommands();
  bool Work();
  void Wait();
  void Finish();

  const ZmqTransferOptions options_;
  SteadyClock clock_;
  TransferCounters counters_;
  int event_fd_ = -1;
  void* context_ = nullptr;
  std::unique_ptr<ZmqTransferServer> server_;
  std::unique_ptr<ZmqTransferLink> link_;
  std::unique_ptr<TransferClient> client_;

  Mutex mutex_;
  std::deque<Command> commands_ ABSL_GUARDED_BY(mutex_);  // A few; bounded by its one caller.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_H_
