#include "runtime/actor/node.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "runtime/actor/admission.h"
#include "runtime/actor/head_link.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

// Messages handled by one RunReady: the thread looks at its stop flag in between.
constexpr int kBatch = 256;

std::unique_ptr<Membership> MakeMembership(const Membership::Parts& parts) {
  if (parts.options.is_head) return std::make_unique<Admission>(parts);
  return std::make_unique<HeadLink>(parts);
}

}  // namespace

Node::Node(NodeOptions options, const Clock& clock, Transport& transport)
    : options_(std::move(options)),
      clock_(clock),
      transport_(transport),
      mailbox_(std::make_shared<Mailbox>(options_.mailbox)),
      roster_(options_.liveness, options_.witness_role),
      host_({.self = options_.id,
             .clock = clock_,
             .mailbox = mailbox_,
             .outside = *this,
             .drops = drops_,
             .log = options_.log}),
      membership_(MakeMembership({.options = options_,
                                  .clock = clock_,
                                  .transport = transport_,
                                  .roster = roster_,
                                  .drops = drops_,
                                  .host = *this})) {
  REQUIRE(!options_.id.IsNull() && options_.id != kHeadNode);
  const absl::Status spawned = host_.SpawnNodeActor([this] {
    // Only the head starts actors here: a node's other frames come by way of it, but name their
    // sender.
    auto may_spawn = [this](NodeId node) {
      return node == options_.id || (!up_.empty() && !options_.is_head && node == up_.front().id);
    };
    return std::make_unique<NodeActor>(options_.is_head, std::move(may_spawn), kinds_);
  });
  REQUIRE(spawned.ok());
}

Node::~Node() { Stop(Duration::zero()); }

absl::Status Node::Spawn(const std::string& name, ActorFactory factory,
                         const Supervision& supervision) {
  return host_.Spawn(name, std::move(factory), supervision);
}

void Node::RegisterKind(const std::string& kind, absl::AnyInvocable<std::unique_ptr<Actor>()> make,
                        const Supervision& supervision) {
  kinds_[kind] = std::make_shared<ActorKind>(ActorKind{std::move(make), supervision});
}

absl::Status Node::Start() {
  REQUIRE(!started_ && !stopped_);
  RETURN_IF_ERROR(transport_.Start(*this));
  started_ = true;
  // On the actor thread, which may not be this one.
  host_.After(Duration::zero(), [this] { membership_->Start(); });
  if (options_.is_head) OnJoined();
  return absl::OkStatus();
}

void Node::Stop(Duration linger, const std::string& reason) {
  if (std::exchange(stopped_, true)) return;
  host_.StopAll();
  if (started_) {
    membership_->Stop(reason);
    transport_.Stop(linger);
  }
  mailbox_->Close();
  OnEnd(absl::CancelledError(reason));
}

bool Node::RunReady() {
  for (int handled = 0; handled < kBatch; ++handled) {
    host_.RunDeferred();
    host_.RunTimers();
    std::optional<Letter> letter = mailbox_->Pop();
    if (!letter.has_value()) return host_.HasDeferred();
    Handle(*std::move(letter));
  }
  return true;
}

void Node::Handle(Letter letter) {
  if (auto* frame = std::get_if<FrameLetter>(&letter.content)) {
    HandleFrame(letter.source, std::move(*frame));
  } else if (auto* posted = std::get_if<PostedLetter>(&letter.content)) {
    host_.RunPosted(std::move(*posted));
  } else {
    membership_->OnDisconnected(letter.source, std::get<DisconnectedLetter>(letter.content).why);
  }
}

void Node::HandleFrame(NodeId source, FrameLetter letter) {
  const bool local = source == options_.id;
  if (!local && !membership_->OnFrame(source, *letter.reader)) return;
  const NodeId to = letter.reader->envelope().to;
  // What is published is addressed to no node.
  if (IsSelf(to) || (to.IsNull() && !options_.is_head)) {
    host_.Deliver(std::move(letter));
  } else if (options_.is_head && !to.IsNull()) {
    Relay(letter);
  } else {
    ++drops_.actor;
  }
}

void Node::Relay(const FrameLetter& letter) {
  const Envelope& envelope = letter.reader->envelope();
  const absl::StatusOr<NodeId> peer = membership_->RouteTo(envelope.to);
  const absl::Status sent =
      peer.ok() ? transport_.Send(*peer, Traffic::kControl, letter.frame) : peer.status();
  if (sent.ok()) return;
  ++(peer.ok() ? drops_.full : drops_.actor);
  host_.RefuseAsk(envelope, absl::UnavailableError(sent.message()));
}

