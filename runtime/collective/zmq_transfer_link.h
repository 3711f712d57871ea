// The asking side of a ZmqTransfer: the connection to the present donor.
//
// Transfer thread only.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_LINK_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_LINK_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/collective/transfer_client.h"
#include "runtime/collective/transfer_message.h"
#include "runtime/collective/zmq_transfer.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_input.h"

namespace runtime {

class ZmqTransferLink final : public TransferLink {
 public:
  // `host_key` is this node's own; `context` and `counters` outlive it.
  ZmqTransferLink(void* context, std::string host_key, TransferCounters& counters)
      : context_(context), host_key_(std::move(host_key)), counters_(counters) {}

  absl::Status Connect(const TransferDonor& donor) override;
  absl::Status SendRequest(const Hash128& root, const TransferRequest& request) override;
  void Disconnect() override;

  // Hands at most one answer to `client`; false: there was none.
  bool TakeAnswer(TransferClient& client);
  // Tells `client` if the connection failed.
  void TakeFailure(TransferClient& client);
  // What to wait for.
  ZmqInput* answers() { return &from_dealer_; }
  ZmqInput* events() { return events_.input(); }

 private:
  void OnAnswer(TransferClient& client, const ZmqMessage& header, const ZmqMessage* body);

  void* const context_;
  const std::string host_key_;
  TransferCounters& counters_;
  ZmqSocket dealer_;
  ConnectionMonitor events_;  // Of dealer_.
  ZmqInput from_dealer_;
  std::uint64_t opened_ = 0;  // Connections so far.
  TransferEncoder encoder_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_TRANSFER_LINK_H_
