// The transfer on a simulated network: the same state machine as ZmqTransfer's, in one thread, in
// virtual time. Whoever owns the event queue passes it in, as to SimRingNetwork.
//
// A connection delivers in order, and loses nothing until it is cut. A chunk on its way is not
// copied, as with sockets: its owner is held, and if its bytes changed until it arrives, the
// process ends.
#ifndef RONDO_RUNTIME_SIM_SIM_TRANSFER_H_
#define RONDO_RUNTIME_SIM_SIM_TRANSFER_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/collective/transfer.h"
#include "runtime/collective/transfer_client.h"
#include "runtime/net/traffic.h"
#include "runtime/sim/sim_ring.h"

namespace runtime::sim {

class SimTransfer;

// Which transfers there are, and how long a message between them takes.
class SimTransferNetwork {
 public:
  // `transit` is asked once per message; nothing: that message and all that follow on that
  // connection are lost, without a word to either end. `tamper` sees the floats of each chunk.
  using World = SimRingNetwork::World;

  // `clock` is the virtual clock that `schedule` advances; outlives the network.
  SimTransferNetwork(World world, const Clock& clock) : world_(std::move(world)), clock_(clock) {}

 private:
  friend class SimTransfer;

  World world_;
  const Clock& clock_;
  std::map<NodeId, SimTransfer*> transfers_;
};

class SimTransfer final : public Transfer, private TransferLink {
 public:
  // `network` outlives it. Destroying it is the death of its process: no `done` is called, and
  // whoever fetches from it learns that the connection is gone.
  SimTransfer(NodeId self, SimTransferNetwork& network, TransferClientOptions options = {});
  ~SimTransfer() override;

  RingEndpoint endpoint() const override;
  void Offer(TransferOffer offer) override { offer_ = std::move(offer); }
  void Lend(TransferOffer loan) override { loan_ = std::move(loan); }
  // A job that cannot begin, and one that it ends, are told of during the call.
  void Fetch(TransferJob job, Done done) override;

  // As it leaves.
  const Ledger& sent() const { return sent_; }
  const Drops& drops() const { return drops_; }

 private:
  // From the one who asks to the donor, and back.
  struct Connection {
    NodeId asker;
    NodeId donor;
    bool broken = false;
    Time last_down{};  // Last arrival at the donor, and
    Time last_up{};    // at the asker: each direction keeps its order.
  };
  using Way = std::shared_ptr<Connection>;

  absl::Status Connect(const TransferDonor& donor) override;
  absl::Status SendRequest(const Hash128& root, const TransferRequest& request) override;
  void Disconnect() override;

  // Runs `action` on the transfer `to`, if it lives then, when a message of `bytes` bytes arrives
  // there in the order of `last_arrival`; else tells the sender that nobody is there.
  void Deliver(const Way& way, Time& last_arrival, NodeId to, Traffic traffic, std::size_t bytes,
               absl::AnyInvocable<void(SimTransfer&)> action);
  void Answer(const Way& way, const Hash128& root, const TransferRequest& request);
  void OnChunk(const Way& way, const Hash128& root, const TransferChunk& chunk,
               std::span<const float> floats);
  // `way` is cut at the other end, as this side learns now.
  void OnGone(const Way& way, const std::string& why);
  void ScheduleTime();

  const NodeId self_;
  SimTransferNetwork& network_;
  TransferClient client_;
  TransferOffer offer_;
  TransferOffer loan_;
  Way way_;                  // To the present donor, or null.
  Time wake_ = Time::max();  // When the next closure of ScheduleTime runs; max: there is none.
  Ledger sent_;
  Drops drops_;
};

}  // namespace runtime::sim

#endif  // RONDO_RUNTIME_SIM_SIM_TRANSFER_H_
