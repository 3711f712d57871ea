#include "runtime/sim/sim_transfer.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/require.h"
#include "runtime/collective/transfer_answer.h"

namespace runtime::sim {
namespace {

// Near enough for a simulation: what the messages of schema/transfer.capnp take on the wire.
constexpr std::size_t kSmallMessageBytes = 74;

}  // namespace

SimTransfer::SimTransfer(NodeId self, SimTransferNetwork& network, TransferClientOptions options)
    : self_(self), network_(network), client_(*this, network.clock_, options) {
  const bool inserted = network_.transfers_.emplace(self, this).second;
  REQUIRE(inserted);
}

SimTransfer::~SimTransfer() {
  network_.transfers_.erase(self_);
  for (const auto& [node, other] : network_.transfers_) {
    if (other->way_ == nullptr || other->way_->donor != self_) continue;
    network_.world_.schedule(Duration(0), [&network = network_, node = node, way = other->way_] {
      const auto asker = network.transfers_.find(node);
      if (asker != network.transfers_.end())
        asker->second->OnGone(way, "its connection was closed");
    });
  }
}

RingEndpoint SimTransfer::endpoint() const { return {.tcp = "sim://" + self_.ToString()}; }

void SimTransfer::Fetch(TransferJob job, Done done) {
  client_.Start(std::move(job), std::move(done));
  ScheduleTime();
}

// Closures cannot be taken back, so there is one, which looks again when it runs; one more if a
// deadline comes nearer.
void SimTransfer::ScheduleTime() {
  const Time next = client_.NextDeadline();
  if (next >= wake_) return;
  const Time now = network_.clock_.Now();
  wake_ = std::max(next, now);
  network_.world_.schedule(wake_ - now, [&network = network_, self = self_, at = wake_] {
    const auto found = network.transfers_.find(self);
    if (found == network.transfers_.end()) return;
    SimTransfer& transfer = *found->second;
    if (transfer.wake_ == at) transfer.wake_ = Time::max();
    transfer.client_.OnTime();
    transfer.ScheduleTime();
  });
}

void SimTransfer::Deliver(const Way& way, Time& last_arrival, NodeId to, Traffic traffic,
                          std::size_t bytes, absl::AnyInvocable<void(SimTransfer&)> action) {
  sent_.Add(traffic, bytes);
  if (way->broken) return;
  const std::optional<Duration> transit = network_.world_.transit(self_, to, bytes);
  if (!transit) {
    way->broken = true;
    return;
  }
  const Time now = network_.clock_.Now();
  last_arrival = std::max(last_arrival, now + *transit);
  network_.world_.schedule(last_arrival - now, [&network = network_, from = self_, to, way,
                                                action = std::move(action)]() mutable {
    const auto receiver = network.transfers_.find(to);
    if (receiver != network.transfers_.end()) {
      action(*receiver->second);
      return;
    }
    const auto sender = network.transfers_.find(from);
    if (sender != network.transfers_.end()) sender->second->OnGone(way, "nobody listens there");
  });
}

absl::Status SimTransfer::Connect(const TransferDonor& donor) {
  way_ = std::make_shared<Connection>(Connection{.asker = self_, .donor = donor.node});
  return absl::OkStatus();
}

void SimTransfer::Disconnect() { way_.reset(); }

absl::Status SimTransfer::SendRequest(const Hash128& root, const TransferRequest& request) {
  Deliver(way_, way_->last_down, way_->donor, request.traffic, kSmallMessageBytes,
          [way = way_, root, request](SimTransfer& donor) { donor.Answer(way, root, request); });
  return absl::OkStatus();
}

void SimTransfer::Answer(const Way& way, const Hash128& root, const TransferRequest& request) {
  const TransferOffer& held = loan_.root == root ? loan_ : offer_;
  const TransferAnswer answer = AnswerRequest(held, root, request);
  const auto* const chunk = std::get_if<TransferChunk>(&answer.message.body);
  if (chunk == nullptr) {
    Deliver(way, way->last_up, way->asker, request.traffic, kSmallMessageBytes,
            [way, root](SimTransfer& asker) {
              const bool stale =
                  asker.way_ != way || asker.client_.OnNotHeld(root) == TransferFate::kStale;
              if (stale) ++asker.drops_.fence;
              asker.ScheduleTime();
            });
    return;
  }
  Deliver(
      way, way->last_up, way->asker, request.traffic,
      kSmallMessageBytes + answer.floats.size_bytes(),
      [way, root, chunk = *chunk, floats = answer.floats, owner = held.owner](SimTransfer& asker) {
        REQUIRE(HashFloats(floats) == chunk.checksum);  // Nobody writes what is on its way.
        asker.OnChunk(way, root, chunk, floats);
      });
}

void SimTransfer::OnChunk(const Way& way, const Hash128& root, const TransferChunk& chunk,
                          std::span<const float> floats) {
  std::vector<float> wire;
  if (network_.world_.tamper) {
    wire.assign(floats.begin(), floats.end());
    network_.world_.tamper(way->donor, self_, wire);
    floats = wire;
  }
  const TransferFate fate =
      way_ == way ? client_.OnChunk(root, chunk, std::as_bytes(floats)) : TransferFate::kStale;
  if (fate == TransferFate::kStale) ++drops_.fence;
  if (fate == TransferFate::kCorrupt) ++drops_.checksum;
  ScheduleTime();
}

void SimTransfer::OnGone(const Way& way, const std::string& why) {
  if (way_ != way) return;
  client_.OnUnavailable(why);
  ScheduleTime();
}

}  // namespace runtime::sim
