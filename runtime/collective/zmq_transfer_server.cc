#include "runtime/collective/zmq_transfer_server.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/collective/zmq_listen.h"

namespace runtime {
namespace {

// What is queued for one peer: 8 MiB of the offered vector. Twice the window of an asker of ours.
constexpr std::uint32_t kMaxQueuedAnswers = 16;
// Whose answers are counted. Whoever has none on the way is forgotten when there are more.
constexpr std::size_t kMaxPeers = 64;
// A peer that is stopped, or whose host is gone, keeps what is queued for it; after this time
// without a byte taken TCP gives it up. (ipc has no such bound: there the peer's end is seen.)
constexpr int kStuckMilliseconds = 10'000;

// One answer on its way, from Send until libzmq lets go of it.
struct Lease {
  std::shared_ptr<const void> owner;
  std::shared_ptr<std::atomic<std::uint32_t>> queued;
  std::array<std::byte, kMaxSealedBytes> small;  // Of an answer without floats.

  static void OnFree(void* /*data*/, void* hint) {
    const std::unique_ptr<Lease> lease(static_cast<Lease*>(hint));
    lease->queued->fetch_sub(1);
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqTransferServer>> ZmqTransferServer::Open(
    void* context, const ZmqTransferOptions& options, TransferCounters& counters) {
  std::unique_ptr<ZmqTransferServer> server(new ZmqTransferServer(counters));
  RETURN_IF_ERROR(server->Bind(context, options));
  return server;
}

absl::Status ZmqTransferServer::Bind(void* context, const ZmqTransferOptions& options) {
  ASSIGN_OR_RETURN(router_, NewZmqSocket(context, ZMQ_ROUTER));
  silent_visits_ = options.silent_visits;
  SetCommonOptions(router_.get(), absl::StrContains(options.listen.host, ':'), kMaxSealedBytes);
  SetOption(router_.get(), ZMQ_ROUTER_MANDATORY, 1);
  SetOption(router_.get(), ZMQ_SNDHWM, 0);  // kMaxQueuedAnswers bounds it.
  SetOption(router_.get(), ZMQ_RCVHWM, static_cast<int>(2 * kMaxQueuedAnswers));
  SetOption(router_.get(), ZMQ_TCP_MAXRT, kStuckMilliseconds);
  ASSIGN_OR_RETURN(events_, ConnectionMonitor::Watch(context, router_.get()));
  ASSIGN_OR_RETURN(endpoint_,
                   ListenForMembers(router_.get(), options.listen,
                                    absl::StrCat("rondo-", options.node.ToString(), "-transfer")));
  from_router_ = ZmqInput(router_.get());
  return absl::OkStatus();
}

void ZmqTransferServer::Offer(TransferOffer offer) {
  {
    MutexLock lock(mutex_);
    std::swap(offer_, offer);
  }
  // The older owner is let go of here, without the lock.
}

void ZmqTransferServer::Lend(TransferOffer loan) {
  {
    MutexLock lock(mutex_);
    std::swap(loan_, loan);
  }
}

void ZmqTransferServer::Close() {
  Offer({});
  Lend({});
  events_ = {};
  from_router_ = {};
  router_.reset();
}

bool ZmqTransferServer::TakeRequest() {
  ZmqMessage name;
  if (!from_router_.Receive(name)) return false;
  ZmqMessage body;
  int parts = 1;
  // Whole messages arrive at once, so the rest is here.
  for (bool more = name.more(); more; more = body.more(), ++parts) {
    if (!body.Receive(router_.get())) break;
  }
  if (parts != 2) {
    counters_.dropped_frame.fetch_add(1);
    return true;
  }
  NoteSpoken(body.source_fd());
  OnMessage(std::string(static_cast<const char*>(name.data()), name.size()), body.bytes());
  return true;
}

void ZmqTransferServer::OnMessage(const std::string& peer, std::span<const std::byte> bytes) {
  const absl::StatusOr<TransferMessage> message = DecodeTransferMessage(bytes);
  if (!message.ok()) {
    const bool ours = absl::IsOutOfRange(message.status());
    (ours ? counters_.dropped_decode : counters_.dropped_frame).fetch_add(1);
    return;
  }
  const auto* const request = std::get_if<TransferRequest>(&message->body);
  if (request == nullptr) {
    counters_.dropped_decode.fetch_add(1);
    return;
  }
  Queued queued = QueuedFor(peer);
  if (queued == nullptr || queued->load() >= kMaxQueuedAnswers) {
    counters_.dropped_full.fetch_add(1);
    return;
  }
  TransferOffer offer;
  {
    MutexLock lock(mutex_);
    // Of another root nothing is needed, so nothing is held of it.
    if (offer_.root == message->root) offer = offer_;
    if (loan_.root == message->root) offer = loan_;
  }
  const TransferAnswer answer = AnswerRequest(offer, message->root, *request);
  Send(peer, std::move(queued), std::move(offer.owner), answer, request->traffic);
}

ZmqTransferServer::Queued ZmqTransferServer::QueuedFor(const std::string& peer) {
  const auto known = peers_.find(peer);
  if (known != peers_.end()) return known->second;
  if (peers_.size() >= kMaxPeers) {
    std::erase_if(peers_, [](const auto& entry) { return entry.second->load() == 0; });
  }
  if (peers_.size() >= kMaxPeers) return nullptr;
  counters_.Sent(Traffic::kJoin, kHandshakeBytes);  // This side's half of it.
  return peers_[peer] = std::make_shared<std::atomic<std::uint32_t>>(0);
}

void ZmqTransferServer::Send(const std::string& peer, Queued queued,
                             std::shared_ptr<const void> owner, const TransferAnswer& answer,
                             Traffic traffic) {
  from_router_.Touch();
  ZmqMessage name(std::as_bytes(std::span(peer)));
  // ROUTER_MANDATORY: an error comes before anything else is touched.
  if (name.Send(router_.get(), ZMQ_SNDMORE) != 0) {
    counters_.dropped_route.fetch_add(1);
    return;
  }
  const std::span<const std::byte> header = encoder_.Encode(answer.message);
  std::span<const std::byte> last = std::as_bytes(answer.floats);
  std::uint64_t bytes = BytesOnWire(header.size());
  queued->fetch_add(1);
  auto* const lease = new Lease{.owner = std::move(owner), .queued = std::move(queued)};
  int error = 0;
  if (last.empty()) {
    std::copy(header.begin(), header.end(), lease->small.begin());
    last = std::span(lease->small).first(header.size());
  } else {
    error = ZmqMessage(header).Send(router_.get(), ZMQ_SNDMORE);
    bytes += BytesOnWire(last.size());
  }
  ZmqMessage body(last, &Lease::OnFree, lease);
  if (error == 0) error = body.Send(router_.get(), 0);
  if (error == 0) {
    counters_.Sent(traffic, bytes);
  } else {
    counters_.dropped_route.fetch_add(1);
  }
}

// libzmq tells that a connection was accepted before anything is read from it.
void ZmqTransferServer::NoteSpoken(int fd) {
  if (fd < 0) return;
  if (!silent_.contains(fd)) ReadConnectionEvents();
  silent_.erase(fd);
}

void ZmqTransferServer::ReadConnectionEvents() {
  while (const std::optional<ConnectionEvent> event = events_.Next()) {
    if (event->kind == ZMQ_EVENT_ACCEPTED) silent_.insert(event->value);
    if (event->kind != ZMQ_EVENT_DISCONNECTED || silent_.erase(event->value) == 0) continue;
    if (silent_visits_ > 0) {
      --silent_visits_;
    } else {
      counters_.dropped_handshake.fetch_add(1);
    }
  }
}

}  // namespace runtime