absl::Status Node::Send(const ActorAddress& to, Traffic traffic, Frame frame) {
  if (frame.size() * sizeof(std::uint64_t) > kMaxFrameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", frame.size() * sizeof(std::uint64_t),
                     " bytes is too long; the most is ", kMaxFrameBytes));
  }
  if (to.node.IsNull()) return absl::InvalidArgumentError("a message to no node");
  if (IsSelf(to.node)) return SendLocal(std::move(frame));
  ASSIGN_OR_RETURN(const NodeId peer, membership_->RouteTo(to.node));
  absl::Status sent = transport_.Send(peer, traffic, std::move(frame));
  if (absl::IsResourceExhausted(sent)) ++drops_.full;
  return sent;
}

absl::Status Node::SendLocal(Frame frame) {
  FrameLetter letter{.frame = std::move(frame)};
  ASSIGN_OR_RETURN(letter.reader, FrameReader::Open(letter.frame));
  absl::Status pushed = mailbox_->Push({options_.id, std::move(letter)});
  if (absl::IsResourceExhausted(pushed)) ++drops_.full;
  // Our own actors send faster than they handle: no policy can save that.
  if (absl::IsInternal(pushed)) OnEnd(pushed);
  return pushed;
}

absl::Status Node::Publish(Traffic traffic, Frame frame) {
  if (!options_.is_head) return absl::FailedPreconditionError("only the head's node publishes");
  return transport_.Publish(traffic, std::move(frame));
}

void Node::Evict(NodeId node, const absl::Status& why) { membership_->Evict(node, why); }

void Node::After(Duration delay, absl::AnyInvocable<void()> then) {
  host_.After(delay, std::move(then));
}

void Node::OnUp(const NodeInfo& node) {
  up_.push_back(node);
  host_.AnnounceUp(node);
}

void Node::OnDown(NodeId node, const absl::Status& why) {
  std::erase_if(up_, [&](const NodeInfo& info) { return info.id == node; });
  // A node without its head reaches nobody.
  host_.AnnounceDown(
      node, why, [&](NodeId asked) { return options_.is_head ? asked == node : !IsSelf(asked); });
}

void Node::OnFrame(NodeId from, Frame frame) {
  FrameLetter letter{.frame = std::move(frame)};
  absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(letter.frame);
  if (!reader.ok()) {
    ++drops_.decode;
    return;
  }
  letter.reader = *std::move(reader);
  if (membership_->OnArrival(from, *letter.reader)) return;
  const absl::Status pushed = mailbox_->Push({from, std::move(letter)});
  if (pushed.ok()) return;
  ++drops_.full;
  if (absl::IsInternal(pushed)) {
    roster_.OnFault(options_.is_head ? from : kHeadNode, std::string(pushed.message()));
  }
}

void Node::OnDisconnected(NodeId peer, absl::Status why) {
  // If the mailbox refuses it, the peer has flooded it and is cut off for that.
  (void)mailbox_->Push({peer, DisconnectedLetter{std::move(why)}});
}

void Node::OnJoined() {
  {
    MutexLock lock(mutex_);
    joined_ = true;
  }
  changed_.NotifyAll();
}

void Node::OnEnd(const absl::Status& why) {
  {
    MutexLock lock(mutex_);
    if (!ended_.has_value()) ended_ = why;
  }
  changed_.NotifyAll();
}

bool Node::IsJoined() const {
  MutexLock lock(mutex_);
  return joined_;
}

std::optional<absl::Status> Node::Ended() const {
  MutexLock lock(mutex_);
  return ended_;
}

absl::Status Node::WaitJoined(Time deadline) {
  MutexLock lock(mutex_);
  while (!joined_ && !ended_.has_value()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return absl::DeadlineExceededError("the head has not answered yet");
    }
    changed_.WaitUntil(mutex_, deadline);
  }
  return ended_.value_or(absl::OkStatus());
}

std::optional<absl::Status> Node::WaitEnded(Time deadline) {
  MutexLock lock(mutex_);
  while (!ended_.has_value() && std::chrono::steady_clock::now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  return ended_;
}

Drops Node::Dropped() const {
  Drops drops = transport_.Dropped();
  drops += drops_.Read();
  return drops;
}

}  // namespace runtime
