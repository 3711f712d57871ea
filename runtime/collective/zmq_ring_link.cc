#include "runtime/collective/zmq_ring_link.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/collective/ring_order.h"
#include "runtime/collective/zmq_listen.h"
#include "runtime/net/zmq_handles.h"

namespace runtime {
namespace {

// Members whose hello is remembered; more than a ring has, so that strangers push nobody out.
constexpr std::size_t kMaxRoutes = 2 * kMaxWorldSize;
constexpr std::size_t kMaxParts = 3;
constexpr char kBadCredit[] = "a credit that does not decode";

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqRingLink>> ZmqRingLink::Open(const ZmqRingOptions& options,
                                                               RingCounters& counters) {
  std::unique_ptr<ZmqRingLink> link(new ZmqRingLink(options, counters));
  link->event_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  link->context_ = zmq_ctx_new();
  if (link->event_fd_ < 0 || link->context_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("ring sockets: ", std::strerror(errno)));
  }
  link->releases_ = std::make_unique<ReleaseQueue>(link->event_fd_);
  RETURN_IF_ERROR(link->Bind());
  return link;
}

ZmqRingLink::~ZmqRingLink() {
  Close();
  if (event_fd_ >= 0) ::close(event_fd_);
}

absl::Status ZmqRingLink::Bind() {
  ASSIGN_OR_RETURN(listener_, NewZmqSocket(context_, ZMQ_ROUTER));
  SetCommonOptions(listener_.get(), absl::StrContains(options_.listen.host, ':'), kMaxChunkBytes);
  SetOption(listener_.get(), ZMQ_RCVHWM, static_cast<int>(kMaxCredits) + 8);
  // What cannot be sent is an error, not lost without a word.
  SetOption(listener_.get(), ZMQ_ROUTER_MANDATORY, 1);
  ASSIGN_OR_RETURN(endpoint_, ListenForMembers(listener_.get(), options_.listen,
                                               absl::StrCat("rondo-", options_.node.ToString())));
  from_listener_ = ZmqInput(listener_.get());
  return absl::OkStatus();
}

std::uint64_t ZmqRingLink::Booked(std::uint64_t bytes) {
  (evaluation_ ? counters_.evaluation_bytes : counters_.ring_bytes).fetch_add(bytes);
  return bytes;
}

bool ZmqRingLink::KeepsWays(const RingJob& job, const RingMember& previous,
                            const RingMember& next) const {
  const auto same = [](const RingMember& known, const RingMember& member) {
    return known.node == member.node && known.endpoint == member.endpoint;
  };
  return connected_ && !to_next_.HasFailed() && !to_previous_.HasFailed() &&
         (next_opens_ || to_next_.IsUsable()) && fence_.run == job.fence.run &&
         fence_.head_epoch == job.fence.head_epoch && fence_.view == job.fence.view &&
         transport_ == job.transport && same(previous_, previous) && same(next_, next);
}

std::uint64_t ZmqRingLink::Connect(const RingJob& job, const RingMember& previous,
                                   const RingMember& next) {
  const bool keep = KeepsWays(job, previous, next);
  if (!keep) Disconnect();
  previous_ = previous;
  next_ = next;
  transport_ = job.transport;
  fence_ = job.fence;
  evaluation_ = job.traffic == Traffic::kEvaluation;
  books_.push_back(std::make_unique<LeaseBook>(*releases_, job.shadow_owner));
  if (keep) return 0;
  // What the others are told of us, but for the host, which we know.
  RingEndpoint self = job.members[job.rank].endpoint;
  self.host_key = endpoint_.host_key;
  return OpenWays(self);
}

std::uint64_t ZmqRingLink::OpenWays(const RingEndpoint& self) {
  connected_ = true;
  std::uint64_t bytes = 0;
  const EdgeOpener opener = OpenerOf(self, next_.endpoint, transport_);
  next_opens_ = opener == EdgeOpener::kNext;
  if (opener == EdgeOpener::kNobody) {
    to_next_.SetFailure(transport_ == RingTransport::kIpc
                            ? "it is on another host, and the transport is ipc"
                            : "neither can connect to the other");
  } else if (opener == EdgeOpener::kPrevious) {
    to_next_.Open(context_, AddressTowards(self, next_.endpoint, transport_), kMaxRingMessageBytes);
    if (to_next_.socket() != nullptr) bytes += Booked(kHandshakeBytes) + RepeatHelloToNext();
  }
  opens_to_previous_ = OpenerOf(previous_.endpoint, self, transport_) == EdgeOpener::kNext;
  if (opens_to_previous_) {
    to_previous_.Open(context_, AddressTowards(self, previous_.endpoint, transport_),
                      kMaxChunkBytes);
    if (to_previous_.socket() != nullptr) {
      bytes += Booked(kHandshakeBytes) + RepeatHelloToPrevious();
    }
  }
  return bytes;
}

void ZmqRingLink::Disconnect() {
  to_next_.Close();
  to_previous_.Close();
  connected_ = false;
}

// A way that the next member opened is closed by it; here its failure keeps it from being used
// again.
void ZmqRingLink::DisconnectNext() {
  if (!next_opens_) to_next_.Close();
}

void ZmqRingLink::Close() {
  Disconnect();
  listener_.reset();
  from_listener_ = ZmqInput();
  // Returns when libzmq has let go of every message, because nothing lingers.
  if (context_ != nullptr) {
    while (zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
    }
  }
  context_ = nullptr;
}

bool ZmqRingLink::SendToRoute(const Route& route, std::span<const std::byte> bytes, bool more) {
  from_listener_.Touch();
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  return zmq_send(listener_.get(), route.id.data(), route.id.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >=
             0 &&
         zmq_send(listener_.get(), bytes.data(), bytes.size(), flags) >= 0;
}

std::uint64_t ZmqRingLink::SendHello(ZmqRingDial& way, const RingHello& hello) {
  const auto bytes = encoder_.Encode({.fence = fence_, .body = hello});
  return way.Send(bytes) ? Booked(BytesOnWire(bytes.size())) : 0;
}

std::uint64_t ZmqRingLink::RepeatHelloToNext() {
  return SendHello(to_next_, {.from = options_.node, .to = next_.node});
}

std::uint64_t ZmqRingLink::RepeatHelloToPrevious() {
  return SendHello(to_previous_, {.from = options_.node, .to = previous_.node, .from_next = true});
}

std::uint64_t ZmqRingLink::SendCredit(NodeId previous, const Fence& fence, RingCredit credit) {
  const auto bytes = encoder_.Encode({.fence = fence, .body = credit});
  if (OpensWayToPrevious()) {
    return to_previous_.Send(bytes) ? Booked(BytesOnWire(bytes.size())) : 0;
  }
  const Route* const route = RouteTo(previous, /*from_next=*/false);
  if (route == nullptr || listener_ == nullptr || !SendToRoute(*route, bytes, false)) return 0;
  return Booked(BytesOnWire(bytes.size()));
}

bool ZmqRingLink::SendChunkParts(std::span<const std::byte> header, zmq_msg_t& body) {
  if (!next_opens_) return to_next_.Send(header, /*more=*/true) && to_next_.Send(body);
  const Route* const route = RouteTo(next_.node, /*from_next=*/true);
  if (to_next_.HasFailed()) return false;
  if (route == nullptr || !SendToRoute(*route, header, true) ||
      zmq_msg_send(&body, listener_.get(), ZMQ_DONTWAIT) < 0) {
    to_next_.SetFailure("its connection to here is gone");
    return false;
  }
  return true;
}

std::uint64_t ZmqRingLink::SendChunk(const Fence& fence, const ChunkHeader& header,
                                     std::span<const float> floats, RingLease lease) {
  LeaseSlot* const slot = books_.back()->Lend(lease);
  const auto bytes = encoder_.Encode({.fence = fence, .body = header});
  zmq_msg_t body;
  // libzmq only reads it, although its interface says otherwise.
  const int made = zmq_msg_init_data(&body, const_cast<float*>(floats.data()), floats.size_bytes(),
                                     &LeaseSlot::OnFree, slot);
  REQUIRE(made == 0);
  if (!SendChunkParts(bytes, body)) {
    zmq_msg_close(&body);
    return 0;
  }
  counters_.progress.fetch_add(floats.size_bytes(), std::memory_order_relaxed);
  return Booked(BytesOnWire(bytes.size()) + BytesOnWire(floats.size_bytes()));
}

const ZmqRingLink::Route* ZmqRingLink::RouteTo(NodeId node, bool from_next) const {
  for (const Route& route : routes_) {
    if (route.node == node && route.from_next == from_next) return &route;
  }
  return nullptr;
}

const ZmqRingLink::Route* ZmqRingLink::RouteById(std::string_view id) const {
  for (const Route& route : routes_) {
    if (route.id == id) return &route;
  }
  return nullptr;
}

// The newest connection of each member wins; a hello may come late on one that was given up.
bool ZmqRingLink::SetRoute(const Route& route) {
  for (Route& known : routes_) {
    if (known.node != route.node || known.from_next != route.from_next) continue;
    if (known.fence.run == route.fence.run && route.fence < known.fence) return false;
    known = route;
    return true;
  }
  if (routes_.size() == kMaxRoutes) routes_.erase(routes_.begin());
  routes_.push_back(route);
  return true;
}

bool ZmqRingLink::TakeFromPrevious(RingAllreduce& machine) {
  return TakeFromListener(machine) || TakeFromDialedPrevious(machine);
}

bool ZmqRingLink::TakeFromDialedPrevious(RingAllreduce& machine) {
  ZmqMessage header, body;
  if (!to_previous_.Receive(header)) return false;
  int parts = 1;
  for (bool more = header.more(); more; more = body.more(), ++parts) {
    if (!body.Receive(to_previous_.socket())) break;
  }
  const absl::StatusOr<RingMessage> message = DecodeRingMessage(header.bytes());
  const auto* const chunk = message.ok() ? std::get_if<ChunkHeader>(&message->body) : nullptr;
  if (chunk != nullptr && parts == 2) {
    OnChunk(machine, previous_.node, message->fence, *chunk, body.bytes());
  } else {
    counters_.dropped_checksum.fetch_add(1);
    machine.OnCorrupt(previous_.node, "not a chunk, or one that does not decode");
  }
  return true;
}

bool ZmqRingLink::TakeFromListener(RingAllreduce& machine) {
  ZmqMessage parts[kMaxParts];  // Name of the connection, header, floats.
  if (!from_listener_.Receive(parts[0])) return false;
  std::size_t count = 1;
  for (; count < kMaxParts && parts[count - 1].more(); ++count) {
    if (!parts[count].Receive(listener_.get())) break;
  }
  if (parts[count - 1].more()) {
    // Whole messages arrive at once, so the rest is here.
    for (bool more = true; more;) {
      ZmqMessage rest;
      more = rest.Receive(listener_.get()) && rest.more();
    }
    count = 0;
  }
  if (count < 2) {
    counters_.dropped_frame.fetch_add(1);
    return true;
  }
  const std::span<const std::byte> body = parts[2].bytes();
  const std::string_view id(static_cast<const char*>(parts[0].data()), parts[0].size());
  OnMessage(machine, id, parts[1].bytes(), count == 3 ? &body : nullptr);
  return true;
}

void ZmqRingLink::OnMessage(RingAllreduce& machine, std::string_view id,
                            std::span<const std::byte> header,
                            const std::span<const std::byte>* body) {
  const absl::StatusOr<RingMessage> message = DecodeRingMessage(header);
  const Route* const route = RouteById(id);
  const auto* const hello = message.ok() ? std::get_if<RingHello>(&message->body) : nullptr;
  const auto* const chunk = message.ok() ? std::get_if<ChunkHeader>(&message->body) : nullptr;
  const auto* const credit = message.ok() ? std::get_if<RingCredit>(&message->body) : nullptr;
  if (hello != nullptr && body == nullptr) {
    OnHello(machine, id, message->fence, *hello);
  } else if (route == nullptr) {
    (message.ok() ? counters_.dropped_handshake : counters_.dropped_frame).fetch_add(1);
  } else if (chunk != nullptr && body != nullptr && !route->from_next) {
    OnChunk(machine, route->node, message->fence, *chunk, *body);
  } else if (credit != nullptr && body == nullptr && route->from_next) {
    if (!machine.OnCredit(route->node, message->fence, *credit)) {
      counters_.dropped_fence.fetch_add(1);
    }
  } else if (route->from_next) {
    counters_.dropped_checksum.fetch_add(1);
    if (next_opens_ && route->node == next_.node) to_next_.SetFailure(kBadCredit);
  } else {
    counters_.dropped_checksum.fetch_add(1);
    machine.OnCorrupt(route->node, message.ok()
                                       ? "unexpected kind or number of parts"
                                       : std::string_view(message.status().message().data(),
                                                          message.status().message().size()));
  }
}

void ZmqRingLink::OnHello(RingAllreduce& machine, std::string_view id, const Fence& fence,
                          const RingHello& hello) {
  if (hello.to != options_.node) {
    counters_.dropped_handshake.fetch_add(1);
    return;
  }
  const bool fresh = RouteById(id) == nullptr;
  if (!machine.Accepts(hello.from, hello, fence) || !SetRoute({.node = hello.from,
                                                               .from_next = hello.from_next,
                                                               .fence = fence,
                                                               .id = std::string(id)})) {
    counters_.dropped_fence.fetch_add(1);
    return;
  }
  if (fresh) Booked(kHandshakeBytes);
  // Its credit follows by itself.
  if (!hello.from_next) machine.OnHello(hello.from, fence);
}

void ZmqRingLink::OnChunk(RingAllreduce& machine, NodeId from, const Fence& fence,
                          const ChunkHeader& header, std::span<const std::byte> body) {
  if (body.size() % sizeof(float) != 0) {
    counters_.dropped_checksum.fetch_add(1);
    machine.OnCorrupt(from, "a part that is not whole floats");
    return;
  }
  std::span<const float> floats(reinterpret_cast<const float*>(body.data()),
                                body.size() / sizeof(float));
  if (reinterpret_cast<std::uintptr_t>(body.data()) % alignof(float) != 0) {
    aligned_.resize(floats.size());
    std::memcpy(aligned_.data(), body.data(), body.size());
    floats = aligned_;
  }
  counters_.progress.fetch_add(body.size(), std::memory_order_relaxed);
  switch (machine.OnChunk(from, fence, header, floats)) {
    case ChunkFate::kTaken: break;
    case ChunkFate::kStale: counters_.dropped_fence.fetch_add(1); break;
    case ChunkFate::kCorrupt: counters_.dropped_checksum.fetch_add(1); break;
  }
}

bool ZmqRingLink::TakeFromNext(RingAllreduce& machine) {
  ZmqMessage part;
  if (!to_next_.Receive(part)) return false;
  const bool single = !part.more();
  for (bool more = !single; more;) {
    ZmqMessage rest;
    more = rest.Receive(to_next_.socket()) && rest.more();
  }
  const absl::StatusOr<RingMessage> message = DecodeRingMessage(part.bytes());
  const auto* const credit = message.ok() ? std::get_if<RingCredit>(&message->body) : nullptr;
  if (credit == nullptr || !single) {
    counters_.dropped_checksum.fetch_add(1);
    to_next_.SetFailure(kBadCredit);
  } else if (!machine.OnCredit(next_.node, message->fence, *credit)) {
    counters_.dropped_fence.fetch_add(1);
  }
  return true;
}

bool ZmqRingLink::TakeReleases(RingAllreduce& machine) {
  LeaseSlot* slot = releases_->TakeAll();
  if (slot == nullptr) return false;
  while (slot != nullptr) {
    LeaseSlot* const next = slot->next;
    const RingLease lease = slot->lease;
    slot->book->Return();
    machine.OnReleased(lease);  // May lend the slot anew.
    slot = next;
  }
  if (books_.size() > 1) {
    const auto last = std::prev(books_.end());
    books_.erase(std::remove_if(books_.begin(), last,
                                [](const auto& book) { return book->outstanding() == 0; }),
                 last);
  }
  return true;
}

bool ZmqRingLink::TakeFailure(RingAllreduce& machine) {
  if (const std::optional<std::string> why = to_next_.TakeFailure()) {
    machine.OnNextUnavailable(*why);
    return true;
  }
  if (const std::optional<std::string> why = to_previous_.TakeFailure()) {
    machine.OnPreviousUnavailable(*why);
    return true;
  }
  return false;
}

void ZmqRingLink::Wait(Duration timeout, bool wake_on_release) {
  if (wake_on_release && !releases_->WakeOnNext()) return;
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  ZmqInput* const inputs[] = {&from_listener_, to_next_.input(), to_next_.events(),
                              to_previous_.input(), to_previous_.events()};
  if (WaitForInput(event_fd_, inputs, static_cast<int>(std::max<std::int64_t>(0, milliseconds)))) {
    eventfd_t count;
    eventfd_read(event_fd_, &count);
  }
}

void ZmqRingLink::Wake() { eventfd_write(event_fd_, 1); }

}  // namespace runtime
