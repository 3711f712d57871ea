// The seam through which one node fetches a vector that another holds: a joiner takes the model of
// the present round from a member, the head takes it for a checkpoint (protocol.md 8).
//
// What is offered is immutable while anyone refers to it, so that a donor serves without a lock and
// without stopping; what is fetched is checked chunk by chunk on arrival and as a whole by its
// root. Implementations: ZmqTransfer (a socket and a thread) and sim::SimTransfer.
#ifndef RONDO_RUNTIME_COLLECTIVE_TRANSFER_H_
#define RONDO_RUNTIME_COLLECTIVE_TRANSFER_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/base/ids.h"
#include "runtime/collective/ring.h"
#include "runtime/net/traffic.h"

namespace runtime {

// A vector that others may fetch. Whoever sends from it shares `floats`' owner meanwhile; the bytes
// do not change until nobody else does. The last reference may be dropped on any thread, libzmq's
// included: the owner's deleter only frees.
struct TransferOffer {
  Hash128 root;  // Of `floats`, with the layout hash (runtime/base/hash.h). Names the vector.
  std::shared_ptr<const void> owner;
  std::span<const float> floats;
};

struct TransferDonor {
  NodeId node;
  RingEndpoint endpoint;  // Its transfer endpoint(), not its ring's.
};

struct TransferJob {
  Hash128 root;
  std::uint64_t layout_hash = 0;
  std::vector<TransferDonor> donors;  // Tried in order; a later one continues where one failed.
  std::span<float> into;              // Of the vector's length; borrowed until `done` is called.
  Time deadline{};                    // Of all of it.
  Traffic traffic = Traffic::kJoin;   // Or kCheckpoint: what its bytes are booked to.
};

struct TransferResult {
  std::uint64_t bytes = 0;  // Received, payload only.
  Duration elapsed{0};
};

class Transfer {
 public:
  // Called once per Fetch, on the transfer's thread; may call Fetch and Offer. kNotFound: no donor
  // holds that root any more (it has committed a newer one); a donor said so, whatever became of
  // the others. kUnavailable: no donor could be reached, or each was lost on the way. kDataLoss:
  // what came has another root, or failed its checksum and nobody sent it better.
  // kDeadlineExceeded, kAborted (a newer Fetch, or the end). kInvalidArgument: `into` is empty.
  // After any failure `into` holds part of the vector. The message names each donor and why it was
  // left.
  using Done = absl::AnyInvocable<void(absl::StatusOr<TransferResult>)>;

  virtual ~Transfer() = default;

  virtual RingEndpoint endpoint() const = 0;
  // What this node serves from now on, in place of what it served before: whoever asks for an older
  // root is told that it is gone. Chunks of it that are on their way keep its owner alive. When
  // Offer returns, no new reference to the older owner is taken. An offer without floats: nothing
  // is served.
  virtual void Offer(TransferOffer offer) = 0;
  // The same with a second vector, which is served beside what is offered.
  virtual void Lend(TransferOffer loan) = 0;
  // Begins to fetch; an unfinished older job is aborted first. Never blocks.
  virtual void Fetch(TransferJob job, Done done) = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_TRANSFER_H_
